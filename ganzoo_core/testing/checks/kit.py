"""How checks are named, run and reported; the checks themselves lie beside this file."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ganzoo_core.errors import GanzooError, UsageError, suggest
from ganzoo_core.testing.subject import Subject, subjects


class Failed(AssertionError):
    """A check's verdict: what is wrong, and how to mend it."""


class Skipped(Exception):
    """A check that cannot be made here: what it lacks."""


@dataclass(frozen=True)
class Check:
    """One promise, and how it is examined."""

    name: str
    kinds: tuple[str, ...]
    """Of the entries that make the promise."""
    purpose: str
    """One line: what an entry that passes does."""
    examine: Callable[[Any], None]
    can: str = ""
    """Only models with this capability make it."""

    def concerns(self, subject: Subject) -> bool:
        """Tell whether an entry makes this promise."""
        able = not self.can or self.can in getattr(subject.spec, "can", ())
        return subject.kind in self.kinds and able


CHECKS: list[Check] = []
"""All checks, in the order they run."""


@dataclass(frozen=True)
class Result:
    """The outcome of one check."""

    entry: str
    """Whose promise it is."""
    kind: str
    name: str
    purpose: str
    passed: bool
    skipped: bool
    """It could not be examined: counted neither way."""
    message: str
    """What is wrong and how to mend it, or what a skipped check lacks; empty for a pass."""
    seconds: float


def check(*kinds: str, can: str = "") -> Callable[[Callable[[Any], None]], Callable[[Any], None]]:
    """Add a function to the checks of some kinds; its docstring is the purpose."""

    def add(function: Callable[[Any], None]) -> Callable[[Any], None]:
        """Note the function, and leave it as it is."""
        name = function.__name__.replace("_", "-")
        purpose = (function.__doc__ or "").strip().rstrip(".")
        CHECKS.append(Check(name, kinds, purpose, function, can))
        return function

    return add


def demand(condition: object, message: str) -> None:
    """Fail a check unless the condition holds."""
    if not condition:
        raise Failed(message)


def chosen(found: Sequence[Subject], only: Sequence[str] = ()) -> list[tuple[Subject, Check]]:
    """Return which checks are due for whom.

    Raises:
        UsageError: there is no such check.
    """
    due = [(s, c) for s in found for c in CHECKS if c.concerns(s)]
    known = {check.name for _, check in due}
    for wanted in only:
        if wanted not in known:
            raise UsageError(f"there is no check {wanted!r}.{suggest(wanted, known)}")
    return [(subject, check) for subject, check in due if not only or check.name in only]


def run_checks(*names: str, only: Sequence[str] = ()) -> Iterator[Result]:
    """Examine entries of the zoo; yield one result a check.

    Args:
        names: of models, data sets (``NAME:PATH`` where they need files), losses, metrics or
            judges, or of plugins that register nothing.
        only: names of checks; all of them where none is given.

    Raises:
        UsageError: there is no such entry or check. PluginError: its plugin is broken.
    """
    due = chosen([subject for name in dict.fromkeys(names) for subject in subjects(name)], only)
    for subject, check in due:
        begun, message, skipped = time.perf_counter(), "", False
        try:
            check.examine(subject)
        except Skipped as reason:
            message, skipped = str(reason), True
        except (Failed, GanzooError) as error:
            message = str(error)
        except Exception as error:  # the plugin's own bug: name it, go on to the next check
            message = f"{type(error).__name__}: {error}".splitlines()[0]
        passed = not message
        seconds = time.perf_counter() - begun
        yield Result(
            subject.name, subject.kind, check.name, check.purpose, passed, skipped, message, seconds
        )


class Case:
    """One check of one entry, for a test to call."""

    def __init__(self, subject: Subject, check: Check) -> None:
        self.subject, self.check = subject, check

    def __call__(self) -> None:
        """Make the check.

        Raises:
            Failed: what is wrong and how to mend it.
        """
        import pytest

        try:
            self.check.examine(self.subject)
        except Skipped as reason:
            pytest.skip(str(reason))


def parametrize_with_checks(
    name: str, *, expected_failures: Mapping[str, str] | None = None, only: Sequence[str] = ()
) -> Any:
    """Return a pytest mark that runs a test once a check, as ``check``:

        @parametrize_with_checks("my-gan")
        def test_promises(check):
            check()

    Args:
        name: of one entry, as for `run_checks`.
        expected_failures: ``{"check": "reason"}``; one that passes after all fails the test, so
            that the list does not outlive its reasons.

    Raises:
        UsageError: there is no such entry or check. PluginError: its plugin is broken.
    """
    import pytest

    found, expected = subjects(name), dict(expected_failures or {})
    chosen(found, [*expected])
    cases = []
    for subject, check in chosen(found, only):
        reason = expected.get(check.name)
        marks = [pytest.mark.xfail(reason=reason, strict=True)] if reason else []
        cases.append(pytest.param(Case(subject, check), id=check.name, marks=marks))
    return pytest.mark.parametrize("check", cases)
