"""The sbatch script of docs/how-to/scaling.md, run with stand-ins for Slurm's commands."""

import re
import subprocess
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[1] / "docs" / "how-to" / "scaling.md"
STAND_INS = {
    "srun": 'echo "srun $*" >> "$CALLS"',
    "scontrol": """\
case "$1" in
    show) printf "node1\\nnode2\\n" ;;
    *) echo "scontrol $*" >> "$CALLS" ;;
esac""",
}


@pytest.fixture
def run_script(tmp_path):
    """Return a function that runs the script and returns the calls of srun and scontrol."""
    (script,) = re.findall(
        r"^```bash\n(#!.*?)^```", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL
    )
    for name, body in STAND_INS.items():
        path = tmp_path / "bin" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"#!/bin/bash\n{body}\n")
        path.chmod(0o755)
    calls = tmp_path / "calls"

    def run(min_seconds):
        calls.unlink(missing_ok=True)
        env = {
            "PATH": f"{tmp_path / 'bin'}:/usr/bin:/bin",
            "CALLS": str(calls),
            "RUN": str(tmp_path / "run"),
            "MIN_SECONDS": str(min_seconds),
            "SLURM_JOB_ID": "7",
            "SLURM_NNODES": "2",
            "SLURM_JOB_NODELIST": "node[1-2]",
        }
        subprocess.run(["bash", "-eu", "-c", script], env=env, check=True)
        return calls.read_text().splitlines()

    return run


def test_slurm_job_starts_resumes_and_ends(run_script, tmp_path):
    started, requeued = run_script(min_seconds=0)
    assert "torchrun --nnodes 2" in started and "--rdzv-endpoint node1:29500" in started
    assert started.endswith(f"-m ganzoo_core.cli run cgan --preset people-64 --out {tmp_path}/run")
    assert requeued == "scontrol requeue 7"
    (tmp_path / "run" / "weights").mkdir(parents=True)
    (tmp_path / "run" / "config.toml").touch()
    resumed, requeued = run_script(min_seconds=0)
    assert resumed.endswith(f"-m ganzoo_core.cli resume {tmp_path}/run")
    assert requeued == "scontrol requeue 7"
    (tmp_path / "run" / "weights" / "ganzoo.json").touch()
    assert len(run_script(min_seconds=0)) == 1


def test_slurm_job_that_fails_at_once_is_not_requeued(run_script):
    assert len(run_script(min_seconds=600)) == 1
