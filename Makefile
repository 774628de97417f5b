# Make answers 2 for any failed command; the line it prints has the command's own exit code.
.DEFAULT_GOAL := help
.PHONY: help run report status psql reset dbt docs test lint format bench sample-data lock clean \
  run-prod build test-container lint-deploy

python := .venv/bin/python
bin := .venv/bin
shell_scripts = $$($(bin)/shfmt -f .ci docker scripts)

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1	\2/p' Makefile | expand -t 16

run: .venv/.local ## run the whole pipeline on sample_data/; options in ARGS='--data-dir ...'
	@$(python) -m ingestion run --data-dir sample_data --use-manifest $(ARGS)

report: .venv/.local ## open the report of the latest run; options in ARGS='--with-user-ids'
	@$(python) -m ingestion report --open $(ARGS)

status: .venv/.local ## show how things stand: last runs, stale data, quarantine, what is being loaded
	@$(python) -m ingestion status $(ARGS)

psql: .venv/.local ## open psql on the database that make run uses
	@$(python) -m ingestion psql $(ARGS)

reset: ## remove the embedded database, after asking; FORCE=1 does not ask
	@FORCE=$(FORCE) scripts/reset.sh

dbt: .venv/.local ## run dbt on that database; its arguments in ARGS='build --select marts'
	@$(python) -m scripts.run_dbt $(ARGS)

docs: .venv/.local ## write dbt's documentation of the models to dbt/target/index.html
	@$(python) -m scripts.run_dbt docs generate --static
	@cd "$${DBT_TARGET_PATH:-dbt/target}" && mv static_index.html index.html

test: .venv/.dev .venv/.azurite ## run the tests that need no container engine; options in ARGS='-k name'
	@$(python) -m pytest $(wildcard tests/unit tests/integration tests/test_*.py) $(or $(ARGS),--numprocesses auto --dist loadfile)

lint: .venv/.dev ## check form and types of everything
	$(bin)/ruff check
	$(bin)/ruff format --check
	$(bin)/mypy
	$(bin)/sqlfluff lint --processes 0 sql dbt
	$(bin)/shellcheck $(shell_scripts)
	$(bin)/shfmt -d $(shell_scripts)
	$(bin)/yamllint --strict .

format: .venv/.dev ## bring Python, SQL and shell scripts into form
	$(bin)/ruff check --fix-only
	$(bin)/ruff format
	$(bin)/sqlfluff fix --processes 0 sql dbt
	$(bin)/shfmt -w $(shell_scripts)

bench: .venv/.dev ## measure the load, from a store too, and the marts; options of the first in ARGS='--rows 200000'
	@$(python) -m scripts.bench $(ARGS)
	@$(python) -m scripts.bench_storage
	@$(if $(wildcard scripts/bench_marts.py),$(python) -m scripts.bench_marts)

run-prod: .venv/.local ## run as in production: compose.prod.yaml, or its settings on the embedded Postgres; says which
	@scripts/run-prod.sh $(ARGS)

build: ## build the image wearables-pipeline:latest
	@scripts/build-image.sh

test-container: .venv/.dev ## run the tests that need a container engine; options in ARGS='-k name'
	@$(python) -m pytest tests/container $(ARGS)

lint-deploy: .venv/.dev ## check Dockerfile, compose files, Kubernetes manifests and workflows
	@scripts/lint-deploy.sh

sample-data: .venv/.local ## write sample_data/ again from its seed
	@$(python) -m scripts.generate_sample_data

lock: .venv/.local ## resolve pyproject.toml into requirements/; newer versions with ARGS=--upgrade
	@command -v uv >/dev/null || test -x $(bin)/uv || $(python) -m pip install --quiet uv
	PATH="$$PATH:$(CURDIR)/$(bin)" scripts/lock.sh $(ARGS)

clean: ## remove what can be made again: caches, build/, dbt's output; keeps .venv and the database
	rm -rf build logs dbt/target dbt/logs .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +

# One environment: what make run needs, and what developers need on top.
.venv/.local: requirements/local.txt scripts/setup.sh
	@scripts/setup.sh local
	@touch $@

.venv/.dev: requirements/dev.txt .venv/.local
	@scripts/setup.sh dev
	@touch $@

# The Azure emulator of the tests comes from npm; a machine without it is told, and skips those tests.
.venv/.azurite: tests/integration/storage/azurite/package-lock.json scripts/setup-azurite.sh .venv/.dev
	@scripts/setup-azurite.sh
	@touch $@
