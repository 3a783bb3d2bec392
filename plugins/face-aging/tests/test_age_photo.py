"""`ganzoo age` on whole photographs: sizes, several faces, videos, picked weights, errors."""

import dataclasses
import json
import re
from collections import Counter
from functools import cache
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from ganzoo_face_aging import aging, aging_outputs, installed_weights, photos
from ganzoo_face_aging.align_transform import FaceAlign
from ganzoo_face_aging.commands import age as age_command
from ganzoo_face_aging.face_alignment import CropGeometry
from ganzoo_face_aging.installed_weights import InstalledWeights
from ganzoo_face_aging.target_ages import parse_target_ages
from ganzoo_face_aging.testing import BrighteningModel
from PIL import Image

import ganzoo_core as gz
from ganzoo_core.config import data_config_class, parse
from ganzoo_core.errors import UsageError
from ganzoo_core.training.open_data import open_dataset
from ganzoo_core.zoo import WeightsSpec, zoo

INFO = gz.DataInfo(
    image_size=32,
    class_names=("0-18", "19-29", "30+"),
    class_counts=(3, 0, 2),
    class_mean_ages=(10.0, None, 50.0),
    age_bins=(18, 29),
    crop=CropGeometry().to_json(),
)


class OlderOnlyModel(BrighteningModel):
    def supported_transitions(self, source, target):
        return target >= source


class FakePretrained:
    sha256 = "ab"


@cache
def portraits(count=3):
    """Return rendered portraits, [200, 200, 3]."""
    values = {"name": "people", "image_size": 200, "count": 40, "nuisance_scale": 0.35}
    data = open_dataset(parse(data_config_class("people"), values, "data"))
    return data.render_at_ages(range(count), [30.0] * count)


def row_of(faces):
    """Return portraits beside each other on a larger background."""
    photo = Image.new("RGB", (240 * len(faces) + 60, 300), (90, 120, 150))
    for i, face in enumerate(faces):
        photo.paste(Image.fromarray(face), (40 + 240 * i, 60))
    return photo


@pytest.fixture
def run_age(tmp_path, monkeypatch):
    """Return a function that runs the command in a folder, with a toy model as weights `run`."""
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "ganzoo.json").touch()
    monkeypatch.chdir(tmp_path)
    models = {"run": BrighteningModel(INFO)}
    monkeypatch.setattr(
        "ganzoo_core.training.loading.load_with_record",
        lambda name, **_: (models[Path(name).name], FakePretrained),
    )

    def run(*words):
        return CliRunner().invoke(age_command, [*map(str, words)])

    run.models = models
    return run


def test_photo_keeps_its_size_and_background(run_age):
    photo = row_of(portraits(1))
    photo.save("a.png")
    done = run_age("run", "a.png", "--to", "45", "--from", 10, "--out", "b.png")
    assert done.exit_code == 0, done.output
    before, after = np.array(photo).astype(int), np.array(Image.open("b.png")).astype(int)
    assert after.shape == before.shape
    assert (after[:, :10] == before[:, :10]).all() and (after[:20] == before[:20]).all()
    face = (slice(150, 170), slice(130, 150))  # between the eyes and the mouth
    change = after[face] - before[face]
    assert np.median(change) == pytest.approx(0.2 * 127.5, abs=1)
    assert "30+" in done.stdout and "0-18" not in done.stdout.replace("input, 10", "")


def test_default_names_of_the_output(run_age):
    row_of(portraits(1)).save("me.webp")
    for words, name in (
        (("--to", "30+"), "me-30+.webp"),
        (("--to", "45"), "me-45.webp"),
        ((), "me-ages.png"),
        (("--gif",), "me-ages.gif"),
    ):
        done = run_age("run", "me.webp", "--from", 10, *words)
        assert done.exit_code == 0 and f"written to {name}" in done.stderr, done.output
        Image.open(name).load()


