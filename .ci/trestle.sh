#!/bin/sh
# Prints the path of `trestle` (PyPI's compliance-trestle), which judges our OSCAL documents; installs it into target/ if there is none.
set -eu
cd "$(dirname "$0")/.."
command -v trestle && exit 0
home="$PWD/target/trestle"
if [ ! -x "$home/bin/trestle" ]; then
    {
        python3 -m venv "$home"
        "$home/bin/pip" install --quiet --disable-pip-version-check 'compliance-trestle>=5.2,<6'
    } >&2
fi
echo "$home/bin/trestle"
