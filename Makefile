# `make demo` and `make test` need Python >= 3.11 and nothing else.
PYTHON ?= python3
VENV := .venv
DOCS := .venv-docs
BIN := $(VENV)/bin
OUT ?= out/demo

.PHONY: demo test test-fast lint format types imports docs clean

demo: $(VENV)/.demo
	rm -rf $(OUT)
	$(BIN)/phenolens simulate cells --preset mixed --plates 4 --wells 72 --perturbations 24 --size 192 \
		--channel dna --channel er --channel agp --out $(OUT)/plates
	PHENOLENS_DEMO=$(abspath $(OUT))/plates $(BIN)/phenolens run recipes/demo.yaml --out $(OUT)

test: $(VENV)/.test
	$(BIN)/pytest -n 2 --dist loadfile --ignore tests/peers
	$(BIN)/pytest --doctest-modules src # the examples of docstrings
	$(BIN)/pytest tests/peers # by themselves: some of these tools start threads, which no fork survives

# While writing code: no simulation, no training, no whole study; about eight minutes on two cores.
test-fast: $(VENV)/.test
	$(BIN)/pytest -n 2 --dist loadfile --ignore tests/peers -m "not (simulation or training or integration or slow)"

lint: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.test
	$(BIN)/mypy

imports: $(VENV)/.test
	$(BIN)/lint-imports

format: $(VENV)/.test
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# The pages in site/. Docstrings are read from the sources, so that neither torch nor Phenolens is installed for them.
docs: $(DOCS)/.done
	NO_MKDOCS_2_WARNING=1 $(DOCS)/bin/mkdocs build --strict

$(DOCS)/.done: pyproject.toml
	$(PYTHON) -m venv $(DOCS)
	$(PYTHON) -c "import tomllib; print(*tomllib.load(open('pyproject.toml', 'rb'))['project']['optional-dependencies']['docs'], sep='\n')" > $(DOCS)/requirements.txt
	$(DOCS)/bin/pip install --quiet --requirement $(DOCS)/requirements.txt
	touch $@

# constraints.txt pins what the results in docs/ and benchmarks/ were made with.
INSTALL := $(BIN)/pip install --quiet --constraint constraints.txt

# torch first, by itself: uv takes the build that fits this machine, without CUDA where there is no NVIDIA GPU (4.5 GB
# less). Where PyTorch's own index cannot be reached, torch comes with CUDA, as in the general index.
$(VENV)/.demo: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	-$(INSTALL) uv && $(BIN)/uv pip install --quiet --python $(BIN)/python --constraint constraints.txt \
		--torch-backend auto torch torchvision 2>/dev/null || echo "torch comes with CUDA, which takes 4.5 GB more"
	$(INSTALL) --editable .
	touch $@

$(VENV)/.test: $(VENV)/.demo
	$(INSTALL) --editable '.[dev,peers]'
	touch $@

clean:
	rm -rf $(VENV) $(DOCS) out site
