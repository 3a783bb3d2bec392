"""Portraits per second that one core renders.

    python benchmarks/render_throughput.py

Medians over interleaved batches of 64; the last line is one JSON object.
"""

import os

os.environ["OMP_NUM_THREADS"] = "1"

import json
import statistics
import time

from ganzoo_people import age, appearance, identity, nuisance, render

from ganzoo_core.cli.error_handling import exit_on_error

SIZES, BATCH, REPEATS, GOAL = (32, 64, 128, 256), 64, 7, 200


def _portrait_factors(first_identity):
    """Return the factors of 64 portraits, as a data set computes them."""
    people = range(first_identity, first_identity + BATCH)
    appearances = [appearance(identity(0, n), age(0, n, 0)) for n in people]
    return appearances, [nuisance(0, n, 0) for n in people]


def main():
    """Measure and print."""
    speeds = {size: [] for size in SIZES}
    for repeat in range(REPEATS):
        for size in SIZES:
            wall, cpu = time.perf_counter(), time.process_time()
            render(*_portrait_factors(repeat * BATCH), size)
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
    print(
        json.dumps(
            {"benchmark": "render_throughput", "figures": figures, "goals": goals, "met": met}
        )
    )


if __name__ == "__main__":
    with exit_on_error():
        main()
