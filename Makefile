# Thin names for verbs of the idiscover command line; `make help` lists them.
# PYTHON=/path/to/python3.12 names the Python to set up with; without it one is looked for.
.DEFAULT_GOAL := help
SETUP := sh local/setup.sh
IDISCOVER := .venv/airflow/bin/idiscover
export PYTHONDONTWRITEBYTECODE :=

.PHONY: help setup demo up day down reset stack status test soak lint

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-8s %s\n", $$1, $$2}' Makefile

setup: ## set up: two environments and the idiscover command; a second time costs nothing
	@$(SETUP)

demo: setup ## set up, start the stack, run the org's first day through it, count every hop anew
	@$(IDISCOVER) demo

up: setup ## start what is missing or dead
	@$(IDISCOVER) up

day: setup ## move the org one day on and run that day
	@$(IDISCOVER) day

down: setup ## stop the stack; its state stays
	@$(IDISCOVER) down

reset: setup ## stop the stack and forget its state
	@$(IDISCOVER) reset --yes

stack: setup ## the stack's parts: state, port, log
	@$(IDISCOVER) stack

status: setup ## what runs, what waits, what failed, object by object
	@$(IDISCOVER) status

test: setup ## set up and run all tests, two files at a time
	@.venv/airflow/bin/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder --durations 40 tests

soak: setup ## long seeded runs
	@.venv/airflow/bin/python -m pytest -o addopts="-ra --import-mode=importlib -p no:cacheprovider" tests/soak

lint: setup ## ruff and sqlfluff
	@.venv/airflow/bin/ruff check .
	@.venv/airflow/bin/ruff format --check .
	@.venv/airflow/bin/sqlfluff lint -q sql tests/golden/warehouse/checks
	@$(IDISCOVER) sqllint
