# Everything runs in .venv, which is made on first use; nothing else on the machine is touched.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Many tests wait for servers, so that more of them than processors may run at once.
TESTERS ?= 3
SEEDS ?= 1-4
VIDEOS ?= 10000
MINUTES ?= 30
RATE ?= 2
EXAMPLES ?= 2000
BENCH ?= small-uploads
REF ?= HEAD
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DEFAULT_GOAL := help
.PHONY: help demo run check format test test-unit fuzz chaos load soak bench profile audit docs lock archive clean

help: ## show this help
	@awk 'BEGIN {FS = ":.*## "} /^## / {printf "\n%s\n", substr($$0, 4)} /^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

## Use it

demo: $(VENV)/.run ## moderate the sample videos with the whole stack on this machine
	$(BIN)/clipwarden demo

run: $(VENV)/.run ## start the whole stack on this machine; ctrl-C ends it
	$(BIN)/clipwarden up

## Work on it

check: $(VENV)/.dev ## format, lint, types and import rules, as CI checks them
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/.dev ## format the code and mend what can be mended
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

test: $(VENV)/.dev ## run all tests; they start and stop their own servers
	$(BIN)/pytest -n $(TESTERS)

test-unit: $(VENV)/.dev ## run the tests that need no server
	$(BIN)/pytest tests/unit

fuzz: $(VENV)/.dev ## try every property by EXAMPLES (2000) examples; what it finds is kept in .hypothesis and tried first
	EXAMPLES=$(EXAMPLES) $(BIN)/pytest -n $(TESTERS) -m hypothesis --hypothesis-profile fuzz --timeout 7200

chaos: $(VENV)/.dev ## torment the stack for SEEDS (1-4) of a minute each, and check every promise; figures in bench/results
	cd tests && ../$(BIN)/python -m chaos --seeds $(SEEDS) --json ../bench/results/chaos.json

load: $(VENV)/.dev ## send VIDEOS (10000), or as many as 20 minutes take, and check every promise; figures in bench/results
	cd tests && ../$(BIN)/python -m load --videos $(VIDEOS) --json ../bench/results/load.json

soak: $(VENV)/.dev ## send RATE (2) videos a second for MINUTES (30), and check that nothing grows; figures in bench/results
	cd tests && ../$(BIN)/python -m load --minutes $(MINUTES) --rate $(RATE) --json ../bench/results/soak.json

bench: $(VENV)/.dev ## measure slots, throughput and memory, up to 20 minutes, and write bench/README.md
	$(BIN)/python -m bench

profile: $(VENV)/.dev $(VENV)/.spy ## say whose code runs under BENCH (small-uploads; python -m bench.profile --help names all)
	PATH=$(abspath $(VENV)/spy/bin):$$PATH $(BIN)/python -m bench.profile $(BENCH)

audit: $(VENV)/.audit ## look for known vulnerabilities of what is pinned; 1 where there are, 2 where nobody could be asked
	PATH=$(abspath $(BIN)):$$PATH tests/tools/audit.sh $(VENV)/audit/bin/pip-audit npm requirements/*.lock tests/sdks/*.lock tests/*/package-lock.json api/clipwarden_api/console/VENDOR

docs: $(VENV)/.dev ## write anew the pages that are made from the code
	$(BIN)/clipwarden settings --reference > docs/reference/settings.md
	$(BIN)/python -m clipwarden.cli.manual commands > docs/reference/commands.md
	$(BIN)/python -m clipwarden.cli.manual errors > docs/reference/errors.md

lock: $(VENV)/.dev ## pin anew what pyproject.toml asks for
	$(BIN)/pip install --quiet uv
	$(BIN)/uv pip compile $(LOCK) --extra local pyproject.toml -o requirements/run.lock
	$(BIN)/uv pip compile $(LOCK) --extra local --extra oidc --extra rabbitmq --extra tracing --group dev pyproject.toml -o requirements/dev.lock
	$(BIN)/uv pip compile $(LOCK) --extra workers --extra api --extra oidc --extra rabbitmq --extra tracing pyproject.toml -o requirements/image.lock
	$(BIN)/uv pip compile $(LOCK) --group build -o requirements/build.lock

archive: ## keep REF (HEAD) as the release before, whose code is tried on this one's schema
	git archive -9 --output tests/data/previous-release.tar.gz $(REF) pyproject.toml shared workers api local \
	  ':(exclude)local/clipwarden_local/samples'

clean: ## remove what make has made
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

LOCK := --quiet --universal --python-version 3.11 --no-annotate --no-header --no-emit-index-url --no-emit-find-links --generate-hashes

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "clipwarden needs Python 3.11 or newer; name one with make PYTHON=…")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.run: requirements/run.lock pyproject.toml | $(BIN)/python
	@test -e $(VENV)/.dev || echo 'installing into $(VENV) (a minute, once) …'
	@test -e $(VENV)/.dev || $(BIN)/pip install --quiet -r requirements/run.lock
	@$(BIN)/pip install --quiet --no-deps -e .
	@touch $@

$(VENV)/.dev: requirements/dev.lock pyproject.toml $(wildcard tests/sdks/*lock* tests/tools/*lock* tests/tools/*.sh) | $(BIN)/python
	@echo 'installing into $(VENV) (a minute, once) …'
	@$(BIN)/pip install --quiet -r requirements/dev.lock
	@$(BIN)/pip install --quiet --no-deps -e .
	@$(BIN)/pip install --quiet --no-deps --upgrade --target $(VENV)/cloudinary-1.41 -r tests/sdks/cloudinary-1.41.lock
	@PATH=$(abspath $(BIN)):$$PATH npm ci --prefix tests/sdks --loglevel=error --no-audit --no-fund
	@PATH=$(abspath $(BIN)):$$PATH npm ci --prefix tests/tools --loglevel=error --no-audit --no-fund
	@tests/tools/prometheus.sh $(VENV) || echo 'no Prometheus: the tests of alerts are skipped, and fail in CI'
	@tests/tools/chromium.sh || echo 'no Chromium: the tests of the console in a browser are skipped, and fail in CI'
	@tests/tools/rabbitmq.sh $(VENV) || echo 'no RabbitMQ: its tests are skipped, and fail in CI'
	@touch $@ $(VENV)/.run

# In environments of their own: what looks at the locks, or at processes, is in none of the locks.
$(VENV)/.spy: | $(BIN)/python
	$(PYTHON) -m venv $(VENV)/spy
	@$(VENV)/spy/bin/pip install --quiet 'py-spy>=0.4,<0.5'
	@touch $@

$(VENV)/.audit: | $(BIN)/python
	$(PYTHON) -m venv $(VENV)/audit
	@$(VENV)/audit/bin/pip install --quiet 'pip-audit>=2.10,<3'
	@touch $@
