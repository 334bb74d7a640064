# Needs python3 (3.11 to 3.14) with venv and pip, and nothing else. `make` alone lists what there is.

PYTHON ?= python3
WORKERS ?= auto
HELM_VERSION ?= v3.18.6
CLUSTER_WORKERS ?= 2
PYTEST_ARGS ?=
COMPOSE ?= docker compose

VENV := $(CURDIR)/.venv
PROTOS := $(CURDIR)/.venv-protos
PROTOC := $(CURDIR)/.venv-protoc
LOCKING := $(CURDIR)/.venv-lock
ENVOY_OLDEST := $(CURDIR)/build/envoy-oldest
BIN := $(VENV)/bin
CASES := tests/translator/cases tests/meshloom/gateways/cases tests/meshloom/injector/cases

# Each environment has a stamp that is younger than the files it was made from.
INSTALLED := $(VENV)/.installed
PROTOS_INSTALLED := $(PROTOS)/.installed
ENVOY_OLDEST_INSTALLED := $(ENVOY_OLDEST)/.installed

PIP_INSTALL := -m pip install --quiet --disable-pip-version-check --no-compile
LOCK = $(LOCKING)/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	--no-emit-find-links --custom-compile-command 'make lock' $(LOCK_ARGS)

# Installed without bytecode, which is then made once, by whoever first imports a module.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help install demo demo-check test test-load test-capture test-cluster test-compose test-node check format \
	goldens bench protos envoy-oldest proto crds chart helm lock clean python

help: ## list what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# ---------------------------------------------------------------------------- people

install: $(INSTALLED) ## make .venv and install meshloom into it, from the locked requirements

demo: install ## run a mesh of real Envoys, show its traffic split, change it live; Ctrl-C ends it
	@$(BIN)/meshloom demo

demo-check: install ## the same without a person: prints the split asked for and measured, exits 0 or 1
	@$(BIN)/meshloom demo --check

PYTEST = MESHLOOM_ENVOY_OLDEST='$(ENVOY_OLDEST)/envoy/_bin/envoy' \
	MESHLOOM_OFFICIAL_PROTOS_PYTHON='$(PROTOS)/bin/python' \
	$(BIN)/python -m pytest

test: install protos envoy-oldest ## run the tests (PYTEST_ARGS='tests/mesh -k hosts' for a part, WORKERS=0 for one process)
	@$(PYTEST) -n $(WORKERS) --dist loadfile -m 'not load' $(PYTEST_ARGS)

test-load: install protos envoy-oldest ## run the long tests: edits under traffic, crowds, ten years of certificates, the oldest Envoy
	@$(PYTEST) -n $(WORKERS) --dist loadfile -m load $(PYTEST_ARGS)

test-capture: install ## redirect traffic in network namespaces and test that (needs root, iproute2 and iptables)
	@MESHLOOM_NETNS=1 $(PYTEST) tests/capture $(PYTEST_ARGS)

test-cluster: install ## test with a real kube-apiserver and etcd (KUBEBUILDER_ASSETS names their folder, as setup-envtest prints it)
	@$(PYTEST) -n $(CLUSTER_WORKERS) --dist loadfile -m 'not load' tests/cluster $(PYTEST_ARGS)

test-node: install ## install on a Kubernetes with a node and test that (KUBECONFIG, and in MESHLOOM_IMAGE_LOADER e.g. 'kind load docker-image')
	@$(BIN)/python -m pytest tests/node $(PYTEST_ARGS)

test-compose: install ## run the demo in containers and test that (needs an engine; COMPOSE='docker compose')
	@MESHLOOM_COMPOSE='$(COMPOSE)' $(BIN)/python -m pytest tests/compose $(PYTEST_ARGS)

check: install ## lint, format, types, import contracts, goldens, CRDs and chart up to date
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@before=$$($(CASES_DIGEST)); $(MAKE) --no-print-directory goldens || exit 1; \
	if [ "$$before" != "$$($(CASES_DIGEST))" ]; then \
		echo 'The goldens in $(CASES) were out of date and are rewritten now: look at the difference.' >&2; exit 1; fi
	@before=$$($(DEPLOY_DIGEST)); $(MAKE) --no-print-directory crds chart || exit 1; \
	if [ "$$before" != "$$($(DEPLOY_DIGEST))" ]; then \
		echo 'What is made in deploy was out of date and is rewritten now: look at the difference.' >&2; exit 1; fi

format: install ## put sources into the one format
	@$(BIN)/ruff check --quiet --fix-only .
	@$(BIN)/ruff format --quiet .

DEPLOY_DIGEST = find deploy -type f -exec sha256sum {} + 2>/dev/null | sort | sha256sum
CASES_DIGEST = find $(CASES) -type f -exec sha256sum {} + 2>/dev/null | sort | sha256sum

