# Two commands do everything on a machine that has only Python (>= 3.11) and make:
#   make train   trains configs/quickstart.yaml on built-in data and leaves runs/quickstart
#   make test    formatting, types and tests
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/installed

.PHONY: train test lint types tests format clean

train: $(INSTALLED)
	$(BIN)/recsys-nn train configs/quickstart.yaml --overwrite

test: lint types tests

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(INSTALLED)
	$(BIN)/mypy

tests: $(INSTALLED)
	$(BIN)/python -m pytest -n 2

format: $(INSTALLED)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

$(INSTALLED): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[dev]"
	touch $@

clean:
	rm -rf $(VENV) runs
