# kubectl extsvc: `make` says what there is.
TESTBED := tests/testbed/testbed
BIN := .venv/bin
STAMP := .venv/.from-lock
DIST_ENV := build/env
DIST_STAMP := $(DIST_ENV)/.from-lock
DIST_BUILD = $(DIST_ENV)/bin/python -m release.dist --repository $(REPOSITORY)
# Where the manifest says that the archives are: OWNER/NAME on GitHub.
REPOSITORY ?= OWNER/kubectl-extsvc
# The first Python on PATH that is new enough. Asked only where it is used.
PYTHON ?= $(shell for python in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$python && break; done)

# make oracle: world N of a seed is always the same.
SEED ?= 1
COUNT ?= 1000

.DEFAULT_GOAL := help
.PHONY: help env demo test lint e2e e2e-cluster e2e-beside truth truth-sandbox docs pictures oracle oracle-program bench walk testbed-up testbed-down dist dist-again krew-check measured lock lock-dist clean

help: ## this list
	@sed -n 's/^\([a-z0-9-]*\):.*## \(.*\)/make \1|\2/p' Makefile | awk -F'|' '{ printf "%-19s %s\n", $$1, $$2 }'

env: $(STAMP) ## the environment in .venv, from requirements.lock; the other targets make it themselves

$(STAMP): requirements.lock pyproject.toml
	@if [ -z "$(PYTHON)" ]; then \
		echo 'make: Python 3.11 or newer is needed; on Debian 12 or newer: apt-get install python3 python3-venv' >&2; exit 1; fi
	@if ! $(PYTHON) -c 'import ensurepip, venv' 2>/dev/null; then \
		echo "make: $(PYTHON) has no ensurepip; on Debian: apt-get install python3-venv" >&2; exit 1; fi
	@[ -x $(BIN)/python ] || { rm -rf .venv && $(PYTHON) -m venv .venv; }
	$(BIN)/python -m pip install --disable-pip-version-check --quiet --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --disable-pip-version-check --quiet --no-deps --no-build-isolation -e .
	@touch $@

demo: $(STAMP) ## the main job, on this machine alone: no cluster, not root
	@if ! command -v curl >/dev/null; then echo 'make: curl is needed; on Debian: apt-get install curl' >&2; exit 1; fi
	@$(BIN)/kubectl-extsvc demo

test: $(STAMP) ## tests that need no cluster and no kubectl
	$(BIN)/pytest -n auto -m "not testbed and not kubectl"
	@echo "not run: $$($(BIN)/pytest -q --collect-only -m 'testbed or kubectl' | grep -c ::) tests that need a real cluster or kubectl (make e2e)"

lint: $(STAMP) ## style and types
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

e2e: $(STAMP) testbed-up oracle-program ## tests on the real cluster, which is built (once, some 20 minutes) and started if needed
	@# The tests on the cluster mostly wait: what does without it has the rest of the machine meanwhile.
	+@$(MAKE) --no-print-directory --jobs=2 e2e-cluster e2e-beside

truth-sandbox: $(STAMP) ## the worlds of the truth that a sandbox can hold, in one
	$(BIN)/pytest tests/truth -m kubectl

e2e-cluster:
	$(BIN)/pytest -m testbed tests/e2e tests/truth

e2e-beside:
	@# In sandboxes, one for each core. The testbed's kubectl is there by now. By file, since tests of a file share
	@# their aliases and worlds: loadgroup of pytest-xdist 3.8 does nothing with pytest 9.2, whose items have other ids.
	nice $(BIN)/pytest -q -n auto --dist loadfile -m kubectl tests/e2e
	nice $(BIN)/pytest -q -n auto --dist loadfile -m testbed tests/oracle

truth: $(STAMP) testbed-up ## how much verify and istioctl analyze know of what is wrong, on the real cluster; writes docs/truth.md
	$(BIN)/pytest tests/truth -m testbed --truth-page docs/truth.md

