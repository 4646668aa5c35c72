# `make` alone lists the targets. Each sets up what it needs, in .venv and var/ below this folder.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
BENCH := var/bench-venv
PEER := var/peer-venv
CLIENTS := var/clients-venv
RAY := var/ray-venv
TSC := var/node/node_modules/.bin/tsc
TUS := var/node/node_modules/tus-js-client/package.json
export PYTHONPATH := .:client

PROSE := README.md docs
CODE := api client services shared tests worker benchmarks examples

.PHONY: help
help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "make %-12s %s\n", $$1, $$2}'

.PHONY: demo
demo: $(VENV)/embedded ## train on real data and classify an archive, in a temporary stack
	@$(BIN)/python services/embedded/demo.py

.PHONY: up
up: $(VENV)/embedded ## the embedded stack on 127.0.0.1:8000 (GLASSBOX_PORT), until Ctrl-C
	@exec $(BIN)/python services/embedded/up.py

.PHONY: dev
dev: ## the containers with these sources, restarted when one changes, until Ctrl-C
	@docker compose -f docker-compose.yml -f docker-compose.dev.yml up --build

SAMPLE ?= var/digits.zip
.PHONY: sample
sample: $(VENV)/embedded ## write var/digits.zip, an archive of PNG images to classify
	@$(BIN)/python services/embedded/sample.py $(SAMPLE)

SHAPES ?= var/shapes
.PHONY: shapes
shapes: $(VENV)/embedded ## write var/shapes, coloured pictures in class folders to train on, for the tutorial
	@$(BIN)/python services/embedded/shapes.py $(SHAPES)

KEYS := $(or $(GLASSBOX_API_KEYS_FILE),var/keys)
SCOPES ?= submit
.PHONY: keys
keys: $(VENV)/embedded ## the API keys in var/keys (GLASSBOX_API_KEYS_FILE); CREATE=me SCOPES=manage, REVOKE=me
	@$(BIN)/python -m api.auth.admin keys --file "$(KEYS)" \
	  $(if $(CREATE),create "$(CREATE)" --scopes "$(SCOPES)",$(if $(REVOKE),revoke "$(REVOKE)",list))

.PHONY: deploy
deploy: ## check the host and .env, then start or update the containers with Compose
	@services/compose/up.sh

.PHONY: backup
backup: ## save the Compose deployment into one file, while it runs; TO=glassbox.backup
	@services/compose/backup.sh "$(or $(TO),$(error name the file: make backup TO=glassbox.backup))"

.PHONY: restore
restore: ## restore a backup into an empty deployment; FROM=glassbox.backup, FORCE=1 if it is not empty
	@services/compose/restore.sh "$(or $(FROM),$(error name the file: make restore FROM=glassbox.backup))" $(if $(FORCE),--force)

.PHONY: upgrade
upgrade: ## build the checked-out version and upgrade the deployment to it, service by service
	@services/compose/upgrade.sh

.PHONY: rollback
rollback: ## bring back the images from before the last upgrade
	@services/compose/rollback.sh

# All tests of schemathesis have one name, and pytest-xdist distributes tests by name, so a process of their own runs them.
AGREEMENT := tests/integration/test_agreement.py
# In their order, the long tests of whole services come first, so that no process has them left at the end.
PROCESSES ?= 3
.PHONY: test
test: export PYTHONDONTWRITEBYTECODE := # the tests start hundreds of processes, and each would compile all modules
test: $(VENV)/dev ## the tests, against a real Redis, real workers and gunicorn; on PROCESSES=3
	@mkdir -p var
	@$(BIN)/pytest $(AGREEMENT) > var/agreement.txt 2>&1 & agreement=$$!; \
	$(BIN)/pytest --ignore=tests/docker --ignore=tests/clients --ignore=$(AGREEMENT) --numprocesses=$(PROCESSES) \
		--dist=loadfile --no-loadscope-reorder; tests=$$?; \
	wait $$agreement; agreement=$$?; cat var/agreement.txt; [ $$tests$$agreement = 00 ]

.PHONY: test-docker
test-docker: $(VENV)/dev ## build the images, run the main job on them with Docker Compose
	@$(BIN)/pytest tests/docker

