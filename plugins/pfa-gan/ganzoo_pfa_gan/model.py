"""PFA-GAN: a face ages from group to group and stays the same person.

Paper: PFA-GAN: Progressive Face Aging with Generative Adversarial Network (Huang, Chen, Zhang,
Shan 2020, arXiv 2012.03459).

    X[i+1] = X[i] + gate[i] G[i](X[i])        one residual sub-network a pair of neighbouring groups
    L_D = 1/2 [(D(x_t, t) - 1)^2 + D(X[t], t)^2]
    L_G = adversarial 1/2 (D(X[t], t) - 1)^2
        + age [(E[age] - mean age of t)^2 + CE(group, t)]
        + identity [(1 - alpha) |X[t] - X[s]|_1 + alpha (1 - SSIM) + feature |F(X[t]) - F(X[s])|^2]

E[age] and CE come from a frozen age judge, F is a middle layer of a frozen identity judge; its
points on the sphere may be compared too (`weights.embedding`).

What differs from the public code: gates that are closed cost nothing; every pair of groups comes
equally often; the SSIM's window is odd; the loss has the paper's 1/2; the group's probability is
summed from the judge's ages, so any groups will do; the reversed model for rejuvenation is an
option; G may start as the identity (`start`), wait until D has learned (`head`) and be averaged;
the age judge may see faces through augmentations (`view`); D may have BatchNorm, which the group
joins after (`discriminator.norm`).
The paper does not give the weights of its losses; those of the presets were searched (README.md).

Shapes: N batch, K groups, S size.
"""

import math
from itertools import combinations

import torch
from torch import nn

from ganzoo_core import Draw, Model, Player, Stage, Step
from ganzoo_core.data.augment import Augment
from ganzoo_core.errors import UsageError, WeightsError
from ganzoo_core.losses import LeastSquares
from ganzoo_core.metrics.similarity import ssim
from ganzoo_pfa_gan.losses import expected_age, group_logits
from ganzoo_pfa_gan.networks import PatchDiscriminator, Progression

JUDGED = {"identity": "features", "age": "age_logits"}
"""What the losses ask of the judge of each role, beyond the role itself."""


