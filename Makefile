# Everything from a fresh clone: `make run`, `make test`, `make lint`.
# A virtual environment of your own: make run VENV=path/to/venv (a torch in it is left alone).

PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
PLUGINS = $(sort $(patsubst %/pyproject.toml,%,$(wildcard plugins/*/pyproject.toml)))
STAMP = $(VENV)/.ganzoo-installed
SPECS = pyproject.toml $(PLUGINS:%=%/pyproject.toml)

.PHONY: run test soak lint format docs install clean

run: install
	$(BIN)/ganzoo run cgan

test: install
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 -m "not soak"

soak: install
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 -m soak

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: install
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

docs: install
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation -e '.[docs]'
	$(BIN)/python tests/generate_reference.py
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --site-dir build/site

install: $(STAMP)

# hatchling and editables come first, since the build isolation that would fetch them is off:
# only so can one call install the core and the plugins that need it.
$(STAMP): $(SPECS)
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check hatchling editables
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation \
		-e '.[dev]' $(PLUGINS:%=-e ./%)
	touch $@

clean:
	rm -rf $(VENV) dist build