.PHONY: test-pytorch
test-pytorch: $(BENCH)/done ## compare the network's mathematics with PyTorch
	@$(BENCH)/bin/python -m pytest --confcutdir tests/unit/shared/network tests/unit/shared/network/*/test_*against_pytorch.py

.PHONY: test-tifffile
test-tifffile: $(BENCH)/done ## compare the reader of TIFFs with tifffile and imagecodecs
	@$(BENCH)/bin/python -m pytest --confcutdir tests/unit/shared/images tests/unit/shared/images/formats/test_tiff_against_tifffile.py

.PHONY: test-clients
test-clients: $(VENV)/dev $(CLIENTS)/done ## drive the API with the Python clients of KServe and tus, and a generated one
	@$(BIN)/pytest tests/clients -m "not node and not ray" --clients=$(CLIENTS)/bin/python

.PHONY: test-tus-js
test-tus-js: $(VENV)/dev $(TUS) ## upload with tus-js-client; needs Node.js
	@$(BIN)/pytest tests/clients -m node --node-modules=var/node/node_modules

.PHONY: test-ray
test-ray: $(VENV)/dev $(RAY)/done ## run the example for Ray in local mode, and compare it with a batch
	@$(BIN)/pytest tests/clients -m ray --ray=$(RAY)/bin/python

# The browser needs no build; TypeScript only checks the types that the comments of ui/ declare. It needs Node.js.
.PHONY: check-ui
check-ui: $(TSC) ## check the types of the dashboard's modules; needs Node.js
	@$(TSC) -p ui/jsconfig.json

.PHONY: chaos
SEED ?= 1
MINUTES ?= 6
chaos: $(VENV)/dev ## hundreds of jobs and kills for MINUTES=6, with SEED=1; then the same on plain Celery
	@SEED=$(SEED) MINUTES=$(MINUTES) $(BIN)/python -m tests.chaos.storm.storm

.PHONY: fuzz
SECONDS ?= 60
fuzz: $(VENV)/dev $(VENV)/fuzz ## fuzz the validation of archives and data sets for SECONDS=60 in all (x86-64)
	@$(BIN)/python -m tests.fuzz.archives $$(($(SECONDS) * 3 / 4))
	@$(BIN)/python -m tests.fuzz.datasets $$(($(SECONDS) / 4))

.PHONY: fuzz-memory
REQUESTS ?= 1000
fuzz-memory: $(VENV)/dev ## send REQUESTS=1000 random requests of up to 8 MiB to an API, and compare its memory with its limit
	@$(BIN)/python -m tests.fuzz.memory $(REQUESTS) $(SEED)

# The schema accepts no variable for pull_policy, so the check puts the default in its place.
COMPOSE_FILES := $(wildcard docker-compose*.yml) services/compose/gateway.yml $(wildcard services/compose/certificates*.yml)
.PHONY: lint
lint: $(VENV)/dev ## style, types, import rules, Dockerfiles, Compose files, workflows, the list of images
	@$(BIN)/ruff check $(CODE)
	@$(BIN)/ruff format --check --quiet $(CODE)
	@$(BIN)/mypy $(CODE)
	@$(BIN)/lint-imports --no-logo 2>&1 || { $(BIN)/lint-imports; exit 1; }
	@$(BIN)/hadolint services/*/Dockerfile
	@for file in $(COMPOSE_FILES); do \
	  sed 's/: $${GLASSBOX_PULL:-never}$$/: never/' $$file | $(BIN)/check-jsonschema --default-filetype yaml \
	    --builtin-schema vendor.compose-spec - >$(VENV)/compose.log || { echo $$file; cat $(VENV)/compose.log; exit 1; }; done
	@$(BIN)/check-jsonschema --quiet --builtin-schema vendor.github-workflows .github/workflows/*.yml
	@$(BIN)/python -m services.images.check

.PHONY: digests
digests: ## read the base images' digests from their registries into services/images/list.txt; needs docker
	@$(PYTHON) -m services.images.digests update

.PHONY: bench
bench: $(VENV)/dev $(BENCH)/done bench-api ## run the benchmarks: each prints a table and writes JSON to var/benchmarks
	@$(BIN)/python benchmarks/main_job.py
	@$(BIN)/python benchmarks/batch.py
	@$(BIN)/python -m benchmarks.inference --frameworks $(BENCH)/bin/python
	@$(BIN)/python benchmarks/cli.py
	@$(BIN)/python -m benchmarks.serving.dashboard
	@$(BIN)/python -m benchmarks.serving.uploads
	@$(BIN)/python benchmarks/network.py
	@$(BIN)/python benchmarks/own_pictures.py --frameworks $(BENCH)/bin/python
	@$(BENCH)/bin/python benchmarks/training.py
	@$(BENCH)/bin/python benchmarks/decoding.py

.PHONY: bench-api
bench-api: $(VENV)/dev $(PEER)/done ## load the API, in comparison with MLServer; needs wrk
	@$(BIN)/python -m benchmarks.api

.PHONY: pictures
pictures: $(VENV)/dev ## write the pictures of the dashboard in docs/client/pictures; needs Chromium
	@$(BIN)/pytest tests/ui/journeys/test_journeys.py --pictures=docs/client/pictures

.PHONY: remedies
remedies: $(VENV)/dev ## write what the dashboard says about errors, ui/common/remedies.js, from the table of failure modes
	@$(BIN)/python -m tests.support.make_remedies

.PHONY: mathematics
mathematics: $(VENV)/dev ## write ui/mathematics.html, the page without scripts, from docs/mathematics.md
	@$(BIN)/python -m tests.support.make_mathematics

.PHONY: options
options: $(VENV)/dev ## write the client's options, client/glassbox/options.py, from the API's request models
	@PYTHONPATH=.:client $(BIN)/python -m tests.support.make_client_options

.PHONY: lock
lock: ## compile requirements/*.in into hash-pinned requirements/*.txt
	@cd requirements && uv pip compile --universal --python-version 3.11 --generate-hashes --quiet dev.in -o dev.txt
	@cd requirements && for set in api worker certificates embedded fuzz otel s3; do \
	  uv pip compile --universal --python-version 3.11 --generate-hashes --quiet -c dev.txt $$set.in -o $$set.txt; done

.PHONY: clean
clean: ## remove the virtual environment and the caches; var/ stays, because it holds models
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis

$(VENV)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "glassbox: $(PYTHON) is too old; Python 3.11 or newer is needed: make PYTHON=python3.11"; exit 1; }
	@$(PYTHON) -m venv $(VENV) \
	  || { echo "glassbox: no virtual environment could be created (Debian: apt install python3-venv)"; exit 1; }
	@touch $@

$(VENV)/%: requirements/%.txt | $(VENV)/python
	@echo "installing requirements/$*.txt"
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@touch $@

# The server that the benchmark of the API is compared with.
$(PEER)/done: requirements/peer.in | $(VENV)/python
	@echo "installing requirements/peer.in"
	@$(PYTHON) -m venv $(PEER)
	@$(PEER)/bin/pip install --quiet --disable-pip-version-check -r $<
	@touch $@

# The frameworks that the benchmarks are compared with, in a separate environment.
$(CLIENTS)/done: requirements/clients.in | $(VENV)/python
	@echo "installing requirements/clients.in"
	@$(PYTHON) -m venv $(CLIENTS)
	@$(CLIENTS)/bin/pip install --quiet --disable-pip-version-check -r $<
	@touch $@

$(RAY)/done: requirements/ray.in | $(VENV)/python
	@echo "installing requirements/ray.in"
	@$(PYTHON) -m venv $(RAY)
	@$(RAY)/bin/pip install --quiet --disable-pip-version-check -r $<
	@touch $@

$(TSC):
	@npm install --silent --no-fund --no-audit --prefix var/node typescript@5.9.3

$(TUS):
	@npm install --silent --no-fund --no-audit --prefix var/node tus-js-client@4.3.1

$(BENCH)/done: requirements/bench.in | $(VENV)/python
	@echo "installing requirements/bench.in"
	@$(PYTHON) -m venv $(BENCH)
	@$(BENCH)/bin/pip install --quiet --disable-pip-version-check -r $<
	@touch $@
