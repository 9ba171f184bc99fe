# coordbench. `make help` lists the targets. ARGS="..." is passed on to the command line.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=
# What `make image` builds, and what pods run on a cluster of your own.
POD_IMAGE := $(or $(COORDBENCH_KUBERNETES_IMAGE),coordbench-pod:1)
# The servers of `make up`, where they run: their URLs are in .env.
WITH_ENV = set -a; if [ -f .env ]; then . ./.env; fi; set +a;

.DEFAULT_GOAL := help
.PHONY: help bench bench-full notebooks notebooks-run notebooks-check publish test test-fast lint \
        format benchmark oracle up down image clean requirements doctor

help:  ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/\1|\2/' | \
	  while IFS='|' read -r target words; do printf '  make %-13s %s\n' "$$target" "$$words"; done

bench: $(VENV)/bench.stamp  ## measure (quick profile), print the matrix, say where the results are
	@$(WITH_ENV) $(BIN)/coordbench bench $(ARGS)

bench-full: $(VENV)/bench.stamp  ## measure all sizes and strategies; says beforehand how long
	@$(WITH_ENV) $(BIN)/coordbench bench --profile full $(ARGS)

.PHONY: claims pages
claims: $(VENV)/bench.stamp  ## measure what the common guides state; resumes where it stopped
	@$(BIN)/coordbench claims --run $(ARGS)

pages: $(VENV)/bench.stamp  ## write what is measured into docs/claims.md and docs/adviser.md
	@$(BIN)/python -m bench.pages $(ARGS)

notebooks: $(VENV)/notebooks.stamp  ## open the notebooks in JupyterLab, at the first
	@$(BIN)/jupyter lab --ServerApp.ip=127.0.0.1 $(ARGS) \
	  --LabApp.default_url="/lab/tree/$$(ls notebooks/01-*.ipynb)"

notebooks-run: $(VENV)/notebooks.stamp  ## execute them on the published set, and keep the outputs
	@$(BIN)/python -m bench.notebooks run $(ARGS)

notebooks-check: $(VENV)/notebooks.stamp  ## are the outputs kept what the published set gives?
	@$(BIN)/python -m bench.notebooks check $(ARGS)

FROM ?= results/latest
publish: $(VENV)/notebooks.stamp  ## make FROM=results/... the published set, and the notebooks anew
	@rm -rf published/.new && $(BIN)/coordbench publish $(FROM) --to published/.new
	@rm -rf published/2* && mv published/.new \
	  published/$$(basename $$(realpath $(lastword $(FROM))) | sed -E 's/^(.{4})(..)(..).*/\1-\2-\3/')
	@COORDBENCH_RESULTS= $(BIN)/python -m bench.notebooks run
	@COORDBENCH_RESULTS= $(BIN)/python -m bench.pages

test: $(VENV)/dev.stamp  ## all tests, with real servers
	@$(BIN)/python -m bench.services.kubernetes
	@$(BIN)/python -m pytest -n auto --no-loadscope-reorder -m "not servers" $(ARGS)
	@$(BIN)/python -m pytest -n 3 --no-loadscope-reorder -m "servers and not alone" \
	  tests/integration tests/acceptance $(ARGS)
	@$(BIN)/python -m pytest -m alone tests/acceptance $(ARGS)

test-fast: $(VENV)/dev.stamp  ## unit and contract tests: no server, under a minute
	@$(BIN)/python -m pytest -n auto --no-loadscope-reorder -m "not servers and not slow" \
	  tests/unit tests/contract $(ARGS)

lint: $(VENV)/dev.stamp  ## style, types, and who may import whom
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

format: $(VENV)/dev.stamp  ## put the code in its usual form
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

benchmark: $(VENV)/dev.stamp  ## the speed of our own parts, as ratios
	@$(BIN)/python -m bench.benchmarks $(ARGS)

oracle: $(VENV)/bench.stamp  ## do the checks see? planted bugs must be found (at most 40 minutes)
	@$(WITH_ENV) $(BIN)/coordbench oracle --page docs/oracle.md $(ARGS)

doctor: $(VENV)/bench.stamp  ## which servers can be had here, from where, and what is missing
	@$(WITH_ENV) $(BIN)/coordbench doctor

up: .env $(VENV)/bench.stamp  ## start the servers by Docker Compose; `make bench` then uses them
	@docker compose up --detach --wait
	@$(WITH_ENV) $(BIN)/python -m bench.services.introduce

down:  ## stop them, remove their data and the passwords
	@docker compose down --volumes
	@rm -f .env

image:  ## the image that pods run on a Kubernetes cluster of your own (needs Docker)
	@docker version >/dev/null 2>&1 || \
	  { echo "no Docker engine answers: start Docker, or set DOCKER_HOST" >&2; exit 69; }
	@docker build --tag "$(POD_IMAGE)" bench/services/kubernetes/pod
	@echo "built $(POD_IMAGE): push it to where your cluster's nodes pull from"

.env:
	@umask 077; for name in REDIS POSTGRES ZOOKEEPER ETCD; do \
	  echo "$${name}_PASSWORD=$$($(PYTHON) -c 'import secrets; print(secrets.token_hex(16))')"; \
	done > $@
	@echo 'COORDBENCH_REDIS_URL=redis://:$${REDIS_PASSWORD}@127.0.0.1:6379/0' >> $@
	@echo 'COORDBENCH_POSTGRES_URL=postgresql://coordbench:$${POSTGRES_PASSWORD}@127.0.0.1:5432/postgres' >> $@
	@echo 'COORDBENCH_ZOOKEEPER_URL=zookeeper://coordbench:$${ZOOKEEPER_PASSWORD}@127.0.0.1:2181' >> $@
	@echo 'COORDBENCH_ETCD_URL=http://root:$${ETCD_PASSWORD}@127.0.0.1:2379' >> $@

clean: $(VENV)/bench.stamp  ## end and remove what an earlier crash left behind
	@$(BIN)/coordbench clean

requirements: $(VENV)/uv.stamp  ## pin the newest versions that pyproject.toml allows
	@for set in bench:embedded notebooks:embedded,notebooks dev:dev; do \
	  $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	    --no-emit-index-url --upgrade $$(echo ",$${set#*:}" | sed 's/,/ --extra /g') \
	    --custom-compile-command "make requirements" \
	    pyproject.toml requirements/build.in -o "requirements/$${set%:*}.txt" || exit; \
	done

$(VENV)/uv.stamp: requirements/uv.txt
	@echo "setting up: a virtual environment in $(VENV)"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "$(PYTHON) is older than 3.11: name another one with make PYTHON=..."; exit 64; }
	@$(PYTHON) -m venv $(VENV) || \
	  { echo "no venv module: install it (Debian: python3-venv)"; exit 64; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/uv.txt
	@touch $@

$(VENV)/%.stamp: requirements/%.txt pyproject.toml $(VENV)/uv.stamp
	@echo "setting up: the packages of requirements/$*.txt"
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements/$*.txt
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $@
