#!/usr/bin/env bash
# Makes a virtual environment with everything the project needs; does nothing when it is there and current.
#
#   scripts/set-up.sh VENV PYTHON
#
# PYTHON must be CPython 3.11 or later. Takes packages from whatever index pip is configured for, keeps nothing
# outside VENV but pip's and uv's ordinary caches, and never reads from standard input.
set -euo pipefail
exec </dev/null

venv=$1
python=$2
here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$here"

say() { printf 'set-up: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }

command -v "$python" >/dev/null 2>&1 || die "there is no '$python' here. Install Python 3.11 or later, or name one: make PYTHON=/path/to/python3.12 …"
version=$("$python" -c 'import platform; print(platform.python_version())' 2>/dev/null) ||
  die "'$python' does not start. Name another one: make PYTHON=/path/to/python3.12 …"
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
  die "'$python' is Python $version, and Headrace needs 3.11 or later. Name a newer one: make PYTHON=/path/to/python3.12 …"

# Current means: same declaration, same script, same interpreter, same place (an environment cannot be moved).
want=$({ cat pyproject.toml scripts/set-up.sh; printf '%s %s %s\n' "$venv" "$here" "$version"; } | cksum)
stamp=$venv/.headrace-stamp
if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$want" ] && [ -x "$venv/bin/python" ]; then
  exit 0
fi

say "making $venv with Python $version (once; a minute or two with an empty cache)"
if [ ! -x "$venv/bin/python" ] || ! "$venv/bin/python" -c "import platform, sys; sys.exit(platform.python_version() != '$version')" 2>/dev/null; then
  rm -rf -- "$venv"
  "$python" -m venv "$venv" ||
    die "'$python' cannot make virtual environments. On Debian and Ubuntu: apt-get install python3-venv"
fi

# The index is a network away: one hiccup must not cost the whole set-up.
twice() { "$@" || { say "trying once more: $*"; sleep 2; "$@"; }; }

pip() { "$venv/bin/python" -m pip --disable-pip-version-check --no-input "$@"; }

# uv does not read pip's settings, and on many machines the only index to be had stands there.
index=${PIP_INDEX_URL:-$(pip config get global.index-url 2>/dev/null || true)}
[ -z "$index" ] || export UV_DEFAULT_INDEX=${UV_DEFAULT_INDEX:-$index}
[ -z "${PIP_CERT:-}" ] || export SSL_CERT_FILE=${SSL_CERT_FILE:-$PIP_CERT}

install() {
  if pip install --quiet uv >/dev/null 2>&1 && "$venv/bin/uv" --version >/dev/null 2>&1; then
    twice "$venv/bin/uv" pip install --quiet --python "$venv/bin/python" --editable '.[all,dev]' && return
  fi
  say "going on with pip, without uv"
  twice pip install --quiet --editable '.[all,dev]'
}
install || die "the packages could not be installed; see above. Is the package index that pip is configured for within reach?"
"$venv/bin/python" -c 'import engine' || die "the installed package cannot be imported; see above"
printf '%s\n' "$want" >"$stamp"
say "done"
