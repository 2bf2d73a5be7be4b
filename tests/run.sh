#!/usr/bin/env bash
# The whole test suite, with all its own set-up: a fresh virtual environment, the project's own requirements, Chromium.
#   bash tests/run.sh [pytest arguments]
# FACEVAE_REQUIRE_BROWSER=1 makes a missing browser a failure; without it the browser tests are reported as skipped.
set -euo pipefail
cd "$(dirname "$0")/.."
bash tests/install_browser.sh || echo "WARNING: no Chromium could be installed; the browser tests will be SKIPPED" >&2
venv=$(mktemp -d)/venv
trap 'rm -rf "$(dirname "$venv")"' EXIT
"${PYTHON:-python3}" -m venv "$venv"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check -e ".[test]"
"$venv/bin/ruff" check .
"$venv/bin/ruff" format --check .
# A file of tests on each core; tests/conftest.py sets one thread for each.
"$venv/bin/python" -m pytest -rs -n 2 --dist loadfile "$@"
# Known vulnerabilities: says so where nobody can be asked, fails for what the app needs and somebody has mended.
"$venv/bin/python" tests/support/audit.py
