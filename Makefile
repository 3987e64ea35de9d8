# Everything runs from here on a machine with Python 3.11 or 3.12, and nothing else.
# What is installed is what `requirements.lock` says, to the hash.

.DEFAULT_GOAL := help
SHELL := /bin/sh

VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
PACKAGES := kairos orchestration reverse_etl warehouse

# The first Python that runs, is 3.11 or 3.12, and can make a virtual environment.
# `make setup PYTHON=/path/to/python3.11` decides it instead.
PYTHON ?= $(shell for python in python3.11 python3.12 python3 python; do \
	$$python -c 'import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info < (3, 13))' \
	>/dev/null 2>&1 && { command -v $$python; break; }; done)

# Many tests wait, for a disk, a server or a clock: more of them at a time than there are cores.
PROCESSES ?= 4

.PHONY: help setup demo test lint dev bench clean lock

help: ## Say what can be made
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-7s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(READY) ## Only set up: .venv with the kairos command in it
	@echo "Ready: $(BIN)/kairos"

demo: $(READY) ## Two weeks of events of 2,000 people, from the landing folder to delivered messages
	@$(BIN)/kairos demo

test: $(READY) ## Run every test
	@$(BIN)/python -m pytest -n $(PROCESSES) --dist loadfile --no-loadscope-reorder

# Nothing here needs a warehouse: what must look at one looks at an empty one, in memory.
lint: export KAIROS_WAREHOUSE := :memory:
lint: export DBT_TARGET_PATH := target/lint
lint: export DBT_LOG_PATH := target/lint
lint: $(READY) ## Check Python, SQL and YAML, and parse the dbt project
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/yamllint --strict .
	@$(BIN)/dbt --quiet --warn-error parse
	@$(BIN)/sqlfluff lint --processes 0 models tests/dbt

dev: $(READY) ## Open Dagster's UI on http://127.0.0.1:3000
	@$(BIN)/python -m orchestration.dev

bench: $(READY) ## Measure the line
	@$(BIN)/python -m benchmarks

clean: ## Remove what was built and installed; what is known of people, under .kairos, stays
	rm -rf $(VENV) target logs .pytest_cache .ruff_cache .hypothesis *.egg-info
	find $(PACKAGES) tests -name __pycache__ -type d -prune -exec rm -rf {} +

lock: $(READY) ## Resolve pyproject.toml again into requirements.lock
	@$(BIN)/python -m pip install --quiet uv
	@$(BIN)/uv pip compile pyproject.toml --group dev --universal --python-version 3.11 \
		--generate-hashes --no-strip-extras --no-emit-index-url --no-emit-find-links \
		--custom-compile-command 'make lock' --upgrade --quiet --output-file requirements.lock

# The stamp comes last: whatever fails on the way, the next call begins again and repairs.
$(READY): requirements.lock pyproject.toml
	@if [ -z "$(PYTHON)" ]; then \
		echo "Kairos needs Python 3.11 or 3.12 with its venv module, and found none on the PATH." >&2; \
		echo "Install one (Debian, Ubuntu: apt-get install python3.11-venv; macOS: brew install python@3.11)" >&2; \
		echo "or name one: make setup PYTHON=/path/to/python3.11" >&2; \
		exit 1; \
	fi
	@if ! $(BIN)/python -c 'import sys, pip; sys.exit(not (3, 11) <= sys.version_info < (3, 13))' \
		>/dev/null 2>&1; then \
		echo "Making $(VENV) with $(PYTHON)"; \
		rm -rf $(VENV); \
		"$(PYTHON)" -m venv $(VENV); \
	fi
	@echo "Installing the locked packages: about a minute the first time"
	@$(BIN)/python -m pip --disable-pip-version-check --no-input install --quiet --no-compile \
		--require-hashes --requirement requirements.lock
	@$(BIN)/python -m pip --disable-pip-version-check --no-input install --quiet --no-compile \
		--no-deps --no-build-isolation --editable .
	@# compiled once here, because some machines forbid Python to do it at every start
	@$(BIN)/python -m compileall -q -j 0 $(VENV)/lib $(PACKAGES) >/dev/null 2>&1 || true
	@touch $@
