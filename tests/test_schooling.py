"""`model.ROLE.weights=train`: a run trains its judge first, resumes in the middle, and loads."""

import shutil

import pytest
import torch

import ganzoo_core as gz
from ganzoo_core.errors import PluginError, UsageError
from ganzoo_core.runs import schooling
from ganzoo_core.runs.folder import RunFolder
from ganzoo_core.weights import find_bundle

OPTIONS = {"model": {"identity": {"weights": "train"}}}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    out = tmp_path_factory.mktemp("school") / "run"
    return gz.train("age-cgan", preset="tiny", options=OPTIONS, steps=12, out=out, quiet=True)


def judge_of(path):
    return RunFolder(path).read_config()["made"]["judges"]["identity"]


def test_the_judge_is_a_run_of_its_own_on_the_same_data(run):
    home = run.folder.judges / "identity"
    own = RunFolder(home).read_config()
    mine = run.folder.read_config()
    assert own["run"]["model"] == "facenet" and own["run"]["preset"] == "tiny"
    assert own["data"] == mine["data"]
    assert mine["model"]["identity"]["weights"] == "train"
    assert judge_of(run.path)["path"] == str((home / "weights").resolve())
    points = run.model.judges["identity"].embed(torch.rand(2, 3, 32, 32))
    assert torch.allclose(points.norm(dim=1), torch.ones(2), atol=1e-5)


def test_a_run_that_was_moved_finds_its_judge(run, tmp_path):
    shutil.copytree(run.path, tmp_path / "moved")
    moved = gz.load(tmp_path / "moved")
    image = torch.rand(2, 3, 32, 32)
    expected = run.model.judges["identity"].embed(image)
    assert torch.allclose(moved.judges["identity"].embed(image), expected, atol=1e-6)


def test_stopped_while_the_judge_learns_it_ends_in_the_same_bits(run, tmp_path):
    folder, home = tmp_path / "run", tmp_path / "run" / "judges" / "identity"
    shutil.copytree(run.path / "judges" / "identity", home)
    shutil.rmtree(home / "weights")
    for last in sorted((home / "checkpoints").iterdir())[2:]:  # the first one is of round 0
        last.unlink()
    tree = run.folder.read_config()
    del tree["made"]
    RunFolder(folder).write_config(tree)
    again = gz.resume(folder, quiet=True)
    assert again.rounds == 12
    for part in ("weights/model.safetensors", "judges/identity/weights/model.safetensors"):
        assert (folder / part).read_bytes() == (run.path / part).read_bytes()
    assert judge_of(folder)["sha256"] == judge_of(run.path)["sha256"]


def test_a_run_that_began_with_weights_begins_there_again_after_its_judge(run, tmp_path):
    mine = gz.config.merge(OPTIONS, {"train": {"init": str(run.path)}})
    folder = tmp_path / "run"
    tree = gz.config.merge(run.folder.read_config(), mine)
    tree["train"]["steps"] = 0
    tree["made"] = {"init": {"model": "age-cgan", "sha256": find_bundle(run.path).sha256}}
    shutil.copytree(run.path / "judges", folder / "judges")
    RunFolder(folder).write_config(tree)
    again = gz.resume(folder, quiet=True)
    part = "weights/model.safetensors"
    assert again.rounds == 0 and (folder / part).read_bytes() == (run.path / part).read_bytes()
    assert judge_of(folder)["sha256"] == judge_of(run.path)["sha256"]
    assert find_bundle(folder).index["init"]["sha256"] == tree["made"]["init"]["sha256"]


def test_data_that_name_nobody_are_refused_and_leave_nothing(tmp_path):
    class Plain(torch.utils.data.Dataset):
        def __len__(self):
            return 40

        def __getitem__(self, index):
            return torch.full((3, 32, 32), index / 40), index % 2

    with pytest.raises(gz.GanzooError, match="name"):
        gz.train(
            "age-cgan", Plain(), preset="tiny", options=OPTIONS, out=tmp_path / "x", quiet=True
        )
    assert not (tmp_path / "x").exists()


def test_ranks_and_roles_that_nothing_serves_are_refused():
    with pytest.raises(UsageError, match="one process"):
        schooling.refuse_ranks(("identity",), 2)
    with pytest.raises(PluginError, match="no installed model can serve as 'nose'"):
        schooling.teacher("nose")
