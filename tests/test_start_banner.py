"""What a run prints at its start, and its first picture."""

import re

from ganzoo_core.training import callbacks


def test_banner_states_the_facts_of_a_run(run_ganzoo, tmp_path):
    flags = "--preset smoke --data shapes --steps 3 --seed 7 --device cpu --precision fp32 --out r"
    done = run_ganzoo("run", "cgan", *flags.split(), cwd=tmp_path)
    assert done.code == 0, done.err
    banner = dict(re.findall(r"^(\w+) {2,}(.+)$", done.err, re.M))
    assert banner["run"] == "r"
    assert banner["model"] == "cgan smoke, seed 7"
    assert re.fullmatch(r"generator [\d,]+, discriminator [\d,]+", banner["parameters"])
    assert re.match(
        r"shapes: [\d,]+ images, .*classes .+ by model\.age_bins, 3 x 32 x 32 px", banner["data"]
    )
    assert banner["device"].startswith("cpu, fp32, ")
    assert banner["length"].startswith("3 steps of ")
    assert banner["page"].startswith("r/report/index.html")
    assert (tmp_path / "r" / "report" / "index.html").exists()
    resumed = run_ganzoo("resume", "r", "--steps", 5, cwd=tmp_path)
    assert re.search(r"^length +5 steps of \d+ images, from step 3 on$", resumed.err, re.M)
    assert run_ganzoo("resume", "r", "--steps", 6, "-q", cwd=tmp_path).err == ""


def test_first_picture_comes_early(monkeypatch, tmp_path, capsys):
    import ganzoo_core as gz

    monkeypatch.setattr(callbacks, "_FIRST_SAMPLE_S", 0.0)
    options = {"train": {"sample_every": 1000}}
    run = gz.train("cgan", "shapes", preset="smoke", options=options, steps=4, out=tmp_path / "r")
    names = sorted(path.name for path in run.folder.samples.iterdir())
    assert names == ["00000001.png", "00000004.png"]
    assert str(run.folder.samples / names[0]) in capsys.readouterr().err
