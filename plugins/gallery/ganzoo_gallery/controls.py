"""Controls of a page from a typed configuration class: numbers, choices, switches, texts."""

from dataclasses import dataclass

from pydantic import ValidationError

from ganzoo_core.errors import UsageError

_SLIDER_STEPS = 100


@dataclass(frozen=True)
class Control:
    """An input for one option."""

    name: str
    kind: str
    """number, choice, bool or text."""
    default: object
    description: str = ""
    minimum: float | None = None
    maximum: float | None = None
    step: float | str = "any"
    choices: tuple[str, ...] = ()

    @property
    def is_slider(self):
        """Whether the default and both limits of a number are known."""
        return self.kind == "number" and None not in (self.default, self.minimum, self.maximum)


def parse_options(options_class, values):
    """Return an object of a pydantic class.

    Raises:
        UsageError: an unknown option or a wrong value, in one line.
    """
    try:
        return options_class.model_validate(values)
    except ValidationError as error:
        problem = error.errors()[0]
        name = ".".join(map(str, problem["loc"]))
        raise UsageError(f"{name}: {problem['msg']}") from None


def make_controls(options_class):
    """Return a control for each option of a pydantic class."""
    return [
        _make_control(name, schema)
        for name, schema in options_class.model_json_schema().get("properties", {}).items()
    ]


def _make_control(name, schema):
    branches = [part for part in schema.get("anyOf", [schema]) if part.get("type") != "null"]
    merged = {**schema, **(branches[0] if branches else {})}
    common = {
        "name": name,
        "default": merged.get("default"),
        "description": " ".join(str(merged.get("description", "")).split()),
    }
    if "enum" in merged:
        return Control(**common, kind="choice", choices=tuple(map(str, merged["enum"])))
    if merged.get("type") == "boolean":
        return Control(**common, kind="bool")
    if merged.get("type") in {"number", "integer"}:
        low = merged.get("minimum", merged.get("exclusiveMinimum"))
        high = merged.get("maximum", merged.get("exclusiveMaximum"))
        step = "any"
        if merged["type"] == "integer":
            step = 1
        elif None not in (low, high):
            step = (high - low) / _SLIDER_STEPS
        if "exclusiveMinimum" in merged and step != "any":
            low += step
        return Control(**common, kind="number", minimum=low, maximum=high, step=step)
    return Control(**common, kind="text")
