# Everything is installed into .venv, from constraints.txt. A stamp file says which extras it holds, so that nothing is
# installed twice; `make clean` removes all of it. GNU Make 3.81 and a POSIX shell suffice.

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check -qq
PYTEST_ARGS ?= -n auto --dist loadfile --no-loadscope-reorder
TIER ?= -m "not slow"

# The first interpreter for which the pinned wheels exist and which can build environments (Debian ships venv apart).
CANDIDATES := python3 python3.14 python3.13 python3.12 python3.11 python
USABLE := import ensurepip, sys, venv; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 14))
PYTHON ?= $(firstword $(foreach p,$(CANDIDATES),$(shell $(p) -c '$(USABLE)' >/dev/null 2>&1 && echo $(p))))

.DEFAULT_GOAL := help
.PHONY: help demo demo-chip demo-spiking test test-all coverage bench bench-check wheel lint format types imports docs installed clean

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(VENV)/.sims  ## install into .venv what the simulations need, then run the demonstration
	@$(BIN)/localnoise demo

demo-chip: $(VENV)/.hardware  ## a network with its noise on an emulated Cortex-M4: image in, class out, to the bit
	@$(BIN)/localnoise demo-chip

demo-spiking: $(VENV)/.spiking  ## the grid in Brian2: checked, learned from spikes, beside cortex, as a defense
	@$(BIN)/localnoise spiking

test: $(VENV)/.dev  ## run the fast tests; PYTEST_ARGS='-k grid -x' to choose
	@$(BIN)/pytest $(TIER) $(PYTEST_ARGS)

test-all: $(VENV)/.dev $(VENV)/.browser $(VENV)/.toolchain  ## run all tests: also compilers, simulators, kills, full disks, long searches
	@$(MAKE) test TIER=--hypothesis-profile=full

coverage: $(VENV)/.dev  ## lines that the fast tests reach; TIER= for all tests
	@mkdir -p build/coverage && $(BIN)/coverage erase && $(BIN)/coverage run -m pytest $(TIER) $(PYTEST_ARGS); \
	$(BIN)/coverage combine -q && $(BIN)/coverage report

bench: $(VENV)/.bench  ## time the grid beside what one would use instead: ratios, with their targets
	@# A fresh cache, so that first calls show what compiling costs.
	@cache=$$(mktemp -d) && trap 'rm -rf "$$cache"' EXIT && NUMBA_CACHE_DIR="$$cache" $(BIN)/python -m benchmarks

bench-check: $(VENV)/.bench  ## as bench; fails where a published ratio is missed by 20 %
	@$(BIN)/python -m benchmarks --check

wheel: $(VENV)/.dev  ## build the wheel into dist/, with kernels compiled ahead for this Python and Numba
	@rm -rf build/lib && LOCALNOISE_AHEAD=1 $(BIN)/python -m build --wheel --no-isolation

lint: $(VENV)/.dev  ## check style and format
	@$(BIN)/ruff check . && $(BIN)/ruff format --check .

format: $(VENV)/.dev  ## fix style and format where a tool can
	@$(BIN)/ruff check --fix . && $(BIN)/ruff format .

types: installed  ## check the types of the installed package
	@cd build/installed && ../../$(BIN)/mypy --config-file ../../pyproject.toml --cache-dir ../../.mypy_cache -p localnoise

imports: installed  ## check which way imports point
	@cd build/installed && ../../$(BIN)/lint-imports --config ../../pyproject.toml --no-cache --no-logo

docs: $(VENV)/.docs  ## build the documentation into site/: strictly, with no warning and no broken link
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict && echo "==> Open site/index.html"

# The page of a sweep is tested in Chromium: the system's, else Debian's package, else the one that Playwright downloads.
$(VENV)/.browser: $(VENV)/.dev
	@command -v chromium >/dev/null || { echo "==> Installing Chromium, in which pages are tested: about a minute"; \
	{ test "$$(id -u)" = 0 && apt-get update -qq && apt-get install -y -qq chromium; } >/dev/null 2>&1 || \
	$(BIN)/playwright install chromium || echo "No browser could be installed: the tests of pages will fail" >&2; }
	@touch $@

