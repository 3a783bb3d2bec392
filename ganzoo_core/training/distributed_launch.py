"""Start the ranks of a distributed run on this machine (`--nproc`), and report which one failed.

`torchrun` and Slurm start `ganzoo run` on every rank themselves and do not need this module.
"""

from __future__ import annotations

import logging
import os
import sys
import tempfile
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ganzoo_core.errors import LAUNCHED_ENV_VAR, STOP_FILE_ENV_VAR, GanzooError, Interrupted


class RankFailedError(GanzooError):
    """A rank of a distributed run failed, and the others were stopped."""


def launch_distributed(num_processes: int, cli_args: Sequence[str]) -> None:
    """Run ``ganzoo CLI_ARGS`` in several ranks and wait for them.

    Raises:
        RankFailedError: a rank failed; the exit code is its own, where it had one.
        SystemExit: rank 0 failed and has printed its error.
        Interrupted: a signal. The message tells whether the ranks saved a checkpoint.
    """
    from torch.distributed.launcher.api import LaunchConfig

    for name in ("torch.distributed.elastic", "torch.distributed.run"):
        logging.getLogger(name).setLevel(logging.CRITICAL)  # a failure logs a page of text
    os.environ[LAUNCHED_ENV_VAR] = str(os.getpid())
    config = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=num_processes,
        run_id=uuid.uuid4().hex,
        max_restarts=0,
        rdzv_backend="c10d",
        rdzv_endpoint="localhost:0",
        monitor_interval=0.2,
    )
    with tempfile.TemporaryDirectory(prefix="ganzoo-") as folder:
        stop_file = Path(folder) / "stopped"
        os.environ[STOP_FILE_ENV_VAR] = str(stop_file)
        _launch_and_report(config, num_processes, cli_args, stop_file)


def _launch_and_report(
    config: Any, num_processes: int, cli_args: Sequence[str], stop_file: Path
) -> None:
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import elastic_launch

    try:
        elastic_launch(config, sys.executable)("-m", "ganzoo_core.cli", *cli_args)
    except SignalException as error:
        message = (
            "stopped: the ranks saved a checkpoint"
            if stop_file.exists()
            else "stopped: the ranks did not answer and were killed before they saved; continue "
            "from the last checkpoint with: ganzoo resume RUN"
        )
        raise Interrupted(message, 128 + error.sigval) from None
    except ChildFailedError as error:
        # Rank 0 prints its own error, unless an exception or a signal ended it (codes 1 and < 0).
        rank0 = error.failures.get(0)
        if rank0 and rank0.exitcode > 1:
            raise SystemExit(rank0.exitcode) from None
        rank, failure = min(error.failures.items(), key=lambda item: item[1].timestamp)
        is_signal = failure.exitcode < 0
        reason = failure.signal_name() if is_signal else f"exit code {failure.exitcode}"
        failed = RankFailedError(
            f"rank {rank} of {num_processes} failed ({reason}) and the others were stopped; "
            "continue with: ganzoo resume RUN"
        )
        failed.exit_code = failure.exitcode if failure.exitcode > 0 else 1
        raise failed from None
