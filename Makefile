# Two commands matter: make demo, make test. Both set everything up first.
SHELL := /bin/sh
PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3; do \
	"$$p" -c 'import sys, venv; raise SystemExit(not (3, 11) <= sys.version_info[:2] < (3, 14))' >/dev/null 2>&1 \
	&& { command -v "$$p"; break; }; done)
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# The demonstration has too few cases to certify 1 % family by family, and says so on every result: its certificates are for 5 %.
DEMO ?= --n 8000 --target 0.05 --calibration-limit 0.05
# What make test-postgresql stores in: a PostgreSQL started for it, or the URL of one.
DATABASE ?= postgresql
COMPILE := uv pip compile --quiet --universal --python-version 3.11 --extra serving --extra ocr pyproject.toml --generate-hashes \
	--no-emit-index-url --custom-compile-command "make lock"
SAMPLES := data_samples/requests.jsonl

.PHONY: help setup demo serve train test test-postgresql test-slow bench check format lock clean

help: ## list the commands
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1\t\2/p' $(MAKEFILE_LIST) | expand -t 17

setup: $(READY) ## create .venv with everything this repository needs

$(READY): requirements.lock pyproject.toml
	@test -n "$(PYTHON)" || { echo "greenlane needs Python 3.11, 3.12 or 3.13 with venv and pip" >&2; exit 1; }
	@test -x $(BIN)/python || "$(PYTHON)" -m venv $(VENV)
	@echo "Installing (a minute or two the first time) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

train: $(READY) ## train and promote the demonstration model
	@$(BIN)/python -m training main $(DEMO)

demo: $(READY) ## train if there is no model yet, triage the sample requests, show the table
	@test -f .greenlane/models/champion.json || $(BIN)/python -m training main $(DEMO)
	@$(BIN)/greenlane triage --format table $(SAMPLES)
	@echo
	@echo "To see the evidence in the notes: make serve, then open http://127.0.0.1:8000"

serve: $(READY) ## start the interface and the workbench on 127.0.0.1:8000, with samples and a person of each role
	@$(BIN)/greenlane serve --demo-people --load $(SAMPLES)

test: $(READY) ## the default test suite (minutes)
	@$(BIN)/python -m pytest -m "not slow and not browser" -n 2

test-postgresql: $(READY) ## the default tests that store something, on PostgreSQL (DATABASE=URL: on that one)
	@$(BIN)/python -m pytest --database="$(DATABASE)" -m "database and not slow and not browser" -n 2

test-slow: $(READY) ## the slow tests and those that drive a browser
	@$(BIN)/python -m pytest -m "slow or browser"

bench: $(READY) ## speed and memory of reading notes, beside medspaCy and others (minutes)
	@mkdir -p .greenlane
	@$(BIN)/python -m benchmarks.extraction --json .greenlane/bench.json $(BENCH)
	@test ! -f .greenlane/training/candidate/manifest.json || $(BIN)/python -m benchmarks.scoring

check: $(READY) ## ruff and mypy
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

format: $(READY) ## bring the code into shape
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

lock: $(READY) ## renew requirements.lock and the container's from pyproject.toml (needs uv on the PATH)
	$(COMPILE) --extra training --extra tracing --group dev --group browser -o requirements.lock
	$(COMPILE) --extra postgresql --extra tracing -o docs/deploy/requirements.lock

clean: ## remove the environment and everything the demo made
	rm -rf $(VENV) .greenlane build *.egg-info
