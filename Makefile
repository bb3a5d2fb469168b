.DEFAULT_GOAL := help
.PHONY: help tutorial test test-lowest lab app book bench lint constraints notebooks trial clean

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
PYTHON_LOWEST ?= python3.11
LOWEST := .venv-lowest
LOWEST_READY := $(LOWEST)/.ready
BOOK := .venv-book
BOOK_READY := $(BOOK)/.ready
COMPILE = UV_CUSTOM_COMPILE_COMMAND="make constraints" $(BIN)/uv pip compile --quiet --upgrade \
	--no-annotate --python-version 3.11 pyproject.toml
# Any pytest options and paths: make test-lowest TESTS="-x tests/smears"
TESTS ?=

help:  ## Say what there is to make.
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 20

$(READY): requirements.txt constraints.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' || { echo "Expected Python 3.11, 3.12 or 3.13, received $$($(PYTHON) --version 2>&1). Name another: make PYTHON=python3.12 ..."; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet -r requirements.txt
	touch $@

$(LOWEST_READY): constraints-lowest.txt pyproject.toml
	$(PYTHON_LOWEST) -m venv --clear $(LOWEST)
	$(LOWEST)/bin/python -m pip install --quiet -c constraints-lowest.txt -e ".[notebooks,dev]"
	touch $@

$(BOOK_READY): constraints.txt pyproject.toml
	$(PYTHON) -m venv --clear $(BOOK)
	$(BOOK)/bin/python -m pip install --quiet --upgrade pip
	$(BOOK)/bin/python -m pip install --quiet -c constraints.txt --group book
	touch $@

tutorial: $(READY)  ## Run the seven notebooks: draws cells, composes smears, trains, measures, animates (12 minutes on two cores).
	$(BIN)/python -m bloodseg_lib run --profile tutorial --out runs/tutorial

test: $(READY)  ## Run all tests and the examples in docstrings in two processes, then the notebooks in the quick profile against their committed outputs.
	$(BIN)/python -m pytest -n 2 --dist loadfile --doctest-modules tests bloodseg_lib
	rm -rf runs/.nbval
	$(BIN)/python -m bloodseg_lib parameterize --profile quick --out runs/.nbval/run --notebooks runs/.nbval/notebooks
	$(BIN)/python -m pytest --nbval-lax --nbval-cell-timeout 900 -p no:cacheprovider runs/.nbval/notebooks

# Old versions call what newer versions of their own dependencies deprecate.
test-lowest: $(LOWEST_READY)  ## Run all tests with the oldest versions that pyproject.toml allows, on Python 3.11.
	$(LOWEST)/bin/python -m pytest -W ignore::DeprecationWarning $(TESTS)

lab: $(READY)  ## Open the notebooks in JupyterLab.
	$(BIN)/jupyter lab notebooks

app: $(READY)  ## Open the panel as a page of its own, on this machine only.
	$(BIN)/python -m bloodseg_lib app

book: $(BOOK_READY)  ## Build the notebooks, with their committed outputs, and docs as a website in runs/book/html, and slides.
	rm -rf runs/book
	$(BOOK)/bin/sphinx-build --quiet --fail-on-warning --keep-going -c docs/book . runs/book/html
	$(BOOK)/bin/python docs/book/slides.py runs/book/html/slides

bench: $(READY)  ## Measure speed: composing, training, prediction, panel. Ratios within one run.
	$(BIN)/python benchmarks/composing.py
	$(BIN)/python benchmarks/training.py
	$(BIN)/python benchmarks/prediction.py
	$(BIN)/python benchmarks/panel.py

lint: $(READY)  ## Check style, formatting and types.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

constraints: $(READY)  ## Write constraints.txt (newest versions) and constraints-lowest.txt (oldest) from pyproject.toml.
	$(BIN)/python -m pip install --quiet uv
	$(COMPILE) $(addprefix --extra=,notebooks dev heic imagej onnx kaggle cluster jax tensorboard) --group book --output-file constraints.txt
	$(COMPILE) --resolution lowest-direct $(addprefix --extra=,notebooks dev) --output-file constraints-lowest.txt

notebooks: $(READY)  ## Run the solutions; put their outputs and those of the last 'make tutorial', begun without a runs/tutorial, into the committed notebooks.
	$(BIN)/jupyter nbconvert --execute --to notebook --output-dir runs/tutorial/notebooks/solutions notebooks/solutions/*.ipynb
	$(BIN)/python -c "from bloodseg_lib.notebooks import adopt_outputs; adopt_outputs('runs/tutorial')"

trial: $(READY)  ## Compose the 20 smears of trial/ again.
	rm -rf runs/.trial trial/images trial/labels trial/segments
	$(BIN)/python -m bloodseg_lib bank phantom=40 --out runs/.trial/bank
	$(BIN)/python -m bloodseg_lib dataset --bank runs/.trial/bank --out runs/.trial/dataset --train 0 --valid 0 --test 20 --backgrounds 12 --seed 7
	mv runs/.trial/dataset/test/images runs/.trial/dataset/test/labels runs/.trial/dataset/test/segments trial/

clean:  ## Delete the environments. Runs and banks stay.
	rm -rf $(VENV) $(LOWEST) $(BOOK)
