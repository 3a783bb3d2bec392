"""`model.auxiliaries.ROLE.weights=train`: a run trains its auxiliary network first."""

import shutil

import pytest
import torch

import ganzoo_core as gz
from ganzoo_core.errors import PluginError, UsageError
from ganzoo_core.training import jobs
from ganzoo_core.training.run_folder import RunFolder
from ganzoo_core.weights import find_pretrained

TRAIN_IDENTITY_OPTIONS = {"model": {"auxiliaries": {"identity": {"weights": "train"}}}}


@pytest.fixture(scope="module")
def auxiliary_run(tmp_path_factory):
    out = tmp_path_factory.mktemp("auxiliary") / "run"
    return gz.train(
        "age-cgan", preset="smoke", options=TRAIN_IDENTITY_OPTIONS, steps=12, out=out, quiet=True
    )


def auxiliary_record(path):
    return RunFolder(path).read_config()["provenance"]["auxiliaries"]["identity"]


def test_auxiliary_trained_on_same_data(auxiliary_run):
    folder = auxiliary_run.folder.auxiliaries / "identity"
    auxiliary_config = RunFolder(folder).read_config()
    config = auxiliary_run.folder.read_config()
    assert auxiliary_config["run"] == {"model": "facenet", "preset": "smoke"}
    assert auxiliary_config["data"] == config["data"]
    assert config["model"]["auxiliaries"]["identity"]["weights"] == "train"
    assert auxiliary_record(auxiliary_run.path)["path"] == str((folder / "weights").resolve())
    embeddings = auxiliary_run.model.auxiliaries["identity"].embed(torch.rand(2, 3, 32, 32))
    assert torch.allclose(embeddings.norm(dim=1), torch.ones(2), atol=1e-5)


def test_moved_run_finds_auxiliary(auxiliary_run, tmp_path):
    shutil.copytree(auxiliary_run.path, tmp_path / "moved")
    moved = gz.load(tmp_path / "moved")
    image = torch.rand(2, 3, 32, 32)
    expected = auxiliary_run.model.auxiliaries["identity"].embed(image)
    assert torch.allclose(moved.auxiliaries["identity"].embed(image), expected, atol=1e-6)


def test_resume_during_auxiliary_training(auxiliary_run, tmp_path):
    folder = tmp_path / "run"
    auxiliary_folder = RunFolder(folder).auxiliaries / "identity"
    shutil.copytree(auxiliary_run.folder.auxiliaries / "identity", auxiliary_folder)
    shutil.rmtree(auxiliary_folder / "weights")
    for path in sorted((auxiliary_folder / "checkpoints").iterdir())[2:]:  # keep that of step 0
        path.unlink()
    tree = auxiliary_run.folder.read_config()
    del tree["provenance"]
    RunFolder(folder).write_config(tree)
    again = gz.resume(folder, quiet=True)
    assert again.steps == 12
    for part in ("weights/model.safetensors", "auxiliaries/identity/weights/model.safetensors"):
        assert (folder / part).read_bytes() == (auxiliary_run.path / part).read_bytes()
    assert auxiliary_record(folder)["sha256"] == auxiliary_record(auxiliary_run.path)["sha256"]


def test_resume_init_from_after_auxiliary(auxiliary_run, tmp_path):
    folder = tmp_path / "run"
    options = {"train": {"init_from": str(auxiliary_run.path), "steps": 0}}
    tree = gz.config.merge(auxiliary_run.folder.read_config(), options)
    sha256 = find_pretrained(auxiliary_run.path).sha256
    tree["provenance"] = {"init_from": {"model": "age-cgan", "sha256": sha256}}
    shutil.copytree(auxiliary_run.folder.auxiliaries, RunFolder(folder).auxiliaries)
    RunFolder(folder).write_config(tree)
    again = gz.resume(folder, quiet=True)
    part = "weights/model.safetensors"
    assert (
        again.steps == 0
        and (folder / part).read_bytes() == (auxiliary_run.path / part).read_bytes()
    )
    assert auxiliary_record(folder)["sha256"] == auxiliary_record(auxiliary_run.path)["sha256"]
    assert find_pretrained(folder).index["init_from"]["sha256"] == sha256


def test_data_without_identities_refused(tmp_path):
    class UnlabeledIdentityDataset(torch.utils.data.Dataset):
        def __len__(self):
            return 40

        def __getitem__(self, index):
            return torch.full((3, 32, 32), index / 40), index % 2

    with pytest.raises(gz.GanzooError, match="facenet"):
        gz.train(
            "age-cgan",
            UnlabeledIdentityDataset(),
            preset="smoke",
            options=TRAIN_IDENTITY_OPTIONS,
            out=tmp_path / "x",
            quiet=True,
        )
    assert not (tmp_path / "x").exists()


def plan_smoke_run(folder=None, **more):
    config = gz.config.build_config("age-cgan", preset="smoke", patches=[TRAIN_IDENTITY_OPTIONS])
    return jobs.plan_jobs("age-cgan", config, None, folder, **more)


def test_jobs_of_a_new_run():
    auxiliary, run = plan_smoke_run()
    assert (auxiliary.model, auxiliary.role, auxiliary.needs) == ("facenet", "identity", ())
    assert auxiliary.folder.as_posix() == "auxiliaries/identity"
    assert (auxiliary.config.preset, auxiliary.config.train.seed) == ("smoke", 0)
    assert (run.model, run.role, run.needs) == ("age-cgan", "", ("identity",))
    assert "identity" not in run.auxiliaries and run.folder.as_posix() == "."
    assert not auxiliary.is_resumed and not run.is_resumed


def test_jobs_of_stopped_and_finished_runs(auxiliary_run, tmp_path):
    (finished,) = plan_smoke_run(auxiliary_run.folder)
    assert finished.is_resumed and finished.needs == () and "identity" in finished.auxiliaries
    tree = auxiliary_run.folder.read_config()
    del tree["provenance"]
    stopped = RunFolder(tmp_path)
    stopped.write_config(tree)
    shutil.copytree(auxiliary_run.folder.auxiliaries, stopped.auxiliaries)
    auxiliary, run = plan_smoke_run(stopped)
    assert auxiliary.is_resumed and not run.is_resumed and run.needs == ("identity",)


def test_auxiliary_of_an_auxiliary_refused(monkeypatch):
    monkeypatch.setattr(jobs, "roles_to_train", lambda *_: ("identity",))
    with pytest.raises(UsageError, match=r"facenet in a run of its own.*identity\.weights=RUN"):
        plan_smoke_run()


def test_ranks_and_unknown_role_refused():
    with pytest.raises(UsageError, match=r"model\.auxiliaries\.identity\.weights"):
        plan_smoke_run(num_ranks=2)
    with pytest.raises(PluginError, match="nose"):
        jobs.find_trainable_model("nose")
