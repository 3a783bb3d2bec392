"""How well do the shipped judges read people they never saw?

Identity: the threshold comes from split `calibration`, the figures from `test`; age: from `test`.
With intervals over resamples of the people. About a minute of one core, most of it drawing.

    python benchmarks/judges.py
    python benchmarks/judges.py --keep    # record thresholds and figures in the bundles' cards

A table; the last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import time
from typing import Any

from ganzoo_core.cli.failures import reported
from ganzoo_core.metrics.ages import age_report
from ganzoo_core.metrics.reading import read_images
from ganzoo_core.metrics.verification import FARS, all_pairs, verify_people
from ganzoo_core.report import Progress
from ganzoo_core.runs.data import images_of, open_dataset
from ganzoo_core.runs.survey import data_config
from ganzoo_core.weights import FoundJudge, annotate, find_judge, rebuild
from ganzoo_core.zoo import zoo

GROUPS = (18, 29, 39, 49, 59)
GOALS = {"verification_min": 0.99, "age_mae_max": 2.5, "parameters_max": 1_000_000}
SETS = {"calibration": 2400, "test": 4000}
"""Portraits, eight of each person."""


def people(split: str) -> Any:
    """Draw the portraits of a split at the judges' size."""
    options = {"split": split, "count": SETS[split], "photos": 8, "size": 64}
    return images_of(open_dataset(data_config("people", options)), (), Progress(True))


def identity(found: FoundJudge, sets: dict[str, Any], keep: bool) -> dict[str, Any]:
    """Measure an identity judge."""
    model = found.build()
    points = {name: read_images(model.embed, images) for name, images in sets.items()}
    who = {name: images.identity.numpy() for name, images in sets.items()}
    known = all_pairs(points["calibration"], who["calibration"])
    result = verify_people(points["test"], who["test"], known.best_threshold())
    if keep:
        metrics = [{"name": "threshold", "value": result.threshold}]
        metrics += [
            {"name": f"threshold_at_far_{far:g}", "value": known.threshold_at(far)}
            for far in FARS
            if far * len(known.impostor) >= 10
        ]
        metrics.append({"name": "verification_accuracy", "value": result.accuracy})
        metrics += [{"name": f"tar_at_far_{far}", "value": tar} for far, tar in result.tar.items()]
        annotate(found.bundle.path, metrics)
    low, high = result.interval
    text = f"accuracy {result.accuracy:.2%} ({low:.2%} to {high:.2%}), TAR "
    text += ", ".join(f"{tar:.1%} at {far}" for far, tar in result.tar.items())
    met = result.accuracy >= GOALS["verification_min"]
    return {"text": text, "met": met, **result.to_json()}


def age(found: FoundJudge, sets: dict[str, Any], keep: bool) -> dict[str, Any]:
    """Measure an age judge."""
    images = sets["test"]
    estimated = read_images(found.build().estimate_age, images)
    result = age_report(estimated, images.age.numpy(), GROUPS, images.identity.numpy())
    if keep:
        metrics = {"age_mae": result.mae, "group_accuracy": result.group_accuracy}
        annotate(found.bundle.path, [{"name": n, "value": v} for n, v in metrics.items()])
    low, high = result.mae_interval
    text = f"MAE {result.mae:.2f} ({low:.2f} to {high:.2f}) years, bias {result.bias:+.2f}, "
    text += f"group {result.group_accuracy:.1%}, within 5 years {result.within['5']:.1%}"
    return {"text": text, "met": result.mae <= GOALS["age_mae_max"], **result.to_json()}


def main() -> None:
    """Measure every shipped judge that learned from `people`."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--keep", action="store_true")
    keep, start = parser.parse_args().keep, time.process_time()
    sets = {name: people(name) for name in SETS}
    figures: dict[str, Any] = {}
    for role, measure in (("identity", identity), ("age", age)):
        for spec in zoo().judges(role):
            if spec.data != "people":
                continue
            found = find_judge(role, spec.name)
            for images in sets.values():
                found.refuse_other_drawing(images.info)
            parameters = sum(p.numel() for p in rebuild(found.bundle).parameters())
            measured = measure(found, sets, keep)
            print(f"{spec.name:26}{parameters:>9,}  {measured.pop('text')}")
            measured["met"] = measured["met"] and parameters <= GOALS["parameters_max"]
            figures[spec.name] = {"parameters": parameters, **measured}
    met = bool(figures) and all(f["met"] for f in figures.values())
    cpu = round(time.process_time() - start, 1)
    print(
        json.dumps(
            {"benchmark": "judges", "cpu_s": cpu, "judges": figures, "goals": GOALS, "met": met}
        )
    )


if __name__ == "__main__":
    with reported():
        main()
