"""The models that the gallery can ask: runs with weights or checkpoints, and installed weights."""

from dataclasses import dataclass, field
from pathlib import Path

from ganzoo_core.zoo import import_target, locate_weights, zoo
from ganzoo_gallery.run_index import read_index_file


@dataclass(frozen=True)
class StoredModel:
    """A model that can be loaded."""

    id: str
    """Of the run, or the name of the weights."""
    name: str
    model: str
    capabilities: tuple[str, ...]
    path: Path | None
    """The run folder; None for installed weights, which are looked up by their name."""
    version: str = ""
    """Changes when a run has other weights."""
    index: dict = field(default_factory=dict, compare=False, repr=False)

    @property
    def source(self):
        """The run folder, or the name of the weights, as commands take it."""
        return str(self.path or self.name)


def list_models(index):
    """Return the models of the runs of an index, then the installed weights."""
    found = [run_model(run) for run in index.runs() if run.model in zoo().names("model")]
    specs = [zoo().weights(name) for name in zoo().names("weights")]
    found += [StoredModel(s.name, s.name, s.model, s.capabilities, None) for s in specs]
    return [model for model in found if model]


def run_model(run):
    """Return the model of a run; None before its first checkpoint."""
    index = read_index_file(run.path)
    if not index or run.model not in zoo().names("model"):
        return None
    steps = sorted(p.stem for p in (run.path / "checkpoints").glob("*.safetensors"))
    version = f"{steps[-1:]} {(run.path / 'weights').exists()}"
    spec = zoo().model(run.model)
    return StoredModel(run.id, run.name, run.model, spec.capabilities, run.path, version, index)


def find_model(index, model_id):
    """Return a model with its index; None for an unknown id.

    Raises:
        GanzooError: the weights are installed without their files, or their terms not accepted.
    """
    if run := index.find(model_id):
        return run_model(run)
    if model_id not in zoo().names("weights"):
        return None
    spec, path = zoo().weights(model_id), locate_weights(model_id)
    return StoredModel(
        spec.name, spec.name, spec.model, spec.capabilities, None, index=read_index_file(path)
    )


def sampling_class(model):
    """Return the class of the sampling options of a model; None without options."""
    spec = zoo().model(model.model)
    return import_target(spec.config).Sampling if spec.config else None


def class_names(model):
    """Return the names of the labels of a model."""
    names = model.index.get("data", {}).get("class_names", ())
    return [str(name) for name in names] if isinstance(names, list | tuple) else []
