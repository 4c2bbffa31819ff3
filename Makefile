# `make demo` and `make test` need Python >= 3.11 and nothing else.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
OUT ?= out/demo

.PHONY: demo test test-fast lint format types imports docs clean

demo: $(VENV)/.installed
	rm -rf $(OUT)
	$(BIN)/phenolens simulate cells --preset strong --channel dna --channel er --channel agp --out $(OUT)/plates
	PHENOLENS_DEMO=$(abspath $(OUT))/plates $(BIN)/phenolens run recipes/demo.yaml --out $(OUT)

test: $(VENV)/.installed
	$(BIN)/pytest -n 2 --dist loadfile --ignore tests/peers
	$(BIN)/pytest --doctest-modules src # the examples of docstrings
	$(BIN)/pytest tests/peers # by themselves: some of these tools start threads, which no fork survives

# While writing code: no simulation, no training, no whole study; less than two minutes on two cores.
test-fast: $(VENV)/.installed
	$(BIN)/pytest -n 2 --dist loadfile --ignore tests/peers -m "not (simulation or training or integration or slow)"

lint: $(VENV)/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.installed
	$(BIN)/mypy

imports: $(VENV)/.installed
	$(BIN)/lint-imports

format: $(VENV)/.installed
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(VENV)/.installed
	$(BIN)/pip install --quiet -c constraints.txt -e '.[docs]'
	$(BIN)/mkdocs build --strict

# constraints.txt pins what the results in docs/ and benchmarks/ were made with.
$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet -c constraints.txt -e '.[dev,peers]'
	touch $@

clean:
	rm -rf $(VENV) out site
