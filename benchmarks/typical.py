"""What must a mismatch cost? Real images, drawn as the best samples under it would be.

    python benchmarks/typical.py

With a share m of wrong labels (`model.loss.mismatch`) D is at a loss where the samples of a class
are spread as (p - m q) / (1 - m): p the real images of that class, q those of its neighbours. So
real training images are drawn in these proportions, by what the judge says of them, and measured
as samples are in benchmarks/classics.py. What a GAN falls short of these figures is not the
mismatch's doing. 64 px, the `people` of cgan's preset `good`. Prints a table; the last line is one
JSON object. About four minutes of CPU.
"""

import argparse
import json

import torch
from classics import GOALS

from ganzoo_core import config
from ganzoo_core.cli.failures import reported
from ganzoo_core.interfaces.gan import beside
from ganzoo_core.metrics.agreement import gan_test, gan_train
from ganzoo_core.metrics.case import Case
from ganzoo_core.metrics.sides import first, subset
from ganzoo_core.report import Progress
from ganzoo_core.runs.data import open_images
from ganzoo_core.runs.evaluation import splits
from ganzoo_core.runs.networks import feature_network

SHARES = (0.0, 0.2, 0.5)
"""The goals, those of benchmarks/classics.py, are for the largest."""


def weights(chance, label, counts, share):
    """Return how often each real image [N] is to be drawn.

    Args:
        chance: the judge's p(class | image) [N, K], which knows how frequent classes are.
        counts: images of each class [K].
    """
    likely = chance / counts  # to a factor of each image, p(image | class)
    own = likely.gather(1, label[:, None])[:, 0]
    neighbours = torch.stack([beside(label, step, len(counts)) for step in (-1, 1)], 1)
    others = likely.gather(1, neighbours).mean(1)
    wanted = (1 - share * others / own).clamp(min=0)
    each = torch.zeros(len(counts)).index_add(0, label, wanted)  # classes stay as frequent
    return wanted / each[label] * counts[label]


def measured(train, test, share, n, seed):
    """Return the figures of n real images in the proportions of a share."""
    real, bar = first(test, n, 0, "reference"), Progress(False)
    case = Case(train, test, real, real, feature_network(""), conditional=True, bar=bar)
    counts = torch.tensor(train.info.counts).float()
    chance = case.seen("train", case.judge).logits.softmax(1)
    odds = weights(chance, train.label, counts, share)
    rows = torch.multinomial(odds, n, generator=torch.Generator().manual_seed(seed))
    case.fake = subset(train, rows, f"as under a share of {share}")
    found = {**gan_test(case), **gan_train(case)}
    values = {name: round(figure.value, 4) for name, figure in found.items()}
    lowest = min(found["gan_test_ratio"].parts.values())
    return {**values, "lowest_class_ratio": round(lowest, 4)}


def main():
    """Draw, measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-n", type=int, default=3000, help="images of each draw")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    tree = config.build("cgan", preset="good")
    groups, bar = tree.model.groups, Progress(False)
    train, test = (open_images(None, side, groups, bar) for side in splits(tree.data))
    figures = {}
    for share in SHARES:
        for name, value in measured(train, test, share, args.n, args.seed).items():
            figures[f"{name}_{share}"] = value
            print(f"share {share:<4} {name:<20} {value:>8}", flush=True)
    goals = GOALS["cgan"]
    met = all(figures[f"{name}_{SHARES[-1]}"] >= goal for name, goal in goals.items())
    print(json.dumps({"benchmark": "typical", "figures": figures, "goals": goals, "met": met}))


if __name__ == "__main__":
    with reported():
        main()
