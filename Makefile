# make demo       evaluate the embedded demos, one a task: base, ToMe and vid-TLDR side by side; then a page of all
# make test       run the quick tests: meant to take less than five minutes on two cores
# make test-all   run all tests, as continuous integration does
# make lint       check style, format, types and the direction of imports
# make docs       make pages of all docstrings: build/api/index.html
# make clean      remove the environment, data and results of the demos, and the pages
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

.PHONY: demo test test-all lint docs clean

demo: $(VENV)/.installed
	$(BIN)/python eval.py --config demo.yaml
	$(BIN)/python eval.py --config demo_recognition.yaml
	$(BIN)/python eval.py --config demo_base2novel.yaml
	$(BIN)/python eval.py --config demo_vqa.yaml
	$(BIN)/python -m vidtldr.page outputs/demo outputs/demo_recognition outputs/demo_base2novel outputs/demo_vqa

test: $(VENV)/.installed-dev
	$(BIN)/python -m pytest -m "not slow"

test-all: $(VENV)/.installed-dev
	$(BIN)/python -m pytest --durations=20

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy vidtldr datamodules callbacks
	$(BIN)/lint-imports

docs: $(VENV)/.installed-dev
	$(BIN)/python docs/api_pages.py build/api

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "error: Python 3.11 or newer is needed; name one with make PYTHON=/path/to/python3"; exit 2; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml | $(BIN)/python
	$(BIN)/pip install --quiet --disable-pip-version-check -e '.[demo]'
	@touch $@

$(VENV)/.installed-dev: pyproject.toml | $(BIN)/python
	$(BIN)/pip install --quiet --disable-pip-version-check -e '.[dev]'
	@touch $@ $(VENV)/.installed

clean:
	rm -rf $(VENV) data/demo data/demo_vqa data/demo_recognition data/demo_base2novel outputs build
