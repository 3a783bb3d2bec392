"""The aging benchmark on its baselines, and its cost.

The benchmark is valid if an unchanged face preserves identity but misses the age, and the nearest
real face of the target group does the opposite. About a minute on one core; the portraits are
rendered once and cached.

    python benchmarks/aging.py
    python benchmarks/aging.py --out FOLDER    # writes the figure too

Prints a table; the last line is a JSON object.
"""

from __future__ import annotations

import argparse
import json
import time

from ganzoo_core.cli.error_handling import exit_on_error
from ganzoo_core.evaluation.api import evaluate_baselines

AGE_BINS = (18, 29, 39, 49, 59)
METRIC_NAMES = (
    "target_age_error",
    "group_accuracy",
    "group_mean_age_error",
    "age_pearson_r",
    "monotonic_rate",
    "identity_cosine",
    "tar_far_0.01",
    "tar_far_0.001",
    "kid",
    "paired_l1",
    "paired_ssim",
    "paired_embedding_distance",
)


def main() -> None:
    """Evaluate the baselines on 500 unseen people."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("-n", type=int, default=500, help="faces")
    parser.add_argument("--out")
    args = parser.parse_args()
    start = time.process_time()
    found = evaluate_baselines(
        "people",
        metrics=["aging"],
        num_samples=args.n,
        out=args.out,
        quiet=True,
        metric_options={"age_bins": AGE_BINS},
    )
    cpu = round(time.process_time() - start, 1)
    values = {
        baseline: {name: value.value for name, value in results.items()}
        for baseline, results in found.baselines["aging"].items()
    }
    print(f"{'':26}" + "".join(f"{baseline:>15}" for baseline in values))
    for name in METRIC_NAMES:
        cells = [f"{x[name]:15.4g}" if name in x else " " * 15 for x in values.values()]
        print(f"{name:26}" + "".join(cells))
    copy, nearest, pairs, paired = (
        values[name] for name in ("identity copy", "nearest real", "real pairs", "paired target")
    )
    largest_error = max(x["target_age_error"] for x in (nearest, pairs, paired))
    goals = {
        "identity copy: identity": copy["tar_far_0.01"] == 1,
        "identity copy: largest age error": copy["target_age_error"] > largest_error,
        "nearest real: other identity": nearest["tar_far_0.01"] <= 0.05,
        "nearest real: age": nearest["group_mean_age_error"] <= 1,
        "paired target: identity": paired["tar_far_0.01"] >= 0.95,
        "paired target: age": paired["group_mean_age_error"] <= 1,
    }
    for goal, met in goals.items():
        print(f"{goal}: {'yes' if met else 'NO'}")
    result = {"benchmark": "aging", "num_faces": args.n, "cpu_s": cpu, "values": values}
    print(json.dumps({**result, "goals": goals, "met": all(goals.values())}))


if __name__ == "__main__":
    with exit_on_error():
        main()