# Exported Verilog is read by Icarus too, which is no Python package: the system's, else Debian's.
$(VENV)/.toolchain: $(VENV)/.dev
	@command -v iverilog >/dev/null || { echo "==> Installing Icarus Verilog, which reads what is exported: a few seconds"; \
	{ test "$$(id -u)" = 0 && apt-get update -qq && apt-get install -y -qq iverilog; } >/dev/null 2>&1 || \
	echo "Icarus Verilog (iverilog) could not be installed: the tests of toolchains will fail" >&2; }
	@{ command -v simavr && command -v avr-gcc; } >/dev/null || { \
	echo "==> Installing gcc-avr, avr-libc and simavr, an 8-bit processor: half a minute"; \
	{ test "$$(id -u)" = 0 && apt-get update -qq && apt-get install -y -qq gcc-avr avr-libc simavr; } >/dev/null 2>&1 || \
	echo "gcc-avr, avr-libc and simavr could not be installed: the tests of toolchains will fail" >&2; }
	@touch $@

clean:  ## remove .venv, builds and caches
	@rm -rf $(VENV) .nox build dist site *.egg-info .hypothesis .mypy_cache .pytest_cache .ruff_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The package as it ships: static tools cannot follow an editable install to hardware/ and sims/.
installed: $(VENV)/.dev
	@rm -rf build && $(PIP) install --no-deps --no-build-isolation --target build/installed .

$(VENV)/.base: constraints.txt
	@test -n "$(PYTHON)" && $(PYTHON) -c '$(USABLE)' || { echo "localnoise needs Python 3.11 to 3.14 with its venv module: \
	install one (Debian: python3-venv), or name one with make PYTHON=/path/to/python." >&2; exit 1; }
	@echo "==> Making $(VENV) with $$($(PYTHON) --version)"
	@$(PYTHON) -m venv $(VENV)
	@$(PIP) install -c constraints.txt pip setuptools
	@touch $@

$(VENV)/.sims: $(VENV)/.base pyproject.toml
	@echo "==> Installing what the simulations need: 1 to 10 minutes the first time, most of them for torch"
	@$(PIP) install -c constraints.txt --no-build-isolation --editable ".[sims]"
	@touch $@

# OpenCV's usual wheel needs the system's OpenGL, which a bare machine lacks; the headless one is the same without it.
$(VENV)/.robustness: $(VENV)/.sims
	@echo "==> Installing the common corruptions and the paper's attacks: about a minute the first time"
	@$(PIP) install -c constraints.txt --no-build-isolation --editable ".[sims,robustness]"
	@$(BIN)/python -c 'import cv2' 2>/dev/null || { $(PIP) uninstall -y opencv-python && \
	$(PIP) install -c constraints.txt --no-deps opencv-python-headless; }
	@touch $@

$(VENV)/.hardware: $(VENV)/.sims
	@echo "==> Installing compilers, simulators and placers of chips: a minute or two the first time"
	@$(PIP) install -c constraints.txt --no-build-isolation --editable ".[sims,hardware]"
	@touch $@

$(VENV)/.spiking: $(VENV)/.robustness
	@echo "==> Installing Brian2: about a minute the first time"
	@$(PIP) install -c constraints.txt --no-build-isolation --editable ".[sims,robustness,spiking]"
	@touch $@

$(VENV)/.bench: $(VENV)/.robustness
	@echo "==> Installing the peers of the benchmarks: a minute or two the first time"
	@$(PIP) install -c constraints.txt --no-build-isolation --editable ".[sims,robustness,spiking,bench]"
	@touch $@

$(VENV)/.docs: $(VENV)/.sims
	@echo "==> Installing what builds the documentation: about a minute the first time"
	@$(PIP) install -c constraints.txt --no-build-isolation --editable ".[sims,docs]"
	@touch $@

$(VENV)/.dev: $(VENV)/.robustness
	@echo "==> Installing what tests and checks need: about a minute the first time"
	@$(PIP) install -c constraints.txt --no-build-isolation --editable ".[dev]"
	@touch $@
