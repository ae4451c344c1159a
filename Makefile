# Two commands do everything on a machine that has only Python (>= 3.11) and make:
#   make train   trains configs/quickstart.yaml on built-in data and leaves runs/quickstart
#   make test    formatting, types and tests, but those of
#   make test-slow   the README's snippets, the notebooks, the shipped configs and what takes as long
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/installed
FUZZED ?= text ratings pairs parquet yaml config manifest
FUZZ_SECONDS ?= 85

.PHONY: train fuzz test test-slow test-oldest lint types tests format clean

train: $(INSTALLED)
	$(BIN)/recsys-nn train configs/quickstart.yaml --overwrite

test: lint types tests

test-oldest:  ## the tests on the oldest versions that pyproject.toml allows
	$(PYTHON) -m venv .venv-oldest
	.venv-oldest/bin/python -m pip install --quiet --disable-pip-version-check uv
	.venv-oldest/bin/uv pip install --quiet --python .venv-oldest/bin/python --resolution lowest-direct --editable ".[dev]"
	.venv-oldest/bin/python -m pytest -n 2 --dist worksteal

fuzz: $(INSTALLED)  ## whatever bytes for each parser, which may refuse them and nothing else; ten minutes in all
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --requirement fuzz/requirements.txt
	for parser in $(FUZZED); do \
	  mkdir -p .fuzz/$$parser && $(BIN)/python -m fuzz.$$parser -max_total_time=$(FUZZ_SECONDS) -max_len=512 -timeout=60 \
	    -rss_limit_mb=4096 -verbosity=0 -print_final_stats=1 -artifact_prefix=.fuzz/$$parser- .fuzz/$$parser fuzz/corpus/$$parser || exit 1; \
	done

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(INSTALLED)
	$(BIN)/mypy

tests: $(INSTALLED)
	$(BIN)/python -m pytest -n 2 --dist worksteal -m "not slow"

test-slow: $(INSTALLED)
	$(BIN)/python -m pytest -n 2 --dist worksteal -m slow

format: $(INSTALLED)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

$(INSTALLED): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[dev]"
	touch $@

clean:
	rm -rf $(VENV) .venv-oldest .fuzz runs
