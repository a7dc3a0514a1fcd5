# Two commands: `make lab` opens the course, `make test` tests it. `make help` lists the rest.
# Works with GNU make 3.81 and any POSIX shell. Options are passed on:  make lab ARGS="--no-browser --port 8890"

.PHONY: help lab test lock readme faults test-portability test-backends upgrade-report rehearsal bench site audit setup clean
.DEFAULT_GOAL := help

PYTHON ?=
ARGS ?=
CANDIDATES = $(if $(PYTHON),"$(PYTHON)",python3 python3.13 python3.12 python3.11 python .venv/bin/python)
CAN_MAKE_ENVIRONMENTS = 'import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))'

# The shell runs prepare.py by the first Python that will do, and says in a sentence what is missing.
PREPARE = prepare() { \
	for python in $(CANDIDATES); do \
		if "$$python" -c $(CAN_MAKE_ENVIRONMENTS) 2>/dev/null; then \
			exec "$$python" medtutor/course/prepare.py "$$@"; \
		fi; \
	done; \
	echo "No Python 3.11, 3.12 or 3.13 that can make environments was found (looked for: "$(CANDIDATES)")." >&2; \
	echo "Debian and Ubuntu: sudo apt install python3 python3-venv.  Elsewhere: python.org has installers." >&2; \
	echo "One that is installed elsewhere can be named:  make $@ PYTHON=/path/to/python3.12" >&2; \
	exit 1; \
}; prepare

help:
	@echo 'make lab                open the course in JupyterLab (the first time: set up .venv)'
	@echo 'make test               unit tests, notebook lint, strict nbval, browser tests'
	@echo 'make test-portability   strict nbval again: other threads, processors, locales, folders, Pythons (hours)'
	@echo 'make test-backends      the CRF on JAX and PyTorch, installed into build/peers (the first time: 2 GB)'
	@echo 'make upgrade-report     run the chapters with the newest packages; which numbers move? (needs the network)'
	@echo 'make rehearsal          do what a newcomer does, in a fresh clone and a browser (long; needs the network)'
	@echo 'make faults             plant faults and list which are caught (long)'
	@echo 'make bench              measure this project beside its peers, installed into build/peers (the first time: 2 GB)'
	@echo 'make site               write the chapters as pages that open without Python, into build/site'
	@echo 'make audit              are vulnerabilities known of the locked packages? (needs the network)'
	@echo 'make lock               renew requirements.lock and environment.yml (needs the network)'
	@echo 'make readme             write the tables of README.md'
	@echo 'make clean              remove .venv and caches'
	@echo 'PYTHON=… names a Python 3.11 to 3.13; ARGS="…" passes options on.'

lab:
	@$(PREPARE) lab $(ARGS)

test:
	@$(PREPARE) test $(ARGS)

setup:
	@$(PREPARE) setup

test-portability:
	@$(PREPARE) run -m medtutor portability $(ARGS)

test-backends:
	@$(PREPARE) run benchmarks --backends

upgrade-report:
	@$(PREPARE) run -m medtutor upgrade $(ARGS)

rehearsal:
	@$(PREPARE) run -m medtutor rehearse $(ARGS)

faults:
	@$(PREPARE) run -m medtutor faults $(ARGS)

bench:
	@$(PREPARE) run benchmarks $(ARGS)

site:
	@$(PREPARE) run -m medtutor site $(ARGS)

audit:
	@$(PREPARE) run -m medtutor.course.audit $(ARGS)

lock:
	@$(PREPARE) run -m medtutor.course.lock $(ARGS)

readme:
	@$(PREPARE) run -m medtutor.course.readme $(ARGS)

clean:
	rm -rf .venv .pytest_cache .ruff_cache build medtutor.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
