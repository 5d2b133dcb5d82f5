# Every target makes .venv first when it is missing or older than the pinned versions.
PYTHON ?= python3
BIN := .venv/bin
OUT ?= demo-out

.PHONY: help demo test coverage torture lint docs bench clean

help:  ## show this list
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

# With bytecode: uv makes none, and where Python may not write it, every process would compile torch again.
.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	VIRTUAL_ENV=$(CURDIR)/.venv $(BIN)/uv pip install --quiet --compile-bytecode --constraint constraints.txt --editable '.[dev]'
	touch $@

demo: .venv/installed  ## the whole product on a small world with known truths, into demo-out/
	$(BIN)/twigma demo --out $(OUT)

# Four processes also on two cores: many tests wait for servers of their own. One thread each: threads that wait for one
# another on a busy core take many times as long.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses=4 --dist=loadfile --no-loadscope-reorder \
  --max-worker-restart=0

test: .venv/installed  ## the test suite
	$(PYTEST)

coverage: .venv/installed  ## the test suite, measuring which lines it runs (at least 90 %); half as long again
	$(PYTEST) --cov --cov-report=term:skip-covered --cov-fail-under=90

torture: .venv/installed  ## hazards on purpose, about 20 minutes; LONG=1 for hours of them, ROWS='2 9' for some
	$(BIN)/python -m tests.torture $(if $(LONG),--long) $(ROWS)

lint: .venv/installed  ## ruff and mypy --strict
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: .venv/installed  ## the documentation site, into site/; needs no network
	$(BIN)/python tools/make_docs.py

bench: .venv/installed  ## ours against the peers, one table per comparison
	for file in benchmarks/[!h]*/*.py; do $(BIN)/python -m $$(echo $${file%.py} | tr / .) || exit 1; done

clean:  ## remove what demo and test made
	rm -rf $(OUT) site .coverage .coverage.* .pytest_cache .mypy_cache .ruff_cache
