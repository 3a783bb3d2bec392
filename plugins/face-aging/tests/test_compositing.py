"""An aged face goes back into its photograph: what changes, and what does not."""

from functools import cache

import numpy as np
import pytest
import torch
from ganzoo_face_aging import compositing
from ganzoo_face_aging.compositing import Placement, follow_edges, put_face_back
from ganzoo_face_aging.face_alignment import align_face
from ganzoo_face_aging.face_detection import rotate_scale_about_center, warp_crop
from PIL import Image
from torch.nn.functional import avg_pool2d

from ganzoo_core.config import data_config_class, parse
from ganzoo_core.training.open_data import open_dataset

SIZE = 64


@cache
def portraits():
    """Return a rendered portrait at 35 and the same at 65 years, [512, 512, 3]."""
    values = {"name": "people", "image_size": 512, "count": 8, "nuisance_scale": 0.35}
    data = open_dataset(parse(data_config_class("people"), values, "data"))
    return data.render_at_ages([1, 1], [35.0, 65.0])


def on_background(portrait, tilt):
    """Return the portrait in a larger picture of noise, turned by some degrees, [700, 900, 3]."""
    rng = np.random.default_rng(0)
    photo = Image.fromarray(rng.integers(0, 255, (700, 900, 3), np.uint8))
    photo.paste(Image.fromarray(portrait), (210, 90))
    return np.array(photo.rotate(tilt, Image.Resampling.BICUBIC))


