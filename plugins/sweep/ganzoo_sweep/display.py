"""The progress of a sweep on stderr."""

import shutil
import sys

from ganzoo_core.cli import output


class RunDisplay:
    """A progress bar over runs on a terminal, else a line after each run."""

    def __init__(self, opened, quiet):
        self.opened, self.quiet, self.bar, self.task = opened, quiet, None, None

    def __enter__(self):
        if not self.quiet and sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import Progress

            self.bar = Progress(console=Console(stderr=True), transient=True)
            self.bar.start()
            self.task = self.bar.add_task("runs", total=self.opened.num_runs)
            self.bar.update(self.task, completed=self._num_done())
        return self

    def __exit__(self, *_):
        if self.bar:
            self.bar.stop()

    def _num_done(self):
        return sum(self.opened.result(run) is not None for run in self.opened.runs())

    def report(self, run, result):
        """Print the line of a run, and advance the bar."""
        done, total = self._num_done(), self.opened.num_runs
        reason = f": {result['error']}" if "error" in result else ""
        width = shutil.get_terminal_size().columns
        text = f"{done}/{total}  {run.name} {result['status']}  {run.description}{reason}"
        if self.bar:
            self.bar.console.print(text[: 4 * width], markup=False, highlight=False)
            self.bar.update(self.task, completed=done)
        elif not self.quiet or "error" in result:
            output.print_stderr(text)
