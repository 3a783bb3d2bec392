"""Pictures: clusters as a contact sheet, and the curve of a verification."""

import numpy as np
import torch

from ganzoo_core.report import grid, save_image

COLUMNS, ROWS = 12, 40


def sheet(pixels, group, path):
    """Write a contact sheet: a row a cluster, the largest first, at most 12 faces each.

    Args:
        pixels: [N, S, S, 3] uint8. group: [N] cluster numbers from 0.
    """
    rows, names = [], []
    for number in range(min(int(group.max()) + 1, ROWS)):
        mine = np.flatnonzero(group == number)
        row = np.full((COLUMNS, *pixels.shape[1:]), 255, np.uint8)
        row[: len(mine[:COLUMNS])] = pixels[mine[:COLUMNS]]
        rows.append(row)
        names.append(f"{number + 1}: {len(mine)}")
    images = torch.from_numpy(np.concatenate(rows)).permute(0, 3, 1, 2).float() / 127.5 - 1
    save_image(grid(images, COLUMNS, tuple(names)), path)


def draw_roc(pairs, path, title):
    """Draw the true accept rate over the false accept rate, the latter on a log scale."""
    from matplotlib.figure import Figure

    far, tar = pairs.roc()
    figure = Figure(figsize=(5, 4), dpi=100, layout="constrained")
    axes = figure.subplots()
    axes.semilogx(np.maximum(far, 0.5 / len(pairs.impostor)), tar, color="#5b7fa6")
    axes.set(xlabel="false accept rate", ylabel="true accept rate", ylim=(0, 1.02), title=title)
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path)
