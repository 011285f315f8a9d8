# One entry for each chore; each sets up what it needs.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.ready

.PHONY: demo test test-live test-browser lint docs clean system lock

demo: $(STAMP) system
	$(BIN)/deploysim demo

test: $(STAMP) system
	$(BIN)/python -m pytest -q -n 2 --dist loadfile --max-worker-restart=0

# Tests that run the small embedded weights, where they are in the cache (deploysim models pull local-small).
test-live: $(STAMP) system
	$(BIN)/python -m pytest -q -m live

# The viewer in a real browser, where there is a Chromium.
test-browser: $(STAMP) system
	$(BIN)/python -m pytest -q -m browser

lint: $(STAMP) build/audit/.ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	build/audit/bin/python benchmarks/dependencies.py

# Bill of materials and audit have many dependencies of their own; they stay apart from what they look at.
build/audit/.ready:
	$(PYTHON) -m venv build/audit
	build/audit/bin/python -m pip install -q --disable-pip-version-check 'cyclonedx-bom>=7,<8' 'pip-audit>=2.9,<3'
	touch $@

docs: $(STAMP)
	$(BIN)/python docs/make_cli.py

$(STAMP): pyproject.toml requirements.lock
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q --disable-pip-version-check -r requirements.lock
	$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps -e .
	touch $@

# The sandbox engine needs bubblewrap; without it shell commands go down the ladder, so this never fails the build.
system:
	@command -v bwrap >/dev/null 2>&1 || { \
	  if command -v apt-get >/dev/null 2>&1 && [ "$$(id -u)" = 0 ]; then \
	    apt-get install -y -q --no-install-recommends bubblewrap >/dev/null 2>&1 \
	    || { apt-get update -q >/dev/null && apt-get install -y -q --no-install-recommends bubblewrap >/dev/null; } \
	    || echo "bubblewrap could not be installed: shell commands will be answered without the sandbox" >&2; \
	  else echo "bubblewrap is missing (Debian: apt-get install bubblewrap): shell commands will be answered without the sandbox" >&2; fi; }

# Pinned with hashes, without naming an index, from the ranges in pyproject.toml.
lock:
	uv pip compile pyproject.toml --group dev --python-version 3.11 --universal --generate-hashes --no-emit-index-url \
	  --no-header --no-annotate -q -o requirements.lock

clean:
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
