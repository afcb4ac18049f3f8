# For the command line: VARIANT=hub; ARGS="..." for the program or pytest; PYTHON=/path/to/python3.

VARIANT = project
ARGS =
VENV = .venv
PYTHONS = python3.14 python3.13 python3.12 python3.11 python3.10 python3 python

IS_RECENT = import sys; sys.exit(sys.version_info < (3, 10))
PIP_INSTALL = "$(VENV)/bin/python" -m pip install -qq --disable-pip-version-check --no-input
INSTALL_FAILED = { echo "Installing failed: see above. To try again: make install" >&2; exit 1; }

.PHONY: help install run check test bench soak lint clean

help:  ## List the targets.
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' Makefile

install: $(VENV)/.installed  ## Make .venv, with the packages of requirements.txt.
	@echo "$(VENV) is ready: make run"

# A closed stdin would give its number to the next file that is opened: /dev/null takes its place.
run: $(VENV)/.installed  ## Talk to the agent (VARIANT=hub: one of a hub-based project).
	@( : 3<&0 ) 2>/dev/null || exec </dev/null; \
	exec "$(VENV)/bin/python" voicelive_agent.py run $(VARIANT) $(ARGS)

check: $(VENV)/.installed  ## Find out what is missing before talking (VARIANT=hub, too).
	@"$(VENV)/bin/python" voicelive_agent.py check $(VARIANT) $(ARGS)

# Most tests wait most of the time, and run side by side; those with a sound card want the machine for
# themselves. Status 5: none was picked.
test: $(VENV)/.installed-tests  ## Run the tests.
	@"$(VENV)/bin/python" -m pytest -n 4 --dist loadfile -m "not soundcard" $(ARGS) || [ $$? = 5 ]
	@"$(VENV)/bin/python" -m pytest -m soundcard $(ARGS) || [ $$? = 5 ]

bench: $(VENV)/.installed-tests  ## Measure latency, gaps, CPU and memory on a virtual sound card (Linux).
	@"$(VENV)/bin/python" tests/bench.py $(ARGS)

soak: $(VENV)/.installed-tests  ## Hold a long conversation on a bad line, and watch memory and logs (Linux).
	@PYTHONPATH=. "$(VENV)/bin/python" tests/soak.py $(ARGS)

lint: $(VENV)/.installed-tests  ## Check style, format and types.
	"$(VENV)/bin/python" -m ruff check .
	"$(VENV)/bin/python" -m ruff format --check .
	"$(VENV)/bin/python" -m mypy

clean:  ## Remove .venv and the tools' caches; logs and .env stay.
	@echo "Removing $(VENV), .pytest_cache, .mypy_cache, .ruff_cache, .hypothesis and __pycache__."
	@rm -rf "$(VENV)" .pytest_cache .mypy_cache .ruff_cache .hypothesis
	@find . -name .git -prune -o -type d -name __pycache__ -prune -exec rm -rf {} +

# A stamp is written last: what was interrupted is done again.
$(VENV)/.installed: requirements.txt
	@$(MAKE_VENV)
	@echo "Installing requirements.txt into $(VENV): this takes a minute." >&2
	@$(PIP_INSTALL) -r requirements.txt </dev/null >&2 || $(INSTALL_FAILED)
	@touch "$@"

$(VENV)/.installed-tests: $(VENV)/.installed tests/requirements.txt
	@echo "Installing tests/requirements.txt into $(VENV): this takes a minute." >&2
	@$(PIP_INSTALL) -r tests/requirements.txt </dev/null >&2 || $(INSTALL_FAILED)
	@touch "$@"

# Each name is tried by running it: version managers leave names on PATH that only fail.
# A .venv that is unfinished or too old is made anew; one made by hand is used as it is.
define MAKE_VENV
if [ ! -e "$(VENV)/.unfinished" ] && "$(VENV)/bin/python" -c "import pip; $(IS_RECENT)" \
    </dev/null 2>/dev/null; then exit 0; fi; \
for python in $(if $(PYTHON),"$(PYTHON)",$(PYTHONS)) none; do \
    "$$python" -c "$(IS_RECENT)" </dev/null >/dev/null 2>&1 && break; \
done; \
if [ "$$python" = none ]; then \
    echo "No Python 3.10 or later was found: install one (Debian, Ubuntu: sudo apt install" \
        "python3 python3-venv; Fedora: sudo dnf install python3; macOS: brew install python)," \
        "or name it: make install PYTHON=/path/to/python3" >&2; \
    exit 1; \
fi; \
if ! "$$python" -c "import ensurepip" </dev/null 2>/dev/null; then \
    version=$$("$$python" -c "import sys; print('%d.%d' % sys.version_info[:2])"); \
    echo "$$python cannot make virtual environments: install what it needs for that" \
        "(Debian, Ubuntu: sudo apt install python$$version-venv), then try again." >&2; \
    exit 1; \
fi; \
if [ -e "$(VENV)/pyvenv.cfg" ]; then rm -rf "$(VENV)"; fi; \
mkdir -p "$(VENV)" && touch "$(VENV)/.unfinished" && \
"$$python" -m venv "$(VENV)" </dev/null >&2 && rm "$(VENV)/.unfinished"
endef
