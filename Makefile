# One word for each thing a developer does. Every target does its own set-up.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: run test soak check docs bench livekit peers setup setup-test lock format clean help

help:  ## what there is
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

run: setup  ## talk: make run | make run CONFIG=configs/kiosk.toml | make run LIVEKIT=dev
ifeq ($(LIVEKIT),dev)
	$(PYTHON) -m tests.peers.install server agent
	$(BIN)/python -m tests.peers.dev
else ifdef LIVEKIT
	$(error LIVEKIT=dev is all there is; for a server of your own: make run CONFIG=...)
else ifdef CONFIG
	$(BIN)/callpoint run $(CONFIG)
else
	$(BIN)/callpoint demo
endif

test: setup-test peers  ## all tests, with the real LiveKit server, agent worker, PulseAudio, Chromium
	$(BIN)/python -m pytest

soak: setup  ## faults by chance: make soak MINUTES=30 SEED=1 | CONFIG=configs/kiosk.toml
	$(BIN)/callpoint drill $(or $(CONFIG),configs/test.toml) --minutes $(or $(MINUTES),5) $(if $(SEED),--seed $(SEED))

check: setup-test  ## style, types and import rules
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: setup-test  ## the reference of the Python API, into build/docs
	$(BIN)/python -m pdoc --no-show-source --docformat restructuredtext -o build/docs actors

bench: setup-test peers  ## what it costs, beside others: make bench | make bench ONLY=cold-start
	$(PYTHON) -m bench.rivals.install
	$(BIN)/python -m bench $(addprefix --only ,$(ONLY)) $(addprefix --rounds ,$(ROUNDS))

livekit:  ## the pinned LiveKit server, built once into the cache
	$(PYTHON) -m tests.peers.install server

peers:  ## everything that the tests talk to
	$(PYTHON) -m tests.peers.install system server agent

setup:
	@$(PYTHON) .ci/setup.py run

setup-test:
	@$(PYTHON) .ci/setup.py test

lock: setup-test  ## new lock files from pyproject.toml
	$(BIN)/python -m pip install -q uv
	$(BIN)/uv pip compile -q pyproject.toml --extra rich --universal --generate-hashes --python-version 3.11 --no-emit-index-url --custom-compile-command "make lock" -o requirements.lock
	$(BIN)/uv pip compile -q pyproject.toml --extra rich --extra dev --universal --generate-hashes --python-version 3.11 --no-emit-index-url --custom-compile-command "make lock" -c requirements.lock -o requirements-dev.lock
	$(BIN)/uv pip compile -q bench/rivals/requirements.in --universal --generate-hashes --python-version 3.11 --no-emit-index-url --custom-compile-command "make lock" -o bench/rivals/requirements.lock

format: setup-test  ## ruff format, and what ruff can mend
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:  ## all that make has made here (not the cache of the peers)
	rm -rf .venv build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
