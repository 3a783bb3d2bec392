"""The conformance checks: what every entry of the zoo must be able to do.

`ganzoo check NAME` runs them; so can a plugin's own tests (`parametrize_with_checks`). One file a
subject: entries of any kind, then models, data sets, losses, metrics and judges.
"""

from ganzoo_core.testing.checks import (
    datasets,
    entries,
    judges,
    losses,
    metrics,
    models,
    options,
    sampling,
    training,
)
from ganzoo_core.testing.checks.kit import (
    CHECKS,
    Check,
    Failed,
    Result,
    Skipped,
    parametrize_with_checks,
    run_checks,
)

__all__ = [
    "CHECKS",
    "Check",
    "Failed",
    "Result",
    "Skipped",
    "datasets",
    "entries",
    "judges",
    "losses",
    "metrics",
    "models",
    "options",
    "parametrize_with_checks",
    "run_checks",
    "sampling",
    "training",
]
