"""Former names of options, presets and flags. Only error messages use them, for a suggestion."""

from collections.abc import Collection, Mapping

FORMER_OPTIONS = {
    "accumulate": ("grad_accum_steps",),
    "align": ("transform",),
    "alpha": ("ssim_weight",),
    "balanced": ("class_balanced",),
    "batch": ("batch_size",),
    "best": ("monitor",),
    "blocks": ("blocks_per_resolution",),
    "channels": ("num_channels",),
    "class_loss_weight": ("terms",),
    "classes": ("terms", "num_classes"),
    "clip": ("grad_clip_norm",),
    "cures": ("terms",),
    "d_control": ("terms",),
    "d_steps": ("d_updates",),
    "d_width": ("d_channels",),
    "ema": ("ema_halflife_images",),
    "first": ("norm_first_conv",),
    "groups": ("age_bins",),
    "half": ("halve_d_loss",),
    "head": ("d_warmup_steps", "head_channels"),
    "hidden": ("hidden_dim",),
    "init": ("init_from", "init_std"),
    "keep": ("save_total_limit",),
    "kernel": ("kernel_size",),
    "latent": ("latent_dim", "latent_chunk_dim"),
    "layers": ("num_layers",),
    "mismatch": ("source_as_negative",),
    "output": ("output_activation",),
    "pairs": ("encoder_pairs",),
    "people": ("num_identities",),
    "per_identity": ("images_per_identity",),
    "photos": ("photos_per_person",),
    "pieces": ("maxout_pieces",),
    "point": ("embed_dim",),
    "pretrain": ("pretrain_epochs",),
    "reading": ("label_injection",),
    "repeat": ("label_repeats",),
    "rounds": ("inversion_steps", "steps"),
    "schedule": ("lr_scheduler",),
    "size": ("image_size",),
    "spatial": ("spatial_cond_channels",),
    "spread": ("label_std_years",),
    "start": ("last_conv_init_std",),
    "units": ("maxout_units",),
    "up": ("upsample",),
    "variety": ("nuisance_scale",),
    "view": ("age_augment",),
    "warmup": ("warmup_steps",),
    "width": ("base_channels", "g_channels", "hidden_channels"),
    "widths": ("layer_channels",),
}
"""The last part of an option's path, former to present names."""

FORMER_PRESETS = {
    "tiny": ("smoke",),
    "good": ("people-64", "fashion-32", "fashion-28", "utkface-64"),
}

FORMER_FLAGS = {
    "--features": ("--feature-extractor",),
    "--init": ("--init-from",),
    "--judge": ("--evaluator",),
    "--layout": ("--exporter",),
    "--rounds": ("--steps",),
    "--towards": ("--direction",),
    "--as": ("--model",),
    "--with": ("--include-module",),
}


OPTIONS_BY_FLAG = {
    "--loss": "model.loss.kind=NAME (`ganzoo list loss`)",
    "--terms": "model.terms.NAME.weight=1 (`ganzoo list term`)",
    "--term": "model.terms.NAME.weight=1 (`ganzoo list term`)",
    "--lr": "model.optim_g.lr=2e-4 --set model.optim_d.lr=2e-4",
    "--epochs": "model.epochs=10",
    "--batch-size": "train.batch_size=32",
    "--image-size": "data.image_size=64",
    "--augment": "model.augment=ada",
}
"""Options of the configuration that a user may expect as flags of `ganzoo run`."""


FORMER_LOSS_OPTIONS = {
    "clip": "weight-clip.value",
    "dragan": "dragan.weight",
    "feature_matching": "feature-matching.weight",
    "gradient_penalty": "gradient-penalty.weight",
    "mismatch": "wrong-labels.weight",
    "mismatch_epochs": "wrong-labels.epochs",
    "r1": "r1.weight",
    "r2": "r2.weight",
    "weight_clip": "weight-clip.value",
    "wrong_label_epochs": "wrong-labels.epochs",
    "wrong_label_weight": "wrong-labels.weight",
}
"""Options of `model.loss` that became terms."""


def present_name(
    table: Mapping[str, tuple[str, ...]], name: str, known_names: Collection[str]
) -> str:
    """Return the first present name of a former one that is known here, else the name itself."""
    return next((new for new in table.get(name, ()) if new in known_names), name)
