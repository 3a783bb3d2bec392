"""What does the ageing protocol say of its own baselines, and what does it cost?

A protocol is sound where leaving the face as it is keeps the person and misses the age, and where
the nearest real face of the target group does the reverse. About a minute of one core; the
portraits are drawn once and then found in the cache.

    python benchmarks/ageing.py
    python benchmarks/ageing.py --out FOLDER    # with the picture

A table; the last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import time

from ganzoo_core.cli.failures import reported
from ganzoo_core.runs.evaluation import baselines

GROUPS = (18, 29, 39, 49, 59)
FIGURES = (
    "age_error",
    "group_accuracy",
    "age_gap",
    "pearson",
    "monotone",
    "cosine",
    "tar_far_0.01",
    "tar_far_0.001",
    "kid",
    "truth_l1",
    "truth_ssim",
    "truth_distance",
)
COPY, NEAREST, PAIRS, TRUTH = "identity copy", "nearest real", "real pairs", "paired truth"


def main() -> None:
    """Measure the baselines on 500 unseen people."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("-n", type=int, default=500, help="faces")
    parser.add_argument("--out")
    given = parser.parse_args()
    start = time.process_time()
    found = baselines("people", groups=GROUPS, n=given.n, out=given.out, quiet=True)
    cpu = round(time.process_time() - start, 1)
    who = found.baselines["ageing"]
    print(f"{'':16}" + "".join(f"{name:>15}" for name in who))
    for name in FIGURES:
        cells = [f"{who[w][name].value:15.4g}" if name in who[w] else " " * 15 for w in who]
        print(f"{name:16}" + "".join(cells))
    value = {w: {k: f.value for k, f in figures.items()} for w, figures in who.items()}
    rest = [value[w] for w in (NEAREST, PAIRS, TRUTH)]
    goals = {
        "identity copy keeps every person": value[COPY]["tar_far_0.01"] == 1,
        "and misses the age most": value[COPY]["age_error"] > max(w["age_error"] for w in rest),
        "nearest real loses the person": value[NEAREST]["tar_far_0.01"] <= 0.05,
        "and is as old as real faces": value[NEAREST]["age_gap"] <= 1,
        "the truth keeps both": value[TRUTH]["tar_far_0.01"] >= 0.95
        and value[TRUTH]["age_gap"] <= 1,
    }
    for goal, met in goals.items():
        print(f"{goal}: {'yes' if met else 'NO'}")
    print(
        json.dumps(
            {
                "benchmark": "ageing",
                "faces": given.n,
                "cpu_s": cpu,
                "figures": value,
                "goals": goals,
                "met": all(goals.values()),
            }
        )
    )


if __name__ == "__main__":
    with reported():
        main()
