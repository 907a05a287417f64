# make demo   a whole call on this machine        make test   every check, as CI runs it
# make venv   install into .venv, for use         make lint   ruff and mypy alone
# make clean  what the others wrote, but .venv    make distclean   that, too
#
# PYTHON=python3.12 picks another interpreter; ARGS="--video cam0" is passed on to the demo, TESTS=tests/codec to pytest.

PYTHON ?= python3
VENV ?= .venv
TESTS ?=
ARGS ?=
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet
# The wheel of this exact version, asked for first, so that the extras find a torch that they are content with.
TORCH ?= torch==2.13.0

.PHONY: venv dev test demo lint clean distclean
.DELETE_ON_ERROR:

venv: $(VENV)/.installed
dev: $(VENV)/.installed-dev

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

# Keyed on pyproject.toml: a changed dependency is installed at the next make. The code itself is linked, not copied.
$(VENV)/.installed: pyproject.toml | $(BIN)/python
	$(PIP) --editable '.[openvino]'
	touch $@

# After .installed and not beside it, for two pips in one venv under make -j would spoil each other's work.
$(VENV)/.installed-dev: $(VENV)/.installed pyproject.toml
	$(PIP) '$(TORCH)'
	$(PIP) --editable '.[dev,openvino,train]'
	touch $@

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# A process for each room, for in one process after all the others a thread of libswscale crashed (docs/decisions.md). First what
# keeps a core busy and then what mostly waits, two at once, and what each has said follows as a whole; then the real calls, which
# need the machine to themselves. pytest comes last, so that its summary is the last line.
BUSY := tests/models tests/bench tests/receiver 'tests/test_*.py' tests/codec
WAITING := 'tests/signaling/test_[o-z]*.py' 'tests/signaling/test_[a-n]*.py' tests/sender
CALLS := tests/bench tests/signaling tests/e2e
TWO_AT_ONCE := xargs -P 2 -I@ sh -c 'told=$$($(BIN)/python -m pytest -m "not e2e" @ 2>&1); code=$$?; echo "$$told"; exit $$code'
test: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	set -e; if [ -n "$(TESTS)" ]; then $(BIN)/python -m pytest $(TESTS); else \
	  printf '%s\n' $(BUSY) | $(TWO_AT_ONCE); \
	  printf '%s\n' $(WAITING) | $(TWO_AT_ONCE); \
	  for part in $(CALLS); do $(BIN)/python -m pytest -m e2e $$part; done; fi

demo: $(VENV)/.installed
	$(BIN)/facewire demo --out demo-out $(ARGS)

clean:
	rm -rf build dist demo-out *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -path ./$(VENV) -prune -o -name __pycache__ -type d -exec rm -rf {} +

distclean: clean
	rm -rf $(VENV)
