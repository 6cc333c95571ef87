# Every target makes .venv and installs by itself; a fresh machine needs Python 3.11 and make.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
RUN ?= runs/ornaments64
MODEL ?= saved_models/ornaments64
DEMO_MODEL ?= culture256
DEMO := build/demo
LITERT := $(DEMO)/node_modules/.package-lock.json

.DEFAULT_GOAL := help
.PHONY: help install develop train export bench demo tensorboard test test-slow lint clean

help:  ## Show what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' Makefile

$(VENV)/installed: setup.cfg pyproject.toml
	command -v $(PYTHON) >/dev/null && $(PYTHON) -m venv $(VENV) || python3 -m venv $(VENV)
	$(BIN)/python -c 'import sys; assert sys.version_info >= (3, 11), "Python 3.11 is needed"'
	$(BIN)/pip install --quiet --disable-pip-version-check --editable .
	touch $@

$(VENV)/developed: $(VENV)/installed
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[dev]'
	touch $@

install: $(VENV)/installed  ## Make .venv and install the package into it

develop: $(VENV)/developed  ## Install what tests and lint need besides

train: install  ## Train on the built-in ornaments, judge, and export (RUN=DIR, MODEL=DIR)
	$(BIN)/python -m stylegan_culture.train --preset ornaments64 --run $(RUN) \
		$(if $(wildcard $(RUN)/checkpoints/*.npz),--resume)
	$(BIN)/python -m stylegan_culture.export --run $(RUN) --out $(MODEL)

export: install  ## Export RUN to MODEL: SavedModel and TFLite
	$(BIN)/python -m stylegan_culture.export --run $(RUN) --out $(MODEL)

bench: install  ## Time the TFLite files of MODEL
	$(BIN)/python -m stylegan_culture.benchmark $(MODEL)/*.tflite

$(LITERT): stylegan_culture/demo/package.json stylegan_culture/demo/package-lock.json
	command -v npm >/dev/null || { echo "make demo needs npm (Debian: apt-get install npm)"; exit 1; }
	mkdir -p $(DEMO)
	cp $^ $(DEMO)/
	npm ci --prefix $(DEMO) --no-audit --no-fund
	touch $@

demo: install $(LITERT)  ## Restyle pictures in the browser (DEMO_MODEL=NAME or DIR)
	$(BIN)/python -m stylegan_culture.demo --model $(DEMO_MODEL) --litert $(DEMO)/node_modules/@litertjs

tensorboard: install  ## Watch the runs in a browser
	$(BIN)/tensorboard --logdir $(dir $(RUN))

test: develop  ## Run the fast tests, two files at a time
	$(BIN)/pytest -q -n 2 --dist loadfile

test-slow: develop  ## Run the tests that take minutes
	$(BIN)/pytest -q -m slow --timeout 3600

lint: develop  ## Check style and formatting
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

clean:  ## Remove .venv and build products; runs and models stay
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .ruff_cache
