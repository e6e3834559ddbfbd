#!/usr/bin/env bash
# Puts random decisions to another evaluator of AWS policies and compares the verdicts: 60,000, or the
# first so many of them. The cases are the same everywhere.
#
#   scripts/differential/run.sh [COUNT]
#
# Needs node >= 18, npm and a network for the first run. The other evaluator is installed into a cache
# folder outside the repository (OVERSTAY_PEER_DIR), is used by this script only, and is never shipped.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
package="@cloud-copilot/iam-simulate"
version="0.1.173"
cache="${OVERSTAY_PEER_DIR:-$HOME/.cache/overstay/peers}"
for tool in node npm; do
  command -v "$tool" >/dev/null || { echo "\`$tool\` is missing" >&2; exit 2; }
done
installed="$cache/node_modules/$package/package.json"
if [[ ! -f $installed ]] || ! grep -q "\"version\": \"$version\"" "$installed"; then
  mkdir -p "$cache"
  npm install --prefix "$cache" --no-audit --no-fund --no-save --ignore-scripts "$package@$version"
fi
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
OVERSTAY_DECISION_CASES="$work/cases.ndjson" OVERSTAY_DECISION_COUNT="${1:-60000}" cargo test --release --locked \
  --manifest-path tests/decisions/Cargo.toml cases_for_other_evaluators
node scripts/differential/compare.mjs "$cache/node_modules/$package" "$work/cases.ndjson"
