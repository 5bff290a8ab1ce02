# Taskmaster. `make demo` and `make test` need python3 (3.11 or newer) and make; they set up .venv by themselves.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
# Tests wait more than they compute: more workers than cores keep the cores busy.
WORKERS ?= 6
# Or each worker compiles all tests anew, at every run.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: help demo test test-clients check soak bench clean
.DEFAULT_GOAL := help

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(STAMP): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "cannot set up $(VENV): $(PYTHON) is older than 3.11 (name another with PYTHON=...)" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) \
	  || { echo "cannot set up $(VENV): $(PYTHON) -m venv failed (on Debian: apt-get install python3-venv)" >&2; exit 1; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[test,check]'
	@touch $(STAMP)

demo: $(STAMP) ## a scripted tour on real programs, under 20 seconds
	@$(BIN)/python docs/demo.py

test: check ## lint, types and the whole suite
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal -m 'not soak and not clients and not alone'
	$(BIN)/python -m pytest -m 'alone and not soak and not clients'

test-clients: $(STAMP) ## other people's clients against tmd; fetches them (docs/clients.md)
	$(BIN)/python -m pytest -n $(WORKERS) -o timeout=600 tests/clients

check: $(STAMP) ## lint, format and types only
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

soak: $(STAMP) ## the long endurance tests
	$(BIN)/python -m pytest -n 2 -m soak -o faulthandler_timeout=900

bench: $(STAMP) ## measure tmd beside other supervisors and write docs/performance.md; under 15 minutes
	bench/run --json bench/results/latest.json
	$(BIN)/python docs/generate.py

clean: ## remove everything that was made here
	rm -rf $(VENV) .tox .mypy_cache .ruff_cache .pytest_cache .hypothesis build dist ./*.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
