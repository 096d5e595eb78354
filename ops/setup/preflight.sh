#!/usr/bin/env bash
# Says what this machine lacks to build Karyaksham, all at once, and how to get it. Installs nothing.
set -u
python=${PYTHON:-python3}
missing=0

lack() { missing=1; printf 'missing: %s\n         %s\n' "$1" "$2" >&2; }

at_least() { # have need
    [ "$(printf '%s\n%s\n' "$2" "$1" | sort -V | head -n 1)" = "$2" ]
}

have=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null || echo 0)
at_least "$have" 3.11 || lack "Python 3.11 or newer (found: $have)" "install python3 with its venv module, or set PYTHON=/path/to/python3"
if [ "$have" != 0 ] && ! "$python" -c 'import venv, ensurepip' 2>/dev/null; then
    lack "Python's venv module" "on Debian and Ubuntu: apt install python3-venv"
fi

have=$(cargo --version 2>/dev/null | awk '{print $2}')
at_least "${have:-0}" 1.94 || lack "Rust 1.94 or newer (found: ${have:-none})" "https://rustup.rs"
command -v cc >/dev/null || lack "a C compiler (cc)" "on Debian and Ubuntu: apt install build-essential"

have=$(node --version 2>/dev/null | tr -d v)
at_least "${have:-0}" 20.19 || lack "Node.js 20.19 or newer (found: ${have:-none})" "https://nodejs.org, or your distribution's package"
command -v npm >/dev/null || lack "npm" "it comes with Node.js"

exit $missing
