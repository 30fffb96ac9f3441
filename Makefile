# make demo: the whole federation on this machine. make test, make check: before every commit.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# Python compiles what is imported; pip would compile all of torch.
PIP_OPTIONS := --quiet --no-compile -c constraints.txt
NODE_STAMPS := tests/supabase/node_modules/.package-lock.json tests/axe/node_modules/.package-lock.json
LOCALE := fl_monitor/locale

# The tests start hundreds of processes: where this variable is set, each would compile our code anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: setup demo test test-fast soak fuzz faults check format messages screenshots

setup: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install $(PIP_OPTIONS) torch
	$(BIN)/python -m pip install $(PIP_OPTIONS) -e '.[dev,export]'
	touch $(STAMP)

tests/%/node_modules/.package-lock.json: tests/%/package-lock.json
	@if command -v npm >/dev/null; then cd tests/$* && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error; \
	else echo "npm is missing: the tests that need tests/$* are skipped."; fi

demo: setup
	$(BIN)/fl-demo

test: setup $(NODE_STAMPS)
	$(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder

test-fast: setup $(NODE_STAMPS)
	$(BIN)/python -m pytest -m 'not slow'

soak: setup $(NODE_STAMPS)
	$(BIN)/python -m pytest -m soak

fuzz: setup
	$(BIN)/python -m pytest -m fuzz

# make faults AT_ONCE=4 on a machine of eight cores; the table goes to TABLE.
faults: AT_ONCE := 2
faults: TABLE := build/faults.md
faults: setup
	FEDLUNA_FAULTS_AT_ONCE=$(AT_ONCE) FEDLUNA_FAULTS_TABLE=$(TABLE) $(BIN)/python -m pytest -m slow -s \
		tests/integration/test_faults.py tests/integration/test_network.py tests/integration/test_crowd.py

check: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: setup
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# Brings the monitor's catalogues up to date; translate what is empty in the .po file, then run it again.
messages: setup
	$(BIN)/pybabel -q extract --no-location --omit-header --sort-output -o $(LOCALE)/fedluna.pot fl_monitor
	$(BIN)/pybabel -q update --omit-header --no-fuzzy-matching --ignore-obsolete -D fedluna -d $(LOCALE) -i $(LOCALE)/fedluna.pot
	$(BIN)/pybabel -q compile --use-fuzzy -D fedluna -d $(LOCALE)

screenshots: setup
	$(BIN)/python -m tests.screenshots
