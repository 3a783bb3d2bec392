"""Stands for the process of one run: writes the files that a trained and measured run has.

    python fake_gan_run.py DIR NAME MODEL FAULTS

A file NAME.kill in FAULTS makes this process kill its parent and itself, once; NAME.fail makes the
run fail. Runs of `dcgan` with seed 0 have collapsed. It imports no ganzoo, so that it starts at
once.
"""

import json
import os
import signal
import sys
from pathlib import Path


def main():
    folder, name, model, faults = sys.argv[1:]
    folder, faults, seed = Path(folder), Path(faults), int(name.rpartition("-")[2])
    if (faults / f"{name}.kill").exists():
        (faults / f"{name}.kill").unlink()
        os.kill(os.getppid(), signal.SIGKILL)
        os.kill(os.getpid(), signal.SIGKILL)
    result = {"status": "failed", "error": "a loss is NaN", "code": 7}
    if not (faults / f"{name}.fail").exists():
        write_run(folder, name, model, seed)
        is_collapsed = (model, seed) == ("dcgan", 0)
        diversity = 0.1 if is_collapsed else 0.9
        result = {"status": "finished", "diversity": diversity, "is_collapsed": is_collapsed}
    (folder / "results" / f"{name}.json").write_text(json.dumps(result))


def write_run(folder, name, model, seed):
    run = folder / "runs" / name
    (run / "report").mkdir(parents=True)
    (run / "config.toml").write_text(f"[run]\nmodel = '{model}'\n[train]\nseed = {seed}\n")
    kid = len(model) + seed / 10
    value = {"value": kid, "std_error": None, "better": "lower", "breakdown": {}}
    settings = {"num_fake": 8, "labels": "as the real images" if model == "cgan" else "none"}
    results = {"kid": {"settings": settings, "values": {"kid": value}}}
    evaluation = {"format": 1, "model": "m", "results": results, "skipped": {}, "notes": []}
    (run / "report" / "evaluation.json").write_text(json.dumps(evaluation))
    (folder / "curves").mkdir(exist_ok=True)
    points = [{"step": s, "images_seen": 16 * s, "kid": kid + 1 / s} for s in (1, 2, 4)]
    (folder / "curves" / f"{name}.json").write_text(json.dumps(points))


if __name__ == "__main__":
    main()
