#!/bin/sh
# Prints the folder of a Python environment with programs and packages nobody here wrote, which judge what we make:
# compliance-trestle (OSCAL) and cryptography (signatures). Made under target/ at the first call.
set -eu
cd "$(dirname "$0")/.."
home="$PWD/target/judges"
as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }
if [ ! -e "$home/complete" ]; then
    {
        # Debian keeps what makes environments in a package of its own.
        python3 -c 'import ensurepip' 2>/dev/null || as_root apt-get install -y -qq --no-install-recommends python3-venv
        python3 -m venv "$home"
        "$home/bin/pip" install --quiet --disable-pip-version-check 'compliance-trestle>=5.2,<6' 'cryptography>=45'
        touch "$home/complete"
    } >&2
fi
echo "$home/bin"
