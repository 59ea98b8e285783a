#!/bin/sh
# Finds a Python 3.11, 3.12 or 3.13 and hands over to setup.py; ends at once where everything is set up.
#
# PYTHON names the one to take. Else: the one that the environments stand on, then what is on PATH, then pyenv's.
here=$(dirname "$0")
standing=$here/../.venv/airflow/bin/python

if [ -z "${PYTHON:-}" ] && [ -x "$standing" ]; then
    "$standing" -I -S "$here/setup.py" --check && exit 0
    base=$("$standing" -I -S -c 'import sys; print(sys._base_executable)' 2>/dev/null) || base=
fi

# Has to run on any Python there ever was. Modules: what some distributions leave out, or a build without its libraries.
probe='
import sys
version = "%d.%d" % sys.version_info[:2]
missing = []
for name in ("venv", "ensurepip", "ssl", "sqlite3", "ctypes", "zlib", "bz2", "lzma"):
    try:
        __import__(name)
    except ImportError:
        missing.append(name)
if version not in ("3.11", "3.12", "3.13"):
    print(version)
    sys.exit(1)
if missing:
    print(version + ", without " + " ".join(missing))
    sys.exit(1)
'
seen=

consider() { # runs setup.py with the Python "$1" and ends, if that one will do
    [ -n "$1" ] || return 0
    path=$(command -v "$1" 2>/dev/null) || path=
    if [ -z "$path" ]; then
        [ -z "${PYTHON:-}" ] || seen="$seen
    $1 (there is none)"
        return 0
    fi
    if found=$("$path" -c "$probe" 2>/dev/null); then
        exec "$path" -I "$here/setup.py"
    fi
    seen="$seen
    $path (${found:-does not run})"
}

if [ -n "${PYTHON:-}" ]; then
    case $PYTHON in "~/"*) PYTHON=$HOME/${PYTHON#"~/"} ;; esac
    consider "$PYTHON"
else
    for name in "${base:-}" python3 python3.12 python3.11 python3.13 python; do
        consider "$name"
    done
    for version in 3.12 3.11 3.13; do
        for name in "${PYENV_ROOT:-${HOME:-/}/.pyenv}"/versions/"$version".*/bin/python; do
            consider "$name"
        done
    done
fi

cat >&2 <<END

set-up failed: no usable Python 3.11, 3.12 or 3.13
  looked at:${seen:-
    nothing: there is no python on PATH}
  remedy: install one whole
    Debian, Ubuntu: apt install python3 python3-venv
    Fedora:         dnf install python3.12
    macOS:          brew install python@3.12
    anywhere:       pyenv install 3.12
  or name it: make demo PYTHON=/path/to/python3.12
END
exit 1
