# run: serve the page · test: every test · check: format, lint, types, tests · bench: the benchmarks
# Each sets up what it needs and is missing, nothing more.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
SOURCES := app.py grounding backends jobs scenes training ui benchmarks tests

.PHONY: run test check lint format bench

run: .venv/.run
	@$(BIN)/python app.py

test: .venv/.dev chromium
	@$(BIN)/python -m pytest

check: lint test

lint: .venv/.dev
	@$(BIN)/ruff format --check $(SOURCES)
	@$(BIN)/ruff check $(SOURCES)
	@$(BIN)/mypy

format: .venv/.dev
	@$(BIN)/ruff format $(SOURCES)
	@$(BIN)/ruff check --fix $(SOURCES)

bench: .venv/.dev
	@for each in decode_masks startup label paligemma planner scores editor; do $(BIN)/python -m benchmarks.$$each || exit 1; done

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit("Pinpoint needs Python 3.11 or newer: make PYTHON=/path/to/python3.11" if sys.version_info < (3, 11) else 0)'
	@echo "Setting up .venv (a few minutes, once)"
	@$(PYTHON) -m venv .venv

.venv/.run: requirements.txt | $(BIN)/python
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@

.venv/.dev: requirements-dev.txt requirements.txt | $(BIN)/python
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@ .venv/.run

# Debian's Chromium, for the browser tests; without it, and without the right to install it, they say so and skip.
.PHONY: chromium
chromium:
	@command -v chromium >/dev/null || { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null \
	  && apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chromium >/dev/null; } \
	  || echo "No chromium here: the browser tests will be skipped. Install it to run them."
