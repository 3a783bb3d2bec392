"""Malicious .mat files, tars, tables and images: a one-line error, no path traversal, no hang.

The tests mutate valid files and fix their checksums and compression, so that the damage reaches the
code behind the checksum. 500 inputs in `make test`, 10,000 more in `make soak`.
"""

import functools
import gzip
import io
import json
import signal
import struct
import tarfile
import warnings
import zlib
from contextlib import contextmanager

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy.io import savemat

from ganzoo_core.data import image_decoding, matlab
from ganzoo_core.data.archive import open_files
from ganzoo_core.errors import DataError
from ganzoo_core.interfaces import UnreadableImage
from ganzoo_core.zoo import import_target, zoo

FAST_SETTINGS = settings(
    max_examples=125,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=[
        HealthCheck.function_scoped_fixture,
        HealthCheck.too_slow,
        HealthCheck.data_too_large,
    ],
)
SOAK_SETTINGS = settings(FAST_SETTINGS, max_examples=2500)
TIMEOUT_SECONDS = 30
"""Time after which one input counts as a hang, except while the process is stopped."""
SECRET = b"nobody may read this"


class TimeoutExceeded(BaseException):
    """A BaseException, so that no `except Exception` catches it."""


@contextmanager
def time_limit():
    """Raise TimeoutExceeded after TIMEOUT_SECONDS."""
    seconds_left = TIMEOUT_SECONDS

    def tick(*_):
        nonlocal seconds_left
        seconds_left -= 1  # a stopped process gets one signal when it continues
        if not seconds_left:
            raise TimeoutExceeded

    before = signal.signal(signal.SIGALRM, tick)
    signal.setitimer(signal.ITIMER_REAL, 1, 1)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


# --- mutations ------------------------------------------------------------------------------------

OFFSETS = st.integers(0, 2**16)
BYTE_STRINGS = st.one_of(
    st.sampled_from([bytes(4), b"\xff" * 4, b"\x7f\xff\xff\xff", b"\xff\xff\xff\x7f", b"\1\0\0\0"]),
    st.binary(min_size=1, max_size=16),
)
MUTATIONS = st.lists(
    st.tuples(
        st.sampled_from(["flip", "flip", "write", "write", "insert", "delete", "copy", "cut"]),
        OFFSETS,
        OFFSETS,
        BYTE_STRINGS,
    ),
    max_size=5,
)


def mutate(data, mutations):
    """Apply bit flips, overwriting, insertion, deletion, repetition and truncation."""
    for kind, place, other, word in mutations:
        offset = place % (len(data) + 1)
        length = other % 64
        if kind == "flip" and offset < len(data):
            data = data[:offset] + bytes([data[offset] ^ 1 << other % 8]) + data[offset + 1 :]
        elif kind == "write":
            data = data[:offset] + word + data[offset + len(word) :]
        elif kind == "insert":
            data = data[:offset] + word + data[offset:]
        elif kind == "delete":
            data = data[:offset] + data[offset + length :]
        elif kind == "copy":
            data = data[: offset + length] + data[offset:]
        elif kind == "cut":
            data = data[:offset]
    return data


def result_or_none(function, *errors):
    """Return the result of a call, or None if it raises one of the errors, in one line."""
    try:
        return function()
    except errors as error:
        assert "\n" not in str(error) or DataError not in errors
        return None


# --- .mat -----------------------------------------------------------------------------------------


@functools.cache
def mat_seeds():
    """Return files with variables of every supported class."""
    cells = np.empty((1, 3), object)
    cells[0] = [np.arange(4.0), "Zoë", np.zeros((0, 0))]
    inner = {"dob": np.arange(5, dtype=np.uint16), "name": cells, "sex": np.array([0, np.nan])}
    nested = {"x": {"y": {"z": cells}, "big": np.arange(6, dtype=np.int64).reshape(2, 3)}}
    seeds = []
    for values in ({"x": inner}, nested, {"x": "text"}, {"x": np.eye(3, dtype=np.float32)}):
        out = io.BytesIO()
        savemat(out, values)
        seeds.append(out.getvalue())
    return seeds


