# Headrace: everything a person does with this project. `make` alone prints the list.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory
.NOTPARALLEL:

# The interpreter the environment is made with: make PYTHON=/path/to/python3.12 test
PYTHON ?= python3
VENV   := .venv
NEWEST := .venv-newest
BIN    := $(VENV)/bin
# What depends on how asyncio and the language behave, and so runs on more than one Python.
REPLAY_SUITES := $(wildcard tests/unit tests/contract tests/property)
# What else to hand to pytest: make test ARGS='-k replay'
ARGS   ?=

.PHONY: help
help: ## print this list
	@awk -F':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: demo
demo: set-up ## run a flow over real data, kill it half way, resume it, look at its trace
	@$(BIN)/python scripts/demo.py

.PHONY: test
test: set-up services test-newest ## all tests, the replay suites on the newest Python as well
	$(BIN)/python -m pytest $(ARGS)

.PHONY: check
check: set-up services format-check lint types arrows docs-check ## what must hold before a push: format, lint, types, arrows, docs, unit tests
	$(BIN)/python -m pytest -m 'not slow' $(wildcard tests/unit tests/contract) $(ARGS)

.PHONY: bench
bench: set-up services ## measure the claims beside their limits; the table goes to bench/
	$(BIN)/python -m bench $(ARGS)

# How long, which battle once more, and on what: make chaos SECONDS=600 SEED=7 STORE=sqlite
SECONDS ?= 60
SEED    ?=
STORE   ?= postgres

.PHONY: chaos
chaos: set-up services ## nodes under kills, freezes, cuts and restarts, checked afterwards; SECONDS= SEED= STORE=postgres|sqlite
	$(BIN)/python -m tests.chaos --seconds $(SECONDS) --store $(STORE) $(if $(SEED),--seed $(SEED)) $(ARGS)

# How many schedules, and which one first: make simulate SCHEDULES=1 SEED=4711 ARGS=--trace
SCHEDULES ?= 2000

.PHONY: simulate
simulate: set-up ## nodes on virtual time under drawn faults, checked afterwards; SCHEDULES= SEED= (ARGS=--trace tells all)
	@$(BIN)/python -m tests.simulation --schedules $(SCHEDULES) $(if $(SEED),--seed $(SEED)) $(ARGS)

.PHONY: services
services: ## start what the tests need beside Python
	@scripts/services.sh

.PHONY: docs-check
docs-check: set-up ## diagrams are current, links resolve, README examples run
	$(BIN)/python scripts/draw_lives.py --check
	$(BIN)/python -m pytest -q tests/project/test_docs.py

.PHONY: docs
docs: set-up ## draw the diagrams of ARCHITECTURE.md again
	$(BIN)/python scripts/draw_lives.py

.PHONY: format
format: set-up ## format the code and mend what can be mended by machine
	$(BIN)/ruff check --fix-only --quiet .
	$(BIN)/ruff format .

.PHONY: format-check
format-check: set-up
	$(BIN)/ruff format --check .

.PHONY: lint
lint: set-up ## ruff
	$(BIN)/ruff check .

.PHONY: types
types: set-up ## mypy and pyright, both strict
	$(BIN)/mypy
	$(BIN)/pyright --pythonpath $(BIN)/python

.PHONY: arrows
arrows: set-up ## import-linter: who may import whom
	$(BIN)/lint-imports

.PHONY: test-newest
test-newest: set-up ## the unit, contract and replay suites on the newest Python of this machine, where there is a newer one
	@newest=$$(scripts/newer-python.sh $(BIN)/python); \
	if [ -z "$$newest" ]; then echo "test-newest: no Python newer than $$($(BIN)/python -V) here, nothing more to run"; exit 0; fi; \
	scripts/set-up.sh $(NEWEST) "$$newest"; \
	echo "test-newest: $$($(NEWEST)/bin/python -V)"; \
	PROGRAMS=$${PROGRAMS:-500} $(NEWEST)/bin/python -m pytest $(REPLAY_SUITES) $(ARGS)

.PHONY: set-up
set-up: ## make .venv; done by every other target when it is needed
	@scripts/set-up.sh $(VENV) $(PYTHON)

.PHONY: clean
clean: ## remove environments, caches and build results; your stores under .headrace stay
	rm -rf $(VENV) $(NEWEST) build dist .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
