# Each target sets up what it needs in .venv: Python >= 3.10, make and the package registry are enough.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SOURCES := setup.cfg setup.py pyproject.toml _tinygrad_lite_plugin.py $(wildcard tinygrad_lite/*.py tinygrad_lite/*.h)
OUT ?= out
# what the development environment has besides; CI adds jax and peers
EXTRAS ?= viz,dev

.PHONY: demo test lint bench seeds testers generate picture gallery pure-test coverage mutants clean

demo: $(VENV)/.package ## train XOR and draw its gradient graph
	$(BIN)/tinygrad-lite xor --out $(OUT)

test: $(VENV)/.test ## the whole test suite
	$(BIN)/pytest

lint: $(VENV)/.dev $(VENV)-pure/.package ## style, format, types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	cd $(VENV)-pure && bin/mypy --config-file ../setup.cfg -p tinygrad_lite

bench: $(VENV)/.test ## every figure of the README
	$(BIN)/python benchmarks/engine.py
	$(BIN)/python benchmarks/accuracy.py
	$(BIN)/python benchmarks/nn.py
	$(BIN)/python benchmarks/viz.py
	$(BIN)/python benchmarks/plugin.py
	$(BIN)/python benchmarks/testers.py

seeds: $(VENV)/.test ## XOR from 100 seeds under each optimiser
	$(BIN)/python benchmarks/xor_seeds.py

testers: $(VENV)/.test ## the derivative testers on every mutated rule, and on 100,000 points of correct ones: an hour
	$(BIN)/python benchmarks/testers.py --cases 100000

generate: $(VENV)/.dev ## functions and methods, from the operation table
	$(BIN)/python tools/generate.py

picture: $(VENV)/.package ## the picture of the README
	$(BIN)/python tools/picture.py

gallery: $(VENV)/.test ## the pictures of docs/gallery.md
	$(BIN)/python tools/gallery.py

pure-test: $(VENV)-pure/.package ## the test suite on the interpreted build
	$(VENV)-pure/bin/pytest

coverage: $(VENV)-pure/.package ## the same with branch coverage: all of the engine, 95 % of everything
	$(VENV)-pure/bin/coverage run $(VENV)-pure/bin/pytest
	$(VENV)-pure/bin/coverage report --fail-under=95
	$(VENV)-pure/bin/coverage report --fail-under=100 --show-missing --include='*/tinygrad_lite/*.py' --omit='*/tinygrad_lite/*/*'

mutants: $(VENV)-pure/.package ## mutation testing of the engine: hours
	$(VENV)-pure/bin/python -m pip install --quiet cosmic-ray
	$(VENV)-pure/bin/python tools/mutate.py

clean:
	rm -rf $(VENV) $(VENV)-pure build dist *.egg-info *.so tinygrad_lite/*.so $(OUT)

$(BIN)/python:
	$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 10) and 'tinygrad_lite needs Python 3.10 or newer')"
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip

# One install a target: the engine is compiled once.
$(VENV)/.package: $(BIN)/python $(SOURCES)
	$(BIN)/python -m pip install --quiet --editable ".[viz]"
	touch $@

$(VENV)/.test: $(BIN)/python $(SOURCES)
	$(BIN)/python -m pip install --quiet --editable ".[viz,test]"
	touch $@ $(VENV)/.package

$(VENV)/.dev: $(BIN)/python $(SOURCES)
	$(BIN)/python -m pip install --quiet --editable ".[$(EXTRAS)]"
	touch $@ $(VENV)/.package $(VENV)/.test

# The same files, not compiled and not editable: what a machine without a compiler has, and what mypy can read.
$(VENV)-pure/.package: $(SOURCES) $(wildcard nn/*.py viz/*.py viz/page/* tinygrad_lite/testing/*.py)
	$(PYTHON) -m venv $(VENV)-pure
	$(VENV)-pure/bin/python -m pip install --quiet --upgrade pip
	TINYGRAD_LITE_PURE=1 $(VENV)-pure/bin/python -m pip install --quiet ".[viz,dev]"
	touch $@
