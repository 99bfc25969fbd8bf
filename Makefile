SHELL := /bin/bash -o pipefail
# `make setup` builds the environment in .venv/ with uv, and again only when the lock changes; the other targets do it by
# themselves, and add what they need.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# compiles what it installs: each process that starts would do it again where nothing may be written later
UV := VIRTUAL_ENV=$(VENV) UV_COMPILE_BYTECODE=1 $(BIN)/uv
# what runs the product; and, beside it, what its tests need
RUNTIME := $(VENV)/.runtime
STAMP := $(VENV)/.installed
# processes of tests: one more than the cores of the reference machine, as they also wait
JOBS ?= 3
# the Numenta Anomaly Benchmark: data/ and windows.json
NAB ?= ../shared/nab
# of pytest, in all lanes of tests
OPTIONS ?=
# of the dashboards' benchmark
VALUES ?= 100000000

# of the fuzzer, for each door, in `make soak`
INPUTS ?= 1000000

.PHONY: help setup demo check test soak lint types bench bench-dashboards bench-detectors bench-nab lock clean
.DEFAULT_GOAL := help

help:  ## what can be made here
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*##/\t/' | expand -t 18

setup: $(RUNTIME)  ## build the environment in .venv/

$(RUNTIME): requirements.txt requirements-uv.txt pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(None if (3, 11) <= v < (3, 14) else "Streamgauge needs Python 3.11, 3.12 or 3.13; %s is %d.%d. Name another with make PYTHON=…" % (sys.executable, *v[:2]))'
	@echo "Setting up .venv/ (once) …"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --disable-pip-version-check -qq --require-hashes -r requirements-uv.txt
	@$(UV) pip install --require-hashes -r requirements.txt
	@$(UV) pip install -q --no-deps --editable .
	@touch $@

$(STAMP): $(RUNTIME) requirements-dev.txt
	@$(UV) pip install --require-hashes -r requirements-dev.txt
	@touch $@

demo: setup  ## see the product at work in one terminal (Ctrl-C ends it)
	@$(BIN)/python -m pipeline.operations.demo

lint: $(STAMP)  ## ruff
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(STAMP)  ## mypy, strict
	$(BIN)/mypy

# Compiled files are kept whatever the shell says: a run starts hundreds of interpreters.
PYTEST = $(IN_MEMORY) PYTHONDONTWRITEBYTECODE= $(BIN)/pytest -n $(JOBS) --dist worksteal $(OPTIONS)
# The tests' files are in memory where it has room for them: a disk would make them wait, and they kill processes only.
HAS_ROOM := $(shell test "$$(df --output=avail -k /dev/shm 2>/dev/null | tail -n 1)" -ge 8388608 2>/dev/null && echo yes)
ifeq ($(HAS_ROOM),yes)
IN_MEMORY := TMPDIR=/dev/shm
endif
# mypy runs beside the tests, and says after them what it found; if either fails, so does this.
define run
@found=$$(mktemp); $(BIN)/mypy >$$found 2>&1 & types=$$!; \
echo '$(PYTEST) $(1)'; $(PYTEST) $(1); tests=$$?; \
wait $$types; types=$$?; echo $(BIN)/mypy; cat $$found; rm $$found; \
exit $$((tests | types))
endef

check: $(STAMP) lint  ## lint, types, and every test that starts no process: in two to three minutes
	$(call run,-m "not processes and not soak" --hypothesis-profile check)

test: $(STAMP) lint  ## the same and every test that starts the product, brokers, buckets; installs what they need
	@tests/install_packages
	$(call run,-m "not soak")

soak: $(STAMP) lint  ## the same for longer, and the chart and the compose file; installs Go, too
	@tests/install_packages soak
	$(call run,--hypothesis-profile soak --fault-kills 10 --fault-rate 2000 --power-cuts 300)
	$(BIN)/python -m tests.fuzzing all -runs=$(INPUTS) -verbosity=0

bench: $(STAMP)  ## the benchmarks: tables with ratios (BENCH="-s 30 bulk": the reference load alone, with these options)
ifeq ($(BENCH),)
	@tests/install_packages
	-@benchmarks/peers/build
	$(BIN)/python benchmarks/run.py
	$(BIN)/python benchmarks/brokers.py
	$(BIN)/python benchmarks/group.py
else
	$(BIN)/python benchmarks/run.py $(BENCH)
endif

bench-dashboards: $(STAMP)  ## what panels of dashboards ask of a day of 100 million values, beside DuckDB (VALUES=2000000: of fewer)
	$(BIN)/python benchmarks/answers.py --dashboards --values $(VALUES)

bench-detectors: $(STAMP)  ## the faults that the detectors find in a simulated fleet, and false alerts
	$(BIN)/python benchmarks/typed_faults.py

bench-nab: $(STAMP)  ## the detectors on the Numenta Anomaly Benchmark, whose folder is NAB
	$(BIN)/python benchmarks/nab.py $(NAB)

LOCK := $(UV) pip compile --quiet --generate-hashes --no-header
lock: setup  ## make the requirements files anew from pyproject.toml
	$(LOCK) pyproject.toml --extra dev --output-file requirements-dev.txt
	$(LOCK) pyproject.toml --constraint requirements-dev.txt --output-file requirements.txt
	echo uv | $(LOCK) - --output-file requirements-uv.txt

clean:  ## remove the environment and all caches (never data)
	rm -rf $(VENV) .cache *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
