"""Ageing faces whose owners nobody knows: thresholds of other people, the same photo again."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from workbench import drawn

from ganzoo_core.errors import UsageError
from ganzoo_core.interfaces import DataInfo
from ganzoo_core.metrics.ageing.contenders import same_photo
from ganzoo_core.metrics.ageing.faces import Faces
from ganzoo_core.report import Progress
from ganzoo_core.runs import protocol, unseen
from ganzoo_core.runs.strangers import refuse_acquaintance, strangers
from ganzoo_core.runs.survey import data_config
from ganzoo_core.testing.shapes import Shapes, ShapesConfig
from ganzoo_core.weights import Bundle, FoundJudge


class Nobody(Shapes):
    """Heads whose owners nobody knows."""

    def table(self):
        return replace(super().table(), identities=None)


@pytest.fixture
def nobody(monkeypatch, tmp_path):
    """Call it to measure the baselines on heads whose owners nobody knows."""
    monkeypatch.setenv("GANZOO_CACHE", str(tmp_path))
    monkeypatch.setattr(protocol, "open_dataset", Nobody)
    monkeypatch.setattr(unseen, "CALIBRATION", 120)
    config = ShapesConfig(name="shapes", count=400, size=32)
    return lambda **wish: protocol.measure(
        config, (30, 50), protocol.Wish(n=40, **wish), Progress(True)
    )


def test_where_nobody_is_known_an_instance_is_looked_for(nobody):
    found = nobody()
    copy = found.figures["identity copy"]
    assert copy["instance_retrieval"].value > 0.9 and "tar_far_0.01" not in copy
    assert found.figures["nearest real"]["instance_retrieval"].value < 0.5
    assert "truth_l1" not in copy and "real pairs" not in found.figures
    assert any("instance retrieval stands in" in note for note in found.notes)
    assert found.stamp["people"] is None and 40 < found.stamp["instances"] <= 1000
    assert found.stamp["calibration"] == "" and found.stamp["thresholds"] == {}
    same, nearest = found.figures["same photo"], found.figures["nearest real"]
    assert nearest["cosine"].value < same["cosine"].value < copy["cosine"].value
    assert set(same["cosine"].parts) == {"0", "1", "2"}


def test_thresholds_come_from_people_of_other_data(nobody):
    without, found = nobody(), nobody(calibration="people")
    for who, figures in without.figures.items():
        assert {name: found.figures[who][name] for name in figures} == figures
    copy, nearest, same = (
        found.figures[who]["tar_far_0.01"].value
        for who in ("identity copy", "nearest real", "same photo")
    )
    assert copy == 1 >= same > nearest and "tar_far_0.001" in found.figures["same photo"]
    stamp = found.stamp
    assert len(stamp["calibration"]) == 64 and set(stamp["thresholds"]) == {"0.01", "0.001"}
    differs = {name for name in stamp if stamp[name] != without.stamp[name]}
    assert differs == {"calibration", "thresholds"}
    said = next(note for note in found.notes if note.startswith("nobody is known"))
    assert "come from 120 photographs of" in said
    assert said.endswith("people of people, split 'calibration'")


def judge_of(folder, name, split):
    """Return a recogniser that learned from a split of a data set."""
    info = DataInfo(size=8, name=name, split=split)
    return FoundJudge("identity", Bundle(folder / "weights", {"data": info.to_json()}))


def test_a_judge_is_not_calibrated_on_people_it_knows(tmp_path):
    fifth = data_config("lfw:x", {"split": "test", "test_share": 0.2})
    refuse_acquaintance(judge_of(tmp_path, "orl", "all"), fifth)
    for split, learned in (("all", "split 'all'"), ("", "all"), ("test", "split 'test'")):
        with pytest.raises(UsageError, match=f"learned from {learned} of lfw, whose people"):
            refuse_acquaintance(judge_of(tmp_path, "lfw", split), fifth)
    train = judge_of(tmp_path, "lfw", "train")
    with pytest.raises(UsageError, match="does not say which people of lfw it learned from"):
        refuse_acquaintance(train, fifth)
    run = tmp_path / "config.toml"
    run.write_text('[run]\nmodel = "facenet"\n[data]\ntest_share = 0.1\n', encoding="utf-8")
    with pytest.raises(UsageError, match=r"kept from 10% .* asks for 20%: train one with --set"):
        refuse_acquaintance(train, fifth)
    run.write_text(run.read_text().replace("0.1", "0.2"), encoding="utf-8")
    refuse_acquaintance(train, fifth)
    heads = ShapesConfig(name="shapes")
    with pytest.raises(UsageError, match=r"of shapes, .*: calibrate on other data"):
        refuse_acquaintance(judge_of(tmp_path, "shapes", ""), heads)
    refuse_acquaintance(judge_of(tmp_path, "people", "judge-b"), data_config("people", {}))


def test_strangers_are_a_fifth_of_the_people_cut_as_the_faces(tmp_path):
    for person in range(30):
        folder = tmp_path / "lfw" / f"Some_One{person}"
        folder.mkdir(parents=True)
        for number in (1, 2):
            photo = Image.new("RGB", (20, 20), (8 * person, 9, 9))
            photo.save(folder / f"{folder.name}_{number:04}.jpg")
    like = data_config("utkface:x", {"size": 16, "channels": 1, "align": False})
    found = strangers(f"lfw:{tmp_path}", like, judge_of(tmp_path, "orl", "train"))
    options = {"split": "test", "test_share": 0.2, "size": 16, "channels": 1, "align": False}
    assert found.config.model_dump().items() >= options.items()
    assert 2 <= len(set(found.table().identities.tolist())) <= 12
    aligned = like.model_copy(update={"align": True})
    assert strangers(f"lfw:{tmp_path}", aligned, judge_of(tmp_path, "orl", "")).config.align


def test_the_same_photo_is_another_picture_and_always_the_same_one():
    images = drawn(count=90, size=16, groups=(26, 53))
    faces = Faces(images, np.arange(90), images, images, known_people=False)
    wanted = torch.ones(3, 3, dtype=torch.bool)

    def made(seed):
        answers = list(same_photo(faces, seed).answers(faces, wanted))
        order = torch.cat([one.face * 3 + one.target for one in answers]).argsort()
        return torch.cat([one.pixels for one in answers])[order].unflatten(0, (90, 3)).float()

    once = made(0)
    assert torch.equal(once, made(0)) and not torch.equal(once, made(1))
    assert torch.equal(once, once[:, :1].expand_as(once))
    source = images.gather(torch.arange(90)).float()
    off = (once[:, 0] - source.flip(3)).abs().mean((1, 2, 3))
    assert off.min() > 2 and off.max() < 50
    assert (off < (once[:, 0] - source.roll(1, 0)).abs().mean((1, 2, 3))).float().mean() > 0.9


@pytest.mark.parametrize(
    ("sets", "code", "says"),
    [
        (("people", "people"), 2, "people name people, who give the thresholds themselves: leave"),
        (("utkface:utk", "utkfac:."), 2, "utkface"),
        (("utkface:utk", "lfw:nowhere"), 3, "nowhere"),
        (("utkface:utk", "utkface:utk"), 3, "nobody is known in these data either"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(ganzoo, tmp_path, sets, code, says):
    (tmp_path / "utk").mkdir()
    for number in range(60):
        Image.new("RGB", (20, 20)).save(tmp_path / f"utk/30_0_0_{number}.jpg")
    words = ("--baselines", "--data", sets[0], "--calibration", sets[1], "-q")
    done = ganzoo("evaluate", *words, cwd=tmp_path)
    assert (done.code, says in done.error) == (code, True), done.err
    assert "Traceback" not in done.err and done.err.count("\n") == 1
