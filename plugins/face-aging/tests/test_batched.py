"""Predictions in batches: sizes and order."""

import torch
from ganzoo_face_aging.batched import DEVICE_BATCH_SIZE, batch_size_for, predict_in_batches


def test_predict_in_batches_size_and_order():
    cpu = torch.device("cpu")
    assert batch_size_for((3, 64, 64), cpu) == 85 and batch_size_for((9, 3, 1000, 1000), cpu) == 16
    assert batch_size_for((3, 64, 64), torch.device("cuda")) == DEVICE_BATCH_SIZE
    images = torch.arange(250, dtype=torch.uint8)[:, None, None, None].expand(-1, 3, 64, 64)
    sizes = []

    def brightness(x):
        sizes.append(len(x))
        return x.mean((1, 2, 3))

    means = predict_in_batches(brightness, images)
    assert sizes == [85, 85, 80]
    assert torch.allclose(torch.from_numpy(means) * 127.5 + 127.5, torch.arange(250.0), atol=1e-3)
