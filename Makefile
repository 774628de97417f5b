# When a command fails, make exits with 2 and prints the command's own exit code.
.DEFAULT_GOAL := help
.PHONY: help run report status psql reset dbt docs test simulate test-tools torture lint lint-python lint-types lint-sql \
  lint-shell lint-yaml format bench sample-data lock clean run-prod build test-container lint-deploy

python := .venv/bin/python
bin := .venv/bin
# In their own order, the quick tests of tests/unit are the last, and no processor waits for another's long file.
on_all_processors = --numprocesses auto --dist loadfile --no-loadscope-reorder
shell_scripts = $$($(bin)/shfmt -f .ci docker scripts)

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1	\2/p' Makefile | expand -t 16

run: .venv/.local ## run the pipeline on sample_data/; add options with ARGS='--data-dir ...'
	@$(python) -m ingestion run --data-dir sample_data --use-manifest $(ARGS)

report: .venv/.local ## open the report of the latest run; add options with ARGS='--with-user-ids'
	@$(python) -m ingestion report --open $(ARGS)

status: .venv/.local ## show the last runs, stale datasets, quarantine and files being loaded
	@$(python) -m ingestion status $(ARGS)

psql: .venv/.local ## open psql on the database that make run uses
	@$(python) -m ingestion psql $(ARGS)

reset: ## delete the embedded database after a question; FORCE=1 skips the question
	@FORCE=$(FORCE) scripts/reset.sh

dbt: .venv/.local ## run dbt on the database that make run uses, for example ARGS='build --select marts'
	@$(python) -m scripts.run_dbt $(ARGS)

docs: .venv/.local ## write dbt's documentation of the models to dbt/target/index.html
	@$(python) -m scripts.run_dbt docs generate --static
	@cd "$${DBT_TARGET_PATH:-dbt/target}" && mv static_index.html index.html

test: .venv/.dev .venv/.azurite ## run the tests that need no container engine; select some with ARGS='-k name'
	@$(python) -m pytest tests --ignore=tests/container $(or $(ARGS),$(on_all_processors))

torture: .venv/.dev ## break the pipeline at random and check what it loads; ARGS='--seconds 600 --seed 7'
	@$(python) -m tests.torture $(ARGS)

simulate: .venv/.dev ## say how often each status is wrong, on simulated people; ARGS='--shuffle FILE' adds your export
	@$(python) -m tests.simulation $(ARGS)

test-tools: ## install the browser, Node.js and npm that some tests need (Debian and Ubuntu)
	@scripts/install-test-tools.sh

lint: lint-python lint-types lint-sql lint-shell lint-yaml ## check the format, style and types of all files

lint-python: .venv/.dev
	$(bin)/ruff check
	$(bin)/ruff format --check

lint-types: .venv/.dev
	$(bin)/mypy

lint-sql: .venv/.dev
	$(bin)/sqlfluff lint --processes 0 sql dbt

lint-shell: .venv/.dev
	$(bin)/shellcheck $(shell_scripts)
	$(bin)/shfmt -d $(shell_scripts)

lint-yaml: .venv/.dev
	$(bin)/yamllint --strict .

format: .venv/.dev ## format Python, SQL and shell scripts
	$(bin)/ruff check --fix-only
	$(bin)/ruff format
	$(bin)/sqlfluff fix --processes 0 sql dbt
	$(bin)/shfmt -w $(shell_scripts)

bench: .venv/.dev ## measure what docs/performance.md shows, and write it there; ARGS='--only many,tiny' measures a part
	@$(python) -m scripts.bench $(ARGS)

run-prod: .venv/.local ## run with the roles of production: in containers, or on the embedded PostgreSQL without Docker
	@scripts/run-prod.sh $(ARGS)

build: ## build the image wearables-pipeline:latest
	@scripts/build-image.sh

test-container: .venv/.dev ## run the tests that need a container engine; select some with ARGS='-k name'
	@$(python) -m pytest tests/container $(ARGS)

lint-deploy: .venv/.dev ## check the Dockerfile, compose files, Kubernetes manifests and workflows
	@scripts/lint-deploy.sh

sample-data: .venv/.local ## generate sample_data/ again from its seed
	@$(python) -m scripts.generate_sample_data

lock: .venv/.local ## resolve pyproject.toml into requirements/; ARGS=--upgrade takes newer versions
	@command -v uv >/dev/null || test -x $(bin)/uv || $(python) -m pip install --quiet uv
	PATH="$$PATH:$(CURDIR)/$(bin)" scripts/lock.sh $(ARGS)

clean: ## delete caches, build/ and dbt's output; keep .venv and the database
	rm -rf build logs dbt/target dbt/logs .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +

# One environment in two steps: .local is what make run needs, .dev adds the developers' tools.
.venv/.local: requirements/local.txt scripts/setup.sh
	@scripts/setup.sh local
	@touch $@

.venv/.dev: requirements/dev.txt .venv/.local
	@scripts/setup.sh dev
	@touch $@

# The script touches the target once Azurite is installed: without npm, make tries again next time.
.venv/.azurite: tests/integration/storage/azurite/package-lock.json scripts/setup-azurite.sh .venv/.dev
	@scripts/setup-azurite.sh $@
