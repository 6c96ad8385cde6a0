# make demo   trains a small model on the Psalms and decodes with it: the whole pipeline in minutes
# make test   runs the tests
# make long   runs the tests that make test leaves out to be quick
# make quick  runs the fast tests, in less than 2 minutes
# make lint   runs the linter, the formatter's check, the type checker and the import contracts
# make docs   builds the documentation's site in site/; a broken link or an unknown name is an error
# make lower-bounds  runs the tests that aren't slow with the lowest versions that setup.py admits
# make clean  removes everything that the other targets created
#
# Each target sets up what it needs; you need only Python 3.11 or later and a package index. PYTHON
# names the Python to use, VENV the virtual environment to create or use, ARGS are pytest's.

VENV ?= .venv
PYTHON ?= python3.13 python3.12 python3.11 python3
ARGS ?=

PY := $(VENV)/bin/python

# The unit tests without those that compile or train models, make whole data sets, or start servers and
# processes. In their place an old model must still decode the same text.
EXPENSIVE := api decode devices exporting interactive model problems serving t2t_import tpu_check training tune
QUICK := $(filter-out $(EXPENSIVE:%=tests/unit/%),$(filter-out %conftest.py %__pycache__,$(wildcard tests/unit/*))) \
	tests/golden/test_old_model.py tests/packaging/test_layout.py

SUPPORTED := import sys; sys.exit(sys.version_info < (3, 11))
METADATA := setup.py pyproject.toml

# Debian without python3-venv can only create an environment without pip; another pip then adds it.
MAKE_VENV = { $$python -m venv --clear $(VENV) || { $$python -m venv --clear --without-pip $(VENV) \
	&& $$python -m pip -q --python $(PY) install pip; }; } >$(VENV).log 2>&1

.PHONY: help test long quick lint docs lower-bounds demo clean

help:
	@sed -n '/^# make/s/^# //p' Makefile

test: $(VENV)/dev.stamp
	$(PY) -m pytest $(ARGS)

long: $(VENV)/dev.stamp
	$(PY) -m pytest -m "long or readme" $(ARGS)

quick: $(VENV)/dev.stamp
	$(PY) -m pytest $(QUICK) $(ARGS)

lint: $(VENV)/dev.stamp
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy
	$(VENV)/bin/lint-imports

docs: $(VENV)/docs.stamp
	$(PY) docs/make_reference.py
	$(VENV)/bin/zensical build --strict --clean

lower-bounds:
	.ci/lower-bounds $(ARGS)

demo: $(VENV)/demo.stamp
	PATH="$(abspath $(VENV))/bin:$$PATH" examples/demo.sh

clean:
	rm -rf .venv .venv.log build dist demo site *.egg-info
	rm -rf .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache

$(VENV)/%.stamp: $(METADATA) | $(VENV)/pip.stamp
	@echo "Installing t2tlite[$*] into $(VENV): the first time about 1 GB (TensorFlow); takes minutes"
	@$(PY) -m pip -q --disable-pip-version-check install -e '.[$*]'
	@touch $@

$(VENV)/pip.stamp:
	@if $(PY) -m pip --version >/dev/null 2>&1; then touch $@; exit 0; fi; \
	if [ -e $(VENV) ] && [ ! -e $(VENV)/pyvenv.cfg ]; then \
		echo "$(VENV) exists and isn't a virtual environment; choose another one: make VENV=..." >&2; \
		exit 1; \
	fi; \
	for python in $(PYTHON); do \
		$$python -c '$(SUPPORTED)' 2>/dev/null || continue; \
		$(MAKE_VENV) && $(PY) -m pip --version >>$(VENV).log 2>&1 && { \
			rm -f $(VENV).log; $(PY) --version; touch $@; exit 0; }; \
	done; \
	echo "No Python 3.11 or later can create $(VENV) (tried: $(PYTHON)). Install Python with" \
		"its venv module (Debian: apt install python3-venv) or choose one: make PYTHON=/path" >&2; \
	exit 1
