# Each target sets up what it needs in .venv: Python >= 3.11, make and the package registry are enough.
# What else a test needs (Graphviz, a compiler, a browser, numba, JAX), it is skipped without, and says so.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# what is compiled, and what an editable installation cannot read where it lies; all other files it can
SOURCES := setup.cfg setup.py pyproject.toml $(wildcard _tinygrad_lite_*.py tools/building/*.py) $(wildcard tinygrad_lite/*.py tinygrad_lite/*.h) \
	$(foreach room,foreign jacobians limits node operations tape,$(foreach kind,py c h,$(wildcard tinygrad_lite/$(room)/*.$(kind))))
PACKAGES := $(wildcard tinygrad_lite/*/*.py tinygrad_lite/*/*/*.py nn/*.py nn/*/*.py viz/*.py viz/*/*.py viz/explorer/page/* viz/explorer/page/*/* viz/programs/page/* viz/playground/page/*)
# tests of the engine, and of what lift and nn need of it; pages, notebooks and most docstrings are about all the rest
ENGINE_TESTS := tests/engine $(filter-out tests/test_docs.py tests/test_notebooks.py,$(wildcard tests/test_*.py)) \
	$(wildcard tests/lift/tracing/test_trac*.py) tests/lift/engines/test_op_lowerings.py tests/nn/base/test_module_transforms.py \
	--deselect tests/test_docstrings.py::test_examples_on_page \
	-k "not (tinygrad_lite.lift or tinygrad_lite.nn or tinygrad_lite.viz or tinygrad_lite.testing)"
# those that make, copy and free graphs of all shapes
MEMORY_TESTS := tests/engine/test_walking.py tests/engine/test_serialization.py tests/engine/test_state_machine.py
OUT ?= out
# extras and dependency groups of the development environment; CI has all
EXTRAS ?= nn,notebook,testing
SETS ?= dev
# a process for each core; more than 8 only wait for one another's memory
PARALLEL ?= --numprocesses auto --maxprocesses 8 --dist worksteal
# more options for pytest
OPTIONS ?=

.PHONY: demo test lint bench features seeds testers generate picture gallery lift-pictures lift-programs lift-expressions notebooks docs playground operations \
	pure-test engine-test coverage engine-coverage mutants sanitize soak pythons clean

# What is imported again and again, by tests that start processes of their own, is not compiled to bytecode again.
unexport PYTHONDONTWRITEBYTECODE

# A process for each core already: threads of NumPy's library would wait for one another.
test pure-test engine-test notebooks: export OMP_NUM_THREADS = 1

demo: $(VENV)/.package ## train XOR and draw its gradient graph
	$(BIN)/tinygrad-lite xor --out $(OUT)

test: export HYPOTHESIS_PROFILE ?= $(if $(WHOLE),ci,quick)
test: $(VENV)/.test ## the test suite, each property on few cases: minutes; `make test WHOLE=1` on all of them, as CI runs it
	$(BIN)/pytest $(PARALLEL) $(if $(WHOLE),,-m "not slow") $(OPTIONS)

lint: $(VENV)/.dev $(VENV)-pure/.package ## style, format, types, and those of the public names
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	cd $(VENV)-pure && bin/mypy --config-file ../setup.cfg -p tinygrad_lite
	cd $(VENV)-pure && bin/mypy --config-file ../setup.cfg ../tests/typing

bench: $(VENV)/.bench ## every figure of the README
	$(BIN)/python benchmarks/engine.py
	$(BIN)/python benchmarks/accuracy.py
	$(BIN)/python benchmarks/nn.py
	$(BIN)/python benchmarks/lift.py
	$(BIN)/python benchmarks/jacobian.py
	$(BIN)/python benchmarks/lift_time.py
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks/architectures.py
	$(BIN)/python benchmarks/gpt.py
	$(BIN)/python benchmarks/viz.py
	$(BIN)/python benchmarks/plugin.py
	$(BIN)/python benchmarks/testers.py

features: $(VENV)/.bench ## what each library does with the same small tasks: the table of the README
	$(ADD) --group peers
	$(BIN)/python benchmarks/features.py

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

lift-pictures: $(VENV)/.test ## the pictures of docs/lift.md
	$(BIN)/python tools/lift_pictures.py

lift-programs: $(VENV)/.test ## 10,000 random programs, lifted and compared with their functions: half an hour
	$(BIN)/python benchmarks/lift_programs.py --programs 10000

lift-expressions: $(VENV)/.test ## 10,000 ordinary expressions, lifted on every engine and compared with their functions: an hour
	$(BIN)/python benchmarks/lift_expressions.py --count 10000

docs: $(VENV)/.docs ## the documentation site, in build/site; whatever is missing in it is an error, but for npm: then it has no playground
	$(BIN)/python tools/playground.py --build --if-possible
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

playground: $(VENV)/.package ## the playground in a browser, served to this machine alone; built with npm
	$(BIN)/python tools/playground.py

operations: $(VENV)/.test ## docs/operations.md, from the operation table; its errors measured: tools/operation_reference.py --measure
	$(BIN)/python tools/operation_reference.py

notebooks: $(VENV)/.dev ## every notebook, executed, with its outputs
	$(BIN)/python tools/notebooks.py notebooks/*.ipynb

pure-test: $(VENV)-pure/.package ## the whole test suite on the interpreted build
	$(VENV)-pure/bin/pytest $(PARALLEL) $(OPTIONS)

engine-test: $(VENV)-pure/.package ## the engine's tests on the interpreted build
	$(VENV)-pure/bin/pytest $(PARALLEL) $(OPTIONS) $(ENGINE_TESTS)

# What is compiled cannot be measured and is run interpreted; the rest is the same file in both environments.
coverage: $(VENV)/.dev ## branch coverage: all of the engine, interpreted; with the whole suite, 95 % of everything
	COVERAGE_FILE=$(CURDIR)/build/coverage/compiled $(MAKE) test WHOLE=1 OPTIONS="--cov --cov-report="
	COVERAGE_FILE=$(CURDIR)/build/coverage/interpreted $(MAKE) engine-test OPTIONS="--cov --cov-report="
	$(MAKE) engine-coverage
	COVERAGE_FILE=$(CURDIR)/build/coverage/all $(BIN)/coverage combine --keep build/coverage/compiled build/coverage/interpreted
	COVERAGE_FILE=$(CURDIR)/build/coverage/all $(BIN)/coverage report --fail-under=95

engine-coverage: $(VENV)/.dev ## of the last engine-test that measured it
	COVERAGE_FILE=$(CURDIR)/build/coverage/engine $(BIN)/coverage combine --keep build/coverage/interpreted
	COVERAGE_FILE=$(CURDIR)/build/coverage/engine $(BIN)/coverage report --fail-under=100 --show-missing \
		--include='tinygrad_lite/*.py,tinygrad_lite/foreign/*,tinygrad_lite/jacobians/*,tinygrad_lite/limits/*,tinygrad_lite/node/*,tinygrad_lite/operations/*,tinygrad_lite/pytree/*,tinygrad_lite/tape/*' \
		--omit='tinygrad_lite/lift/*,tinygrad_lite/testing/*,nn/*,viz/*'

# In a copy of the sources, which the mutants are written into; a session that was broken off goes on.
mutants: $(VENV)-pure/.package ## mutation testing of the engine: a night; fails if more than 5 % of the mutants survive
	$(VENV)-pure/bin/python -m pip install --quiet cosmic-ray
	test -d build/mutants || { mkdir -p build/mutants && git archive HEAD | tar -x -C build/mutants; \
		ln -s ../nn ../viz build/mutants/tinygrad_lite; }
	cd build/mutants && export PATH=$(CURDIR)/$(VENV)-pure/bin:$$PATH PYTHONPATH=. && \
		{ test -f session.sqlite || { cosmic-ray init tools/mutants.toml session.sqlite && \
			cr-filter-operators session.sqlite tools/mutants.toml; }; } && \
		cosmic-ray exec tools/mutants.toml session.sqlite && cr-report session.sqlite --surviving-only && \
		cr-rate --fail-over 5 session.sqlite

sanitize: $(VENV)/.dev ## the engine's tests with AddressSanitizer, and those of its memory under valgrind: half an hour
	$(BIN)/python tools/sanitize.py address -- $(OPTIONS) $(ENGINE_TESTS)
	$(BIN)/python tools/sanitize.py valgrind -- $(OPTIONS) $(MEMORY_TESTS)

soak: $(VENV)/.test ## an hour of random use, with what must hold checked after each step
	$(BIN)/python tools/soak --minutes 60

pythons: ## the engine's tests on each Python that is on PATH, or that Debian has (as root, with debootstrap)
	$(PYTHON) tools/pythons.py -- -m "not slow" $(OPTIONS) $(ENGINE_TESTS)

clean:
	rm -rf $(VENV) $(VENV)-pure build dist *.egg-info *.so $(OUT)
	find tinygrad_lite -name '*.so' -delete

$(BIN)/python:
	$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11) and 'tinygrad_lite needs Python 3.11 or newer')"
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip

# The engine is compiled once. That takes one core, and what it requires is installed meanwhile.
$(VENV)/.engine: $(BIN)/python $(SOURCES)
	$(BIN)/python -m pip install --quiet --no-deps --editable .
	touch $@

$(VENV)/.libraries: $(BIN)/python setup.cfg
	$(BIN)/python tools/requirements.py viz | $(BIN)/python -m pip install --quiet --requirement /dev/stdin
	touch $@

# (where numba has no wheels: without it)
$(VENV)/.test-libraries: $(VENV)/.libraries pyproject.toml
	$(BIN)/python tools/requirements.py nn testing fast | $(BIN)/python -m pip install --quiet \
		--group test --only-binary numba,llvmlite --requirement /dev/stdin || \
	$(BIN)/python tools/requirements.py nn testing | $(BIN)/python -m pip install --quiet --group test --requirement /dev/stdin
	touch $@

TOGETHER = $(MAKE) --no-print-directory --jobs=2

$(VENV)/.package: $(BIN)/python $(SOURCES)
	$(TOGETHER) $(VENV)/.engine $(VENV)/.libraries
	touch $@

$(VENV)/.test: $(BIN)/python $(SOURCES)
	$(TOGETHER) $(VENV)/.engine $(VENV)/.test-libraries
	touch $(VENV)/.package $@

# Asked by its name, a package that is there is left as it is, and its extras are installed. It has to be there: another
# may have that name in a registry.
ADD = $(BIN)/python -m pip show --quiet tinygrad-lite && $(BIN)/python -m pip install --quiet

$(VENV)/.bench: $(VENV)/.test
	$(ADD) --group bench "tinygrad-lite[fast,jax]"
	touch $@

$(VENV)/.dev: $(VENV)/.package
	$(ADD) $(foreach set,$(SETS),--group $(set)) "tinygrad-lite[$(EXTRAS)]"
	touch $@ $(VENV)/.test

$(VENV)/.docs: $(VENV)/.package
	$(ADD) --group docs
	touch $@

# The same files, not compiled and not editable: what a machine without a compiler has, and what mypy can read.
$(VENV)-pure/.package: $(SOURCES) $(PACKAGES)
	$(PYTHON) -m venv $(VENV)-pure
	$(VENV)-pure/bin/python -m pip install --quiet --upgrade pip
	TINYGRAD_LITE_PURE=1 $(VENV)-pure/bin/python -m pip install --quiet --group dev ".[nn,notebook,testing]"
	touch $@
