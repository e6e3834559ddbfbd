#!/usr/bin/env bash
# Puts 60,000 random decisions to another evaluator of AWS policies and compares the verdicts.
#
#   scripts/differential/run.sh
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
OVERSTAY_DECISION_CASES="$work/cases.ndjson" cargo test --release --locked \
  --manifest-path tests/decisions/Cargo.toml cases_for_other_evaluators
node scripts/differential/compare.mjs "$cache/node_modules/$package" "$work/cases.ndjson"
