"""What people type, and what they mean: one table for commands, options and names. Messages suggest
from it; nothing is accepted because of it."""

from __future__ import annotations

from collections.abc import Iterable

from ganzoo_core.errors import suggest

COMMANDS = {
    "config": "schema",
    "continue": "resume",
    "convert": "weights import",
    "create": "new",
    "dataset": "data",
    "datasets": "list data",
    "describe": "info",
    "diagnose": "doctor",
    "diff": "weights diff",
    "download": "weights pull",
    "draw": "sample",
    "eval": "evaluate",
    "export": "weights export",
    "fid": "evaluate",
    "fit": "run",
    "generate-images": "sample",
    "import": "weights import",
    "infer": "sample",
    "inference": "sample",
    "init": "new",
    "install": "plugins",
    "losses": "list losses",
    "ls": "list",
    "metrics": "list metrics",
    "model": "list models",
    "models": "list models",
    "onnx": "weights to-onnx",
    "options": "info",
    "predict": "sample",
    "prepare": "data prepare",
    "publish": "weights publish",
    "pull": "weights pull",
    "push": "weights push",
    "restart": "resume",
    "scaffold": "new",
    "score": "evaluate",
    "search": "list",
    "serve": "sample",
    "show": "info",
    "start": "run",
    "terms": "list terms",
    "test": "evaluate",
    "upload": "weights push",
    "validate": "check",
    "verify": "weights verify",
    "version": "--version",
}

OPTIONS = {
    "--amp": "--precision bf16",
    "--batch": "--batch-size",
    "--bs": "--batch-size",
    "--checkpoint": "--init-from",
    "--classes": "--label",
    "--class": "--label",
    "--cpu": "--device cpu",
    "--cuda": "--device cuda",
    "--dataset": "--data",
    "--epoch": "--epochs",
    "--fp16": "--precision fp16",
    "--from-pretrained": "--init-from",
    "--gpu": "--device cuda",
    "--gpus": "--nproc",
    "--image-size": "--size",
    "--img-size": "--size",
    "--iterations": "--steps",
    "--iters": "--steps",
    "--learning-rate": "--lr",
    "--loss": "--set model.loss.kind=NAME",
    "--max-steps": "--steps",
    "--metric": "--metrics",
    "--name": "--out",
    "--num": "-n",
    "--num-epochs": "--epochs",
    "--num-images": "-n",
    "--num-samples": "-n",
    "--option": "--set",
    "--outdir": "--out",
    "--output": "--out",
    "--output-dir": "--out",
    "--pretrained": "--init-from",
    "--random-seed": "--seed",
    "--resolution": "--size",
    "--silent": "--quiet",
    "--weights": "--init-from",
    "-b": "--batch-size",
    "-d": "--data",
    "-e": "--epochs",
    "-o": "--out",
    "-s": "--seed",
}

NAMES: dict[str, dict[str, str]] = {
    "model": {
        "arcface": "facenet",
        "autoencoder": "vae",
        "conditionalgan": "cgan",
        "dragan": "wgan-dra",
        "hingegan": "ggan",
        "maxout": "gan",
        "pixelrnn": "pixelcnn",
        "resnet": "sngan",
        "stylegan": "stylegan2",
        "stylegan2ada": "stylegan2",
        "stylegan3": "stylegan2",
        "vanilla": "gan",
        "vanillagan": "gan",
        "wgan": "wgan-wc",
    },
    "dataset": {
        "arrow": "parquet:PATH",
        "att": "orl",
        "cifar": "cifar10",
        "csv": "table",
        "digits": "mnist",
        "fake": "shapes",
        "fashion": "fashion-mnist",
        "huggingface": "parquet:PATH",
        "images": "folder:PATH",
        "imagefolder": "class-folder:PATH",
        "imdb": "imdb-wiki",
        "photos": "folder:PATH",
        "wiki": "imdb-wiki",
    },
    "loss": {
        "gan": "bce",
        "leastsquares": "lsgan",
        "mse": "lsgan",
        "nonsaturating": "bce",
        "ragan": "relativistic-average",
        "vanilla": "bce",
        "wgan": "wasserstein",
        "wgangp": "wasserstein",
    },
    "term": {
        "clip": "weight-clip",
        "gp": "gradient-penalty",
        "ppl": "path-length",
        "wgangp": "gradient-penalty",
    },
    "metric": {
        "accuracy": "gan-test",
        "bpd": "likelihood",
        "coverage": "prdc",
        "density": "prdc",
        "elbo": "likelihood",
        "is": "inception-score",
        "lpips": "diversity",
        "mmd": "kid",
        "nll": "likelihood",
        "precision": "prdc",
        "recall": "prdc",
    },
}
"""Suggestion by kind and `normal_form` of the name; a model may come with options of `ganzoo run`
that make it the one that is meant."""


def normal_form(name: str) -> str:
    """Return a name without case, hyphens and underscores: `Fashion_MNIST` is `fashion-mnist`."""
    return name.casefold().replace("-", "").replace("_", "")


def suggest_name(kinds: Iterable[str], name: str, candidates: Iterable[str]) -> str:
    """Return `` Did you mean "..."?`` for a name of one of these kinds: what the table says it
    means, else as `suggest`."""
    key, kinds = normal_form(name), [*kinds]
    meanings = [NAMES[kind][key] for kind in kinds if key in NAMES.get(kind, {})]
    # Only where a model is expected are options part of the answer.
    meant = next((text for text in meanings if " " not in text or kinds == ["model"]), "")
    return f' Did you mean "{meant}"?' if meant else suggest(name, candidates, "", "ganzoo list")
