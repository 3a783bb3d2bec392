"""What a classifier makes of samples, and what a classifier makes out of them.

GAN-test and GAN-train: Shmelkov et al., How good is my GAN?, arXiv 1807.09499. Each is printed
with its anchor: a judge cannot read more than its own accuracy on real images, and GAN-train is
held against the same classifier trained on as many real images.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ganzoo_core.data import Images
from ganzoo_core.metrics.case import Case, Side
from ganzoo_core.metrics.classifier import recalls
from ganzoo_core.metrics.figures import Figure, Unfit, share_error
from ganzoo_core.metrics.networks import Network
from ganzoo_core.metrics.sides import first

SPLITS = 10
"""Of the inception score."""


def gan_test(case: Case) -> dict[str, Figure]:
    """Return the judge's accuracy on real held-out images, and on samples against asked labels."""
    case.labelled("gan-test")
    real = accuracy(case, case.judge, "test")
    fake = accuracy(case, case.judge, "fake")
    return {"judge_on_real": real, "judge_on_samples": fake, "gan_test_ratio": over(fake, real)}


def gan_train(case: Case) -> dict[str, Figure]:
    """Return the accuracy on real images of a classifier trained on samples, and of one trained
    on as many real images."""
    case.labelled("gan-train")
    count = min(len(case.fake), len(case.train))
    samples = first(case.fake, count, case.seed, "samples")
    as_many = first(case.train, count, case.seed, "as many")
    on_samples = case.train_on(samples, "learning from samples", cached=False)
    on_real = case.train_on(as_many, "learning from real images")
    learnt = accuracy(case, on_samples, "test")
    anchor = accuracy(case, on_real, "test")
    ratio = over(learnt, anchor)
    return {"gan_train": learnt, "real_trained": anchor, "gan_train_ratio": ratio}


def over(figure: Figure, anchor: Figure) -> Figure:
    """Return a figure over its anchor, which is the same for all models that are compared: so the
    error is the figure's own."""

    def share(a: float, b: float) -> float:
        return a / b if b else 0.0

    return Figure(
        value=share(figure.value, anchor.value),
        error=share(figure.error or 0.0, anchor.value),
        better="higher",
        parts={k: share(v, anchor.parts.get(k, 0.0)) for k, v in figure.parts.items()},
    )


def class_shares(case: Case) -> dict[str, Figure]:
    """Return how the judge finds the classes spread over the samples: a collapse shows here."""
    found = predicted(case, case.judge, "fake")
    share = torch.bincount(found, minlength=len(case.info.classes)) / len(found)
    present = [i for i, count in enumerate(case.train.info.counts) if count]
    parts = {case.info.classes[i]: float(share[i]) for i in present}
    seen = sum(value > 0 for value in parts.values())
    return {
        "classes_seen": Figure(value=seen / len(parts), better="higher"),
        "rarest_class": Figure(value=min(parts.values()), parts=parts),
    }


def inception_score(case: Case) -> dict[str, Figure]:
    """Return exp of the mean KL from p(y|x) to p(y), over ten splits as published; its error is
    that of their mean. 1 is the worst, the number of classes the best.

    Raises:
        Unfit: the feature network tells no classes, or there are too few samples.
    """
    logits = case.seen("fake").logits
    if logits is None:
        raise Unfit(
            f"inception-score needs a network that tells classes; {case.network.name} is none"
        )
    if len(logits) < SPLITS * 10:
        raise Unfit(f"inception-score needs {SPLITS * 10} samples: give a larger -n")
    order = torch.randperm(len(logits), generator=torch.Generator().manual_seed(case.seed))
    scores = torch.stack([score(part) for part in logits[order].double().tensor_split(SPLITS)])
    error = float(scores.std() / len(scores) ** 0.5)
    return {"inception_score": Figure(value=float(scores.mean()), error=error, better="higher")}


def score(logits: Tensor) -> Tensor:
    """Return the inception score, 0-d, of logits [N, K]."""
    log_p = logits.log_softmax(1)
    log_mean = log_p.logsumexp(0) - torch.tensor(len(log_p)).log()
    return (log_p.exp() * (log_p - log_mean)).sum(1).mean().exp()


def predicted(case: Case, network: Network, side: Side) -> Tensor:
    """Return the class [N] that a classifier gives each image of a side."""
    logits = case.seen(side, network).logits
    if logits is None:
        raise Unfit(f"{network.name} tells no classes")
    return logits.argmax(1)


def accuracy(case: Case, network: Network, side: Side) -> Figure:
    """Return the accuracy of a classifier on labelled images, in all and by class."""
    images: Images = getattr(case, side)
    assert images.label is not None
    found = predicted(case, network, side)
    right = float((found == images.label).double().mean())
    each = recalls(found, images.label, len(images.info.classes))
    names = enumerate(images.info.classes)
    return Figure(
        value=right,
        error=share_error(right, len(images)),
        better="higher",
        parts={name: float(each[i]) for i, name in names if i in images.info.present},
    )
