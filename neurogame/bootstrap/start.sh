#!/bin/sh
# Finds Python >= 3.12, makes .venv with it and hands over to `python -m neurogame.bootstrap`.
set -eu

cd "$(dirname "$0")/../.."
venv=.venv/bin/python
tried=""

new_enough() {
    "$1" -c 'import sys; sys.exit(sys.version_info < (3, 12))' >/dev/null 2>&1
}

# Remembers what was looked at, so that an error can name it.
consider() {
    version=$("$1" -c 'import sys; print(sys.version.split()[0])' 2>/dev/null) || version=""
    case "$tried" in *"
  $1 "*) return 1 ;; esac
    if [ -z "$version" ]; then
        tried="$tried
  $1 (does not start)"
        return 1
    fi
    if ! new_enough "$1"; then
        tried="$tried
  $1 (Python $version: too old)"
        return 1
    fi
    if ! "$1" -c 'import venv, ensurepip' >/dev/null 2>&1; then
        tried="$tried
  $1 (Python $version, without its venv module: apt-get install python${version%.*}-venv)"
        return 1
    fi
    return 0
}

# Every candidate on PATH, not only the first: a pyenv shim may stand before a usable Python.
find_python() {
    if [ -n "${PYTHON:-}" ]; then
        chosen=$(command -v "$PYTHON" || printf '%s' "$PYTHON")
        if consider "$chosen"; then return 0; fi
    fi
    for name in python3.12 python3.13 python3.14 python3 python; do
        old_ifs=$IFS
        IFS=:
        for folder in $PATH; do
            IFS=$old_ifs
            if [ -x "$folder/$name" ] && consider "$folder/$name"; then
                chosen="$folder/$name"
                return 0
            fi
        done
        IFS=$old_ifs
    done
    for chosen in "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.1[2-9]*/bin/python \
        /usr/local/bin/python3.1[2-9] /opt/homebrew/bin/python3.1[2-9]; do
        if [ -x "$chosen" ] && consider "$chosen"; then return 0; fi
    done
    return 1
}

if ! new_enough "$venv" || [ ! -e .venv/.made ]; then
    if new_enough "$venv" && "$venv" -m pip --version >/dev/null 2>&1; then
        : # an environment made by hand is used as it is
    else
        if ! find_python; then
            echo "Neurogame needs Python 3.12 or newer with its venv module. Looked at:${tried:-
  nothing: there is no python on PATH}" >&2
            echo "Install one (apt-get install python3.12 python3.12-venv, or pyenv install 3.12)" >&2
            echo "or name it: make PYTHON=/path/to/python3.12 ..." >&2
            exit 1
        fi
        echo "Making .venv with $chosen"
        rm -rf .venv
        "$chosen" -m venv .venv
    fi
    : >.venv/.made
fi

exec "$venv" -m neurogame.bootstrap "$@"
