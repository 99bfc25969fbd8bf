SHELL := /bin/bash -o pipefail
# `make setup` builds the environment in .venv/, and again only when the lock changes; the other targets do it by themselves.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# one line that counts, instead of pip's hundreds
PROGRESS := awk '/^Collecting/ {printf "\r  %d packages", ++n; fflush()} /^Installing/ {printf ", installing …"; fflush()} END {print ""}'
STAMP := $(VENV)/.installed
JOBS ?= 2

.PHONY: help setup demo test lint types unit bench lock clean
.DEFAULT_GOAL := help

help:  ## what can be made here
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*##/\t/' | expand -t 10

setup: $(STAMP)  ## build the environment in .venv/

$(STAMP): requirements-dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(None if (3, 11) <= v < (3, 14) else "Streamgauge needs Python 3.11, 3.12 or 3.13; %s is %d.%d. Name another with make PYTHON=…" % (sys.executable, *v[:2]))'
	@echo "Setting up .venv/ (once; about a minute) …"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --disable-pip-version-check --require-hashes -r requirements-dev.txt | $(PROGRESS)
	@$(BIN)/python -m pip install --disable-pip-version-check -qq --no-build-isolation --no-deps --editable .
	@touch $@

demo: setup  ## see the product at work in one terminal (Ctrl-C ends it)
	@$(BIN)/python -m pipeline.demo

lint: setup  ## ruff
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: setup  ## mypy, strict
	$(BIN)/mypy

unit: setup  ## the tests that start no process of ours
	$(BIN)/pytest -n $(JOBS) -m "not end_to_end and not faults"

test: setup lint types  ## lint, types, and every test; installs what the tests need
	@tests/install_packages
	$(BIN)/pytest -n $(JOBS)

bench: setup  ## the benchmarks: tables with ratios (BENCH="-s 30 bulk": the reference load alone, with these options)
ifeq ($(BENCH),)
	@tests/install_packages
	$(BIN)/python benchmarks/run.py
	$(BIN)/python benchmarks/brokers.py
	$(BIN)/python benchmarks/group.py
else
	$(BIN)/python benchmarks/run.py $(BENCH)
endif

LOCK := $(BIN)/pip-compile --quiet --strip-extras --generate-hashes --allow-unsafe \
	--no-emit-index-url --no-emit-trusted-host --no-emit-find-links
lock: setup  ## make the requirements files anew from pyproject.toml
	$(LOCK) --output-file requirements.txt pyproject.toml
	$(LOCK) --extra dev --output-file requirements-dev.txt pyproject.toml

clean:  ## remove the environment and all caches (never data)
	rm -rf $(VENV) .cache *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
