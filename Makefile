# `make` tells what there is. Needs Python 3.11 or newer and make; all else is installed into .venv.
PYTHON ?= python3
VENV := .venv
UV_VERSION := 0.13.9
INSTALLED := $(VENV)/.installed

# uv trusts certificates of its own; behind a proxy that inspects TLS only the system's, which pip trusts, are right.
export UV_SYSTEM_CERTS ?= 1

.DEFAULT_GOAL := help
.PHONY: help setup demo up down status test test-all check types sql style collected ready bench bench-overhead lock picture programs screenshots secrets words

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(INSTALLED) ## install everything into .venv, as pinned in requirements.lock
	@echo "All is installed: $(VENV)/bin/evbilling --help"

demo: $(INSTALLED) ## bill a made-up month from beginning to end, in a local stack that keeps running
	@$(VENV)/bin/evbilling demo

up: $(INSTALLED) ## start the local stack: Postgres, payment sandbox, mail sink, Airflow
	@$(VENV)/bin/evbilling up

down: $(INSTALLED) ## stop the local stack; its data stays
	@$(VENV)/bin/evbilling down

status: $(INSTALLED) ## what of the local stack runs, and where
	@$(VENV)/bin/evbilling status

# Side by side, the longest first: with an empty cache the types take half a minute, as long as all else together.
check: $(INSTALLED) ## lint, format, types, import rules, SQL
	@$(MAKE) --no-print-directory -j 2 types sql style

types:
	$(VENV)/bin/mypy

sql:
	$(VENV)/bin/sqlfluff lint sql

style:
	$(VENV)/bin/ruff check
	$(VENV)/bin/ruff format --check
	$(VENV)/bin/lint-imports

# A broken import ends it here; and what is compiled now, the workers of pytest needn't compile one beside the other.
collected:
	$(VENV)/bin/pytest --collect-only -qqq

ready: $(INSTALLED)
	@$(MAKE) --no-print-directory -j 2 types sql style programs collected

# Hundreds of short processes of Python: where a shell forbids to keep compiled code, each would compile ours anew.
test test-all: export PYTHONDONTWRITEBYTECODE :=
test: ready ## the gate: all checks, and every test that sees a fault of its own
	$(VENV)/bin/pytest -n 3

test-all: ready ## the gate, every further case, and more examples: before a release
	$(VENV)/bin/pytest -n 3 --full

# What some tests need beside Python. Only root on Debian or Ubuntu can install it; for all others those tests say how to
# get it, and are skipped. One by one: a distribution that hasn't one of them still has the others.
programs:
	@test "$$(id -u)" = 0 && command -v apt-get >/dev/null || exit 0; \
	export DEBIAN_FRONTEND=noninteractive; updated=; \
	for package in redis-server hledger chromium fonts-noto-core fonts-noto-cjk fonts-noto-color-emoji; do \
		command -v "$$package" >/dev/null && continue; \
		dpkg-query -W -f '$${Status}' "$$package" 2>/dev/null | grep -q ' installed$$' && continue; \
		test -n "$$updated" || { apt-get update -qq >/dev/null 2>&1; updated=1; }; \
		echo "Installing $$package, for tests that need it"; \
		apt-get install -qq --no-install-recommends "$$package" >/dev/null 2>&1 || echo "  -> couldn't be installed"; \
	done; true

bench: $(INSTALLED) ## time a month's own work on N connectors (N=1000000) beside SQL and naive pandas; KEEP=1 keeps the figures
	@$(VENV)/bin/python -m tests.benchmarks.bench --connectors $(or $(N),1000000) $(if $(KEEP),--keep)

bench-overhead: $(INSTALLED) ## time a whole month through the scheduler, on 100 k and 1 M connectors
	@$(VENV)/bin/python -m tests.benchmarks.overhead

# Takes six minutes, most of it to bill a year; HOME_OF=folder keeps the stack there for the next time.
screenshots: $(INSTALLED) programs ## pictures of every page for the documents, in a browser, from a stack with a made-up year
	@$(VENV)/bin/python -m tests.screenshots.take $(if $(HOME_OF),--home "$(HOME_OF)")

picture: $(INSTALLED) ## docs/pictures/packages.svg anew, from the imports; needs Debian's graphviz
	@$(VENV)/bin/import-linter drawgraph evbilling | tred | dot -Tsvg -o docs/pictures/packages.svg

words: $(INSTALLED) ## bring the catalogues of messages to customers up to date with the code, and list what to translate
	@$(VENV)/bin/python -m tests.support.catalogues

secrets: ## passwords and keys for docker-compose.yml, once; needs a shell only
	@sh containers/make_secrets.sh

lock: $(INSTALLED) ## pin the newest versions that pyproject.toml allows
	$(VENV)/bin/uv pip compile --quiet --universal --upgrade --generate-hashes --extra celery --extra local --group dev pyproject.toml \
		--custom-compile-command "make lock" --output-file requirements.lock

# Exported, not written into the commands: the folder may have blanks in its path.
$(INSTALLED): export VIRTUAL_ENV := $(CURDIR)/$(VENV)
ifdef PIP_CERT
$(INSTALLED): export SSL_CERT_FILE ?= $(PIP_CERT)
endif
$(INSTALLED): requirements.lock pyproject.toml
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
		echo "Python 3.11 or newer is needed; $(PYTHON) is $$("$(PYTHON)" --version 2>&1)." >&2; \
		echo "  -> install one and name it: make PYTHON=python3.12 $(or $(MAKECMDGOALS),setup)" >&2; exit 1; }
	@"$(PYTHON)" -c 'import ensurepip, venv' 2>/dev/null || { \
		echo "$(PYTHON) can't make virtual environments: its venv and ensurepip modules are missing." >&2; \
		echo "  -> install them (Debian and Ubuntu: the package python3-venv), then run make again" >&2; exit 1; }
	@test -x $(VENV)/bin/python || { echo "Making $(VENV)"; "$(PYTHON)" -m venv $(VENV); }
	@echo "Installing what requirements.lock pins into $(VENV) (a minute or two the first time)"
	@$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	@$(VENV)/bin/uv pip install --quiet --require-hashes --compile-bytecode -r requirements.lock
	@$(VENV)/bin/uv pip install --quiet --no-deps --no-build-isolation -e .
	@touch $@
