# Two commands on a fresh machine with Python 3.11+ and make:
#   make demo   sets up .venv and runs the main job: one good run, one bad run that is stopped
#   make demo-docker   the good run in a container of the pod's image; needs a Docker engine
#   make test   sets up what is missing, then lints, type-checks and tests
#   make unit   the unit tests that start no process and train nothing
#   make screenshots   takes the pictures of docs/images from real runs
#   make docs   makes the site of docs/ in site/; `make reference` renews what is generated from the code
#   make test-gpu   what only a machine with a CUDA GPU can show
#   make bench       the codec's benches on this machine: speed of encode and decode, training throughput (docs/results.md)
#   make bench-verdicts   replays bad and good runs against the checklist and other tools (docs/verdicts.md)
#   make bench-sync       clips and a checkpoint to a real S3 server and back, against other tools (docs/storage.md)
#   make bench-status     the time of codecjob status with 1,000 runs (docs/reference.md)
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo demo-docker test unit test-gpu servers bench bench-speed bench-throughput bench-verdicts bench-sync docs reference screenshots lint format lock clean bench-normalization bench-status

demo: $(VENV)/ready
	@PATH="$(CURDIR)/$(BIN):$$PATH" sh examples/demo.sh

# The same in a container of the pod's image, which is built first. Needs a Docker engine.
demo-docker: $(VENV)/ready
	@PATH="$(CURDIR)/$(BIN):$$PATH" BASE_IMAGE="$(BASE_IMAGE)" sh examples/demo-docker.sh

# Tests wait for processes and servers more than they compute: three at a time keep two cores busy.
test: lint
	$(BIN)/pytest -n 3 --dist worksteal

# The loop while one writes: no process is started, nothing is trained (the marker `slow`; tests/unit/conftest.py).
unit: $(VENV)/ready
	$(BIN)/pytest -n 2 --dist worksteal -m "not slow" tests/unit

test-gpu: $(VENV)/ready
	$(BIN)/pytest tests/gpu

# A few minutes. Other codecs are compared where .venv/bench has them: see tests/bench/requirements.txt.
bench: bench-speed bench-throughput

bench-speed: $(VENV)/ready
	$(BIN)/python -m tests.bench.codec_speed

bench-throughput: $(VENV)/ready
	$(BIN)/python -m tests.bench.throughput

# The other tools are compared where .venv/bench-verdicts has them: see tests/bench/verdicts/requirements.txt.
bench-verdicts: $(VENV)/ready
	$(BIN)/python -m tests.bench.verdicts

# The other tools are compared where .venv/bench-sync has them: see tests/bench/sync/requirements.txt.
bench-sync: $(VENV)/ready
	$(BIN)/python -m tests.bench.sync

# `codecjob status` with 1,000 runs of an hour in a folder store (docs/reference.md).
bench-status: $(VENV)/ready
	$(BIN)/python -m tests.bench.status_speed

# Trains a small model with either normalization: about an hour of one core (docs/normalization.md).
bench-normalization: $(VENV)/ready
	$(BIN)/python -m tests.bench.normalization

# The S3 servers of the tests, into ~/.cache. Without them the tests of the S3 store are skipped.
servers:
	PYTHON=$(PYTHON) bash tests/servers/install.sh

# Opens from the folder: site/index.html. A broken link or anchor ends it.
docs: $(VENV)/ready
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

# The commands, flags and keys that stand in docs/ and README.md, from the code.
reference: $(VENV)/ready
	$(BIN)/python docs/generate.py

# docs/images, from real runs: about three minutes, needs Chromium.
screenshots: $(VENV)/ready
	$(BIN)/python docs/screenshots.py

lint: $(VENV)/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/ready
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# The lock names every package with its hashes; the project itself is installed from this folder.
$(VENV)/ready: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "error: $(PYTHON) is older than 3.11: name a newer one, e.g. make demo PYTHON=python3.12" >&2; exit 2; }
	@echo "Setting up $(VENV): about 5 GB of packages (torch with CUDA), 2 to 5 minutes, once."
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

# Needs uv (pip install uv). No index is written into the lock: whatever pip is set to use serves it.
COMPILE := uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header
lock:
	$(COMPILE) --upgrade --extra train --extra dev pyproject.toml --output-file requirements.lock
	$(COMPILE) --constraints requirements.lock --extra train pyproject.toml --output-file docker/requirements.lock
	echo hatchling | $(COMPILE) --constraints requirements.lock - --output-file docker/build.lock

clean:
	rm -rf $(VENV)
