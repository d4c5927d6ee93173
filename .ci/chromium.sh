#!/bin/sh
# Prints the path of a Chromium for the browser tests; installs Debian's through apt if there is none.
set -eu
find_it() { command -v chromium || command -v chromium-browser || command -v google-chrome; }
find_it && exit 0
as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }
{
    as_root apt-get update -qq
    DEBIAN_FRONTEND=noninteractive as_root apt-get install -y -qq --no-install-recommends chromium fonts-dejavu-core
} >&2
find_it
