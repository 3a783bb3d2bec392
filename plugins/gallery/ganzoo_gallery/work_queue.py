"""Requests that wait for the worker: bounded, in order, cancelled when nobody waits for them."""

import contextlib
import secrets
import subprocess
import sys
import threading
from collections import OrderedDict, deque
from dataclasses import dataclass, field

from ganzoo_core.errors import GanzooError
from ganzoo_gallery.messages import read_message, write_message

_RESULT_BYTES = 256 * 2**20
"""Of the results that are kept; the oldest ones are dropped."""

_MAX_JOBS = 1_000
"""Jobs that are kept with their results."""


class QueueFull(GanzooError):
    """More requests wait than the queue holds."""


@dataclass
class Job:
    """A request and its results."""

    request: dict
    parts: list = field(repr=False)
    id: str = field(default_factory=lambda: secrets.token_hex(8))
    state: str = "waiting"
    """waiting, working, done or failed."""
    error: str = ""
    results: list = field(default_factory=list, repr=False)


class WorkQueue:
    """Passes jobs to the worker one by one; starts it with the first job, and again if it ends.

    Args:
        max_waiting: jobs that wait at most.
        model_bytes: memory of the models of the worker.
    """

    def __init__(self, max_waiting=64, model_bytes=2 * 2**30):
        self.max_waiting, self.model_bytes = max_waiting, model_bytes
        self.worker = None
        self._waiting, self._jobs = deque(), OrderedDict()
        self._changed = threading.Condition()
        self._is_closed = False
        self._thread = None

    def submit(self, request, parts=()):
        """Return a new job.

        Raises:
            QueueFull: too many wait.
        """
        with self._changed:
            if len(self._waiting) >= self.max_waiting:
                raise QueueFull(f"{self.max_waiting} requests wait already: try again in a moment")
            job = Job(request, list(parts))
            self._waiting.append(job)
            self._jobs[job.id] = job
            self._drop_old_results()
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, daemon=True)
                self._thread.start()
            self._changed.notify_all()
        return job

    def find(self, job_id):
        """Return a job; None for one that is unknown, cancelled, or whose results were dropped."""
        return self._jobs.get(job_id)

    def position(self, job):
        """Return the number of jobs before a job that waits."""
        with self._changed:
            return self._waiting.index(job) + 1 if job in self._waiting else 0

    def cancel(self, job):
        """Forget a job; the worker stops at its next batch."""
        with self._changed:
            self._jobs.pop(job.id, None)
            if job in self._waiting:
                self._waiting.remove(job)
            elif job.state == "working" and self.worker:
                with contextlib.suppress(OSError, ValueError):
                    write_message(self.worker.stdin, {"cancel": job.id})

    def forget(self):
        """End the worker and drop all results: nothing of the requests before is kept."""
        with self._changed:
            self._jobs.clear()
            self._waiting.clear()
            if self.worker:
                self.worker.kill()

    def close(self):
        """End the worker."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()
        if self.worker:
            self.worker.kill()
            self.worker.wait()

    def _drop_old_results(self):
        total = sum(len(part) for job in self._jobs.values() for part in job.results)
        for job in list(self._jobs.values()):
            if total <= _RESULT_BYTES and len(self._jobs) <= _MAX_JOBS:
                return
            if job.state in {"done", "failed"}:
                total -= sum(map(len, job.results))
                del self._jobs[job.id]

    def _run(self):
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._is_closed)
                if self._is_closed:
                    return
                job = self._waiting.popleft()
                job.state = "working"
            self._work(job)

    def _work(self, job):
        if self.worker is None or self.worker.poll() is not None:
            self.worker = subprocess.Popen(
                [sys.executable, "-m", "ganzoo_gallery.worker", str(self.model_bytes)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
            )
        try:
            with self._changed:
                write_message(self.worker.stdin, {**job.request, "job": job.id}, job.parts)
            answer = read_message(self.worker.stdout)
        except (OSError, ValueError):
            answer = None
        job.parts = []
        if answer is None:
            self.worker.kill()
            code = self.worker.wait()
            job.error = (
                f"the process with the models ended (exit code {code}), perhaps out of memory; "
                "the next request starts it again"
            )
        else:
            job.error, job.results = answer[0]["error"], answer[1]
        job.state = "failed" if job.error else "done"
