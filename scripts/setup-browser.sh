#!/bin/sh
# Installs the browser that the report's browser test needs (Debian, Ubuntu). Does nothing when one
# is there. CHROMIUM=/path/to/browser points the test to another one.
set -eu

for name in "${CHROMIUM:-}" chromium chromium-browser google-chrome; do
    if [ -n "$name" ] && command -v "$name" >/dev/null 2>&1; then
        echo "browser: $(command -v "$name")"
        exit 0
    fi
done

as_root=""
if [ "$(id -u)" -ne 0 ]; then
    as_root="sudo"
fi
export DEBIAN_FRONTEND=noninteractive
$as_root apt-get update -qq
$as_root apt-get install -y -qq --no-install-recommends chromium
echo "browser: $(command -v chromium)"
