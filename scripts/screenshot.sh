#!/bin/sh
# Takes docs/images/report.png: the head of a report.html.
#   scripts/screenshot.sh out/report.html [docs/images/report.png]
set -eu

report=$(realpath "$1")
image=${2:-docs/images/report.png}
for browser in "${CHROMIUM:-}" chromium chromium-browser google-chrome; do
    if [ -n "$browser" ] && command -v "$browser" >/dev/null; then
        profile=$(mktemp -d)
        trap 'rm -rf "$profile"' EXIT
        "$browser" --headless --no-sandbox --disable-gpu --hide-scrollbars --user-data-dir="$profile" \
            --window-size=1280,1000 --screenshot="$image" "file://$report"
        exit 0
    fi
done
echo "no browser found; run scripts/setup-browser.sh, or set CHROMIUM to one" >&2
exit 1
