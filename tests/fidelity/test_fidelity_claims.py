"""Every claim of `ModelSpec.fidelity` has a test or a row that explains it, and the reverse."""

import ast
from pathlib import Path

import pytest
from generate_reference import difference_rows, differing_rows

from ganzoo_core.zoo import FIDELITY_ASPECTS, zoo

ROOT = Path(__file__).parents[2]


def proved_aspects():
    """Return the (model, aspect) pairs of every decorator `proves` in the tests."""
    proved = set()
    for path in (*ROOT.glob("tests/fidelity/*.py"), *ROOT.glob("plugins/*/tests/*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            for call in getattr(node, "decorator_list", ()):
                if getattr(getattr(call, "func", None), "id", "") == "proves":
                    model, *aspects = (argument.value for argument in call.args)
                    proved |= {(model, aspect) for aspect in aspects}
    return proved


def claimed_specs():
    return [zoo().model(name) for name in zoo().names("model") if zoo().model(name).fidelity]


def test_every_model_is_compared():
    assert {spec.name for spec in claimed_specs()} == set(zoo().names("model"))


@pytest.mark.parametrize("spec", claimed_specs(), ids=lambda spec: spec.name)
def test_claims_are_proved_or_explained(spec):
    assert set(spec.fidelity) <= set(FIDELITY_ASPECTS)
    equal = {(spec.name, aspect) for aspect, text in spec.fidelity.items() if text == "equal"}
    assert equal == {pair for pair in proved_aspects() if pair[0] == spec.name}
    for text in spec.fidelity.values():
        assert text == "equal" or text.startswith("differs: ")
        assert set(differing_rows(text)) <= set(difference_rows(spec)), text
