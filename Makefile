.DEFAULT_GOAL := help
.PHONY: help tutorial test lab bench lint notebooks trial clean

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

help:  ## Say what there is to make.
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/  make \1\t\2/' | expand -t 20

$(READY): requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed: make PYTHON=python3.12 ..."; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet -e .
	touch $@

tutorial: $(READY)  ## Run the six notebooks: draws cells, composes smears, trains, measures, animates (12 minutes on two cores).
	$(BIN)/python -m bloodseg_lib run --profile tutorial --out runs/tutorial

test: $(READY)  ## Run all tests, then the notebooks in the quick profile against their committed outputs.
	$(BIN)/python -m pytest
	rm -rf runs/.nbval
	$(BIN)/python -m bloodseg_lib parameterize --profile quick --out runs/.nbval/run --notebooks runs/.nbval/notebooks
	$(BIN)/python -m pytest --nbval-lax --nbval-cell-timeout 900 -p no:cacheprovider runs/.nbval/notebooks

lab: $(READY)  ## Open the notebooks in JupyterLab.
	$(BIN)/jupyter lab notebooks

bench: $(READY)  ## Measure speed: composing, training step, prediction. Ratios within one run.
	$(BIN)/python benchmarks/composing.py
	$(BIN)/python benchmarks/training.py
	$(BIN)/python benchmarks/prediction.py

lint: $(READY)  ## Check style and formatting.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

notebooks: $(READY)  ## Put the outputs of the last 'make tutorial', begun without a runs/tutorial, into the committed notebooks, for a commit.
	$(BIN)/python -m bloodseg_lib adopt --out runs/tutorial

trial: $(READY)  ## Compose the 20 smears of trial/ again.
	rm -rf runs/.trial trial/images trial/labels trial/segments
	$(BIN)/python -m bloodseg_lib bank phantom=40 --out runs/.trial/bank
	$(BIN)/python -m bloodseg_lib dataset --bank runs/.trial/bank --out runs/.trial/dataset --train 0 --valid 0 --test 20 --backgrounds 12 --seed 7
	mv runs/.trial/dataset/test/images runs/.trial/dataset/test/labels runs/.trial/dataset/test/segments trial/

clean:  ## Delete the environment. Runs and banks stay.
	rm -rf $(VENV)
