# Fairlead. Every target may be called on a fresh Debian 12 as root.
PYTHON := .venv/bin/python
.PHONY: setup setup-run run stop test test-long test-kernel bench lint

# What tests, benchmarks and the engine need; idempotent.
setup:
	@packaging/setup.sh test

# What the engine alone needs.
setup-run:
	@packaging/setup.sh run

# Start the engine on this host with a small application on it.
run: setup-run
	@packaging/demo.sh start

# Stop both and remove the application.
stop:
	@packaging/demo.sh stop

# Every test that this kernel can run, but those of `test-long`.
test: setup
	@packaging/test.sh

# Properties with other examples each time; swarms of many daemons that are killed, cut and mended for minutes.
test-long: setup
	@$(PYTHON) -m pytest -q --hypothesis-profile=explore tests/core tests/model tests/api tests/properties
	@$(PYTHON) -m pytest -q --durations=15 -m long

# The tests that need IPVS, XFRM, 802.1q, ipvlan or netem, on Debian's stock kernel under emulation.
test-kernel: setup
	@packaging/test-kernel.sh

# Side by side with a real dockerd, in one run: ratios as a table, and as JSON in bench/results/.
bench: setup
	@$(PYTHON) -m bench

# Style, types, and the arrows of the house.
lint: setup
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check .
	@.venv/bin/mypy
	@$(PYTHON) -m pytest -q tests/layers
