"""The effect of wrong labels among D's negatives on the metrics of an ideal generator.

    python benchmarks/wrong_label_cost.py

With `model.terms.wrong-labels.weight` = m, D cannot separate samples of a class from real images if
they are distributed as (p - m q) / (1 - m), where p is the distribution of the real images of the
class and q that of the adjacent classes. This benchmark resamples real training images to this
distribution, with the class probabilities of the classifier, and evaluates them as
benchmarks/sample_quality.py evaluates samples. The values are an upper bound for a GAN trained
with this weight. 64 px, the data of cgan's preset `people-64`. Prints a table; the last line is a
JSON object. About four minutes of CPU.
"""

import argparse
import json

import torch
from sample_quality import GOALS_BY_MODEL

from ganzoo_core import config
from ganzoo_core.cli.error_handling import exit_on_error
from ganzoo_core.evaluation.api import split_configs
from ganzoo_core.losses.terms.wrong_labels import adjacent_label
from ganzoo_core.metrics.classification import gan_test, gan_train
from ganzoo_core.metrics.context import EvaluationContext
from ganzoo_core.metrics.image_sets import random_subset, subset
from ganzoo_core.report import Progress
from ganzoo_core.training.open_data import open_images

WRONG_LABEL_WEIGHTS = (0.0, 0.2, 0.5)
"""The goals, those of benchmarks/sample_quality.py, apply to the largest."""


def sampling_weights(class_probs, label, class_counts, wrong_label_weight):
    """Return the sampling weight of each real image [N]; the class frequencies do not change.

    Args:
        class_probs: p(class | image) [N, K] of the classifier.
        label: [N].
        class_counts: images of each class [K].
        wrong_label_weight: m.
    """
    class_likelihood = class_probs / class_counts  # proportional to p(image | class)
    own_likelihood = class_likelihood.gather(1, label[:, None])[:, 0]
    neighbors = torch.stack(
        [adjacent_label(label, direction, len(class_counts)) for direction in (-1, 1)], 1
    )
    neighbor_likelihood = class_likelihood.gather(1, neighbors).mean(1)
    image_weight = (1 - wrong_label_weight * neighbor_likelihood / own_likelihood).clamp(min=0)
    class_weight_sum = torch.zeros(len(class_counts)).index_add(0, label, image_weight)
    return image_weight / class_weight_sum[label] * class_counts[label]


def evaluate_resampled(train, test, wrong_label_weight, n, seed):
    """Return the metric values of n resampled real images."""
    real, progress = random_subset(test, n, 0, "reference"), Progress(False)
    ctx = EvaluationContext(
        train, test, real, real, lambda ctx: ctx.classifier, conditional=True, progress=progress
    )
    counts = torch.tensor(train.info.class_counts).float()
    class_probs = ctx.network_outputs("train", ctx.classifier).logits.softmax(1)
    row_weights = sampling_weights(class_probs, train.label, counts, wrong_label_weight)
    rows = torch.multinomial(row_weights, n, generator=torch.Generator().manual_seed(seed))
    ctx.fake = subset(train, rows, f"wrong_label_weight {wrong_label_weight}")
    found = {**gan_test(ctx), **gan_train(ctx)}
    values = {name: round(value.value, 4) for name, value in found.items()}
    lowest = min(found["gan_test_ratio"].breakdown.values())
    return {**values, "lowest_class_ratio": round(lowest, 4)}


def main():
    """Resample, evaluate and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-n", type=int, default=3000, help="images of each resample")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    tree = config.build_config("cgan", preset="people-64")
    age_bins, progress = tree.model.age_bins, Progress(False)
    train, test = (open_images(None, x, age_bins, progress) for x in split_configs(tree.data))
    values = {}
    for weight in WRONG_LABEL_WEIGHTS:
        for name, value in evaluate_resampled(train, test, weight, args.n, args.seed).items():
            values[f"{name}_{weight}"] = value
            print(f"weight {weight:<4} {name:<20} {value:>8}", flush=True)
    goals = GOALS_BY_MODEL["cgan"]
    met = all(values[f"{name}_{WRONG_LABEL_WEIGHTS[-1]}"] >= goal for name, goal in goals.items())
    result = {"benchmark": "wrong_label_cost", "values": values, "goals": goals, "met": met}
    print(json.dumps(result))


if __name__ == "__main__":
    with exit_on_error():
        main()
