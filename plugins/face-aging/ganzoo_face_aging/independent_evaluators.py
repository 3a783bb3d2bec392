"""The evaluators of the benchmark: independent of the model and the evaluated people."""

from __future__ import annotations

from collections.abc import Mapping

from ganzoo_core.data import age_bin_names
from ganzoo_core.errors import UsageError
from ganzoo_core.evaluation.provenance import describe, find_independent_evaluator
from ganzoo_core.interfaces import Dataset
from ganzoo_core.weights import PretrainedAuxiliary, PretrainedFolder
from ganzoo_face_aging.options import ROLES


def find_face_evaluators(
    weights_by_role: Mapping[str, str],
    dataset: Dataset,
    age_bins: tuple[int, ...],
    pretrained: PretrainedFolder | None,
) -> dict[str, PretrainedAuxiliary]:
    """Return the held-out evaluators of age and identity, by role.

    Args:
        weights_by_role: folders, or names of shipped evaluators; the held-out one of a role that
            is left out.
        dataset: the evaluated data.
        age_bins: inclusive upper edges of the age groups.
        pretrained: of the evaluated model, if there is one.

    Raises:
        UsageError, PluginError, WeightsError: see `find_independent_evaluator` and
            `check_covers_age_bins`.
    """
    evaluators = {}
    for role in ROLES:
        weights = weights_by_role.get(role, "")
        evaluators[role] = find_independent_evaluator(role, weights, dataset, pretrained)
        if role == "age":
            check_covers_age_bins(evaluators[role], describe(evaluators[role]), age_bins)
    return evaluators


def check_covers_age_bins(
    evaluator: PretrainedAuxiliary, description: str, age_bins: tuple[int, ...]
) -> None:
    """Refuse an age evaluator without training images in one of the age groups.

    Raises:
        UsageError: names the group.
    """
    info = evaluator.pretrained.info
    if not info.age_bins or not info.class_counts:
        return
    lows, highs = [0, *(edge + 1 for edge in info.age_bins)], [*info.age_bins, 200]
    spans = [(lows[i], highs[i]) for i in info.nonempty_classes]
    required_spans = zip([0, *(edge + 1 for edge in age_bins)], [*age_bins, 200], strict=True)
    for name, (low, high) in zip(age_bin_names(age_bins), required_spans, strict=True):
        if not any(low <= top and bottom <= high for bottom, top in spans):
            raise UsageError(
                f"{description} has no training images of {name}; name another with "
                "--evaluator age=RUN"
            )
