"""`ganzoo weights space`: the app of a Space draws the samples of its weights."""

import importlib.util

import numpy as np
import pytest

import ganzoo_core as gz
from ganzoo_core.report import make_grid


def test_space_app_draws_samples(run_ganzoo, trained_run, tmp_path):
    done = run_ganzoo("weights", "space", trained_run, "space", cwd=tmp_path)
    assert done.code == 0, done.err
    folder = tmp_path / "space"
    assert (
        (folder / "README.md").read_text().startswith('---\ntitle: "cgan on shapes"\nsdk: gradio')
    )
    requirements = (folder / "requirements.txt").read_text().splitlines()
    assert [line.partition("==")[0] for line in requirements[:2]] == ["ganzoo-core", "ganzoo-cgan"]
    compile((folder / "app.py").read_text(), "app.py", "exec")

    again = run_ganzoo("weights", "space", trained_run, "space", cwd=tmp_path)
    assert again.code != 0 and "space" in again.error

    pytest.importorskip("gradio", reason="gradio is not installed: the app is not run")
    spec = importlib.util.spec_from_file_location("space_app", folder / "app.py")
    app = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(app)
    model = gz.load(trained_run)
    drawn = app.draw(3, app.labels[1])
    assert np.array_equal(drawn, make_grid(model.sample(16, app.labels[1], 3), columns=4))
    assert len(app.demo.input_components) == 2
