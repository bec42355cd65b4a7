# Everything a person or CI does with this repository.  `make help` lists it.
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
LOANS ?= 320
SEED ?= 7
KEEP ?=
STAGE ?= local
DAYS ?= 500
JOBS ?= 2
ASSETS := chalicelib/web/vendor/htmx.min.js

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

demo: $(VENV)/ready $(ASSETS) ## a business day on the local cloud, and the next morning (KEEP=1 leaves it running)
	@$(BIN)/python bin/afterloan demo --loans $(LOANS) --seed $(SEED) $(if $(KEEP),--keep)

check: $(VENV)/ready $(ASSETS) ## format, lint, types, imports, templates, weaknesses: what CI checks
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy app.py chalicelib infra simulators
	$(BIN)/lint-imports
	$(BIN)/cfn-lint infra/data.yaml
	$(BIN)/bandit --quiet --recursive app.py chalicelib
	$(BIN)/bandit --quiet --configfile pyproject.toml --recursive bin/afterloan infra simulators
	@$(MAKE) --no-print-directory audit

audit: $(VENV)/ready ## ask the registry about known vulnerabilities in what is deployed
	@$(BIN)/python -m infra.audit

test: $(VENV)/ready $(ASSETS) ## all tests, those on the local cloud too
	$(BIN)/python -m pytest -n 2 --dist loadgroup --ignore tests/cloud
	$(BIN)/python -m pytest tests/cloud

browser: ## install Debian's chromium and a Chinese font, which the browser tests drive
	@command -v chromium >/dev/null || { apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium fonts-noto-cjk >/dev/null; }

screenshots: $(VENV)/ready $(ASSETS) ## drive the borrower's pages in a browser, and picture them in docs/images
	SCREENSHOTS=docs/images $(BIN)/python -m pytest -q tests/cloud/test_borrower_pages.py

fuzz-api: $(VENV)/ready $(ASSETS) ## send 2,000 requests made up from the OpenAPI document to the local cloud
	SCHEMA_REQUESTS=2000 $(BIN)/python -m pytest -q -s tests/cloud/test_openapi_requests.py

simulate: $(VENV)/ready ## play seeded days with faults everywhere: make simulate DAYS=20000 SEED=1 JOBS=2
	$(BIN)/python bin/afterloan simulate --days $(DAYS) --seed $(if $(filter command line,$(origin SEED)),$(SEED),1) --jobs $(JOBS)

enumerate: $(VENV)/ready ## strike every call of every handler, and play every order of all meetings: make enumerate JOBS=2
	$(BIN)/python -m tests.simulation.enumeration --jobs $(JOBS)

drills: $(VENV)/ready $(ASSETS) ## all drills on the local cloud, and what they saw (test runs the short one)
	DRILLS=all $(BIN)/python -m pytest -q -s tests/cloud/test_drills.py

fuzz: $(VENV)/ready ## 10,000 spoilt inputs for every dialect and every notification; lives of loans and orders
	FUZZ_INPUTS=10000 $(BIN)/python -m pytest -q -s tests/fuzz
	FUZZ_EXAMPLES=3000 $(BIN)/python -m pytest -q tests/unit/test_loan_machine.py tests/unit/test_order_machine.py

openapi: $(VENV)/ready ## write docs/openapi.json from the models that serve
	$(BIN)/python -m infra.openapi > docs/openapi.json

package: $(VENV)/ready $(ASSETS) ## build the package that goes to AWS, and print its size
	$(BIN)/python -m infra.local.deployment package --stage $(STAGE)

deploy: $(VENV)/ready $(ASSETS) ## deploy both stacks: make deploy STAGE=test
	$(BIN)/python -m infra.local.deployment deploy --stage $(STAGE)

bench: $(VENV)/ready ## measure; never part of the tests
	$(BIN)/python -m bench

bench-peer: $(VENV)/ready ## install what the bench compares with
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r bench/requirements-bench.txt

clean: ## stop what runs and remove what was built
	-@test -x $(BIN)/python && $(BIN)/python bin/afterloan down
	rm -rf .afterloan build

assets: $(ASSETS) ## fetch what the pages load that is not ours, checked by its digest

$(ASSETS): infra/assets/package.json infra/assets/package-lock.json | $(VENV)/ready
	@echo "fetching the pages' assets ..."
	@$(BIN)/python -m infra.assets.fetch

$(VENV)/ready: requirements.txt requirements-files.txt requirements-dev.txt constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit("Afterloan needs Python 3.11 or newer, this is " + sys.version.split()[0] if sys.version_info < (3, 11) else 0)'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing what the project needs into $(VENV) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@

.PHONY: help demo check audit test simulate enumerate browser screenshots fuzz fuzz-api drills openapi package deploy assets bench bench-peer clean
