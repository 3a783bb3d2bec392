"""How checks are registered, run and reported."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ganzoo_core.errors import GanzooError, UsageError, suggest
from ganzoo_core.testing.subject import Subject, find_subjects
from ganzoo_core.zoo import import_target, zoo


class CheckFailed(GanzooError, AssertionError):
    """A check failed: what is wrong, and the remedy."""


class CheckSkipped(Exception):
    """A check cannot run here: what it lacks."""


@dataclass(frozen=True)
class Check:
    """One requirement, and the function that checks it."""

    name: str
    kinds: tuple[str, ...]
    """Kinds of entry that the check applies to."""
    purpose: str
    """One line: what an entry that passes does."""
    function: Callable[[Any], None]
    """Takes the subject; raises CheckFailed or CheckSkipped."""
    capability: str = ""
    """If set, the check applies only to models with this capability."""

    def applies_to(self, subject: Subject) -> bool:
        """Return whether the check applies to an entry."""
        has_capability = not self.capability or self.capability in getattr(
            subject.spec, "capabilities", ()
        )
        return subject.kind in self.kinds and has_capability


CHECKS: list[Check] = []
"""The checks of the core, in the order they run."""


@dataclass(frozen=True)
class CheckResult:
    """The result of one check."""

    entry: str
    kind: str
    name: str
    """Name of the check."""
    purpose: str
    passed: bool
    skipped: bool
    """The check could not run, so it neither passed nor failed."""
    message: str
    """What is wrong and the remedy, or what a skipped check lacks; empty if passed."""
    seconds: float


def check(
    *kinds: str, capability: str = ""
) -> Callable[[Callable[[Any], None]], Callable[[Any], None]]:
    """Register a function as a check of some kinds. Its docstring is the purpose."""

    def register(function: Callable[[Any], None]) -> Callable[[Any], None]:
        CHECKS.append(_make_check(function, kinds, capability))
        return function

    return register


def _make_check(function: Callable[[Any], None], kinds: tuple[str, ...], capability: str) -> Check:
    name = function.__name__.replace("_", "-")
    purpose = (function.__doc__ or "").strip().rstrip(".")
    return Check(name, kinds, purpose, function, capability)


def all_checks() -> list[Check]:
    """Return the checks of the core, then those that capabilities of plugins add.

    Raises:
        PluginError: one of them cannot be imported.
    """
    added = [
        _make_check(import_target(target), ("model",), spec.name)
        for spec in zoo().capabilities()
        for target in spec.checks
    ]
    return [*CHECKS, *added]


def require(condition: object, message: str) -> None:
    """Raise CheckFailed unless the condition holds."""
    if not condition:
        raise CheckFailed(message)


def _select_checks(
    subjects: Sequence[Subject], only: Sequence[str] = ()
) -> list[tuple[Subject, Check]]:
    """Return the checks to run on each subject.

    Raises:
        UsageError: an unknown check.
    """
    applicable = [(s, c) for s in subjects for c in all_checks() if c.applies_to(s)]
    check_names = {check.name for _, check in applicable}
    for name in only:
        if name not in check_names:
            raise UsageError(f"there is no check {name!r}.{suggest(name, check_names)}")
    return [(subject, check) for subject, check in applicable if not only or check.name in only]


def run_checks(*names: str, only: Sequence[str] = ()) -> Iterator[CheckResult]:
    """Check entries of the zoo; yield one result for each check.

    Args:
        names: of entries (``NAME:PATH`` for data sets that need files), or of plugins that
            register nothing.
        only: names of checks; empty for all of them.

    Raises:
        UsageError: an unknown entry or check.
        PluginError: the plugin of an entry is broken.
    """
    subjects = [subject for name in dict.fromkeys(names) for subject in find_subjects(name)]
    for subject, check in _select_checks(subjects, only):
        start_time, message, skipped = time.perf_counter(), "", False
        try:
            check.function(subject)
        except CheckSkipped as reason:
            message, skipped = str(reason), True
        except GanzooError as error:
            message = str(error)
        except Exception as error:  # a bug of the plugin: report it, run the other checks
            message = f"{type(error).__name__}: {error}".splitlines()[0]
        passed = not message
        seconds = time.perf_counter() - start_time
        yield CheckResult(
            subject.name, subject.kind, check.name, check.purpose, passed, skipped, message, seconds
        )


class _BoundCheck:
    """One check of one entry, for a test to call."""

    def __init__(self, subject: Subject, check: Check) -> None:
        self.subject, self.check = subject, check

    def __call__(self) -> None:
        import pytest

        try:
            self.check.function(self.subject)
        except CheckSkipped as reason:
            pytest.skip(str(reason))


def parametrize_with_checks(
    name: str, *, expected_failures: Mapping[str, str] | None = None, only: Sequence[str] = ()
) -> Any:
    """Return a pytest mark that runs a test once for each check, as ``check``:

        @parametrize_with_checks("my-gan")
        def test_conformance(check):
            check()

    Args:
        name: of one entry, as for `run_checks`.
        expected_failures: ``{"check": "reason"}``. A listed check that passes fails the test, so
            that the list stays current.
        only: names of checks; empty for all of them.

    Raises:
        UsageError: an unknown entry or check.
        PluginError: its plugin is broken.
    """
    import pytest

    subjects, expected = find_subjects(name), dict(expected_failures or {})
    _select_checks(subjects, [*expected])
    cases = []
    for subject, check in _select_checks(subjects, only):
        reason = expected.get(check.name)
        marks = [pytest.mark.xfail(reason=reason, strict=True)] if reason else []
        cases.append(pytest.param(_BoundCheck(subject, check), id=check.name, marks=marks))
    return pytest.mark.parametrize("check", cases)