@st.composite
def mats(draw):
    """Mutate a variable, perhaps compress it, and perhaps mutate the file."""
    seed = draw(st.sampled_from(mat_seeds()))
    body = mutate(seed[matlab.HEADER_BYTES :], draw(MUTATIONS))
    if draw(st.booleans()):
        packed = zlib.compress(body)
        body = struct.pack("<II", matlab.COMPRESSED, len(packed)) + packed
    file = seed[: matlab.HEADER_BYTES] + body
    return mutate(file, draw(MUTATIONS)) if draw(st.booleans()) else file


def check_mat(data, folder):
    result_or_none(lambda: matlab.read_variable(data, "x"), *matlab.MAT_ERRORS)
    result_or_none(lambda: matlab.read_variable(data, "absent"), *matlab.MAT_ERRORS)


# --- tar ------------------------------------------------------------------------------------------

NAMES = st.one_of(
    st.sampled_from(
        [
            "a.jpg",
            "b/c.jpg",
            "../secret",
            "/etc/passwd",
            "b/../../secret",
            "./a.jpg",
            "",
            ".",
            "..",
            "x" * 150,
            "é" * 90,
            "a\nb.jpg",
            "\x1b[31m.jpg",
            "C:\\secret",
            "a//b",
            "a.jpg/inside",
        ]
    ),
    st.text(max_size=12),
)
MEMBER_TYPES = st.sampled_from([*b"001234567LKxgSDVN\0", 200]).map(lambda n: bytes([n]))
PAX_HEADERS = st.dictionaries(
    st.sampled_from(
        [
            "path",
            "size",
            "linkpath",
            "GNU.sparse.major",
            "GNU.sparse.map",
            "GNU.sparse.minor",
            "GNU.sparse.size",
            "GNU.sparse.realsize",
            "mtime",
        ]
    ),
    st.sampled_from(["1", "0", "-1", "99999999999999999999", "../secret", "", "0,5,9,1", "x"]),
    max_size=2,
)
MEMBERS = st.lists(
    st.tuples(NAMES, MEMBER_TYPES, NAMES, st.binary(max_size=40), PAX_HEADERS),
    min_size=1,
    max_size=4,
)


def write_tar(members, tar_format):
    """Return a tar of members of any type, with any names, links and pax headers."""
    out = io.BytesIO()
    with tarfile.open(
        fileobj=out, mode="w", format=tar_format, encoding="utf-8", errors="surrogateescape"
    ) as tar:
        for name, kind, link, content, pax in members:
            info = tarfile.TarInfo(name.encode(errors="replace").decode())
            info.type, info.size = kind, len(content)
            info.linkname = link.encode(errors="replace").decode()
            info.pax_headers = pax
            tar.fileobj.write(info.tobuf(tar_format, "utf-8", "surrogateescape"))
            tar.fileobj.write(content + bytes(-len(content) % 512))
    return out.getvalue()


def fix_tar_checksums(data):
    """Return a tar with correct checksums in all headers."""
    out = bytearray(data)
    for at in range(0, len(out) - 511, 512):
        block = out[at : at + 512]
        if block[257:262] == b"ustar":
            total = sum(block[:148]) + 8 * 32 + sum(block[156:])
            out[at + 148 : at + 156] = b"%06o\0 " % total
    return bytes(out)


