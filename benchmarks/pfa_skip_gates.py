"""The cost of closed gates in PFA-GAN: steps that skip them beside steps that compute them all.

    python benchmarks/pfa_skip_gates.py

Times whole training steps (D and G, untrained auxiliary networks), batch 24 at 64 px, full width,
the two variants alternately, and takes the minimum. Prints a table; the last line is one JSON
object.
"""

import argparse
import json
import time

import torch
from ganzoo_face_aging.testing import StubAgeEstimator
from ganzoo_pfa_gan.config import PAPER_AGE_BINS, REPORT_AGE_BINS
from ganzoo_pfa_gan.model import PFAGAN
from ganzoo_pfa_gan.networks import ProgressiveGenerator

from ganzoo_core import config
from ganzoo_core.cli.error_handling import exit_on_error
from ganzoo_core.data import pack_images
from ganzoo_core.engine import Callback, Trainer, resolve_setup
from ganzoo_core.interfaces import Auxiliaries
from ganzoo_core.testing.shapes import Shapes, ShapesConfig

_GOALS = {"four": 1.4, "six": 1.7}
_AGE_BINS_BY_NAME = {"four": PAPER_AGE_BINS, "six": REPORT_AGE_BINS}
BATCH_SIZE, IMAGE_SIZE = 24, 64


class _UngatedGenerator(ProgressiveGenerator):
    """Runs every sub-network on every row, as in the public code."""

    def forward(self, image, source, target):
        """Return images [N, C, S, S] from age groups source [N] to target [N]."""
        for i, sub_generator in enumerate(self.sub_generators):
            gate = ((source <= i) & (i < target))[:, None, None, None]
            image = image + gate * sub_generator(image)
        return image


def _make_trainer(age_bins, device, precision):
    """Return a Trainer of a new model."""
    data = ShapesConfig(name="shapes", count=240, image_size=IMAGE_SIZE)
    images = pack_images(Shapes(data), image_size=IMAGE_SIZE, age_bins=age_bins)
    patch = {"model": {"age_bins": age_bins}}
    tree = config.build_config("pfa-gan", preset="paper", patches=[patch])
    torch.manual_seed(0)
    model = PFAGAN(tree.model, images.info)
    model.auxiliaries = Auxiliaries({role: StubAgeEstimator() for role in ("identity", "age")})
    train_config = tree.train.model_copy(update={"batch_size": BATCH_SIZE, "steps": 10**6})
    return Trainer(model, images, train_config, resolve_setup(device, precision), Callback())


def _time_step(trainer):
    """Return wall and CPU seconds of one step."""
    synchronize = torch.cuda.synchronize if trainer.device.type == "cuda" else lambda: None
    synchronize()
    wall, cpu = time.perf_counter(), time.process_time()
    trainer.train_step(trainer.plan.stage_at(trainer.step))
    synchronize()
    return time.perf_counter() - wall, time.process_time() - cpu


def _compare_gating(age_bins, options):
    """Return the minimum (wall, CPU) seconds of a step that skips closed gates, and of one that
    does not."""
    gated, ungated = (_make_trainer(age_bins, options.device, options.precision) for _ in range(2))
    ungated.model.generator.aging.__class__ = _UngatedGenerator
    times = [(_time_step(gated), _time_step(ungated)) for _ in range(options.repeats + 1)][1:]
    return [[min(pair[k][i] for pair in times) for i in range(2)] for k in range(2)]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--device", default="auto")
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--repeats", type=int, default=4)
    options = parser.parse_args()
    start = time.process_time()
    report = {"benchmark": "pfa_skip_gates", "batch_size": BATCH_SIZE, "size": IMAGE_SIZE}
    print(f"{'groups':8}{'skip, s':>10}{'run all, s':>12}{'times':>8}{'CPU times':>11}")
    for name, age_bins in _AGE_BINS_BY_NAME.items():
        gated, ungated = _compare_gating(age_bins, options)
        wall, cpu = (a / b for a, b in zip(ungated, gated, strict=True))
        print(f"{name:8}{gated[0]:10.3f}{ungated[0]:12.3f}{wall:8.2f}{cpu:11.2f}", flush=True)
        report[name] = {
            "skip_s": round(gated[0], 4),
            "all_s": round(ungated[0], 4),
            "times": round(wall, 3),
            "cpu_times": round(cpu, 3),
        }
    report |= {
        "threads": torch.get_num_threads(),
        "cpu_s": round(time.process_time() - start, 1),
        "images_seen": 4 * (options.repeats + 1) * BATCH_SIZE,
        "goals": _GOALS,
        "met": all(report[name]["times"] >= goal for name, goal in _GOALS.items()),
    }
    print(json.dumps(report))


if __name__ == "__main__":
    with exit_on_error():
        main()
