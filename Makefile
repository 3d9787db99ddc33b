# Everything starts from a bare checkout with python3 and make.
PYTHON := .venv/bin/python
BOOTSTRAP := python3 tools/bootstrap.py
PYTEST := $(PYTHON) -m pytest
SHORT_TIER := $(PYTEST) -m "not slow" -n 4 --dist loadfile tests

.PHONY: help run test coverage check fast kill-test crash-test corruption-test soak drill long bench screenshots status stop lock clean

help: ## what can be made
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

run: ## install what is needed and start the whole system
	@$(BOOTSTRAP) run
	@exec $(PYTHON) deploy_supervisor.py run

test: ## linters, types, import law, and every test but the long tier
	@$(BOOTSTRAP) test
	@$(MAKE) --no-print-directory check
	@$(SHORT_TIER)

coverage: ## the tests of `make test` again, counting lines: half as long again, with its floor
	@$(BOOTSTRAP) test
	@$(SHORT_TIER) --cov --cov-report=

check: ## ruff, mypy, import-linter, bandit
	@$(PYTHON) -m ruff format --check -q .
	@$(PYTHON) -m ruff check -q .
	@$(PYTHON) -m mypy
	@.venv/bin/lint-imports --no-logo
	@$(PYTHON) -m bandit -q -r -c pyproject.toml deploy_supervisor.py shared services chaos tools

fast: ## only the decisions: seconds
	@$(BOOTSTRAP) test
	@$(PYTEST) tests/spec tests/house

KILLS ?= 1000
SEED ?= 1
kill-test: ## a thousand seeded random kills over a running system; KILLS=50 SEED=2 for others
	@$(BOOTSTRAP) test
	@$(PYTHON) -m tests.kill --kills $(KILLS) --seed $(SEED)

HISTORIES ?= 5000
crash-test: ## five thousand seeded histories of deaths and lies against the exchange's books
	@$(BOOTSTRAP) test
	@$(PYTHON) -m tests.crash --histories $(HISTORIES)

drill: ## every chaos drill in a throw-away copy of state/ and logs/, with a scorecard
	@$(BOOTSTRAP) test
	@$(PYTHON) deploy_supervisor.py drill --all

SOAK_S ?= 3600
soak: ## an hour of faults drawn by a seed; SOAK_S=300 SEED=2 for others
	@$(BOOTSTRAP) test
	@$(PYTHON) deploy_supervisor.py drill --random $(SOAK_S) --seed $(SEED) --fresh

CORRUPTIONS ?= 20000
corruption-test: ## twenty thousand damaged state files; CORRUPTIONS=5000 for fewer
	@$(BOOTSTRAP) test
	@CORRUPTIONS=$(CORRUPTIONS) $(PYTEST) -n 0 tests/shell/test_persistence_corruptions.py

long: ## the long tier: recorded weeks and months, drills that must fail, every fault at every call
	@$(BOOTSTRAP) test
	@$(PYTEST) -m slow tests

bench: ## the budgets of the design, each beside its reference, as a table and JSON
	@$(BOOTSTRAP) test
	@$(BOOTSTRAP) bench
	@$(PYTHON) -m tests.bench

screenshots: ## pictures of the page in each of its states, of real systems: build/screenshots
	@$(BOOTSTRAP) test
	@$(PYTHON) -m tests.browser.screenshots

status: ## the verdict of the running system
	@$(PYTHON) deploy_supervisor.py status

stop: ## stop the running system
	@$(PYTHON) deploy_supervisor.py stop

lock: ## renew the hashed locks from pyproject.toml
	@$(BOOTSTRAP) test
	@$(PYTHON) -m tools.lock

clean: ## forget the environment (state/ and logs/ stay)
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
