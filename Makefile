# make demo   the whole road on the built-in faces, ending with a table
# make test   the tests
# make lint   style, types, import contracts
# make docs   docs/ as a site, in build/site
# make bench  edgefer's own speed, kept and compared with earlier runs
# make matrix docs/matrix.md: every network, engine and precision; MODELS names networks and checkpoints
# make peers  docs/peers.md: INT8 of other tools beside edgefer's, each in an environment of its own
#
# PYTHON chooses the interpreter (3.10 or newer), VENV where packages go,
# PIP_ARGS is handed to pip (an index that serves CPU builds of torch saves gigabytes).

PYTHON ?= python3
VENV ?= .venv
PIP_ARGS ?=
MODELS ?= lanmsff pattlite fcsdnet
BIN := $(VENV)/bin

.PHONY: demo test lint docs bench matrix peers clean

demo: $(VENV)/installed
	$(BIN)/edgefer demo

test: $(VENV)/installed
	$(BIN)/python tools/run_tests.py

lint: $(VENV)/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: $(VENV)/installed
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet

bench: $(VENV)/installed
	$(BIN)/python tools/bench_edgefer.py

matrix: $(VENV)/installed
	$(BIN)/python tools/matrix.py $(MODELS)

peers: $(VENV)/installed
	$(BIN)/python bench/peers/compare.py $(MODELS)

clean:
	rm -rf $(VENV) runs build dist

$(VENV)/installed: pyproject.toml runtime/pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || \
		{ echo "found $$($(PYTHON) --version); expected Python 3.10 or newer; to do: make PYTHON=/path/to/python3"; exit 6; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q $(PIP_ARGS) -c constraints.txt -e ./runtime -e ".[all,dev]"
	@touch $@
