# Every target sets up what it needs; `make help` lists them.
PYTHON ?= python3
DATA ?= data/sample
PORT ?= 50051

BIN := .venv/bin
READY := .venv/.ready
STUBS := proto/playthrough/v1
BUF := npx --yes @bufbuild/buf@1.75.0

# Hashes of every package, and of torch apart: it comes from PyTorch's own index, without CUDA.
TORCH := deploy/requirements/torch.txt
TORCH_INDEX ?= https://download.pytorch.org/whl/cpu
RUNTIME := deploy/requirements/runtime.txt

# make splits at spaces, the shell does not: recipes read paths from the environment, as "$$DATA".
EMPTY :=
SPACE := $(EMPTY) $(EMPTY)
FULL := $(subst |,$(SPACE),$(abspath $(subst $(SPACE),|,$(DATA))))
ifeq ($(DATA),data/sample)
SAMPLE := sample
NAME := sample
MODELS ?= models/registry
else
# With a digest of the full path: folders of one name in two places are two data sets.
NAME := $(subst |,$(SPACE),$(notdir $(subst $(SPACE),|,$(FULL))))-$(firstword $(shell printf %s '$(subst ','\'',$(FULL))' | cksum))
MODELS ?= var/models/$(NAME)
endif
DEMO := var/demo/$(NAME)
export DATA MODELS DEMO PORT CHALLENGE

.PHONY: help install sample demo serve test fuzz lint proto licences sbom constraints audit vectors bench bench-peers clean

help:  ## List the targets.
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):[^#]*## */\1\t/' | expand -t 13
	@echo "DATA=FOLDER chooses the data set (data/sample). MODELS=FOLDER is where serve trains and finds models:"
	@echo "models/registry for the sample, var/models/NAME-DIGEST for another data set. PORT=N is the port of serve (50051)."

install: $(READY)  ## Make the virtual environment in .venv.

# The lock is whole, so pip resolves nothing; `pip check` tells where it has fallen behind pyproject.toml.
HASHED := install --quiet --no-deps --require-hashes
$(READY): pyproject.toml constraints.txt $(TORCH)
	$(PYTHON) -m venv .venv
	@# Where pip is told of local wheels, the index need not be asked.
	$(BIN)/pip $(HASHED) --no-index --requirement $(TORCH) 2>/dev/null || \
	  $(BIN)/pip $(HASHED) --index-url "$(TORCH_INDEX)" --requirement $(TORCH)
	$(BIN)/pip $(HASHED) --requirement constraints.txt
	$(BIN)/pip install --quiet --no-deps --no-build-isolation --editable .
	$(BIN)/pip check
	@touch $@

data/sample/sessions.jsonl: | $(READY)
	$(BIN)/python -m data generate --out data/sample

sample: data/sample/sessions.jsonl  ## Generate the sample data set in data/sample.

demo: $(READY) $(SAMPLE)  ## Train, serve, simulate the cache and count A/B documents (DATA=folder); starts anew each time.
	@BIN=$(BIN) bash docs/demo.sh

serve: $(READY) $(SAMPLE)  ## Serve on port 50051 (DATA=folder); without a model in MODELS, take the demo's or train.
	@mkdir -p "$$MODELS"; \
	if [ -z "$$(ls "$$MODELS")" ]; then touch "$$MODELS/.training"; \
	  if [ -d "$$DEMO/models" ]; then cp -R "$$DEMO/models/." "$$MODELS"; fi; fi; \
	if [ -e "$$MODELS/.training" ]; then \
	  $(BIN)/python -m trainer --data "$$DATA" --models "$$MODELS" --split temporal --resume && \
	  rm "$$MODELS/.training"; fi
	$(BIN)/python -m server --data "$$DATA" --models "$$MODELS" --port "$$PORT"

# A file's tests run in one process, which makes their fixtures once; in the order of the files, so that no long one is last.
WORKERS ?= 2
test: $(READY)  ## Run the whole test suite in WORKERS processes (2; 0: in pytest's own).
	$(BIN)/python -m pytest --numprocesses $(WORKERS) --dist loadfile --no-loadscope-reorder

N ?= 1000000
fuzz: $(READY)  ## Give each method and decoder N bad inputs (a million by default, which takes hours).
	@for name in $$($(BIN)/python -m tests.fuzz); do echo "== $$name"; \
	  $(BIN)/python -m tests.fuzz $$name --inputs $(N) || exit 1; done

lint: $(READY) licences  ## Check style, types, import rules, licences, the contract and its stubs.
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	@stale=$$(mktemp -d) && $(MAKE) --no-print-directory proto STUB_ROOT=$$stale && \
	  for stub in $(STUBS)/*_pb2*; do cmp $$stub $$stale/playthrough/v1/$$(basename $$stub) || \
	  { echo "stale stub: run 'make proto'" >&2; exit 1; }; done; rm -r $$stale
	@if command -v npx >/dev/null; then cd proto && $(BUF) lint; else echo "buf lint skipped: npx is not installed"; fi

STUB_ROOT ?= proto
proto: $(READY)  ## Regenerate the typed stubs of the contract.
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m grpc_tools.protoc -I proto \
	  --python_out=$(STUB_ROOT) --grpc_python_out=$(STUB_ROOT) \
	  --mypy_out=quiet:$(STUB_ROOT) --mypy_grpc_out=quiet:$(STUB_ROOT) $(STUBS)/prediction_service.proto

licences: $(READY)  ## Check each package's licence against the list in pyproject.toml.
	@$(BIN)/pip-licenses --summary

SBOM := build/sbom.json
sbom: $(READY)  ## List what is in .venv as a CycloneDX bill of materials, build/sbom.json.
	@mkdir -p build
	$(BIN)/cyclonedx-py environment --pyproject pyproject.toml --output-reproducible --validate \
	  --output-file $(SBOM) $(BIN)/python

# uv and pip-audit are no dependencies of ours: each has a virtual environment of its own.
UV := build/uv/bin/uv
$(UV):
	$(PYTHON) -m venv build/uv
	build/uv/bin/pip install --quiet uv==0.13.9

# UPGRADE='--upgrade-package NAME' or --upgrade raises versions; without it each stays as it is.
LOCK = $(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate \
  --custom-compile-command 'make constraints' --constraint $(TORCH) --no-emit-package torch $(UPGRADE) pyproject.toml
constraints: $(UV)  ## Lock what pyproject.toml asks for, with hashes (UPGRADE='--upgrade-package NAME' raises one).
	$(LOCK) --all-extras --output-file constraints.txt
	$(LOCK) --extra tracing --constraint constraints.txt --output-file $(RUNTIME)

AUDIT := build/audit/bin/pip-audit
$(AUDIT):
	$(PYTHON) -m venv build/audit
	build/audit/bin/pip install --quiet pip-audit==2.10.1

audit: $(AUDIT)  ## Look up known vulnerabilities (over the network); a package that cannot be looked up fails.
	$(AUDIT) --strict --disable-pip --requirement constraints.txt --requirement $(TORCH)

vectors: $(READY)  ## Rewrite the test vectors of the planning rule in docs/.
	$(BIN)/python -m tests.cache_client.prefetch.plan_vectors

MADE_UP := benchmarks/million_outcomes.py benchmarks/peeking.py benchmarks/recording.py  # they make up what they measure
bench: $(READY)  ## Run every benchmark that the README quotes (DATA=folder, CHALLENGE=folder for short_video).
	@for script in $(filter-out benchmarks/short_video.py $(MADE_UP),$(wildcard benchmarks/*.py)); do echo "== $$script"; \
	  $(BIN)/python -m benchmarks.$$(basename $$script .py) --data "$$DATA" || exit 1; done
	@for script in $(MADE_UP); do echo "== $$script"; $(BIN)/python -m benchmarks.$$(basename $$script .py) || exit 1; done
	@if [ -n "$$CHALLENGE" ]; then $(BIN)/python -m benchmarks.short_video --challenge "$$CHALLENGE"; fi

bench-peers:  ## Install what our server is compared with, in .bench-venv.
	$(PYTHON) -m venv .bench-venv
	.bench-venv/bin/pip install --quiet mlserver==1.7.1

clean:  ## Remove what the targets made.
	rm -rf .venv var data/sample models/registry build
