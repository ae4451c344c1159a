# Two commands do everything on a machine that has only Python (>= 3.11) and make:
#   make train   trains configs/quickstart.yaml on built-in data and leaves runs/quickstart
#   make test    formatting, types and tests, but those of
#   make test-slow   the README's snippets, the notebooks, the shipped configs and what takes as long
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/installed

.PHONY: train test test-slow test-oldest lint types tests faults format clean

train: $(INSTALLED)
	$(BIN)/recsys-nn train configs/quickstart.yaml --overwrite

test: lint types tests

test-oldest:  ## the tests on the oldest versions that pyproject.toml allows
	$(PYTHON) -m venv .venv-oldest
	.venv-oldest/bin/python -m pip install --quiet --disable-pip-version-check uv
	.venv-oldest/bin/uv pip install --quiet --python .venv-oldest/bin/python --resolution lowest-direct --editable ".[dev]"
	.venv-oldest/bin/python -m pytest -n 2 --dist worksteal

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(INSTALLED)
	$(BIN)/mypy

tests: $(INSTALLED)
	$(BIN)/python -m pytest -n 2 --dist worksteal -m "not slow"

test-slow: $(INSTALLED)
	$(BIN)/python -m pytest -n 2 --dist worksteal -m slow

faults: $(INSTALLED)  ## kills, failing writes, full disks, damaged and hostile files: all of them, for about half an hour
	RECSYS_NN_FAULTS=all $(BIN)/python -m pytest tests/faults

format: $(INSTALLED)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

$(INSTALLED): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[dev]"
	touch $@

clean:
	rm -rf $(VENV) .venv-oldest runs
