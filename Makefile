# Everything is prepared in this folder: uv in .tools/, the locked environment in .venv/.
PYTHON ?= python3
BIN := $(CURDIR)/.venv/bin
export PATH := $(BIN):$(CURDIR)/.tools:$(PATH)
MAKEFLAGS += --no-print-directory

.DEFAULT_GOAL := help
.PHONY: help setup demo test soak audit cover check bench model clean

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## /  make \1\t/p' Makefile | expand -t 16

setup: ## prepare the environment, tmux and bubblewrap where missing
	@$(PYTHON) scripts/bootstrap.py

demo: setup ## three agents at work on a sample project (fetches a small model once)
	@mato demo

test: setup ## all tests; those of the embedded model when it is here (make model)
	@pytest -q -n 2 --dist loadfile -m "not live"
	@pytest -q -m live $$(grep -rl 'mark\.live' tests --include=*.py)  # to collect all others takes half a minute

soak: setup ## the fault tests at length: crashes, power cuts, I/O errors, silence
	@MATO_SOAK=1 pytest -q -m fault --timeout 7200

audit: setup ## every control of docs/security.md, by the command that shows it
	@sed -n 's/^| [^|]* | `\([^`]*\)` | [^|]* |$$/\1/p' docs/security.md | sh -ec 'n=0; while read -r line; do \
	echo "audit: $$line"; $$line </dev/null; n=$$((n + 1)); done; test $$n -gt 0; echo "audit: $$n controls hold"'

cover: setup ## branch coverage of the record and the step machine (at least 95 %)
	@coverage run --branch --source=mato_sessions,mato.agents.native -m pytest -q tests/sessions tests/mato/agents
	@coverage report --skip-covered --fail-under=95

check: setup ## lint, format, types and import contracts
	@ruff check
	@ruff format --check
	@pyright
	@lint-imports --no-logo

bench: setup ## measure speed, as ratios within one run
	@python -m benchmarks

model: setup ## fetch the embedded model
	@mato model

clean: ## remove what setup made; the fetched model stays
	rm -rf .venv .tools .pytest_cache .ruff_cache .hypothesis .import_linter_cache
