# Everything a newcomer needs. A bare machine needs only make and Python 3.11 or newer with its venv module.
#   make up ARGS="--port 9000"    make test ARGS="-k relay"    make .venv PYTHON=python3.13

ARGS ?=
PYTHON ?=
WEB := gateways/web/node_modules/.ready
LOCKS := $(wildcard ops/bench/peers/*/package-lock.json ops/chaos/client/package-lock.json)
PEERS := $(LOCKS:%/package-lock.json=%/node_modules/.ready)
# What uv may find in .venv comes first, so that a node of ours wins over one that is too old.
RUN := PATH="$(CURDIR)/.venv/bin:$$PATH"

export PYTHON
export UV_PYTHON_DOWNLOADS := never
unexport VIRTUAL_ENV UV_PROJECT_ENVIRONMENT
# Containers often set this; each of our many processes would compile all it imports anew, seconds of CPU.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help up test check format clean .venv
.DELETE_ON_ERROR:

help:
	@echo "make up      start the hub with everything it needs; Ctrl-C stops it"
	@echo "make test    every test this machine can run"
	@echo "make check   format, lint, types, import contracts"
	@echo "make format  put the code into the agreed form"
	@echo "make .venv   only the environment; then .venv/bin/hub works"
	@echo "make clean   remove the environment and caches; the data in .hub stays"

# The launcher lets a kill -9 of make end the hub as well.
up: .venv
	@exec .venv/bin/python -I -S ops/embedded/launch.py $$PPID 15 .venv/bin/hub up $(ARGS)

test: .venv/.dev $(WEB) $(PEERS)
	@$(RUN) python -m pytest $(ARGS)

check: .venv/.dev
	@$(RUN) ruff format --check .
	@$(RUN) ruff check .
	@$(RUN) mypy
	@$(RUN) lint-imports

format: .venv/.dev
	@$(RUN) ruff format .
	@$(RUN) ruff check --fix .

clean:
	rm -rf .venv gateways/web/node_modules ops/bench/peers/*/node_modules ops/chaos/client/node_modules
	rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

.venv: .venv/.runtime $(WEB)

# Stamps, written last: a set-up that broke off is done again.
.venv/.runtime: pyproject.toml uv.lock
	@sh ops/bootstrap.sh runtime
	@touch $@

.venv/.dev: .venv/.runtime
	@sh ops/bootstrap.sh dev
	@touch $@

%/node_modules/.ready: %/package-lock.json | .venv/.runtime
	@sh ops/bootstrap.sh npm $*
	@touch $@
