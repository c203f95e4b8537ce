# Two commands: `make run` shows every model at work, `make test` proves the gradients.
# Both create .venv and install what they need, once: the stamp files remember it.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin

.PHONY: run test check bench gradcheck fuzz coverage mutants proof lint clean

run: $(VENV)/installed        ## the tour of all models, each in its quick form
	$(BIN)/python -m models

test: $(VENV)/installed-test  ## the whole test suite
	$(BIN)/python -m pytest

check: lint test              ## what to run after changing a line

gradcheck: $(VENV)/installed  ## every operation against finite differences, in one table
	$(BIN)/python -m tinygrad_edu.gradcheck

bench: $(VENV)/installed      ## side by side with PyTorch, Keras and JAX, where they are installed
	$(BIN)/python -m benchmarks

fuzz: $(VENV)/installed-test  ## 10,000 random programs against PyTorch or finite differences, a few minutes
	PYTHONPATH=tests $(BIN)/python -m proof.programs --programs 10000

coverage: $(VENV)/installed-proof  ## which lines and branches the tests run, and which not
	PYTHONPATH=tests $(BIN)/python -m proof.covered

mutants: $(VENV)/installed-proof  ## which small changes of the source the tests notice, of a sample
	PYTHONPATH=tests $(BIN)/python -m proof.mutants

proof: $(VENV)/installed-proof  ## every figure of docs/proof.md, half an hour
	PYTHONPATH=tests $(BIN)/python -m proof

lint: $(VENV)/installed-dev   ## ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

$(VENV)/created:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed, this is " + sys.version.split()[0] + "; try: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/installed: pyproject.toml $(VENV)/created
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	$(BIN)/python -m compileall -q tinygrad_edu models  # pip does this for what it copies, not for what is editable
	@touch $@

$(VENV)/installed-test: $(VENV)/installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[test]'
	@touch $@

$(VENV)/installed-dev: $(VENV)/installed-test
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

$(VENV)/installed-proof: $(VENV)/installed-test
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[proof]'
	@touch $@

clean:
	rm -rf $(VENV) runs build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