def high_frequencies(pixels):
    """Return an image less its blurred copy, [H, W, 3]."""
    image = Image.fromarray(pixels)
    height, width, _ = pixels.shape
    small = image.resize((width // 4, height // 4), Image.Resampling.BOX)
    blurred = small.resize((width, height), Image.Resampling.BICUBIC)
    return pixels.astype(float) - np.asarray(blurred)


@pytest.mark.parametrize("tilt", [0, 17])
def test_face_changes_and_the_rest_stays(tilt):
    """Outside the mask all pixels are equal, in the face the fine detail is that of the
    photograph, and the coarse change is that of the model."""
    young, old = (on_background(face, tilt) for face in portraits())
    pores = np.random.default_rng(1).normal(0, 12, young.shape[:2])[..., None]
    young = (young + pores).clip(0, 255).astype(np.uint8)
    face = align_face(young, crop_size=SIZE, pick_largest=True)
    model_input, model_output = (warp_crop(x, face.matrix, SIZE) for x in (young, old))
    change = torch.from_numpy((model_output.astype(np.float32) - model_input) / 127.5)
    change = change.permute(2, 0, 1)
    placement = Placement(face.matrix, SIZE, (900, 700))
    photo = young.copy()
    portrait = warp_crop(young, placement.enlarged_crop(512).matrix, 512)
    portrait = torch.from_numpy(portrait.astype(np.float32) / 127.5 - 1).permute(2, 0, 1)
    put_face_back(photo, follow_edges(change[None], portrait)[0], placement)

    y, x = np.mgrid[:700, :900]
    points = np.stack([x, y], -1) @ face.matrix[:, :2].T + face.matrix[:, 2]
    radius = np.abs((points + 0.5) * (2 / SIZE) - 1)
    is_outside = radius.max(-1) > 1
    assert is_outside.any() and (photo == young)[is_outside].all()
    is_face = (radius**2.5).sum(-1) < 0.5**2.5
    assert (photo != young)[is_face].mean() > 0.5

    detail = [np.square(high_frequencies(pixels)[is_face]).mean() for pixels in (young, photo)]
    assert detail[1] == pytest.approx(detail[0], rel=0.12)

    mask = compositing.soft_mask(placement, SIZE)
    received = (warp_crop(photo, face.matrix, SIZE).astype(np.float32) - model_input) / 127.5
    received, wanted = avg_pool2d(
        torch.stack([torch.from_numpy(received).permute(2, 0, 1), mask * change]), 4
    )
    assert (received - wanted).abs().mean() < 0.03 * wanted.abs().mean()


def test_change_ends_at_the_edges_of_the_photograph():
    """A change of the dark half alone leaves no halo in the bright half, and keeps its mean."""
    portrait = torch.full((3, 128, 128), 0.8)
    portrait[..., :70] = -0.8  # the edge is inside a column of the small change
    change = torch.where(portrait < 0, 1.0, 0.0)[:1]
    small = avg_pool2d(change, 8)[None]
    large, blurred = follow_edges(small, portrait), compositing.resize(small, 128)
    bright = (slice(None), slice(None), slice(None), slice(72, None))
    assert large[bright].abs().max() < 0.05 and blurred[bright].abs().max() > 0.2
    assert (large - change).abs().mean() < 0.2 * (blurred - change).abs().mean()
    assert torch.allclose(avg_pool2d(large, 8), small, atol=0.02)
    flat = torch.full((2, 1, 16, 16), 0.3)
    assert torch.allclose(follow_edges(flat, portrait), torch.full((2, 1, 128, 128), 0.3))
    assert follow_edges(flat, portrait[:, :100, :100]).shape == (2, 1, 100, 100)


def test_bands_are_seamless(monkeypatch):
    rng = np.random.default_rng(1)
    change = torch.from_numpy(rng.normal(0, 0.3, (3, 16, 16)).astype(np.float32))
    matrix = rotate_scale_about_center((300, 240), (16, 16), 0.07, 11)
    photos = []
    for band in (2**21, 1000):
        monkeypatch.setattr(compositing, "_BAND_PIXELS", band)
        photos.append(np.full((240, 300, 3), 120, np.uint8))
        put_face_back(photos[-1], change, Placement(matrix, 16, (300, 240)))
    assert (photos[0] != 120).any() and (photos[0] == photos[1]).all()


def test_bands_bound_the_memory(monkeypatch):
    """A face that fills a large photograph is changed in pieces."""
    areas, real = [], compositing.sample_at

    def watched(weighted, placement, box):
        areas.append((box[2] - box[0]) * (box[3] - box[1]))
        assert weighted.numel() <= 3 * compositing._MAX_ENLARGED_EDGE**2
        return real(weighted, placement, box)

    monkeypatch.setattr(compositing, "sample_at", watched)
    photo = np.full((1600, 1600, 3), 120, np.uint8)
    put_face_back(photo, torch.full((3, 8, 8), 0.5), Placement.center_square((1600, 1600), 8))
    assert sum(areas) == 1600**2 and max(areas) <= compositing._BAND_PIXELS
    assert (photo == 184).all()  # no soft edge where the photograph ends


def test_center_square_fades_only_inside_the_photograph():
    placement = Placement.center_square((300, 200), 10)
    assert placement.box == (50, 0, 250, 200)
    mask = compositing.soft_mask(placement, 200)
    assert mask[:, [0, -1]].max() < 1e-3 and mask[[0, -1], 100].min() == 1
    photo = np.full((200, 300, 3), 100, np.uint8)
    put_face_back(photo, torch.full((1, 10, 10), 1.0), placement)
    assert (photo[:, 100:200] > 200).all() and (photo[:, :50] == 100).all()


def test_placement_follows_the_size_of_the_photograph():
    """A point of the photograph has the same place in the crop in a copy of another size."""
    rng = np.random.default_rng(2)
    matrix = rotate_scale_about_center((400, 300), (64, 64), 0.2, 20)
    placement = Placement(matrix, 64, (400, 300))
    small, large = placement.resized((100, 150)), placement.enlarged_crop(256)
    for point in rng.uniform(0, 300, (5, 2)):
        crop_point = matrix[:, :2] @ point + matrix[:, 2]
        at = (point + 0.5) / (4, 2) - 0.5
        np.testing.assert_allclose(small.matrix[:, :2] @ at + small.matrix[:, 2], crop_point)
        np.testing.assert_allclose(
            large.matrix[:, :2] @ point + large.matrix[:, 2], (crop_point + 0.5) * 4 - 0.5
        )


def test_blend_is_linear_between_known_ages():
    changes = torch.tensor([[0.0], [1.0], [5.0]])
    ages = [20.0, 30.0, 50.0]
    values = [float(compositing.blend_changes(ages, changes, age)) for age in (5, 20, 25, 40, 99)]
    assert values == pytest.approx([0, 0, 0.5, 3, 5])
    assert float(compositing.blend_changes([20.0], changes[1:2], 70)) == 1
