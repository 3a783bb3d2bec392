"""Refuses an image size that a network cannot have, with the option that changes it."""

from __future__ import annotations

import math


def check_image_size(
    name: str,
    image_size: int,
    *,
    minimum: int,
    maximum: int | None = None,
    multiple_of: int | None = None,
    suggestion: int | None = None,
    alternative: str = "",
) -> None:
    """Raise an error with the remedy if a network does not support the image size.

    Args:
        name: of the model or network, the subject of the message.
        image_size: S in pixels.
        minimum: the smallest size.
        maximum: the largest size; None for no limit.
        multiple_of: the number that divides S; None: S is a power of two.
        suggestion: the size that the message names; None for the closest size.
        alternative: another remedy, such as "--set model.network=mlp".

    Raises:
        ValueError: an unsupported size.
    """
    is_in_range = minimum <= image_size <= (maximum or image_size)
    if multiple_of is None:
        is_supported = is_in_range and image_size & (image_size - 1) == 0
        requirement = f"supports {_powers_of_two(minimum, maximum)} px"
        closest = 2 ** round(math.log2(max(image_size, 1)))
    else:
        is_supported = is_in_range and image_size % multiple_of == 0
        requirement = f"needs a multiple of {multiple_of} px"
        if multiple_of == 1:
            requirement = f"needs at least {minimum} px"
        closest = multiple_of * round(image_size / multiple_of)
    if is_supported:
        return
    suggestion = suggestion or min(max(closest, minimum), maximum or max(closest, minimum))
    raise ValueError(
        f"data.image_size: {name} {requirement}, not {image_size}: "
        f"--set data.image_size={suggestion}" + (f", or {alternative}" if alternative else "")
    )


def _powers_of_two(minimum: int, maximum: int | None) -> str:
    if maximum is None:
        return f"{minimum}, {2 * minimum}, {4 * minimum} ..."
    sizes = [minimum * 2**i for i in range((maximum // minimum).bit_length())]
    return ", ".join(map(str, sizes[:-1])) + f" or {sizes[-1]}"
