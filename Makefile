# Two commands do everything on a machine that has only Python (>= 3.11) and make:
#   make train   trains configs/quickstart.yaml on built-in data and leaves runs/quickstart
#   make test    formatting, types and tests, but those of
#   make test-slow   the README's snippets, the notebooks, the shipped configs and what takes as long
#   make test-cluster   what several processes do together
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/installed
LOCK := requirements-dev.lock
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check
FUZZED ?= text ratings pairs parquet yaml config manifest
FUZZ_SECONDS ?= 85
MUTANTS ?= 1000

.PHONY: train test test-slow test-cluster test-oldest lint types tests coverage mutants faults fuzz format lock audit clean

train: $(INSTALLED)
	$(BIN)/recsys-nn train configs/quickstart.yaml --overwrite

test: lint types tests

test-oldest:  ## the tests on the oldest versions that pyproject.toml allows
	$(PYTHON) -m venv .venv-oldest
	.venv-oldest/bin/python -m pip install --quiet --disable-pip-version-check uv
	.venv-oldest/bin/uv pip install --quiet --python .venv-oldest/bin/python --resolution lowest-direct --editable ".[dev]"
	.venv-oldest/bin/python -m pytest -n 2 --dist worksteal -m "not cluster"

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
	$(BIN)/python -m pytest -n 2 --dist worksteal -m "not slow and not cluster"

test-slow: $(INSTALLED)
	$(BIN)/python -m pytest -n 2 --dist worksteal -m slow

test-cluster: $(INSTALLED)  ## several processes that work together
	$(BIN)/python -m pytest -m cluster tests/cluster

coverage: $(INSTALLED)  ## by branches, of what reads tables, configs and run folders; less than all of it fails
	$(BIN)/python -m pytest -n 2 --dist worksteal -m "not slow and not cluster" --cov

mutants: $(INSTALLED)  ## how many of 1,000 small changes of what coverage covers the tests notice; for about an hour
	$(BIN)/python -m pip install --quiet --disable-pip-version-check "mutmut>=3.8,<4"
	$(BIN)/python benchmarks/mutants.py --sample $(MUTANTS)
	$(BIN)/python benchmarks/mutants.py --again

faults: $(INSTALLED)  ## kills, failing writes, full disks, damaged and hostile files: all of them, for about half an hour
	RECSYS_NN_FAULTS=all $(BIN)/python -m pytest tests/faults

format: $(INSTALLED)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

lock: $(INSTALLED)  ## the newest versions that pyproject.toml allows, for all platforms, with the hashes of their files
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --upgrade --extra dev --generate-hashes \
		--no-emit-index-url --no-annotate --no-header --output-file $(LOCK) pyproject.toml

audit: $(INSTALLED)  ## fails on a known vulnerability of a version in the lock file, and where one cannot be looked up
	$(BIN)/pip-audit --strict --disable-pip --require-hashes --requirement $(LOCK)

$(INSTALLED): pyproject.toml $(LOCK)
	$(PYTHON) -m venv $(VENV)
	$(PIP) install --no-deps --require-hashes --requirement $(LOCK)  # all are in it: nothing is left to look for
	$(PIP) install --no-deps --no-build-isolation --editable .
	touch $@

clean:
	rm -rf $(VENV) .venv-oldest .fuzz mutants runs
