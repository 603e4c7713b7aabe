# Everything goes through the `pipeline` command; make only installs it and names the usual calls.
#   make run COMPETITION=titanic EXPERIMENT=default MINUTES=10
COMPETITION ?= practice-houses
EXPERIMENT  ?= default
MINUTES     ?=
RAY         ?=
METRIC      ?=
HOW         ?=
SUBMISSION  ?=
PYTHON      ?= python3

VENV      := .venv
BIN       := $(VENV)/bin
PIPELINE   = $(BIN)/pipeline $(if $(RAY),--ray "$(RAY)")
INSTALLED := $(VENV)/.installed
CHOICE     = "$(COMPETITION)" --experiment "$(EXPERIMENT)" $(if $(MINUTES),--minutes "$(MINUTES)")
STAGES    := ingest preprocess split budget train tune ensemble submit

.DEFAULT_GOAL := help
# every target; `data` is a folder, too
.PHONY: $(STAGES) $(shell sed -n 's/^\([a-z-]*\):.*/\1/p' $(firstword $(MAKEFILE_LIST)))

help: ## show this list
	@awk 'BEGIN {FS = ":.*## "} /^[a-z%-]+:.*## / {printf "  %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo "  $(STAGES)"
	@echo "               run the pipeline up to that stage"
	@echo "Choose with COMPETITION=slug EXPERIMENT=name MINUTES=n; without them: practice-houses, default."

setup: $(INSTALLED) ## install everything into .venv (again only when a pin changed)

$(INSTALLED): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || \
		{ echo "Python 3.11 to 3.13 is needed; $$($(PYTHON) --version) found. Choose one with PYTHON=python3.12" >&2; exit 2; }
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv $(VENV)
	@echo "installing into $(VENV), a few minutes the first time" >&2
	@$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[dev]"
	@touch $@

run: setup ## run the whole pipeline and print score, submission and what to do next
	@$(PIPELINE) run $(CHOICE)

$(STAGES): setup
	@$(PIPELINE) $@ $(CHOICE)

score: setup ## say which private score to expect, with a 90 % interval, and whether test differs from train
	@$(PIPELINE) score $(CHOICE)

choose: setup ## choose the two submissions to select on Kaggle
	@$(BIN)/pipeline choose "$(COMPETITION)"

plan: setup ## say for every stage whether it is cached, or will run and why
	@$(BIN)/pipeline plan $(CHOICE)

explain: setup ## walk a submission back to the raw files: make explain SUBMISSION=submissions/<slug>/<file>.csv
	@$(BIN)/pipeline explain $(if $(SUBMISSION),"$(SUBMISSION)")

folds: setup ## write the folds as CSV, to predict on elsewhere: make -s folds COMPETITION=slug > folds.csv
	@$(PIPELINE) folds "$(COMPETITION)" --experiment "$(EXPERIMENT)"

show: setup ## compare a competition's experiments
	@$(BIN)/pipeline show "$(COMPETITION)"

report: setup ## write the HTML report of an experiment
	@$(PIPELINE) report $(CHOICE)

audit: setup ## look for leaks, in the pipeline and in the competition's files
	@$(PIPELINE) audit "$(COMPETITION)" --experiment "$(EXPERIMENT)"

ui: setup ## open the MLflow UI on http://127.0.0.1:5000
	@$(BIN)/pipeline ui

dashboard: setup ## open optuna-dashboard, which it installs, on a search: http://127.0.0.1:8080
	@$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[dev,dashboard]"
	@$(BIN)/pipeline dashboard $(CHOICE)

new: setup ## scaffold a competition from data/<slug>/raw: make new COMPETITION=slug [METRIC=name]
	@$(BIN)/pipeline new "$(COMPETITION)" $(if $(METRIC),--metric "$(METRIC)")

data: setup ## download a competition's files from Kaggle: make data COMPETITION=slug
	@$(BIN)/pipeline download "$(COMPETITION)"

send: setup ## send an experiment's submission to Kaggle and wait for its score [SUBMISSION=file.csv]
	@$(PIPELINE) send $(CHOICE) $(if $(SUBMISSION),--file "$(SUBMISSION)")

ledger: setup ## show what was sent to Kaggle, and which gains are real
	@$(BIN)/pipeline ledger "$(COMPETITION)"

