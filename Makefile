# What a machine needs is make and Python 3.11 to 3.13; uv (https://docs.astral.sh/uv) is put into .uv where it is missing.
#   make train      trains configs/quickstart.yaml on built-in data and leaves runs/quickstart
#   make test       formatting, types and the tests that a change must pass, in minutes
#   make test-all   the other tests: sizes, long runs, several processes, notebooks, the wheel
# Each command installs from uv.lock the groups of pyproject.toml that it needs, and compiles their bytecode.
PYTHON ?= python3
VENV ?= .venv
UV := $(or $(shell command -v uv),.uv/bin/uv)
UV_VERSION := 0.13.9
RUN = $(UV) run --frozen --no-sync
ONE_THREAD = TF_NUM_INTRAOP_THREADS=1 TF_NUM_INTEROP_THREADS=1
PYTEST = $(ONE_THREAD) $(RUN) python -m pytest
FUZZED ?= text ratings pairs parquet yaml config manifest
FUZZ_SECONDS ?= 85
MUTANTS ?= 1000

export UV_PROJECT_ENVIRONMENT := $(VENV)

.PHONY: train test lint types tests test-all test-slow test-cluster test-oldest coverage mutants faults fuzz format lock audit clean

train: $(VENV)/installed
	$(RUN) recsys-nn train configs/quickstart.yaml --overwrite

test: lint types tests

lint: $(VENV)/installed-lint
	$(RUN) ruff check .
	$(RUN) ruff format --check .
	$(RUN) lint-imports --no-cache

types: $(VENV)/installed-test
	$(RUN) mypy

tests: $(VENV)/installed-test
	$(PYTEST) -n 2 --dist worksteal -m "not slow and not cluster"

test-all: test-slow test-cluster

test-slow: $(VENV)/installed-test $(VENV)/installed-docs  ## three at once: many wait for processes that they have started
	$(PYTEST) -n 3 --dist worksteal -m slow

test-cluster: $(VENV)/installed-test $(VENV)/installed-cluster  ## several processes that work together
	$(PYTEST) -n 2 --dist loadfile -m cluster tests/cluster

test-oldest: | $(UV)  ## the tests on the oldest versions that pyproject.toml allows
	$(UV) venv --quiet --allow-existing --python $(PYTHON) .venv-oldest
	$(UV) pip install --quiet --python .venv-oldest --resolution lowest-direct --group test --group docs --editable .
	.venv-oldest/bin/python -m pytest -n 2 --dist worksteal -m "not cluster"

coverage: $(VENV)/installed-test  ## by branches, of what reads tables, configs and run folders; less than all of it fails
	$(PYTEST) -n 2 --dist worksteal -m "not slow and not cluster" --cov

mutants: $(VENV)/installed-test $(VENV)/installed-mutants  ## how many of 1,000 small changes of the package the tests notice
	$(RUN) python benchmarks/mutants.py --sample $(MUTANTS)

faults: $(VENV)/installed-test  ## kills, failing writes, full disks, damaged and hostile files: all of them, for about half an hour
	RECSYS_NN_FAULTS=all $(RUN) python -m pytest tests/faults

fuzz: $(VENV)/installed-fuzz  ## whatever bytes for each parser, which may refuse them and nothing else; ten minutes in all
	for parser in $(FUZZED); do \
	  mkdir -p .fuzz/$$parser && $(RUN) python -m fuzz.$$parser -max_total_time=$(FUZZ_SECONDS) -max_len=512 -timeout=60 \
	    -rss_limit_mb=4096 -verbosity=0 -print_final_stats=1 -artifact_prefix=.fuzz/$$parser- .fuzz/$$parser fuzz/corpus/$$parser || exit 1; \
	done

format: $(VENV)/installed-lint
	$(RUN) ruff check --fix .
	$(RUN) ruff format .

lock: | $(UV)  ## the newest versions that pyproject.toml allows, for all platforms and Pythons, with the hashes of their files
	$(UV) lock --upgrade

audit: $(VENV)/installed-audit  ## fails on a known vulnerability of a version in the lock file, and where one cannot be looked up
	$(UV) export --quiet --locked --all-extras --all-groups --no-emit-project --output-file $(VENV)/locked.txt
	$(RUN) pip-audit --strict --disable-pip --require-hashes --requirement $(VENV)/locked.txt

$(VENV)/installed: pyproject.toml uv.lock | $(UV)
	$(UV) sync --quiet --locked --inexact --compile-bytecode --python $(PYTHON)
	touch $@

$(VENV)/installed-%: pyproject.toml uv.lock | $(UV)
	$(UV) sync --quiet --locked --inexact --compile-bytecode --python $(PYTHON) --group $*
	touch $@

.uv/bin/uv:
	$(PYTHON) -m venv .uv
	.uv/bin/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)

clean:
	rm -rf $(VENV) .venv-oldest .uv .fuzz mutants runs
