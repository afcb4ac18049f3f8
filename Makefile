# You can set: VARIANT=hub; ARGS="..." for the program or pytest; PYTHON=/path/to/python3.

VARIANT = project
ARGS =
DIR =
WITHOUT =
VENV = .venv
PYTHONS = python3.14 python3.13 python3.12 python3.11 python3.10 python3 python

IS_RECENT = import sys; sys.exit(sys.version_info < (3, 10))
# What sends packages elsewhere, such as PIP_USER=yes, is not for a virtual environment.
PIP_INSTALL = PIP_USER=0 PIP_TARGET= PIP_PREFIX= PIP_ROOT= "$(VENV)/bin/python" -m pip install -qq \
    --disable-pip-version-check --no-input
ARE_FOUND = import re, sys; from importlib.metadata import version; \
    [version(name) for file in sys.argv[1:] for name in re.findall(r"(?m)^\w[\w-]*", open(file).read())]
INSTALL = $(PIP_INSTALL) -r $(1) </dev/null >&2 && "$(VENV)/bin/python" -c '$(ARE_FOUND)' $(1) || $(INSTALL_FAILED)
INSTALL_FAILED = { echo "The installation failed: see above. To try again: make install" >&2; exit 1; }

.PHONY: help install run init demo check devices test bench soak new lint clean

# Ctrl-C is a way out: make is not to call it an error. Whatever else fails, make ends with 2.
run init demo check devices: export VOICELIVE_CTRL_C_EXIT = 0
# A closed stdin would give its number to the next file that is opened: /dev/null takes its place.
AGENT = ( : 3<&0 ) 2>/dev/null || exec </dev/null; exec "$(VENV)/bin/python" voicelive_agent.py

help:  ## List the targets.
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' Makefile

install: $(VENV)/.installed  ## Make .venv, with the packages of requirements.txt.
	@echo "$(VENV) is ready: make run"

run: $(VENV)/.installed  ## Talk to the agent (VARIANT=hub: one of a hub-based project).
	@$(AGENT) run $(VARIANT) $(ARGS)

init: $(VENV)/.installed  ## Write .env: asks for the three values that your agent needs.
	@$(AGENT) init $(ARGS)

demo: $(VENV)/.installed  ## Talk to the stand-in, whatever .env says; needs no Azure account.
	@$(AGENT) demo $(VARIANT) $(ARGS)

check: $(VENV)/.installed  ## Find out what is missing before you can talk (VARIANT=hub, too).
	@$(AGENT) check $(VARIANT) $(ARGS)

devices: $(VENV)/.installed  ## List the microphones and the speakers (ARGS=--test: hear yourself).
	@$(AGENT) devices $(ARGS)

# Most tests wait most of the time, and run side by side; those with a sound card want the machine for
# themselves. Status 5: none was picked.
test: $(VENV)/.installed-tests  ## Run the tests.
	@"$(VENV)/bin/python" -m pytest -n 4 --dist loadfile -m "not soundcard" $(ARGS) || [ $$? = 5 ]
	@"$(VENV)/bin/python" -m pytest -m soundcard $(ARGS) || [ $$? = 5 ]

bench: $(VENV)/.installed-tests  ## Measure latency, gaps, CPU and memory on a virtual sound card (Linux).
	@"$(VENV)/bin/python" tests/bench.py $(ARGS)

soak: $(VENV)/.installed-tests  ## Hold a long conversation on a bad line, and watch memory and logs (Linux).
	@PYTHONPATH=.:tests "$(VENV)/bin/python" tests/standin/soak.py $(ARGS)

# No packages are needed for it.
new:  ## Make your own project from this one: DIR=../my-agent WITHOUT="check standin".
	@$(MAKE_VENV)
	@"$(VENV)/bin/python" new.py "$(DIR)" --without $(WITHOUT)

lint: $(VENV)/.installed-tests  ## Check style, format and types.
	"$(VENV)/bin/python" -m ruff check .
	"$(VENV)/bin/python" -m ruff format --check .
	"$(VENV)/bin/python" -m mypy

clean:  ## Remove .venv, builds and the tools' caches, but not logs and .env.
	@echo "Removing $(VENV), builds, .pytest_cache, .mypy_cache, .ruff_cache, .hypothesis and __pycache__."
	@rm -rf "$(VENV)" build dist voicelive.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	@find . -name .git -prune -o -type d -name __pycache__ -prune -exec rm -rf {} +

# A stamp is written last, where the packages are found: what was interrupted is done again.
$(VENV)/.installed: requirements.txt
	@$(MAKE_VENV)
	@echo "Installing requirements.txt into $(VENV): this takes a minute." >&2
	@$(call INSTALL,requirements.txt)
	@touch "$@"

$(VENV)/.installed-tests: $(VENV)/.installed tests/requirements.txt
	@echo "Installing tests/requirements.txt into $(VENV): this takes a minute." >&2
	@$(call INSTALL,tests/requirements.txt)
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
    echo "$$python cannot make virtual environments. Install the missing package" \
        "(Debian, Ubuntu: sudo apt install python$$version-venv), then try again." >&2; \
    exit 1; \
fi; \
if [ -e "$(VENV)/pyvenv.cfg" ]; then rm -rf "$(VENV)"; fi; \
mkdir -p "$(VENV)" && touch "$(VENV)/.unfinished" && \
"$$python" -m venv "$(VENV)" </dev/null >&2 && rm "$(VENV)/.unfinished"
endef
