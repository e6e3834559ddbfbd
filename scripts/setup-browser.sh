#!/bin/sh
# Installs the browser that the report's browser test needs (Debian and relatives). Does nothing when
# one is there. CHROMIUM=/path/to/browser points the test to another one.
set -eu

find_browser() {
    for name in "${CHROMIUM:-}" chromium chromium-browser google-chrome; do
        if [ -n "$name" ] && command -v "$name"; then
            return 0
        fi
    done
    return 1
}

if path=$(find_browser); then
    echo "browser: $path"
    exit 0
fi
if ! command -v apt-get >/dev/null 2>&1; then
    echo "no browser, and no apt-get to install one: install Chromium, or set CHROMIUM to one" >&2
    exit 1
fi
as_root=""
if [ "$(id -u)" -ne 0 ]; then
    as_root="sudo"
fi
export DEBIAN_FRONTEND=noninteractive
$as_root apt-get update -qq
$as_root apt-get install -y -qq --no-install-recommends chromium
if ! path=$(find_browser); then
    echo "chromium was installed and cannot be found on the PATH" >&2
    exit 1
fi
echo "browser: $path"
