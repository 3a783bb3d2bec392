"""The capabilities of models of faces: to estimate ages, and to render faces at other ages."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from torch import Tensor


@runtime_checkable
class SupportsAgeEstimation(Protocol):
    """Capability `estimate_age`, role `age`."""

    input_size: int
    """Edge of the images it was trained on, in pixels; `estimate_age` resizes its input."""

    def estimate_age(self, image: Tensor) -> Tensor:
        """Return expected ages [N] in years from images [N, C, H, W] in [-1, 1]."""


@runtime_checkable
class HasAgeLogits(Protocol):
    """Optional part of an age estimator."""

    def age_logits(self, image: Tensor) -> Tensor:
        """Return logits [N, 101] over the ages 0 to 100; `estimate_age` is their expectation."""


@runtime_checkable
class SupportsAgeEditing(Protocol):
    """Capability `edit_age`: renders the same person at another age.

    A model that generates the whole face, even at its own age, sets ``reconstructs = True``: face
    strips then show its reconstruction. A slow model may accept ``progress=``, a function that it
    calls with (done, total).

    A model of age groups renders the group of each target age (`layers.bin_index`). A model of any
    age sets ``continuous_ages = True``, and refuses targets outside `DataInfo.age_range`.
    """

    def edit_age(self, images: Tensor, source_age: Tensor | None, target_age: Tensor) -> Tensor:
        """Return each face at each of its target ages.

        Args:
            images: [N, C, H, W] in [-1, 1].
            source_age: [N] years; None: the model estimates them, where it can.
            target_age: [N, T] years.

        Returns:
            [N, T, C, H, W] in [-1, 1].
        """
