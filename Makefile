# Everything needs only python3 with venv and pip. `make demo` and `make test` set up a fresh machine.
PYTHON ?= python3
VENV ?= .venv
CONSTRAINTS ?= --constraint constraints.txt
PYTHONS ?= python3.11 python3.12 python3.13
BIN := $(VENV)/bin
PYTEST := $(BIN)/python -m pytest

.PHONY: demo test check matrix docs docs-runs verify bench plugin install install-test install-check install-docs clean

demo: install
	$(BIN)/pitmap demo demo

test: install-test
	$(PYTEST) -q -n 2 --dist worksteal -m "not verify"

check: install-check
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# The tests under every Python that is promised, and with the newest versions of all dependencies, each in a place of its own.
matrix:
	for python in $(PYTHONS); do $(MAKE) test PYTHON=$$python VENV=.venv-$$(basename $$python) || exit 1; done
	$(MAKE) test VENV=.venv-newest CONSTRAINTS=

# The pages that are made from the code, then the site of the documentation in site/, which asks no other server.
docs: install-docs
	PYTHONPATH=tests $(BIN)/python tests/docs/make_pages.py
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

# What takes minutes: the page of every output file, and the pictures. Every command is run for them.
docs-runs: install-docs install-test
	PYTHONPATH=tests $(BIN)/python tests/docs/outputs_page.py
	PYTHONPATH=tests $(BIN)/python tests/docs/pictures.py

# Training runs, full sizes and real data. Writes dated results to benchmarks/results.
verify: install-test
	$(PYTEST) -q -m verify

# The plugin for QGIS, which is apart from the package: docs/qgis.md.
plugin:
	$(PYTHON) qgis_plugin/build_plugin.py build/pitmap_qgis.zip

bench: install-test
	$(BIN)/python -m benchmarks

install: $(VENV)/installed
install-test: $(VENV)/installed-test
install-check: $(VENV)/installed-check
install-docs: $(VENV)/installed-docs

$(VENV)/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check $(CONSTRAINTS) --editable .
	touch $@

$(VENV)/installed-test: $(VENV)/installed
	$(BIN)/pip install --quiet --disable-pip-version-check $(CONSTRAINTS) --editable ".[test]"
	touch $@

$(VENV)/installed-check: $(VENV)/installed
	$(BIN)/pip install --quiet --disable-pip-version-check $(CONSTRAINTS) --editable ".[test,check]"
	touch $@

$(VENV)/installed-docs: $(VENV)/installed
	$(BIN)/pip install --quiet --disable-pip-version-check $(CONSTRAINTS) --editable ".[docs]"
	touch $@

clean:
	rm -rf .venv .venv-* demo build site src/*.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
