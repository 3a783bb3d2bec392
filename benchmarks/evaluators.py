"""Accuracy of the shipped evaluators on people that are not in their training data.

Identity: the threshold is from split `calibration`, the metrics are from `test`. Age: `test`.
Intervals are over resamples of the people. About a minute of one core, most of it for rendering.

    python benchmarks/evaluators.py
    python benchmarks/evaluators.py --record-metrics    # also write them into the weights

Prints a table; the last line is a JSON object.
"""

from __future__ import annotations

import argparse
import json
import time
from typing import Any

from ganzoo_face_aging.age_estimation import evaluate_age_estimates
from ganzoo_face_aging.batched import predict_in_batches
from ganzoo_face_aging.verification import (
    FALSE_ACCEPT_RATES,
    evaluate_verification,
    make_pair_distances,
)

from ganzoo_core.cli.error_handling import exit_on_error
from ganzoo_core.report import Progress
from ganzoo_core.training.open_data import decode_dataset, open_dataset, parse_data_config
from ganzoo_core.weights import PretrainedAuxiliary, add_metrics, find_auxiliary, load_model
from ganzoo_core.zoo import zoo

_AGE_BINS = (18, 29, 39, 49, 59)
_GOALS = {"verification_min": 0.99, "age_mae_max": 2.5, "num_parameters_max": 1_000_000}
_NUM_PORTRAITS = {"calibration": 2400, "test": 4000}
"""By split; eight portraits of each person."""


def _render_portraits(split: str) -> Any:
    """Render the portraits of a split at the size of the evaluators."""
    options = {
        "split": split,
        "count": _NUM_PORTRAITS[split],
        "photos_per_person": 8,
        "image_size": 64,
    }
    return decode_dataset(open_dataset(parse_data_config("people", options)), (), Progress(True))


def _measure_identity(
    evaluator: PretrainedAuxiliary, images_by_split: dict[str, Any], record_metrics: bool
) -> dict[str, Any]:
    """Return the verification metrics of an identity evaluator."""
    model = evaluator.build()
    embeddings = {
        name: predict_in_batches(model.embed, images) for name, images in images_by_split.items()
    }
    identities = {name: images.identity.numpy() for name, images in images_by_split.items()}
    calibration_pairs = make_pair_distances(embeddings["calibration"], identities["calibration"])
    result = evaluate_verification(
        embeddings["test"], identities["test"], calibration_pairs.best_threshold()
    )
    if record_metrics:
        metrics = [{"name": "threshold", "value": result.threshold}]
        metrics += [
            {"name": f"threshold_at_far_{far:g}", "value": calibration_pairs.threshold_at_far(far)}
            for far in FALSE_ACCEPT_RATES
            if far * len(calibration_pairs.impostor_distances) >= 10
        ]
        metrics.append({"name": "verification_accuracy", "value": result.accuracy})
        metrics += [
            {"name": f"tar_at_far_{far}", "value": tar} for far, tar in result.tar_at_far.items()
        ]
        add_metrics(evaluator.pretrained.path, metrics)
    low, high = result.accuracy_ci95
    text = f"accuracy {result.accuracy:.2%} ({low:.2%} to {high:.2%}), TAR "
    text += ", ".join(f"{tar:.1%} at {far}" for far, tar in result.tar_at_far.items())
    met = result.accuracy >= _GOALS["verification_min"]
    return {"text": text, "met": met, **result.to_json()}


def _measure_age(
    evaluator: PretrainedAuxiliary, images_by_split: dict[str, Any], record_metrics: bool
) -> dict[str, Any]:
    """Return the errors of an age evaluator."""
    images = images_by_split["test"]
    estimated = predict_in_batches(evaluator.build().estimate_age, images)
    result = evaluate_age_estimates(
        estimated, images.age.numpy(), _AGE_BINS, images.identity.numpy()
    )
    if record_metrics:
        metrics = {"age_mae": result.mae, "group_accuracy": result.group_accuracy}
        add_metrics(
            evaluator.pretrained.path, [{"name": n, "value": v} for n, v in metrics.items()]
        )
    low, high = result.mae_ci95
    text = f"MAE {result.mae:.2f} ({low:.2f} to {high:.2f}) years, bias {result.bias:+.2f}, "
    text += f"group {result.group_accuracy:.1%}, within 5 years {result.cumulative_score['5']:.1%}"
    return {"text": text, "met": result.mae <= _GOALS["age_mae_max"], **result.to_json()}


def main() -> None:
    """Measure each shipped evaluator that was trained on `people`."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--record-metrics", action="store_true")
    record_metrics, start = parser.parse_args().record_metrics, time.process_time()
    images_by_split = {name: _render_portraits(name) for name in _NUM_PORTRAITS}
    results: dict[str, Any] = {}
    for role, measure in (("identity", _measure_identity), ("age", _measure_age)):
        for spec in zoo().evaluators(role):
            if spec.train_data != "people":
                continue
            evaluator = find_auxiliary(role, spec.name)
            for images in images_by_split.values():
                evaluator.check_data_version(images.info)
            num_parameters = sum(p.numel() for p in load_model(evaluator.pretrained).parameters())
            measured = measure(evaluator, images_by_split, record_metrics)
            print(f"{spec.name:26}{num_parameters:>9,}  {measured.pop('text')}")
            measured["met"] = measured["met"] and num_parameters <= _GOALS["num_parameters_max"]
            results[spec.name] = {"num_parameters": num_parameters, **measured}
    met = bool(results) and all(f["met"] for f in results.values())
    cpu = round(time.process_time() - start, 1)
    print(
        json.dumps(
            {
                "benchmark": "evaluators",
                "cpu_s": cpu,
                "evaluators": results,
                "goals": _GOALS,
                "met": met,
            }
        )
    )


if __name__ == "__main__":
    with exit_on_error():
        main()
