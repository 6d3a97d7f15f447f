# Every target sets up what it needs first.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
BENCH := $(VENV)/.bench
# Test processes; each uses a core, and those that run DVC and MLflow a little more.
JOBS ?= 2
# Stages call `python`: with this it is the environment's, as after `source .venv/bin/activate`.
export PATH := $(CURDIR)/$(BIN):$(PATH)

.PHONY: help run ui test test-quick campaign lint format bench docs lock clean

help:
	@echo "make run         set up and run the experiment in params.yaml"
	@echo "make ui          look at the runs in MLflow's UI"
	@echo "make test        set up and run all tests; test-quick: without pipelines and browsers"
	@echo "make campaign    kill, damage and fill up a small project for 20 minutes; what was lost"
	@echo "make lint        check style and formatting"
	@echo "make format      put formatting right"
	@echo "make bench       measure speed against alternatives"
	@echo "make docs        build the documentation and check its links"
	@echo "make lock        pin the newest allowed versions in requirements.lock"
	@echo "make clean       remove the environment (runs, data and caches stay)"

run: $(INSTALLED)
	@dynamics run

ui: $(INSTALLED)
	@dynamics ui

test: $(INSTALLED)
	pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder

test-quick: $(INSTALLED)
	pytest -n $(JOBS) -m "not pipeline and not browser and not slow"

# For one kind of fault or another seed: make campaign CAMPAIGN="--only kill --seed 1"
campaign: $(INSTALLED)
	PYTHONPATH=tests python -m campaign $(CAMPAIGN)

lint: $(INSTALLED)
	ruff check .
	ruff format --check .

format: $(INSTALLED)
	ruff check --fix .
	ruff format .

bench: $(BENCH)
	python -m benchmarks

docs: $(INSTALLED)
	mkdocs build --strict --quiet
	@echo "build/docs/index.html"

lock: $(INSTALLED)
	uv pip compile --universal --python-version 3.11 --extra dev --upgrade --quiet \
	  --no-emit-index-url --no-annotate --no-header pyproject.toml -o requirements.lock

clean:
	rm -rf $(VENV)

$(BENCH): $(INSTALLED)
	@# Without their dependencies: they ask for old ones, and all that they use is there.
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps SimpSOM==1.3.4 XPySom==1.0.7
	@touch $@

$(INSTALLED): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "error: " \
	  + f"{sys.executable} is Python {sys.version.split()[0]}; expected 3.11 or newer. " \
	  + "Name another with: make PYTHON=python3.12 run")'
	@echo "Setting up $(VENV): 5 GB to download on the first time, half a minute to five."
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	@# Compiled once here: the pipeline starts a dozen processes, which would each do it again.
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --compile-bytecode -r requirements.lock
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --editable .
	@touch $@
