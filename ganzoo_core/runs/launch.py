"""Start the ranks of a distributed run on this machine, and say in one line which one died.

`torchrun` and Slurm start `ganzoo run` itself on every rank: then nothing here is needed.
"""

from __future__ import annotations

import logging
import os
import sys
import uuid
from collections.abc import Sequence

from ganzoo_core.errors import LAUNCHED, GanzooError, Interrupted


class RankDied(GanzooError):
    """A rank of a distributed run ended; the others were stopped."""


def launch(ranks: int, words: Sequence[str]) -> None:
    """Run ``ganzoo WORDS`` as so many ranks and wait for them.

    Raises:
        RankDied: a rank died; the exit code is its own, where it had one.
        SystemExit: the first rank has said what is wrong.
        Interrupted: Ctrl-C or SIGTERM; the ranks saved a checkpoint.
    """
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    for name in ("torch.distributed.elastic", "torch.distributed.run"):
        logging.getLogger(name).setLevel(logging.CRITICAL)  # its story of a failure is a page long
    os.environ[LAUNCHED] = "1"
    config = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=ranks,
        run_id=uuid.uuid4().hex,
        max_restarts=0,
        rdzv_backend="c10d",
        rdzv_endpoint="localhost:0",
        monitor_interval=0.2,
    )
    try:
        elastic_launch(config, sys.executable)("-m", "ganzoo_core.cli", *words)
    except SignalException as error:
        raise Interrupted("stopped: the ranks saved a checkpoint", 128 + error.sigval) from None
    except ChildFailedError as error:
        if said := [f.exitcode for r, f in error.failures.items() if r == 0 and f.exitcode > 1]:
            raise SystemExit(said[0]) from None
        rank, failure = min(error.failures.items(), key=lambda item: item[1].timestamp)
        how = failure.signal_name() if failure.exitcode < 0 else f"exit code {failure.exitcode}"
        died = RankDied(
            f"rank {rank} of {ranks} died ({how}) and the others were stopped; "
            "continue with: ganzoo resume RUN"
        )
        died.exit_code = failure.exitcode if failure.exitcode > 0 else 1
        raise died from None
