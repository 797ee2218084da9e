# make demo   the whole road on the built-in faces, ending with a table
# make test   the tests
# make lint   style, types, import contracts
#
# PYTHON chooses the interpreter (3.10 or newer), VENV where packages go,
# PIP_ARGS is handed to pip (an index that serves CPU builds of torch saves gigabytes).

PYTHON ?= python3
VENV ?= .venv
PIP_ARGS ?=
BIN := $(VENV)/bin

.PHONY: demo test lint clean

demo: $(VENV)/installed
	$(BIN)/edgefer demo

# A process an area: nobody's program holds torch, ONNX Runtime and OpenVINO through nine hundred tests.
test: $(VENV)/installed
	@set -e; for area in tests/*/; do case $$area in */__pycache__/) continue;; esac; \
		echo "$$area"; $(BIN)/python -m pytest $$area; done

lint: $(VENV)/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

clean:
	rm -rf $(VENV) runs build dist

$(VENV)/installed: pyproject.toml runtime/pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || \
		{ echo "found $$($(PYTHON) --version); expected Python 3.10 or newer; to do: make PYTHON=/path/to/python3"; exit 6; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q $(PIP_ARGS) -c constraints.txt -e ./runtime -e ".[all,dev]"
	@touch $@