def test_faces_by_number_from_the_left(run_age):
    photo = row_of(portraits())
    photo.save("a.png")
    words = ("run", "a.png", "--to", "30+", "--from", 10, "--json", "--out", "b.png")

    def changed_columns(*more):
        done = run_age(*words, *more)
        assert done.exit_code == 0, done.output
        difference = np.abs(np.array(Image.open("b.png")).astype(int) - np.array(photo))
        columns = difference.max((0, 2)) > 0
        faces = [bool(columns[40 + 240 * i : 240 + 240 * i].any()) for i in range(3)]
        return faces, json.loads(done.stdout), done.stderr

    faces, records, _ = changed_columns("--face", "all")
    assert faces == [True] * 3 and [record["face"] for record in records] == [1, 2, 3]
    assert changed_columns("--face", "2")[0] == [False, True, False]
    faces, records, notes = changed_columns()
    assert sum(faces) == len(records) == 1
    assert "a.png: 3 faces, the largest is used: --face all or" in notes
    done = run_age(*words, "--face", "4")
    assert done.exception.exit_code == 3 and "no face 4: 3 found" in str(done.exception)


def test_twelve_faces_of_one_photograph(run_age):
    faces = portraits(12)
    photo = Image.new("RGB", (240 * 4 + 60, 260 * 3 + 60), (90, 120, 150))
    for i, face in enumerate(faces):
        photo.paste(Image.fromarray(face), (40 + 240 * (i % 4), 60 + 260 * (i // 4)))
    photo.save("a.png")
    words = ("run", "a.png", "--to", "30+", "--from", 10, "--json", "--out", "b.png")
    done = run_age(*words)
    assert done.exit_code == 0 and "a.png: 12 faces, the largest is used" in done.stderr
    done = run_age(*words, "--face", "all")
    assert [record["face"] for record in json.loads(done.stdout)] == list(range(1, 13))
    change = np.abs(np.array(Image.open("b.png")).astype(int) - np.array(photo)).max(2)
    for i in range(12):
        top, left = 60 + 260 * (i // 4), 40 + 240 * (i % 4)
        assert np.median(change[top + 90 : top + 110, left + 90 : left + 110]) > 15


@pytest.mark.parametrize(
    ("turn", "remedy"), [(90, "90 degrees to the right"), (180, "180 degrees")]
)
def test_photograph_on_its_side_gets_advice(turn, remedy, run_age):
    row_of(portraits(1)).rotate(turn, expand=True).save("a.png")
    done = run_age("run", "a.png", "--to", "30+", "--from", 10)
    assert done.exception.exit_code == 3
    assert str(done.exception).endswith(f"; turn it by {remedy}, which shows a face")


def test_faces_are_cropped_as_the_training_images(tmp_path, monkeypatch):
    """A transform with `realign` crops each detected face again."""
    row_of(portraits()).save(tmp_path / "a.png")
    seen, shift = [], np.array([[0, 0, 1], [0, 0, 0]])

    class Shifting(FaceAlign):
        @staticmethod
        def realign(pixels, face, geometry, crop_size):
            seen.append((pixels.shape, crop_size))
            return dataclasses.replace(face, matrix=face.matrix + shift)

    monkeypatch.setattr(aging, "import_target", lambda _: Shifting)
    crop = {**INFO.crop, "transform": "face-shift"}
    monkeypatch.setattr(aging, "zoo", lambda: SimpleNamespace(transform=_named_spec))
    plain, _ = aging.load_faces([tmp_path / "a.png"], INFO, which="all")
    moved, _ = aging.load_faces(
        [tmp_path / "a.png"], dataclasses.replace(INFO, crop=crop), which="all"
    )
    assert seen == [((300, 780, 3), 32)] * 3
    for before, after in zip(plain, moved, strict=True):
        difference = after.placement.matrix - before.placement.matrix
        assert np.allclose(difference, shift)


def _named_spec(name):
    assert name == "face-shift"
    return SimpleNamespace(target="")


def test_gray_photograph_stays_gray(run_age):
    class RedModel(BrighteningModel):
        def edit_age(self, images, source_age, target_age):
            aged = super().edit_age(images, source_age, target_age)
            aged[:, :, 0] += 0.4
            return aged.clamp(-1, 1)

    run_age.models["run"] = RedModel(INFO)
    row_of(portraits(1)).convert("L").save("a.png")
    done = run_age("run", "a.png", "--to", "30+", "--from", 10, "--out", "b.png")
    assert done.exit_code == 0, done.output
    pixels = np.array(Image.open("b.png")).astype(int)
    assert (np.ptp(pixels, axis=2) == 0).all()
    assert (pixels[..., 0] != np.array(Image.open("a.png"))).any()


def test_upright_photo_of_each_format(run_age):
    """The orientation is applied once, and the color profile is kept."""
    import pillow_heif

    photo = row_of(portraits(1))
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = photo.transpose(Image.Transpose.ROTATE_90)
    turned.save("a.jpg", exif=exif, quality=95, icc_profile=bytes(16) + b"RGB " + bytes(108))
    turned.save("a.webp", exif=exif, quality=95)
    pillow_heif.from_pillow(photo).save("a.heic", quality=90)
    for name in ("a.jpg", "a.webp", "a.heic"):
        done = run_age("run", name, "--to", "30+", "--from", 10, "--out", "b.jpg")
        assert done.exit_code == 0, done.output
        result = Image.open("b.jpg")
        assert result.size == photo.size and result.getexif().get(0x0112, 1) == 1
        assert len(result.info.get("icc_profile", b"")) == (128 if name == "a.jpg" else 0)
        difference = np.abs(np.array(result).astype(int) - np.array(photo))
        assert difference[:30].mean() < 6 and np.median(difference[150:170, 130:150]) > 15


def test_animation_gives_its_first_frame(run_age):
    photo = row_of(portraits(1))
    photo.save("a.webp", save_all=True, append_images=[Image.new("RGB", photo.size)], quality=95)
    photo.save("a.png", save_all=True, append_images=[Image.new("RGB", photo.size)])
    for name in ("a.webp", "a.png"):
        done = run_age("run", name, "--to", "30+", "--from", 10, "--out", "b.png")
        assert done.exit_code == 0 and f"{name}: animated, its first frame" in done.stderr
        assert np.array(Image.open("b.png")).mean() > 80
    photo.save("a.gif", save_all=True, append_images=[photo])
    done = run_age("run", "a.gif", "--to", "30+", "--out", "b.png")
    assert done.exception.exit_code == 3 and "convert it" in str(done.exception)


def test_lifespan_goes_through_the_photograph(run_age):
    """Ages increase from group to group, and at its own age the photograph is unchanged."""
    photo = row_of(portraits(1))
    photo.save("a.png")
    (face,), _ = aging.load_faces([Path("a.png")], INFO, portrait_size=64)
    images = aging.photos_to_tensor([face], torch.device("cpu"))
    model = BrighteningModel(INFO)
    (strip,) = aging.age_faces(model, images, 24.0, parse_target_ages(model, ["0-18", "30+"]))
    ages, _ = aging_outputs.known_changes(strip, INFO)
    assert ages == [10, 24, 50]
    frames = list(aging_outputs.lifespan_frames([(face, strip)], INFO, 41, 1000))
    values = [float(frame[150:170, 130:150].mean()) for frame in frames]  # one a year from 10 on
    assert values == sorted(values) and values[-1] > values[0] + 20
    assert values[14] == pytest.approx(np.array(photo)[150:170, 130:150].mean())
    small = list(aging_outputs.lifespan_frames([(face, strip)], INFO, 2, 101))
    assert max(small[0].shape) <= 101 and small[0].shape[0] % 2 == small[0].shape[1] % 2 == 0


def test_video_files(run_age):
    row_of(portraits(1)).save("a.png")
    done = run_age("run", "a.png", "--from", 24, "--out", "life.gif")
    assert done.exit_code == 0, done.output
    assert Image.open("life.gif").n_frames >= 40
    imageio_ffmpeg = pytest.importorskip("imageio_ffmpeg")
    done = run_age("run", "a.png", "--from", 24, "--mp4", "--out", "life.mp4")
    assert done.exit_code == 0, done.output
    frames, _ = imageio_ffmpeg.count_frames_and_secs("life.mp4")
    assert frames == aging_outputs._NUM_FRAMES[".mp4"]


def test_folder_of_photographs(run_age, tmp_path):
    (tmp_path / "people").mkdir()
    for name in ("a.png", "b.png"):
        row_of(portraits(1)).save(tmp_path / "people" / name)
    words = ("run", "people", "--to", "30+", "--from", 10, "--out", "older")
    assert run_age(*words).exit_code == 0
    names = sorted(path.name for path in (tmp_path / "older").iterdir())
    assert names == ["0000-a.jpg", "0001-b.jpg", "strips.jsonl"]
    again = run_age(*words, "--json")
    assert "2 of 2 photos already in older" in again.stderr
    assert [record["file"] for record in json.loads(again.stdout)] == names[:2]
    two = run_age("run", "people/a.png", "people/b.png", "--to", "30+", "--from", 10)
    assert two.exit_code == 0 and len(list((tmp_path / "aged-30+").glob("*.jpg"))) == 2


def installed(monkeypatch, **models):
    """Make models installed weights, by their names."""
    found = [InstalledWeights(name, model.info) for name, model in models.items()]
    monkeypatch.setattr(installed_weights, "installed_aging_weights", lambda: found)


def test_installed_weights_that_change_ages(monkeypatch):
    """Only weights with the capability and with their files count; renderings are drawn."""
    target = zoo().evaluator("people-age").target
    specs = [
        WeightsSpec(name=name, summary="", model="m", license="MIT", target=t, capabilities=can)
        for name, t, can in (
            ("w", target, ("edit_age",)),
            ("sampler", target, ("sample",)),
            ("no-files", "ganzoo_people:weights/none", ("edit_age",)),
        )
    ]
    entries = [SimpleNamespace(spec=spec) for spec in specs]
    monkeypatch.setattr(installed_weights, "zoo", lambda: SimpleNamespace(entries=entries))
    (found,) = installed_weights.installed_aging_weights()
    assert (found.name, found.domain, found.info.name) == ("w", "drawn", "people")
    assert InstalledWeights("photos", INFO).domain == "photograph"


def test_weights_are_picked_by_domain_and_reach(run_age, monkeypatch):
    board = (np.indices((320, 320)) // 40).sum(0) % 2 * 255
    photo = np.repeat(board[..., None], 3, 2).astype(np.uint8)
    photo[60:260, 60:260] = portraits(1)[0]
    Image.fromarray(photo).save("a.png")
    Image.fromarray(portraits(1)[0]).resize((64, 64)).save("drawn.png")
    people = open_dataset(
        parse(data_config_class("people"), {"name": "people", "image_size": 32}, "data")
    )
    drawn_info = dataclasses.replace(INFO, crop=None, name="people", version=people.version)
    run_age.models |= {
        "drawn": BrighteningModel(drawn_info),
        "older": OlderOnlyModel(INFO),
        "both": BrighteningModel(INFO),
    }
    names = ("drawn", "older", "both")
    installed(monkeypatch, **{name: run_age.models[name] for name in names})

    def weights_of(photo, *words):
        done = run_age(photo, "--from", 40, "--out", "b.png", *words)
        assert done.exit_code == 0, done.output
        return next(line for line in done.stderr.splitlines() if line.startswith("weights: "))

    count_detections = Counter()
    detect = photos.detect_faces
    monkeypatch.setattr(
        photos, "detect_faces", lambda pixels: count_detections.update(n=1) or detect(pixels)
    )
    assert weights_of("drawn.png", "--to", "30+") == "weights: drawn"
    count_detections.clear()
    assert weights_of("a.png", "--to", "10") == "weights: both"
    assert count_detections["n"] == 1  # for two candidates, and to age the face
    assert weights_of("a.png", "--to", "all") == "weights: both"
    installed(monkeypatch, drawn=run_age.models["drawn"])
    refused = run_age("a.png", "--to", "30+", "--from", 40, "--out", "c.png")
    assert refused.exception.exit_code == 3 and "--anyway" in str(refused.exception)
    assert not Path("c.png").exists()
    assert weights_of("a.png", "--to", "30+", "--anyway") == "weights: drawn"
    monkeypatch.setattr(installed_weights, "installed_aging_weights", list)
    none = run_age("a.png", "--to", "30+")
    assert none.exception.exit_code == 2 and "ganzoo age RUN PHOTO" in str(none.exception)


@pytest.mark.parametrize(
    ("words", "code", "named"),
    [
        (("run", "a.png", "--to", "-3"), 2, "--to -3: an age is 0 to 120 years"),
        (("run", "a.png", "--to", "400"), 2, "--to 400"),
        (
            ("run", "a.png", "--to", "25", "--from", "10"),
            2,
            "without faces of 19-29; they",
        ),
        (("run", "a.png", "--to", "60+", "--from", "10"), 2, "60\\+"),
        (("run", "a.png", "--face", "0"), 2, "--face 0"),
        (("run", "a.png", "--to", "30+", "--out", "a.png"), 2, "the photograph itself"),
        (("run", "a.png", "--mp4", "--out", "a.gif"), 2, r"must end in \.mp4"),
        (("run", "a.png", "--gif", "--out", "no/a.gif"), 5, "no folder no"),
        (("run", "a.png", "--to", "30+", "--out", "a.tif"), 2, r"a\.tif"),
        (("run",), 2, "a photograph after it"),
        (("none.jpg", "--to", "30"), 3, r"none\.jpg: no such image"),
        (("run", "none.jpg", "--to", "30"), 3, r"none\.jpg: no such image"),
        (("run", "empty.png", "--to", "30+"), 3, "no face found; --no-align"),
        (("run", "small.png", "--to", "30+"), 3, "face"),
        (("run", "large.pgm", "--to", "30+"), 3, "12000x9000: over 80 megapixels"),
    ],
)
def test_errors_name_the_remedy(words, code, named, run_age):
    row_of(portraits(1)).save("a.png")
    Image.new("RGB", (300, 300), "gray").save("empty.png")
    row_of(portraits(1)).resize((64, 64)).save("small.png")
    Path("large.pgm").write_bytes(b"P5 12000 9000 255\n" + bytes(100))
    done = run_age(*words)
    assert getattr(done.exception, "exit_code", done.exit_code) == code, done.output
    message = str(done.exception)
    assert "\n" not in message
    assert re.search(named, message), message


def test_unreachable_source_age(run_age):
    run_age.models["run"] = OlderOnlyModel(INFO)
    row_of(portraits(1)).save("a.png")
    done = run_age("run", "a.png", "--to", "10", "--from", "40", "--out", "b.png")
    assert done.exception.exit_code == 2
    assert "--to 0-18: the model does not support this from 30+" in str(done.exception)
    assert not Path("b.png").exists()


def test_mp4_without_its_package(run_age, monkeypatch):
    import importlib.util

    real = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if "ffmpeg" in name else real(name)
    )
    row_of(portraits(1)).save("a.png")
    done = run_age("run", "a.png", "--mp4")
    assert done.exception.exit_code == 2 and "ganzoo-face-aging[video]" in str(done.exception)


def test_large_and_unusual_years():
    info = dataclasses.replace(INFO, class_counts=(3, 1, 2))
    model = BrighteningModel(info)
    targets = parse_target_ages(model, ["0", "18", "18.6", "29", "30", "120"])
    assert [target.label for target in targets] == [0, 1, 2]
    for text in ("nan", "inf", "121"):
        with pytest.raises(UsageError, match="0 to 120"):
            parse_target_ages(model, [text])


def test_large_photograph_is_changed_at_its_full_size(run_age, monkeypatch):
    """Faces are found in a JPEG that is decoded at a half, and changed in the whole one."""
    monkeypatch.setattr(photos, "_MIN_DECODE_SIZE", 64)
    photo = row_of(portraits(1)).resize((1800, 1800), Image.Resampling.BICUBIC)
    photo.save("a.jpg", quality=95)
    (face,), _ = aging.load_faces([Path("a.jpg")], INFO, portrait_size=256)
    assert face.placement.photo_size == (900, 900)
    done = run_age("run", "a.jpg", "--to", "30+", "--from", 10, "--out", "b.png")
    assert done.exit_code == 0, done.output
    change = np.array(Image.open("b.png")).astype(int) - np.array(Image.open("a.jpg"))
    assert change.shape == (1800, 1800, 3) and (change[:150] == 0).all()
    assert np.median(change[900:1020, 780:900]) == pytest.approx(0.2 * 127.5, abs=1)
    middle = face.placement.box  # of the crop, in the half
    columns = np.flatnonzero(change.max((0, 2)))
    assert columns[0] >= 2 * middle[0] - 2 and columns[-1] <= 2 * middle[2] + 2