@st.composite
def tars(draw):
    """Write malicious members, mutate, perhaps fix checksums, compress and mutate again."""
    forms = st.sampled_from([tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
    form = draw(forms)
    try:
        data = write_tar(draw(MEMBERS), form)
    except ValueError:  # a name too long for USTAR
        data = write_tar([("a.jpg", tarfile.REGTYPE, "", b"picture", {})], form)
    data = mutate(data, draw(MUTATIONS))
    data = fix_tar_checksums(data) if draw(st.booleans()) else data
    if draw(st.booleans()):
        data = gzip.compress(data, mtime=0)
        data = mutate(data, draw(MUTATIONS)) if draw(st.booleans()) else data
    return data


def check_tar(data, folder):
    path = folder / "inside" / "a.tar"
    path.write_bytes(data)
    files = result_or_none(lambda: open_files(path), DataError)
    if files is None:
        return
    with files:
        for name in files.names:
            parts = name.split("/")
            assert ".." not in parts and not name.startswith("/")
            content = result_or_none(lambda name=name: files.read(name), DataError)
            assert content is None or SECRET not in content
        for name in ("../secret", "/etc/passwd", str(folder / "secret")):
            assert result_or_none(lambda name=name: files.read(name), DataError) is None


# --- tables ---------------------------------------------------------------------------------------

CELLS = st.one_of(
    st.sampled_from(
        [
            "a.jpg",
            "b.png",
            "../secret",
            "..\\secret",
            "/etc/passwd",
            "C:\\secret",
            "link.jpg",
            ".",
            "31",
            "-1",
            "1e9",
            "nan",
            "inf",
            "9" * 400,
            "",
            '"',
            "\0",
            "\x1b[31m",
            "a.jpg/x",
            "gone",
        ]
    ),
    st.text(max_size=10),
)
FLOATS = st.floats(allow_subnormal=False)
"""Without subnormals: training flushes them to zero, and hypothesis then refuses to draw them."""
COLUMNS = st.lists(
    st.sampled_from(["path", "path", "age", "identity", "label", "Path", "pth", "", "x"]),
    min_size=1,
    max_size=5,
)


@st.composite
def tables(draw):
    """Write a CSV or JSONL of malicious or valid cells, and mutate it."""
    columns = draw(st.one_of(st.just(["path", "age", "label"]), COLUMNS))
    rows = draw(st.lists(st.lists(CELLS, min_size=len(columns), max_size=len(columns)), max_size=4))
    rows.append([{"path": "a.jpg", "age": "30"}.get(column, "c") for column in columns])
    if lines := draw(st.booleans()):
        loose = st.one_of(st.none(), st.integers(), FLOATS, st.lists(CELLS, max_size=1), CELLS)
        rows = [dict(zip(columns, row, strict=True)) for row in rows]
        rows[0][columns[0]] = draw(st.one_of(st.just(rows[0][columns[0]]), loose))
        text = "\n".join(json.dumps(row) for row in rows)
    else:
        comma = draw(st.sampled_from(",;\t"))
        text = "\n".join(comma.join(row) for row in [columns, *rows])
    name = "t.jsonl" if lines else "t.csv"
    return name, mutate(text.encode(errors="surrogatepass"), draw(MUTATIONS))


def check_table(table, folder):
    name, data = table
    path = folder / "inside" / name
    path.write_bytes(data)
    spec = zoo().dataset("table")
    config = import_target(spec.config)(name="table", path=str(path), image_size=16)
    dataset = result_or_none(lambda: import_target(spec.target)(config), DataError)
    if dataset is None:
        return
    for index in range(dataset.metadata().length):
        shown = result_or_none(
            lambda index=index: dataset.load_image(index), DataError, UnreadableImage
        )
        inside = (path.parent / dataset.sample_name(index)).resolve()
        assert inside.is_relative_to(path.parent.resolve())
        assert shown is None or shown.mode in {"L", "RGB"}


# --- images ---------------------------------------------------------------------------------------


@functools.cache
def image_seeds():
    """Return a small image in each supported format and mode."""
    image = Image.radial_gradient("L").resize((24, 20))
    color = Image.merge("RGB", (image, image.rotate(90), image.rotate(180)))
    exif = Image.Exif()
    exif[0x0112] = 6
    seeds = []
    for form, modes in {
        "JPEG": ("L", "RGB", "CMYK"),
        "PNG": ("1", "L", "P", "RGB", "RGBA", "I;16"),
        "WEBP": ("RGB", "RGBA"),
        "BMP": ("1", "L", "P", "RGB"),
        "PPM": ("1", "L", "RGB", "I;16"),
        "GIF": ("L",),
    }.items():
        for mode in modes:
            out = io.BytesIO()
            extra = {"exif": exif} if form in {"JPEG", "WEBP", "PNG"} else {}
            (image if mode == "I;16" else color).convert(mode).save(out, form, **extra)
            seeds.append(out.getvalue())
    out = io.BytesIO()
    color.save(out, "JPEG", progressive=True, comment=b"ganzoo")
    plain = b"P2 3 2 9 " + b" ".join(b"%d" % n for n in range(6))
    return [*seeds, out.getvalue(), plain]


def fix_png_crcs(data):
    """Return a PNG with correct checksums in all chunks."""
    if not data.startswith(b"\x89PNG\r\n\x1a\n"):
        return data
    out, at = bytearray(data), 8
    while at + 12 <= len(out):
        end = at + 8 + int.from_bytes(out[at : at + 4], "big")
        if end + 4 > len(out):
            break
        out[end : end + 4] = zlib.crc32(out[at + 4 : end]).to_bytes(4, "big")
        at = end + 4
    return bytes(out)


@st.composite
def images(draw):
    """Mutate an image, or append random bytes to its first bytes."""
    seed = draw(st.sampled_from(image_seeds()))
    if draw(st.integers(0, 7)) == 0:
        return seed[: draw(st.integers(0, 16))] + draw(st.binary(max_size=64))
    data = mutate(seed, draw(MUTATIONS))
    return fix_png_crcs(data) if draw(st.booleans()) else data


def check_image(data, folder):
    for options in ({}, {"box": (3.0, 2.0, 12.0, 15.0), "margin": 0.4}):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            shown = result_or_none(
                lambda options=options: image_decoding.decode_image(data, target_size=8, **options),
                UnreadableImage,
            )
        assert shown is None or (shown.mode in {"L", "RGB"} and min(shown.size) > 0)


# --- the tests ------------------------------------------------------------------------------------

INPUT_KINDS = {
    "mat": (mats(), check_mat),
    "tar": (tars(), check_tar),
    "table": (tables(), check_table),
    "image": (images(), check_image),
}


@pytest.fixture
def sandbox(tmp_path):
    """A folder with images and a link to a secret file outside of it."""
    inside = tmp_path / "inside"
    inside.mkdir()
    (tmp_path / "secret").write_bytes(SECRET)
    (inside / "link.jpg").symlink_to(tmp_path / "secret")
    for name, form in (("a.jpg", "JPEG"), ("b.png", "PNG")):
        Image.new("RGB", (8, 8), "red").save(inside / name, form)
    return tmp_path


def run_fuzz_case(kind, data, folder):
    """Draw an input and check it; no file in the folder may be added or changed."""
    strategy, check = INPUT_KINDS[kind]
    value = data.draw(strategy)
    with time_limit():
        check(value, folder)
    remaining_files = {p.name for p in folder.rglob("*")} - {"a.tar", "t.csv", "t.jsonl"}
    assert remaining_files == {"inside", "secret", "link.jpg", "a.jpg", "b.png"}
    assert (folder / "secret").read_bytes() == SECRET


@pytest.mark.parametrize("kind", INPUT_KINDS)
@FAST_SETTINGS
@given(data=st.data())
def test_fuzz_input_files(kind, data, sandbox):
    run_fuzz_case(kind, data, sandbox)


@pytest.mark.soak
@pytest.mark.parametrize("kind", INPUT_KINDS)
@SOAK_SETTINGS
@given(data=st.data())
def test_fuzz_input_files_soak(kind, data, sandbox):
    run_fuzz_case(kind, data, sandbox)
