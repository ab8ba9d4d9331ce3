# make run      the whole product on http://127.0.0.1:$${PORT:-8000}, state under $${DATA_DIR:-.data}
# make test     all tests of the product (ARGS="tests/gateway -k stream" for some)
# make mutants  whether the tests notice each guard that is switched off (ARGS="no-credit-check" for one)
# make check    formatting, lint, types, import floors, missing migrations
# make soak     ten minutes of traffic under kills of every process, then the books (ARGS="--minutes 3")
# make bench    how fast it is, beside nginx and LiteLLM (ARGS=--quick for a minute, ARGS=--help for more)
# make servers  Postgres and Valkey of this DATA_DIR alone
# make lock     the lock files anew from requirements*.in (ARGS=--upgrade for newer versions)

SHELL = /bin/sh
.PHONY: bench-usage run servers setup test mutants check bench soak lock
.DEFAULT_GOAL = run

# The first of these that is Python 3.11 or later; PYTHON=… names another.
PYTHON = $(shell for python in .venv/bin/python python3.11 python3 python3.12 python3.13 python3.14; do \
	"$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo "$$python"; break; }; done)

# Runs the environment's Python, after bringing the environment up to date. `exec` hands signals straight to what runs.
WITH = python='$(PYTHON)'; \
	test -n "$$python" || { echo "Python 3.11 or later is needed: install it, or name one with PYTHON=/path/to/python3.11" >&2; exit 1; }; \
	exec "$$python" akashml/runner/install.py

run:
	@$(WITH) -m akashml.runner

servers:
	@$(WITH) -m akashml.runner.servers

setup:
	@$(WITH) --tests -c ''

test: setup
	@.venv/bin/python -m tests.clients.node
	@exec .venv/bin/python -m pytest -n 2 --dist loadfile $(ARGS)

mutants: setup
	@exec .venv/bin/python -m tests.mutants $(ARGS)

check: setup
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy akashml apps
	PYTHONPATH=. .venv/bin/lint-imports
	.venv/bin/python manage.py makemigrations --check --dry-run

bench: setup
	@exec .venv/bin/python -m benchmarks $(ARGS)

bench-usage: setup
	@exec .venv/bin/python -m benchmarks.usage $(ARGS)

soak: setup
	@exec .venv/bin/python -m benchmarks.soak $(ARGS)

LOCK = .venv/bin/python -m uv pip compile --quiet --generate-hashes --no-header --no-emit-index-url --no-emit-find-links --python-version 3.11 $(ARGS)

lock: setup
	$(LOCK) requirements-bootstrap.in -o requirements-bootstrap.txt
	$(LOCK) requirements.in -o requirements.txt
	$(LOCK) requirements-test.in -o requirements-test.txt
	$(LOCK) benchmarks/litellm.in -o benchmarks/litellm.txt
