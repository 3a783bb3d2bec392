"""Data sets, losses, metrics, judges and capabilities with one fault each: see test_checks.py."""

from itertools import count

import numpy as np
import torch
from torch import nn
from torch.nn.functional import softplus
from zoo_of_faults import caught, cgan, entry

from ganzoo_core.errors import DataError
from ganzoo_core.interfaces import Loss, Table
from ganzoo_core.metrics import Figure
from ganzoo_core.testing.others import DatasetSubject, LossSubject, MetricSubject
from ganzoo_core.testing.shapes import Shapes
from ganzoo_core.testing.subject import Subject

# --- data sets ------------------------------------------------------------------------------------


def shapes(spec: dict | None = None, **attributes):
    """Return `shapes` as the subject of checks, with attributes of its class."""
    subject = DatasetSubject(*entry("dataset", "shapes", **(spec or {})))
    subject.__dict__["target"] = type("Faulty", (Shapes,), attributes)
    return subject


def wants_a_path(check_path):
    def init(self, config):
        Shapes.__init__(self, config)
        check_path(config.path)

    return shapes(__init__=init)


@caught("opens", "which does not exist")
def takes_any_path():
    def check_path(path):
        if not path:
            raise DataError("give a path")

    return wants_a_path(check_path)


@caught("opens", "name the path that is not there")
def refuses_without_a_name():
    def check_path(path):
        raise DataError("it is not there")

    return wants_a_path(check_path)


@caught("table", "add it to DatasetSpec.gives")
def gives_more():
    return shapes({"gives": ("image", "label")})


@caught("table", "labels run from")
def labels_beyond_classes():
    def table(self):
        return Table(length=3, labels=np.array([0, 1, 2]), classes=("a", "b"))

    return shapes(table=table)


@caught("images", "return uint8")
def images_of_floats():
    return shapes(image=lambda self, index: np.zeros((8, 8, 3)))


@caught("images-repeat", "differs from call to call")
def images_by_chance():
    counter = count()
    return shapes(image=lambda self, index: np.full((8, 8, 3), next(counter), np.uint8))


@caught("images-repeat", "is not image(i)")
def images_together():
    def images(self, indices):
        return [np.zeros((self.config.size, self.config.size, 3), np.uint8) for _ in indices]

    return shapes(images=images)


@caught("prepares", "source() differs")
def another_source():
    counter = count()
    return shapes(source=lambda self: str(next(counter)))


# --- losses ---------------------------------------------------------------------------------------


def loss(d, g, **attributes):
    """Return a loss of two functions as the subject of checks."""
    subject = LossSubject(*entry("loss", "hinge"))
    made = {"d": lambda self, *x: d(*x), "g": lambda self, *x: g(*x), **attributes}
    kind = type("Faulty", (Loss,), made)
    subject.loss = lambda **values: kind()
    return subject


def good_d(real, fake):
    return softplus(-real.float()).mean() + softplus(fake.float()).mean()


def good_g(fake, real=None):
    return softplus(-fake.float()).mean()


@caught("halves", "no finite 0-d float32")
def loss_without_mean():
    return loss(lambda real, fake: softplus(fake - real), good_g)


@caught("halves", "compute in .float()")
def loss_in_half():
    return loss(good_d, lambda fake, real=None: softplus(-fake).mean())


@caught("directions", "where real logits rise")
def signs_of_d():
    return loss(lambda real, fake: good_d(-real, fake), good_g)


@caught("directions", "G's loss does not fall")
def signs_of_g():
    return loss(good_d, lambda fake, real=None: good_g(-fake))


@caught("extremes", "take softplus or logsigmoid")
def log_of_sigmoid():
    return loss(good_d, lambda fake, real=None: -torch.sigmoid(fake.float() * 2).log().mean())


@caught("takes-regularizers", "model.loss.r1 has no effect")
def without_penalty():
    return loss(good_d, good_g)


# --- metrics --------------------------------------------------------------------------------------


def metric(function, **spec):
    """Return a function as the subject of checks."""
    subject = MetricSubject(*entry("metric", "memorisation", **spec))
    subject.__dict__["target"] = function
    return subject


@caught("measures", "no finite number")
def measures_nothing():
    return metric(lambda case: {"x": Figure(value=float("nan"))})


@caught("measures", "is no Figure")
def bare_numbers():
    return metric(lambda case: {"x": 1.0})


@caught("few-images", "raise Unfit")
def spread_of_one():
    def spread(case):
        pixels = case.fake.gather(torch.arange(len(case.fake))).float()
        return {"x": Figure(value=float(pixels.mean()) / (len(pixels) - 1 or float("nan")))}

    return metric(spread)


@caught("figures-repeat", "draw from case.seed")
def by_chance():
    return metric(lambda case: {"x": Figure(value=float(torch.rand(())))})


@caught("needs", "needs=('features',)")
def unsaid_network():
    return metric(lambda case: {"x": Figure(value=float(case.seen("fake").features.mean()))})


@caught("reads-only", "work on a copy")
def changes_images():
    def darken(case):
        case.fake.pixels.zero_()
        return {"x": Figure(value=0.0)}

    return metric(darken)


# --- judges ---------------------------------------------------------------------------------------


def judge(**spec):
    """Return a shipped judge as the subject of checks, its spec changed."""
    return Subject(*entry("judge", "people-age", **spec))


@caught("sound-bundle", "")
def not_a_bundle():
    return judge(target="ganzoo_core:testing")


@caught("serves-its-role", "people-age")
def another_role():
    return judge(role="identity")


# --- capabilities ---------------------------------------------------------------------------------


def able(word, **methods):
    """Return cgan with one capability more."""
    return cgan({"can": ("sample", word)}, **methods)


@caught("translates", "gives shape")
def translates_to_grey():
    return able("translate", translate=lambda self, image, label: image[:, :1])


@caught("condition", "translate is the same for every label")
def translates_deafly():
    return able("translate", translate=lambda self, image, label: image)


@caught("embeds", "no unit vectors")
def embeds_anywhere():
    return able("embed", embed=lambda self, image: image.mean((2, 3)) + 3)


@caught("embeds", "resize inside")
def embeds_one_size():
    return able("embed", embed=lambda self, image: nn.functional.normalize(image.flatten(1)))


@caught("embeds", "depends on its neighbours")
def embeds_by_neighbours():
    def embed(self, image):
        means = image.mean((2, 3))
        return nn.functional.normalize(means - means.mean(0) + 1)

    return able("embed", embed=embed)


@caught("estimates-age", "not [3]")
def ages_of_channels():
    return able("estimate_age", estimate_age=lambda self, image: image.mean((2, 3)))


@caught("edits-age", "gives shape")
def one_age_only():
    return able("edit_age", age=lambda self, images, source_age, targets: images)


@caught("likelihood", "at most 0")
def surer_than_sure():
    return able(
        "likelihood",
        levels=256,
        exact=True,
        log_likelihood=lambda self, image, label, noise: image[:, 0, 0, 0] + 2,
    )


@caught("spec", "no family 'mammals'")
def strange_family():
    return cgan({"family": "mammals"})