docs: $(STAMP) ## docs/rules.md anew, from the rules
	$(BIN)/python tests/pages.py

pictures: $(STAMP) ## docs/pictures anew: the terminal UI, as it is on a sandbox
	PYTHONPATH=tests $(BIN)/python tests/pictures.py

oracle: $(STAMP) ## random worlds through Istio's own code and through our laws (SEED=1 COUNT=1000); needs Go, once
	@PYTHONPATH=tests $(BIN)/python -m oracle --seed $(SEED) --count $(COUNT)

oracle-program:
	@tests/oracle/build.sh >/dev/null

bench: $(STAMP) testbed-up ## speed and memory, on the real cluster
	@set -e; environment=$$($(TESTBED) up); eval "$$environment"; unset PYTHONDONTWRITEBYTECODE; \
	PATH=$$PWD/bin:$$PATH; for benchmark in benchmarks/*.py; do echo "== $$benchmark"; $(BIN)/python $$benchmark; done

walk: $(STAMP) testbed-up ## the main job, on the real cluster
	@tests/testbed/walk

testbed-up: ## starts the real cluster
	@$(TESTBED) up >/dev/null

testbed-down: ## stops it
	@$(TESTBED) down

$(DIST_STAMP): requirements-dist.lock
	@[ -n "$(PYTHON)" ] || { echo 'make: Python 3.11 or newer is needed' >&2; exit 1; }
	rm -rf $(DIST_ENV) && $(PYTHON) -m venv $(DIST_ENV)
	$(DIST_ENV)/bin/python -m pip install --disable-pip-version-check --quiet --require-hashes -r requirements-dist.lock
	@touch $@

# Everything is dated to the last commit, so two builds of it are the same.
dist: $(DIST_STAMP) ## what is released, into dist/: wheel, sdist, archives for krew with manifest, a bill of materials
	@rm -rf dist; $(DIST_BUILD) --into dist

dist-again: $(DIST_STAMP) ## what is in dist/ once more, elsewhere, and every byte must be the same
	@set -e; rm -rf build/again; $(DIST_BUILD) --into build/again >/dev/null; \
	for file in dist/*; do cmp $$file build/again/$${file##*/}; done; echo "two builds are the same, byte for byte"

krew-check: dist ## krew's rules over dist/, and what krew would install is run
	$(DIST_ENV)/bin/python -m release.krew_check $(KREW_CHECK) dist

measured: $(DIST_STAMP) ## sizes and times of what is in dist/ (made by make dist), into docs/measured.md
	$(DIST_ENV)/bin/python -m release.measured dist docs/measured.md

lock: $(STAMP) ## requirements.lock and requirements-dist.lock anew, from pyproject.toml
	@$(BIN)/python -m uv --version >/dev/null 2>&1 || $(BIN)/python -m pip install --disable-pip-version-check --quiet uv
	@# The build system is locked too: --no-build-isolation takes it from the environment (editables is hatchling's own need).
	$(BIN)/python -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["build-system"]["requires"], "editables", sep="\n")' | \
	$(BIN)/python -m uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes --extra sandbox --group dev \
		--custom-compile-command 'make lock' --output-file requirements.lock pyproject.toml -
	@$(MAKE) --no-print-directory lock-dist

lock-dist: $(STAMP) ## requirements-dist.lock anew; what both locks have, in the version of requirements.lock
	@$(BIN)/python -m uv --version >/dev/null 2>&1 || $(BIN)/python -m pip install --disable-pip-version-check --quiet uv
	$(BIN)/python -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["build-system"]["requires"], sep="\n")' | \
	$(BIN)/python -m uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --group dist --constraint requirements.lock \
		--custom-compile-command 'make lock' --output-file requirements-dist.lock pyproject.toml -

clean: ## removes the environment and what tools left; keeps the cluster's programs
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis build dist *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