sync: setup ## bring ledger and MLflow up to date with what Kaggle lists
	@$(BIN)/pipeline sync "$(COMPETITION)"

leaderboard: setup ## say where the submissions would stand on the public leaderboard now
	@$(BIN)/pipeline leaderboard "$(COMPETITION)"

compete: setup ## from a slug to a score: download, scaffold, run, send, wait [METRIC=name]
	@$(PIPELINE) compete $(CHOICE) $(if $(METRIC),--metric "$(METRIC)")

holdout: setup ## make a practice competition of a real one, judged locally [HOW=random|stratified|group|time]
	@$(BIN)/pipeline holdout "$(COMPETITION)" $(if $(HOW),--how "$(HOW)")

bundle: setup ## pack all models into a notebook for a code competition, and try it offline
	@$(PIPELINE) bundle $(CHOICE)

predict: setup ## predict new rows: make predict ROWS=rows.csv [OUT=predictions.csv]
	@$(PIPELINE) predict $(CHOICE) $(if $(ROWS),"$(ROWS)") $(if $(OUT),--out "$(OUT)")

verify: setup ## hash every cached result
	@$(BIN)/pipeline verify "$(COMPETITION)"

gc: setup ## remove cached results that no experiment reaches
	@$(BIN)/pipeline gc "$(COMPETITION)"

test: setup ## run the tests (under 10 minutes on 2 cores)
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses 2 --dist loadfile

test-slow: setup ## run the tests that take minutes: the largest real competition, Ray, H2O, bundles, make compete
	@$(BIN)/python -m pytest -m slow

test-ray: setup ## run the tests on Ray, which it installs: one process, a local cluster, three nodes
	@$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[dev,distributed]"
	@$(BIN)/python -m pytest -m slow tests/end_to_end/test_ray.py

lint: setup ## check style and formatting
	@$(BIN)/ruff check pipeline tests
	@$(BIN)/ruff format --check pipeline tests

type: setup ## check types
	@$(BIN)/mypy

check: lint type test ## everything that must pass before a commit

bench: bench-fused ## measure; results land in tests/benchmarks/results
	@$(BIN)/python -m tests.benchmarks

bench-fused: setup ## measure fused training against loops and matrix products
	@GOMP_SPINCOUNT=1000 $(BIN)/python -m tests.benchmarks.fused

bench-growth: setup ## measure how time and memory grow with rows, members and columns
	@GOMP_SPINCOUNT=1000 $(BIN)/python -m tests.benchmarks.growth

bench-rivals: setup ## measure against the packages tabm and pytabkit, which it installs
	@$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[dev,rivals]"
	@GOMP_SPINCOUNT=1000 $(BIN)/python -m tests.benchmarks.rivals

bench-search: setup ## measure searches against Optuna on one network at a time (an hour and a half)
	@GOMP_SPINCOUNT=1000 $(BIN)/python -m tests.benchmarks.search

bench-guard: setup ## compare what tuning ends with to the default, on held-out rows
	@GOMP_SPINCOUNT=1000 $(BIN)/python -m tests.benchmarks.guard

bench-calibration: setup ## hold intervals of expected scores against held-out rows (half an hour)
	@OMP_NUM_THREADS=1 $(BIN)/python -m tests.benchmarks.calibration
	@OMP_NUM_THREADS=1 $(BIN)/python -m tests.benchmarks.calibration_autogluon

bench-quality: setup ## compare networks with AutoGluon's on held-out rows; installs pytabkit (hours)
	@$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[dev,rivals]"
	@$(BIN)/python -m tests.benchmarks.quality

bench-equal-time: setup ## compare the experiment `best` with AutoGluon's best_quality; installs Ray (two hours)
	@$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[dev,distributed]"
	@$(BIN)/python -m tests.benchmarks.equal_time $(if $(MINUTES),--minutes "$(MINUTES)")

bench-stack: setup ## compare the ensemble with its entries on rows held out of Mercedes, five times (half an hour)
	@OMP_NUM_THREADS=1 $(BIN)/python -m tests.benchmarks.stack

bench-ray: setup ## measure one Ray node against two, one core each; installs Ray
	@$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[dev,distributed]"
	@$(BIN)/python -m tests.benchmarks.workers

clean: ## remove the virtual environment and tool caches; data, experiments and submissions stay
	rm -rf $(VENV) build *.egg-info .pytest_cache .ruff_cache .mypy_cache .hypothesis
