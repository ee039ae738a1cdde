# Everything a newcomer types. Each target does its own set-up.
START := exec sh neurogame/bootstrap/start.sh

.PHONY: help run test bench lint format setup messages image clean

help:  ## this list
	@grep -E '^[a-z]+:.*##' Makefile | sed 's/:.*##/ -/'

run:  ## install, migrate, load the tasks and serve on http://127.0.0.1:${PORT:-8000}
	@$(START) run

test:  ## every test; ARGS="-k draft" for some of them
	@$(START) test $(ARGS)

bench:  ## how fast this machine takes and exports events, judges programs and streams the chat
	@$(START) bench $(ARGS)

lint:  ## style, types, import direction, catalogues, migrations
	@$(START) lint

format:  ## format the code
	@$(START) format

setup:  ## everything that run and test install, without running them
	@$(START) setup

messages:  ## collect the texts to translate and compile the catalogues
	@$(START) messages

image:  ## the image that Docker sandboxes are tested with (root, debootstrap)
	@$(START) image

clean:  ## remove what can be made again; data/ stays
	rm -rf .venv staticfiles .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
	find . -path ./node_modules -prune -o -name '*.mo' -exec rm -f {} +