class PFAGAN(Model):
    """Sub-networks age a face group by group; D sees faces of the target group and theirs."""

    adversarial = LeastSquares()
    uses = tuple(JUDGED)

    def __init__(self, config, info):
        super().__init__(config, info)
        check(config, info)
        sub = (config.width, info.channels, config.start)
        self.directions = ("ageing", "rejuvenation")
        if config.direction != "both":
            self.directions = (config.direction,)
        self.serves = self.directions
        for name in self.directions:
            setattr(self, name, Progression(len(info.classes), *sub))
        self.view = Augment(config.view)
        judged = (info.size, info.channels, len(info.classes))
        self.discriminator = PatchDiscriminator(*judged, config.discriminator.norm)
        means = [math.nan if age is None else age for age in info.mean_ages]
        self.register_buffer("mean_ages", torch.tensor(means), persistent=False)

    # --- from group to group ---------------------------------------------------------------------

    def move(self, image, source, target):
        """Return images [N, C, S, S] moved from groups source [N] to target [N], unbounded; the
        image itself where no direction leads there."""
        last = len(self.info.classes) - 1
        if "ageing" in self.directions:
            image = self.ageing(image, source, target)
        if "rejuvenation" in self.directions:  # the same network, its groups counted backwards
            image = self.rejuvenation(image, last - source, last - target)
        return image

    def translate(self, image, label):
        """Return images [N, C, S, S] in [-1, 1] at groups [N], from the group the age judge sees
        (capability `translate`); the image itself where the model does not go."""
        return clipped(self.move(image, self.source(image, None), label))

    def age(self, images, source_age, target_groups):
        """Return the same people at target groups [N, T], as [N, T, C, S, S] (`edit_age`).

        Args:
            source_age: years [N]; None to ask the age judge.

        Raises:
            UsageError: a target on the side to which the model does not go; no age and no judge.
        """
        source = self.source(images, source_age)
        behind = ~self.reaches(source[:, None], target_groups)
        if behind.any():
            face, at = behind.nonzero()[0].tolist()
            raise UsageError(self.one_way(source[face], target_groups[face, at]))
        ages = clipped(self.passage(images, source))
        return ages[target_groups, torch.arange(len(images), device=images.device)[:, None]]

    def reaches(self, source, target):
        """Return whether the model goes from groups `source` to groups `target`, bool."""
        if len(self.directions) > 1:
            return torch.ones_like(source + target, dtype=torch.bool)
        return target >= source if "ageing" in self.directions else target <= source

    def passage(self, image, source):
        """Return the face at every age in one pass, [K, N, C, S, S], unbounded."""
        groups = len(self.info.classes)
        ages = image.expand(groups, *image.shape)
        if "ageing" in self.directions:
            ages = self.ageing.stages(image, source)
        if "rejuvenation" in self.directions:
            younger = self.rejuvenation.stages(image, groups - 1 - source).flip(0)
            before = torch.arange(groups, device=source.device)[:, None] < source  # [K, N]
            ages = torch.where(before[:, :, None, None, None], younger, ages)
        return ages

    def one_way(self, source, target):
        """Say that the model does not go from one group to another."""
        names = self.info.classes
        return (
            f"this model knows {self.directions[0]} only, and {names[target]} lies the other way "
            f"from {names[source]}: train one with --set model.direction=both"
        )

    def source(self, images, age):
        """Return the groups [N] of ages [N] in years, estimated by the judge where None."""
        if age is None:
            if "age" not in self.judges:
                raise UsageError("the age of the face is not known: give it (--from AGE)")
            age = self.judges["age"].estimate_age(images)
        edges = torch.tensor(self.info.groups, device=images.device)
        return torch.bucketize(age.floor(), edges)  # an age on an edge belongs below it

    # --- the two steps ---------------------------------------------------------------------------

    def pairs(self):
        """Return the (source, target) groups that the model goes, each drawn equally often."""
        ageing = tuple(combinations(range(len(self.info.classes)), 2))
        there = {"ageing": ageing, "rejuvenation": tuple((old, young) for young, old in ageing)}
        return tuple(pair for name in self.directions for pair in there[name])

    def fake(self, t):
        """Return the sources at their targets' groups, made once a draw for both steps."""
        source, target = t.batch, t.batch.target
        return t.once("fake", lambda: self.move(source.image, source.label, target.label))

    def discriminator_loss(self, t):
        """Tell real faces of the target group from aged ones, which are detached, and, with
        `mismatch`, from the sources as they are."""
        target = t.batch.target
        fake = clipped(self.fake(t).detach())
        real_logit = self.discriminator(target.image, target.label)
        fake_logit = self.discriminator(fake, target.label)
        t.log(d_real=real_logit.mean(), d_fake=fake_logit.mean())
        if self.config.mismatch:
            wrong_logit = self.discriminator(t.batch.image, target.label)
            t.log(d_wrong=wrong_logit.mean())
            fake_logit = torch.cat([fake_logit, wrong_logit])
        return self.adversarial.d(real_logit, fake_logit)

    def generator_loss(self, t):
        """Fool D, look as old as the target group, stay the same person; every term is logged."""
        source, target = t.batch, t.batch.target
        fake = clipped(self.fake(t))
        terms = {
            "adversarial": self.adversarial.g(self.discriminator(fake, target.label)),
            **self.age_terms(self.view(fake, t.noise), target.label),
            **self.identity_terms(fake, source.image, t.noise),
        }
        t.log(**{f"g_{name}": value for name, value in terms.items()})
        w, alpha = self.config.weights, self.config.alpha
        identity = (1 - alpha) * terms["pixel"] + alpha * terms["ssim"]
        judged = w.feature * terms["feature"] + w.embedding * terms.get("embedding", 0.0)
        return (
            w.adversarial * terms["adversarial"]
            + w.age * (terms["years"] + terms["group"])
            + w.identity * (identity + judged)
        )

    def age_terms(self, fake, group):
        """Return `years`, the squared distance to the mean age of the group, and `group`, the
        cross-entropy of it, through the age judge."""
        logits = self.judges["age"].age_logits(fake)  # [N, 101]
        years = (expected_age(logits) - self.mean_ages[group]).square().mean()
        groups = group_logits(logits, self.info.groups)  # [N, K]
        return {"years": years, "group": nn.functional.nll_loss(groups, group)}

    def identity_terms(self, fake, real, noise):
        """Return `pixel` (L1), `ssim` (1 - SSIM), `feature`, a judge's middle layer squared, and,
        where it has a weight, `embedding`, the squared distance of that judge's points."""
        judge = self.judges["identity"]
        with torch.no_grad():
            before = judge.features(real)
        terms = {
            "pixel": (fake - real).abs().mean(),
            "ssim": 1 - ssim(fake, real).mean(),
            "feature": (judge.features(fake) - before).square().mean(),
        }
        if self.config.weights.embedding:
            with torch.no_grad():
                who = judge.embed(self.view(real, noise))  # [N, E]
            away = judge.embed(self.view(fake, noise)) - who
            terms["embedding"] = away.square().sum(1).mean()
        return terms

    def players(self):
        """Return D and the sub-networks; the judges are none of them."""
        config = self.config
        return {
            "d": Player(("discriminator",), config.optim_d),
            "g": Player(self.directions, config.optim_g, ema=config.ema),
        }

    def stages(self):
        """Return one stage: pairs of groups, a D step, a G step.

        Raises:
            WeightsError: a judge cannot say what the losses ask for.
        """
        check_judges(self.judges)
        d = Step("d", "d", self.discriminator_loss, repeat=self.config.d_steps)
        g = Step("g", "g", self.generator_loss, when=lambda t: t.round >= self.config.head)
        draw = Draw(fields=("image", "label"), how="pairs", pairs=self.pairs())
        return (Stage("gan", (d, g), draw, rounds=self.config.rounds),)


def clipped(image):
    """Return images inside [-1, 1]; beyond, no gradient flows."""
    return nn.functional.hardtanh(image)


def check(config, info):
    """Refuse data without ages, and images that the networks do not fit."""
    if not info.groups:
        raise ValueError("needs data with ages and model.groups to cut them, such as people")
    if info.size < 32 or info.size & (info.size - 1):
        raise ValueError(f"data.size: 32, 64, 128 or 256 px, not {info.size}: --set data.size=64")


def check_judges(judges):
    """Refuse judges that lack what the losses ask for."""
    for role, method in JUDGED.items():
        if role in judges and not hasattr(judges[role], method):
            kind = type(judges[role].module).__name__
            raise WeightsError(
                f"the judge of {role!r}, {kind}, has no {method}(), which the losses of pfa-gan "
                f"ask for: --set model.{role}.weights=FOLDER names another (`ganzoo list judge`)"
            )
