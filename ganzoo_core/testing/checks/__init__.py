"""The conformance checks: the requirements that every entry of the zoo must meet.

`ganzoo check NAME` runs them, and a plugin's tests can run them with `parametrize_with_checks`.
Each module has the checks of one subject: `entries` of any kind and their `options`, then models
(`models`, `training`, `sampling`), data sets, losses, terms, metrics, evaluators,
image transforms and capabilities.
"""

from ganzoo_core.testing.checks import (
    capabilities,
    datasets,
    entries,
    evaluators,
    losses,
    metrics,
    models,
    options,
    resume,
    sampling,
    terms,
    training,
    transforms,
)
from ganzoo_core.testing.checks.framework import (
    Check,
    CheckFailed,
    CheckResult,
    CheckSkipped,
    all_checks,
    parametrize_with_checks,
    require,
    run_checks,
)

__all__ = [
    "Check",
    "CheckFailed",
    "CheckResult",
    "CheckSkipped",
    "all_checks",
    "capabilities",
    "datasets",
    "entries",
    "evaluators",
    "losses",
    "metrics",
    "models",
    "options",
    "parametrize_with_checks",
    "require",
    "resume",
    "run_checks",
    "sampling",
    "terms",
    "training",
    "transforms",
]
