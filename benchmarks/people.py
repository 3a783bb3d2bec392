"""How fast one core draws portraits.

    python benchmarks/people.py

Medians over interleaved batches of 64; the last line is one JSON object.
"""

import os

os.environ["OMP_NUM_THREADS"] = "1"

import json
import statistics
import time

from ganzoo_people import age, appearance, identity, nuisance, render

from ganzoo_core.cli.failures import reported

SIZES, BATCH, REPEATS, GOAL = (32, 64, 128, 256), 64, 7, 200


def batch(first):
    """Return the factors of 64 portraits, drawn anew each time as a data set does."""
    people = range(first, first + BATCH)
    looks = [appearance(identity(0, n), age(0, n, 0)) for n in people]
    return looks, [nuisance(0, n, 0) for n in people]


def main():
    """Measure and print."""
    speeds = {size: [] for size in SIZES}
    for repeat in range(REPEATS):
        for size in SIZES:
            wall, cpu = time.perf_counter(), time.process_time()
            render(*batch(repeat * BATCH), size)
            speeds[size].append(
                (BATCH / (time.perf_counter() - wall), BATCH / (time.process_time() - cpu))
            )
    print(f"{'size':>5} {'images/s':>9} {'images/CPU s':>13}")
    figures = {}
    for size, pairs in speeds.items():
        wall, cpu = (statistics.median(column) for column in zip(*pairs, strict=True))
        figures[str(size)] = {"images_per_second": round(wall), "images_per_cpu_second": round(cpu)}
        print(f"{size:>5} {wall:>9.0f} {cpu:>13.0f}")
    met = figures["64"]["images_per_second"] >= GOAL
    goals = {"images_per_second_at_64": GOAL}
    print(json.dumps({"benchmark": "people", "figures": figures, "goals": goals, "met": met}))


if __name__ == "__main__":
    with reported():
        main()
