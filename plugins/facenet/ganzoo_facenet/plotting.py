"""The contact sheet of a clustering, and the ROC curve of a verification."""

import numpy as np
import torch

from ganzoo_core.report import make_grid, save_image

_FACES_PER_ROW, _MAX_ROWS = 12, 40


def save_contact_sheet(pixels, cluster_ids, path):
    """Write a contact sheet: one row per cluster, the largest first, with at most 12 faces each.

    Args:
        pixels: [N, S, S, 3] uint8.
        cluster_ids: [N], from 0.
        path: the image file.
    """
    rows, names = [], []
    for cluster_id in range(min(int(cluster_ids.max()) + 1, _MAX_ROWS)):
        members = np.flatnonzero(cluster_ids == cluster_id)
        row = np.full((_FACES_PER_ROW, *pixels.shape[1:]), 255, np.uint8)
        row[: len(members[:_FACES_PER_ROW])] = pixels[members[:_FACES_PER_ROW]]
        rows.append(row)
        names.append(f"{cluster_id + 1}: {len(members)}")
    images = torch.from_numpy(np.concatenate(rows)).permute(0, 3, 1, 2).float() / 127.5 - 1
    save_image(make_grid(images, _FACES_PER_ROW, tuple(names)), path)


def plot_roc(scored_pairs, path, title):
    """Plot the true accept rate over the false accept rate, on a log scale."""
    from matplotlib.figure import Figure

    far, tar = scored_pairs.roc()
    figure = Figure(figsize=(5, 4), dpi=100, layout="constrained")
    axes = figure.subplots()
    axes.semilogx(np.maximum(far, 0.5 / len(scored_pairs.impostor_distances)), tar, color="#5b7fa6")
    axes.set(xlabel="false accept rate", ylabel="true accept rate", ylim=(0, 1.02), title=title)
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path)
