#!/usr/bin/env bash
# Prints the newest final CPython of this machine that is newer than PYTHON; prints nothing when there is none.
#
#   scripts/newer-python.sh PYTHON
set -euo pipefail
shopt -s nullglob
exec </dev/null

candidates() {
  local minor name
  for minor in 20 19 18 17 16 15 14 13 12; do
    for name in $(type -ap "python3.$minor" || true); do printf '%s\n' "$name"; done
  done
  printf '%s\n' \
    "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.1[2-9]*/bin/python \
    "${UV_PYTHON_INSTALL_DIR:-${XDG_DATA_HOME:-$HOME/.local/share}/uv/python}"/cpython-3.1[2-9]*/bin/python3
}

# Some names are shims that do not start, some builds are previews or run without the GIL: ask each one.
ask='
import sys, sysconfig
final = sys.version_info.releaselevel == "final" and sys.implementation.name == "cpython"
if final and not sysconfig.get_config_var("Py_GIL_DISABLED"):
    import ensurepip, venv
    print(sys.version_info.minor, sys.version_info.micro, sys.executable)
'
own=$("$1" -c 'import sys; print(sys.version_info.minor)')
candidates | while read -r python; do
  "$python" -c "$ask" 2>/dev/null || true
done | sort -u -k1,1nr -k2,2nr | awk -v own="$own" '$1 > own { sub(/^[0-9]+ [0-9]+ /, ""); print; exit }'
