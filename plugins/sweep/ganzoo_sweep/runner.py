"""Run the runs of a sweep in child processes, until none is left or the budget is used."""

import signal
import subprocess
import sys
import time
from contextlib import contextmanager

from ganzoo_core.errors import Interrupted
from ganzoo_sweep.work import CLAIMED_CODE

_POLL_S = 0.1
_SCAN_INTERVAL_S = 2.0
"""Seconds between two looks at what other processes have done."""
_STOP_TIMEOUT_S = 300
"""Seconds that a stopped run has to write its checkpoint."""


class SweepRunner:
    """Starts one child process for each run, `jobs` at a time.

    A child that crashes, or is killed, costs its own run alone. Children have a session of their
    own, so that Ctrl-C reaches them once, through this process.

    Args:
        sweep: the sweep.
        jobs: number of children at a time.
        budget_s: seconds after which the children are stopped; None for no limit.
        make_command: run -> the words of its command.
        ask_point: called when no run is left, adds a point to the sweep and returns whether it did;
            None for a grid.
        report: called with (run, result) after each run.
    """

    def __init__(self, sweep, *, jobs, budget_s, make_command, ask_point=None, report=None):
        self.sweep, self.jobs, self.make_command = sweep, jobs, make_command
        self.deadline = None if budget_s is None else time.monotonic() + budget_s
        self.ask_point = ask_point or (lambda: False)
        self.report = report or (lambda run, result: None)
        self.children = {}
        """Name of a run -> (run, process)."""
        self.tried = set()
        """Names of runs that ended here without a result, which are not started a second time."""

    def run(self, wait_for_others=True):
        """Run all runs that nobody else trains.

        Args:
            wait_for_others: return only after the runs that other processes train have ended.

        Returns:
            Whether the budget was used before the end.

        Raises:
            Interrupted: Ctrl-C or SIGTERM; the children have written their checkpoints.
        """
        try:
            with _sigterm_as_interrupt():
                next_scan = 0.0
                while True:
                    has_ended = self._collect()
                    if self.deadline is not None and time.monotonic() >= self.deadline:
                        return self._stop()
                    if has_ended or time.monotonic() >= next_scan:
                        others = self._fill()
                        next_scan = time.monotonic() + _SCAN_INTERVAL_S
                        if not self.children and not (others and wait_for_others):
                            return False
                    time.sleep(_POLL_S)
        except KeyboardInterrupt:
            self._stop()
            raise Interrupted(
                f"interrupted: continue with {self.sweep.command} --resume {self.sweep.path}", 130
            ) from None
        finally:
            for _, process in self.children.values():
                process.kill()

    def _fill(self):
        """Start children for the next runs. Returns whether other processes train runs."""
        others = False
        while True:
            for run in self.sweep.runs():
                if run.name in self.children or run.name in self.tried or self.sweep.result(run):
                    continue
                if self.sweep.is_claimed(run):
                    others = True
                elif len(self.children) < self.jobs:
                    self._start(run)
            if len(self.children) >= self.jobs or not self.ask_point():
                return others

    def _start(self, run):
        with self.sweep.log(run).open("ab") as log:
            process = subprocess.Popen(
                self.make_command(run),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.children[run.name] = (run, process)

    def _collect(self):
        """Report the children that have ended. Returns whether there are any."""
        ended = [one for one in self.children.values() if one[1].poll() is not None]
        for run, process in ended:
            del self.children[run.name]
            if process.returncode == CLAIMED_CODE:
                continue
            result = self.sweep.result(run)
            if result is None:
                self.tried.add(run.name)
                result = {"status": "stopped", "error": _describe_exit(process.returncode)}
            self.report(run, result)
        return bool(ended)

    def _stop(self):
        """Stop the children with a checkpoint. Returns whether runs are left."""
        for _, process in self.children.values():
            process.terminate()
        end = time.monotonic() + _STOP_TIMEOUT_S
        for _, process in self.children.values():
            try:
                process.wait(max(end - time.monotonic(), 0))
            except subprocess.TimeoutExpired:
                process.kill()
        self._collect()
        return any(self.sweep.result(run) is None for run in self.sweep.runs())


def run_command(sweep, run):
    """Return the words of the command that trains one run."""
    words = sweep.command.split()[1:]
    return [
        *(sys.executable, "-m", "ganzoo_core.cli", *words),
        *("--resume", str(sweep.path), "--run", run.name),
    ]


def _describe_exit(code):
    if code >= 0:
        return f"it ended with exit code {code} and no result"
    try:
        return f"it was killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"it was killed by signal {-code}"


@contextmanager
def _sigterm_as_interrupt():
    def interrupt(_number, _frame):
        raise KeyboardInterrupt

    try:
        former = signal.signal(signal.SIGTERM, interrupt)
    except ValueError:  # not the main thread
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, former)
