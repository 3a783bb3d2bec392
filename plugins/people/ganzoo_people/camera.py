"""The camera: exposure, white balance, vignette, blur, sensor noise, and eight bits."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np

from ganzoo_people.canvas import PLATE, Planes, noise_plate


def apply_camera(p: SimpleNamespace, planes: Planes, size: int) -> np.ndarray:
    """Convert linear-light planes to uint8 [N, size, size, 3]."""
    gain = np.exp2(p.exposure)
    cast = 0.10 * p.white_balance
    tint = 0.05 * p.tint
    gains = (gain * np.exp(cast), gain * np.exp(-tint), gain * np.exp(-cast))
    steps = (np.arange(size, dtype=np.float32) + 0.5) / size * 2.0 - 1.0
    radius2 = steps[None, None, :] ** 2 + steps[None, :, None] ** 2
    falloff = 1.0 - 0.22 * p.vignette * radius2
    image = np.empty((planes[0].shape[0], size, size, 3), np.uint8)
    grain = _grain(p, size)
    for k, plane in enumerate(planes):
        light = _blur(plane, p.blur, size)
        light *= falloff
        light *= gains[k]
        np.maximum(light, 0.0, out=light)
        # film-like shoulder, then the square root as a cheap display curve
        light /= 1.0 + 0.35 * light
        np.sqrt(light, out=light)
        light *= 255.0 * 1.08
        light += grain[k]
        light += 0.5
        np.clip(light, 0.0, 255.0, out=light)
        image[..., k] = light
    return image


def _blur(plane: np.ndarray, amount: np.ndarray, size: int) -> np.ndarray:
    """A three-tap lens blur; weight grows with `amount`."""
    w = 0.11 * amount
    keep = 1.0 - 2.0 * w
    out = plane * keep
    out[:, :, 1:] += w * plane[:, :, :-1]
    out[:, :, :-1] += w * plane[:, :, 1:]
    out[:, :, :1] += w * plane[:, :, :1]
    out[:, :, -1:] += w * plane[:, :, -1:]
    again = out * keep
    again[:, 1:] += w * out[:, :-1]
    again[:, :-1] += w * out[:, 1:]
    again[:, :1] += w * out[:, :1]
    again[:, -1:] += w * out[:, -1:]
    return again


def _grain(p: SimpleNamespace, size: int) -> list[np.ndarray]:
    """Return sensor noise in gray levels: a random window of the noise plate for each photo."""
    plate = noise_plate("grain", 0).reshape(PLATE, PLATE)
    strength = 0.5 + 2.1 * p.noise
    index = np.arange(size)
    planes = []
    for k in range(3):
        rows = (index[None] + (p.noise_u.reshape(-1, 1) * PLATE).astype(int) + 61 * k) % PLATE
        columns = (index[None] + (p.noise_v.reshape(-1, 1) * PLATE).astype(int) + 89 * k) % PLATE
        planes.append(plate[rows[:, :, None], columns[:, None, :]] * strength)
    return planes