goldens: install ## write what is expected of proxies, gateways and pods (the cases of the tests) anew
	@$(BIN)/python -m pytest tests/translator/test_goldens.py tests/meshloom/gateways/test_manifests.py \
		tests/meshloom/injector/test_goldens.py -q --update-golden

bench: install ## measure compile and delivery, write build/bench.json
	@mkdir -p build
	@$(BIN)/python -m bench

clean: ## remove environments, builds and caches
	@rm -rf $(VENV) $(PROTOS) $(PROTOC) $(LOCKING) build dist .hypothesis .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# ---------------------------------------------------------------------------- environments

$(INSTALLED): requirements-dev.txt pyproject.toml | python
	@echo 'Installing meshloom and its tools into .venv ...'
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python $(PIP_INSTALL) --require-hashes -r requirements-dev.txt
	@$(BIN)/python $(PIP_INSTALL) --no-deps --no-build-isolation -e .
	@touch $@

helm: build/helm ## compile Helm into build/, which checks the chart (needs Go; MESHLOOM_HELM names another)

build/helm:
	@echo 'Compiling Helm into build ...'
	@GOBIN='$(CURDIR)/build' go install -ldflags='-s -w' helm.sh/helm/v3/cmd/helm@$(HELM_VERSION)

protos: $(PROTOS_INSTALLED) ## make .venv-protos: Google's protobuf with Envoy's messages, which check our encoder

$(PROTOS_INSTALLED): requirements-protos.txt | python
	@echo "Installing Google's protobuf and Envoy's messages into .venv-protos ..."
	@$(PYTHON) -m venv $(PROTOS)
	@$(PROTOS)/bin/python $(PIP_INSTALL) --require-hashes -r requirements-protos.txt
	@touch $@

envoy-oldest: $(ENVOY_OLDEST_INSTALLED) ## fetch the oldest Envoy we support into build/

$(ENVOY_OLDEST_INSTALLED): requirements-envoy-oldest.txt | $(INSTALLED)
	@echo 'Installing the oldest supported Envoy into build/envoy-oldest ...'
	@rm -rf $(ENVOY_OLDEST)
	@$(BIN)/python $(PIP_INSTALL) --require-hashes --target $(ENVOY_OLDEST) -r requirements-envoy-oldest.txt
	@touch $@

python:
	@command -v $(PYTHON) >/dev/null || \
		{ echo 'meshloom needs Python 3.11 to 3.14, and $(PYTHON) is not found: make PYTHON=/path/to/python3' >&2; exit 1; }
	@$(PYTHON) -c 'import sys; (3, 11) <= sys.version_info[:2] <= (3, 14) or sys.exit("meshloom needs Python 3.11 to 3.14, \
	and $(PYTHON) is %d.%d: make PYTHON=/path/to/python3" % sys.version_info[:2])'
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
		{ echo '$(PYTHON) has no venv; on Debian and Ubuntu: apt install python3-venv' >&2; exit 1; }

# ---------------------------------------------------------------------------- what is generated and checked in

proto: $(PROTOC)/.installed ## generate xds/wire from proto
	@$(PROTOC)/bin/python -m grpc_tools.protoc -Ixds/wire=proto --python_out=. --pyi_out=. \
		$(patsubst proto/%,xds/wire/%,$(wildcard proto/*.proto))

crds: install ## write the CustomResourceDefinitions of deploy/crds anew from the models
	@$(BIN)/python -m meshloom.crds deploy/crds

chart: install ## write the Helm chart of deploy/helm anew from the objects that `meshloom install` applies
	@$(BIN)/python -m meshloom.install deploy/helm/meshloom

$(PROTOC)/.installed: requirements-protoc.txt | python
	@$(PYTHON) -m venv $(PROTOC)
	@$(PROTOC)/bin/python $(PIP_INSTALL) --require-hashes -r requirements-protoc.txt
	@touch $@

lock: $(LOCKING)/.installed ## pin the requirements, with hashes, for every supported Python (LOCK_ARGS=--upgrade for newer ones)
	@$(LOCK) pyproject.toml -o requirements.txt
	@$(LOCK) pyproject.toml requirements-dev.in --extra dev -o requirements-dev.txt
	@$(LOCK) requirements-build.in -o requirements-build.txt
	@$(LOCK) requirements-envoy-oldest.in -o requirements-envoy-oldest.txt
	@$(LOCK) requirements-protos.in -o requirements-protos.txt
	@$(LOCK) requirements-protoc.in -o requirements-protoc.txt

$(LOCKING)/.installed: | python
	@$(PYTHON) -m venv $(LOCKING)
	@$(LOCKING)/bin/python $(PIP_INSTALL) 'uv>=0.13,<0.14'
	@touch $@
