# make setup | run | test | bench | lint | docs; each sets up what it needs.
PYTHON ?= python3
# results, of `make run`; elsewhere where this folder cannot be written
DIRECTORY ?= .
VENV ?= $(if $(shell test -w . || test -e .venv || echo no),$(DIRECTORY)/.venv,.venv)
BIN := $(VENV)/bin
export PATH := $(abspath $(BIN)):$(PATH)
# Snakemake starts with no cache in no home that it cannot write
CACHE := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)
ifneq ($(shell mkdir -p "$(CACHE)" 2>/dev/null && test -w "$(CACHE)" || echo no),)
export XDG_CACHE_HOME := $(abspath $(DIRECTORY))/.snakemake/cache
endif
# Debian suites of `make test-gromacs`, and where they are kept
SUITE ?= trixie
SUITES ?= .suites
# An environment knows the paths that it was made with: it is made again where project or environment were moved.
MADE_FOR := $(CURDIR) $(abspath $(VENV))
STAMP := $(shell $(BIN)/python -c '' 2>/dev/null && cat $(VENV)/.installed 2>/dev/null)

.PHONY: setup gromacs run test bench bench-md bench-dag bench-start test-unit test-faults test-hostile test-slurm test-gromacs validate lint format schema clean-venv

setup: $(VENV)/.installed gromacs-found

$(VENV)/.installed: pyproject.toml scripts/setup-venv.sh $(if $(filter-out $(MADE_FOR),$(STAMP))$(filter-out $(STAMP),$(MADE_FOR)),FORCE)
	bash scripts/setup-venv.sh "$(PYTHON)" "$(VENV)"
	echo "$(MADE_FOR)" >$@

.PHONY: FORCE
FORCE:

.PHONY: gromacs-found
gromacs-found:
	@bash scripts/setup-gromacs.sh
	@eoli check --gromacs >/dev/null || true

# GROMACS for this machine's processor from the distribution's source, into .gromacs; never required, a rerun continues.
gromacs:
	bash scripts/build-gromacs.sh .gromacs

# the check before the first job says where GROMACS comes from, if there is none
run: $(VENV)/.installed
	@bash scripts/setup-gromacs.sh
	@mkdir -p "$(DIRECTORY)/results" 2>/dev/null && test -w "$(DIRECTORY)" || \
		{ echo 'run: $(DIRECTORY) cannot be written; name a folder for the results: make run DIRECTORY=...' >&2; exit 1; }
	snakemake --directory "$(DIRECTORY)" --configfile config/demo.yaml
	@echo 'table and figures of the sweep: $(DIRECTORY)/results/summary/sweep.csv, sweep.svg, rdf.svg'

test: setup
	pytest -n 2 --dist worksteal -m "not slurm"

# Dry run, one target and status of a thousand systems, beside a bare Snakefile of the same shape.
bench-dag: setup
	python benchmarks/bench_dag.py

# Processor time to start each analysis, beyond its libraries.
bench-start: setup
	python benchmarks/bench_start.py

test-unit: $(VENV)/.installed
	pytest -n 2 -m "not gmx and not workflow and not browser and not faults and not hostile"

# Costs against decoding alone and GROMACS; some minutes, on an idle machine if wall times are to mean anything.
bench: setup
	python benchmarks/bench_reduce.py
	python benchmarks/bench_page.py

# mdrun packed on its cores against plain mdrun, quiet and beside other work, and 4 fs against 2 fs, as ratios; ten minutes, on
# an idle machine. benchmarks/time_step.py compares what the steps give.
bench-md: setup
	python benchmarks/bench_md.py

lint: $(VENV)/.installed
	ruff check scripts tests
	ruff format --check scripts tests
	snakefmt --check Snakefile workflow
	mypy
	lint-imports
	python scripts/lint_workflow.py

format: $(VENV)/.installed
	ruff check --fix scripts tests
	ruff format scripts tests
	snakefmt Snakefile workflow

# Pictures of the page in results/ for README and docs; needs Chromium.
.PHONY: screenshots
screenshots: $(VENV)/.installed
	python scripts/screenshots.py

# The documentation as a site in docs/_build/html; a broken link or reference fails.
.PHONY: docs
docs: $(VENV)/.installed
	python -c 'import furo, myst_parser, sphinx' 2>/dev/null || python -m pip install --quiet --disable-pip-version-check -e ".[docs]"
	python -m sphinx -b html -W --keep-going -q docs docs/_build/html
	@echo 'documentation: docs/_build/html/index.html'

schema: $(VENV)/.installed
	python scripts/write_schema.py

# Thirty faults against one sweep, each way to fail with each kind of change, a hundred damages; `make test` runs few of each.
test-faults: setup
	EOLI_FAULTS=30 EOLI_DAMAGES=100 pytest -s tests/faults

# A thousand hostile inputs and damaged files; `make test` runs a hundred.
test-hostile: setup
	EOLI_HOSTILE=1000 pytest -n 2 tests/hostile

# A sweep on a real SLURM of one node, which is installed (Debian, as root), started and stopped again.
test-slurm: setup
	pytest -s tests/slurm

# The GROMACS and Python of another Debian, in a folder (Debian, as root; debootstrap); QUICK=--quick takes minutes.
test-gromacs: setup
	python scripts/debian_suite.py --folder "$(SUITES)" $(QUICK) $(SUITE)

# The force field against independent numbers; about three core-hours, continues where it was stopped.
validate: setup
	python scripts/validate.py
