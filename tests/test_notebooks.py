"""The notebooks of the docs run from the first to the last cell."""

import ast
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

NOTEBOOKS = sorted((Path(__file__).parents[1] / "docs").rglob("*.ipynb"))
STEPS = 40


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda p: p.stem)
def test_notebook_runs(notebook, tmp_path, run_ganzoo):
    """The last cells of the notebook draw colored images; its training is shortened here."""
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    assert "STEPS = 400" in code[0]
    code[0] = code[0].replace("STEPS = 400", f"STEPS = {STEPS}")
    result = run_ganzoo(*code, cwd=tmp_path, call="test_notebooks:run_cells")
    assert result.code == 0, result.err
    pictures = sorted(tmp_path.glob("*.png"))
    assert len(pictures) == 2
    for picture in pictures:
        pixels = np.asarray(Image.open(picture).convert("RGB"), dtype=float)
        assert pixels.std(axis=(0, 1)).min() > 5 and pixels.std(axis=2).mean() > 2


def run_cells(*cells):
    """Run the cells in one namespace as a kernel does; save each image that a cell ends with."""
    namespace = {"__name__": "__main__"}
    for number, cell in enumerate(cells):
        body = ast.parse(cell).body
        last = body.pop() if isinstance(body[-1], ast.Expr) else None
        exec(compile(ast.Module(body, []), f"cell {number}", "exec"), namespace)
        if last:
            value = eval(compile(ast.Expression(last.value), f"cell {number}", "eval"), namespace)
            if isinstance(value, Image.Image):
                value.save(f"{number:02}.png")
