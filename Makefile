# Two commands on a machine that has git, make and Python 3.10 or newer:
#   make demo    compare methods on made-up images (on ISIC 2018 where ISIC2018_ROOT points at it), report in runs/demo/
#   make test    lint, types, tests, doctests, coverage
# and for those who write it: make docs, make wheel check-wheel
# and one that takes a quarter of an hour:
#   make fuzz    50,000 calls with odd and wrong arguments
# and one that takes an hour:
#   make mutate  small changes of the code at random, and whether a test sees them

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# Training images that each method is shown; fewer make a shorter demo.
DEMO_IMAGES ?= 6400
DEMO_METHODS ?= ce balanced-softmax balanced-softmax+spmix-paper
# Tests at a time; each on one thread, as threads of several processes wait for each other.
TEST_JOBS ?= 2
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(TEST_JOBS)
KERNEL_TESTS := $(wildcard tests/*/test_*_triton.py tests/*/*/test_*_triton.py)
DEMO_FORM := $(if $(ISIC2018_ROOT),isic2018,short)

.PHONY: demo test fuzz mutate lint types docs docs-serve wheel check-wheel clean

demo: $(VENV)/installed
	$(BIN)/python examples/compare.py $(DEMO_FORM) --methods $(DEMO_METHODS) --recipe.images $(DEMO_IMAGES) --jobs 2 \
		--fresh --out runs/demo/$(DEMO_FORM)

# The kernels run twice: line by line in Python here, and compiled with the rest where there is a GPU.
test: lint types
	TRITON_INTERPRET=1 $(PYTEST) $(KERNEL_TESTS) --cov --cov-report= --cov-fail-under=0
	$(PYTEST) --cov --cov-append --cov-report=term-missing:skip-covered
	$(BIN)/coverage report --include='examples/reproduction/*' --fail-under=95 --format=total

# Calls of every public name with odd and wrong arguments; SEED= makes those of an earlier run again.
CALLS ?= 50000
fuzz: $(VENV)/installed
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.fuzz --calls $(CALLS) $(if $(SEED),--seed $(SEED))

# Mutants of each part; SEED= draws those of an earlier run again.
MUTANTS ?= 150
MUTATE := OMP_NUM_THREADS=1 $(BIN)/python -m tests.mutation
mutate: $(VENV)/installed
	$(MUTATE) named
	$(MUTATE) src --sample $(MUTANTS) --seed $(or $(SEED),0)
	$(MUTATE) examples --sample $(MUTANTS) --seed $(or $(SEED),0)

lint: $(VENV)/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/installed
	$(BIN)/mypy

# The site in site/, warnings as errors, every link checked. Search needs a server, though no network: make docs-serve.
docs: $(VENV)/installed
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --quiet

docs-serve: docs
	$(BIN)/python -m http.server 8000 --bind 127.0.0.1 --directory site

wheel: $(VENV)/installed
	$(BIN)/python -m build --outdir dist

# Nothing that does not belong is in it, and an empty environment can mix with it.
check-wheel:
	$(BIN)/python tools/check_wheel.py dist

# Made again when the dependencies change; a stopped install leaves no mark and is taken up again.
$(VENV)/installed: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	touch $@

clean:
	rm -rf $(VENV) dist runs site
