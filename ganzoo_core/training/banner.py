"""What a run prints at its start."""

from __future__ import annotations

from ganzoo_core.config import RunConfig
from ganzoo_core.data import PackedImages
from ganzoo_core.engine import Trainer
from ganzoo_core.interfaces import Model
from ganzoo_core.training.run_folder import RunFolder


def banner_lines(
    folder: RunFolder, run_config: RunConfig, model: Model, images: PackedImages, trainer: Trainer
) -> list[str]:
    """Return the facts of a run, one aligned line each: folder, model, data, device, length and
    outputs."""
    info, setup, plan = images.info, trainer.setup, trainer.plan
    data = [f"{info.name or 'own data'}: {len(images):,} images"]
    data += [_describe_split(run_config, images)] if info.split else []
    if info.class_names:
        names = ", ".join(info.class_names[:6]) + (", ..." if len(info.class_names) > 6 else "")
        data.append(f"classes {names} by {'model.age_bins' if info.age_bins else 'label'}")
    data.append(f"{info.num_channels} x {info.image_size} x {info.image_size} px")
    counts = {
        name: sum(parameter.numel() for parameter in net.parameters())
        for name, net in model.named_children()
    }
    networks = [f"{name} {count:,}" for name, count in counts.items() if count]
    steps = f"{plan.total_steps:,} steps of {run_config.train.batch_size} images"
    if len(plan.stages) > 1:
        steps += f" in {len(plan.stages)} stages ({', '.join(s.stage.name for s in plan.stages)})"
    if trainer.step:
        steps += f", from step {trainer.step:,} on"
    rows = {
        "run": str(folder.path),
        "model": f"{run_config.name} {run_config.preset}, seed {run_config.train.seed}",
        "parameters": ", ".join(networks) or "none",
        "data": ", ".join(data),
        "device": f"{setup.device}, {setup.precision}, {setup.threads} CPU threads",
        "length": steps,
        "page": f"{folder.report / 'index.html'}, rewritten while the run trains",
    }
    return [f"{name:<12}{text}" for name, text in rows.items()]


def _describe_split(run_config: RunConfig, images: PackedImages) -> str:
    """Return the split, with the number of images that it holds out and the share of the test
    split where the data set has that option."""
    split, text = images.info.split, f"split {images.info.split}"
    if split == "all":
        return f"{text}: no image is held out for an evaluation"
    reason = f"not in the {split} split"
    for removed, held_out in images.removed:
        if held_out and removed.startswith(reason):
            text += f" ({held_out:,} images are held out"
            share = getattr(run_config.data, "test_share", None)
            is_share = share and split == "train" and removed == reason
            text += f": data.test_share={share:g})" if is_share else ")"
    return text
