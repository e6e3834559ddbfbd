#!/usr/bin/env bash
# Prepares a machine for .ci/run. Idempotent; adds what it can and says what it lacks.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

if ! command -v cargo >/dev/null; then
  echo "cargo is missing; install Rust from https://rustup.rs (version: rust-version in Cargo.toml, or later)" >&2
  exit 1
fi
for tool in cargo-fmt cargo-clippy; do
  if ! command -v "$tool" >/dev/null; then
    if ! command -v rustup >/dev/null; then
      echo "$tool is missing and there is no rustup to add it; install it with your Rust" >&2
      exit 1
    fi
    rustup component add rustfmt clippy
    break
  fi
done

# Compilers for zstd and libFuzzer; Python for the sample data; diff for the comparisons; Node.js for the
# evaluator of AWS decisions that ours is compared with.
missing() {
  for tool in cc c++ python3 diff node npm; do
    command -v "$tool" >/dev/null || echo "$tool"
  done
}
if [[ -n $(missing) ]] && command -v apt-get >/dev/null; then
  as_root=()
  [[ $(id -u) -eq 0 ]] || as_root=(sudo)
  export DEBIAN_FRONTEND=noninteractive
  "${as_root[@]}" apt-get update -qq
  "${as_root[@]}" apt-get install -y -qq --no-install-recommends gcc g++ libc6-dev python3 diffutils nodejs npm
fi
if [[ -n $(missing) ]]; then
  echo "missing: $(missing | tr '\n' ' ')" >&2
  exit 1
fi
cargo --version

# The browser in which the tests open the HTML report.
bash scripts/setup-browser.sh
