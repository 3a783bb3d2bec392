"""Stands for the process of one run: writes the files that a trained and evaluated run has.

    python fake_run.py DIR NAME SEED VALUES FAULTS

VALUES are the options of the run as JSON. FAULTS is a folder: a file NAME.kill in it makes this
process kill the sweep and itself, once; NAME.crash makes it end without a result, and NAME.fail
makes the run fail. It imports no ganzoo, so that it starts at once.
"""

import json
import os
import signal
import sys
from pathlib import Path

from filelock import FileLock


def main():
    folder, name, seed, values, faults = sys.argv[1:]
    folder, faults, values = Path(folder), Path(faults), json.loads(values)
    result = folder / "results" / f"{name}.json"
    with FileLock(folder / "claims" / f"{name}.lock", timeout=0):
        if (faults / f"{name}.kill").exists():
            (faults / f"{name}.kill").unlink()
            os.kill(os.getppid(), signal.SIGKILL)
            os.kill(os.getpid(), signal.SIGKILL)
        if (faults / f"{name}.crash").exists():
            os.kill(os.getpid(), signal.SIGKILL)
        if (faults / f"{name}.fail").exists():
            result.write_text(json.dumps({"status": "failed", "error": "a loss is NaN", "code": 7}))
            sys.exit(7)
        if result.exists() and (folder / "runs" / name).exists():  # another worker was faster
            return
        write_run(folder / "runs" / name, int(seed), values)
        with (faults / "trained").open("a") as file:
            file.write(f"{name}\n")
        result.write_text(json.dumps({"status": "finished"}))


def write_run(run, seed, values):
    (run / "report").mkdir(parents=True)
    options = [f"'{key}' = '{text}'" for key, text in values.items()]
    lines = ["[run]", "model = 'gan'", "[train]", f"seed = {seed}", "[model]", *options]
    (run / "config.toml").write_text("\n".join(lines))
    lr = float(values["model.optim_d.lr"])
    kid = abs(lr - 3e-4) * 1e3 + seed / 10 + len(values["model.loss.kind"]) / 100
    records = [{"step": s, "images_seen": 8 * s, "eval/kid": kid + 1 / s} for s in (1, 2, 4)]
    (run / "metrics.jsonl").write_text("".join(json.dumps(r) + "\n" for r in records))
    value = {"value": kid, "std_error": None, "better": "lower", "breakdown": {}}
    results = {"kid": {"settings": {"num_fake": 8}, "values": {"kid": value}}}
    evaluation = {"format": 1, "model": "m", "results": results, "skipped": {}, "notes": []}
    (run / "report" / "evaluation.json").write_text(json.dumps(evaluation))


if __name__ == "__main__":
    try:
        main()
    except TimeoutError:
        sys.exit(75)
