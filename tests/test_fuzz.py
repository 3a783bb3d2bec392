"""Hostile bytes as .mat, tar, table and picture: one line of error, no escape, no hang.

Valid seeds are built here, mutated, and sealed again (checksums, compression), so that the damage
reaches the code behind the checksum. 500 inputs in `make test`, 10,000 more in `make soak`.
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

from ganzoo_core.data import matlab, picture
from ganzoo_core.data.archive import open_files
from ganzoo_core.errors import DataError
from ganzoo_core.interfaces import UnreadableImage
from ganzoo_core.zoo import resolve, zoo

FEW = settings(
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
MANY = settings(FEW, max_examples=2500)
PATIENCE = 30
"""Seconds of wall time after which one input counts as a hang; those in which the process was
stopped do not count."""
SECRET = b"nobody may read this"


class Hang(BaseException):
    """Not an Exception, so that no `except` on the way takes it for damage."""


@contextmanager
def no_hang():
    """Raise `Hang` in what takes too long."""

    left = PATIENCE

    def tick(*_):
        nonlocal left
        left -= 1  # signals do not pile up: a process that was stopped gets one on waking
        if not left:
            raise Hang

    before = signal.signal(signal.SIGALRM, tick)
    signal.setitimer(signal.ITIMER_REAL, 1, 1)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


# --- mutations ------------------------------------------------------------------------------------

PLACES = st.integers(0, 2**16)
WORDS = st.one_of(
    st.sampled_from([bytes(4), b"\xff" * 4, b"\x7f\xff\xff\xff", b"\xff\xff\xff\x7f", b"\1\0\0\0"]),
    st.binary(min_size=1, max_size=16),
)
CHANGES = st.lists(
    st.tuples(
        st.sampled_from(["flip", "flip", "write", "write", "insert", "delete", "copy", "cut"]),
        PLACES,
        PLACES,
        WORDS,
    ),
    max_size=5,
)


def mutated(data, changes):
    """Carry out bit flips, overwriting, insertion, deletion, repetition and truncation."""
    for kind, place, other, word in changes:
        at = place % (len(data) + 1)
        length = other % 64
        if kind == "flip" and at < len(data):
            data = data[:at] + bytes([data[at] ^ 1 << other % 8]) + data[at + 1 :]
        elif kind == "write":
            data = data[:at] + word + data[at + len(word) :]
        elif kind == "insert":
            data = data[:at] + word + data[at:]
        elif kind == "delete":
            data = data[:at] + data[at + length :]
        elif kind == "copy":
            data = data[: at + length] + data[at:]
        elif kind == "cut":
            data = data[:at]
    return data


def refused(call, *errors):
    """Return what a call gives, or None where it refuses in one line."""
    try:
        return call()
    except errors as error:
        assert "\n" not in str(error) or DataError not in errors
        return None


# --- .mat -----------------------------------------------------------------------------------------


@functools.cache
def mat_seeds():
    """Return variables of every class that is read, without the header of the file."""
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
    body = mutated(seed[matlab.HEADER :], draw(CHANGES))
    if draw(st.booleans()):
        packed = zlib.compress(body)
        body = struct.pack("<II", matlab.COMPRESSED, len(packed)) + packed
    file = seed[: matlab.HEADER] + body
    return mutated(file, draw(CHANGES)) if draw(st.booleans()) else file


def check_mat(data, folder):
    refused(lambda: matlab.variable(data, "x"), *matlab.DAMAGE)
    refused(lambda: matlab.variable(data, "absent"), *matlab.DAMAGE)


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
TYPES = st.sampled_from([*b"001234567LKxgSDVN\0", 200]).map(lambda n: bytes([n]))
HEADERS = st.dictionaries(
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
    st.tuples(NAMES, TYPES, NAMES, st.binary(max_size=40), HEADERS), min_size=1, max_size=4
)


def packed(members, form):
    """Return a tar of members of any type, with any names, links and pax headers."""
    out = io.BytesIO()
    with tarfile.open(
        fileobj=out, mode="w", format=form, encoding="utf-8", errors="surrogateescape"
    ) as tar:
        for name, kind, link, content, pax in members:
            info = tarfile.TarInfo(name.encode(errors="replace").decode())
            info.type, info.size = kind, len(content)
            info.linkname = link.encode(errors="replace").decode()
            info.pax_headers = pax
            tar.fileobj.write(info.tobuf(form, "utf-8", "surrogateescape"))
            tar.fileobj.write(content + bytes(-len(content) % 512))
    return out.getvalue()


def with_checksums(data):
    """Return a tar whose headers, however damaged, have the right checksums."""
    out = bytearray(data)
    for at in range(0, len(out) - 511, 512):
        block = out[at : at + 512]
        if block[257:262] == b"ustar":
            total = sum(block[:148]) + 8 * 32 + sum(block[156:])
            out[at + 148 : at + 156] = b"%06o\0 " % total
    return bytes(out)


@st.composite
def tars(draw):
    """Pack hostile members, mutate, seal, perhaps compress, and perhaps mutate again."""
    forms = st.sampled_from([tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
    form = draw(forms)
    try:
        data = packed(draw(MEMBERS), form)
    except ValueError:  # a name too long for USTAR
        data = packed([("a.jpg", tarfile.REGTYPE, "", b"picture", {})], form)
    data = mutated(data, draw(CHANGES))
    data = with_checksums(data) if draw(st.booleans()) else data
    if draw(st.booleans()):
        data = gzip.compress(data, mtime=0)
        data = mutated(data, draw(CHANGES)) if draw(st.booleans()) else data
    return data


def check_tar(data, folder):
    path = folder / "inside" / "a.tar"
    path.write_bytes(data)
    files = refused(lambda: open_files(path), DataError)
    if files is None:
        return
    with files:
        for name in files.names:
            parts = name.split("/")
            assert ".." not in parts and not name.startswith("/")
            content = refused(lambda name=name: files.read(name), DataError)
            assert content is None or SECRET not in content
        for name in ("../secret", "/etc/passwd", str(folder / "secret")):
            assert refused(lambda name=name: files.read(name), DataError) is None


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
NUMBERS = st.floats(allow_subnormal=False)
"""Training flushes subnormal numbers to zero, and hypothesis refuses to draw them ever after."""
COLUMNS = st.lists(
    st.sampled_from(["path", "path", "age", "identity", "label", "Path", "pth", "", "x"]),
    min_size=1,
    max_size=5,
)


@st.composite
def tables(draw):
    """Write a CSV or JSONL of hostile cells, or of good ones, and mutate it."""
    columns = draw(st.one_of(st.just(["path", "age", "label"]), COLUMNS))
    rows = draw(st.lists(st.lists(CELLS, min_size=len(columns), max_size=len(columns)), max_size=4))
    rows.append([{"path": "a.jpg", "age": "30"}.get(column, "c") for column in columns])
    if lines := draw(st.booleans()):
        loose = st.one_of(st.none(), st.integers(), NUMBERS, st.lists(CELLS, max_size=1), CELLS)
        rows = [dict(zip(columns, row, strict=True)) for row in rows]
        rows[0][columns[0]] = draw(st.one_of(st.just(rows[0][columns[0]]), loose))
        text = "\n".join(json.dumps(row) for row in rows)
    else:
        comma = draw(st.sampled_from(",;\t"))
        text = "\n".join(comma.join(row) for row in [columns, *rows])
    name = "t.jsonl" if lines else "t.csv"
    return name, mutated(text.encode(errors="surrogatepass"), draw(CHANGES))


def check_table(table, folder):
    name, data = table
    path = folder / "inside" / name
    path.write_bytes(data)
    spec = zoo().dataset("table")
    config = resolve(spec.config)(name="table", path=str(path), size=16)
    dataset = refused(lambda: resolve(spec.target)(config), DataError)
    if dataset is None:
        return
    for index in range(dataset.table().length):
        shown = refused(lambda index=index: dataset.image(index), DataError, UnreadableImage)
        inside = (path.parent / dataset.describe(index)).resolve()
        assert inside.is_relative_to(path.parent.resolve())
        assert shown is None or shown.mode in {"L", "RGB"}


# --- pictures -------------------------------------------------------------------------------------


@functools.cache
def picture_seeds():
    """Return a small picture in each format that is read, and in each of its modes."""
    image = Image.radial_gradient("L").resize((24, 20))
    colour = Image.merge("RGB", (image, image.rotate(90), image.rotate(180)))
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
            (image if mode == "I;16" else colour).convert(mode).save(out, form, **extra)
            seeds.append(out.getvalue())
    out = io.BytesIO()
    colour.save(out, "JPEG", progressive=True, comment=b"ganzoo")
    plain = b"P2 3 2 9 " + b" ".join(b"%d" % n for n in range(6))
    return [*seeds, out.getvalue(), plain]


def with_crcs(data):
    """Return a PNG whose chunks, however damaged, have the right checksums."""
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
def pictures(draw):
    """Mutate a picture, or write random bytes after the first few of one."""
    seed = draw(st.sampled_from(picture_seeds()))
    if draw(st.integers(0, 7)) == 0:
        return seed[: draw(st.integers(0, 16))] + draw(st.binary(max_size=64))
    data = mutated(seed, draw(CHANGES))
    return with_crcs(data) if draw(st.booleans()) else data


def check_picture(data, folder):
    for options in ({}, {"box": (3.0, 2.0, 12.0, 15.0), "margin": 0.4}):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            shown = refused(
                lambda options=options: picture.decode(data, size=8, **options), UnreadableImage
            )
        assert shown is None or (shown.mode in {"L", "RGB"} and min(shown.size) > 0)


# --- the tests ------------------------------------------------------------------------------------

KINDS = {
    "mat": (mats(), check_mat),
    "tar": (tars(), check_tar),
    "table": (tables(), check_table),
    "picture": (pictures(), check_picture),
}


@pytest.fixture
def folder(tmp_path):
    """A folder with a secret beside what may be read, and a link to the secret."""
    inside = tmp_path / "inside"
    inside.mkdir()
    (tmp_path / "secret").write_bytes(SECRET)
    (inside / "link.jpg").symlink_to(tmp_path / "secret")
    for name, form in (("a.jpg", "JPEG"), ("b.png", "PNG")):
        Image.new("RGB", (8, 8), "red").save(inside / name, form)
    return tmp_path


def hold(kind, data, folder):
    """Draw an input and check it; nothing may appear in the folder or change there."""
    strategy, check = KINDS[kind]
    value = data.draw(strategy)
    with no_hang():
        check(value, folder)
    left = {p.name for p in folder.rglob("*")} - {"a.tar", "t.csv", "t.jsonl"}
    assert left == {"inside", "secret", "link.jpg", "a.jpg", "b.png"}
    assert (folder / "secret").read_bytes() == SECRET


@pytest.mark.parametrize("kind", KINDS)
@FEW
@given(data=st.data())
def test_hostile_bytes(kind, data, folder):
    hold(kind, data, folder)


@pytest.mark.soak
@pytest.mark.parametrize("kind", KINDS)
@MANY
@given(data=st.data())
def test_many_hostile_bytes(kind, data, folder):
    hold(kind, data, folder)
