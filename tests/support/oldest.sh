#!/usr/bin/env bash
# Do the oldest versions that requirements.txt allows work? By hand: bash tests/support/oldest.sh [--dry-run] [PYTHON …]
#
# For each Python (by default 3.10 to 3.13, of pyenv) a throw-away environment of up to 6 GB with the oldest versions that have a wheel,
# in which one photo of each kind is edited. --dry-run only asks whether they can be had together. Needs uv (pip install uv).
set -euo pipefail
cd "$(dirname "$0")/../.."
dry=""
[ "${1:-}" = --dry-run ] && dry=--dry-run && shift
[ $# -gt 0 ] || set -- 3.10 3.11 3.12 3.13
failed=""
for version in "$@"; do
    python=$(ls -d "$HOME/.pyenv/versions/$version".*/bin/python 2>/dev/null | tail -1)
    folder=$(mktemp -d)
    uv venv -q --python "${python:-$version}" "$folder/venv"
    if ! uv pip install -q $dry --python "$folder/venv" --resolution lowest-direct --only-binary :all: -r requirements.txt; then
        failed="$failed $version"
    elif [ -z "$dry" ]; then
        "$folder/venv/bin/python" - <<'EDIT' && "$folder/venv/bin/python" -m facevae doctor || failed="$failed $version"
import facevae.ui.page, train.vae.loop  # what needs the other packages
from facevae.editor import Editor
from facevae.photo.images import open_photo
from facevae.request import EditRequest, run_request

editor, photo = Editor(), open_photo("assets/examples/astronaut.jpg")
for kind in ("original", "png", "heic"):
    made = run_request(editor, EditRequest({"Smiling": -2.0}, format=kind, refine=kind == "png"), photo)
    again = open_photo(made.content)
    assert again.pixels.shape == photo.pixels.shape and (again.pixels != photo.pixels).any(), kind
EDIT
    fi
    echo "$version: $(echo "$failed" | grep -q "$version" && echo fails || echo fine)"
    rm -rf "$folder"
done
[ -z "$failed" ]
