# make demo: the whole federation on this machine. make test, make check: before every commit.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
NODE_STAMP := tests/supabase/node_modules/.package-lock.json

.PHONY: setup demo test test-fast soak check format

setup: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet -c constraints.txt torch
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[dev]'
	touch $(STAMP)

$(NODE_STAMP): tests/supabase/package-lock.json
	@if command -v npm >/dev/null; then cd tests/supabase && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error; \
	else echo "npm is missing: the tests that need a Supabase server are skipped."; fi

demo: setup
	$(BIN)/fl-demo

test: setup $(NODE_STAMP)
	$(BIN)/python -m pytest

test-fast: setup $(NODE_STAMP)
	$(BIN)/python -m pytest -m 'not slow'

soak: setup $(NODE_STAMP)
	$(BIN)/python -m pytest -m soak

check: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: setup
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .
