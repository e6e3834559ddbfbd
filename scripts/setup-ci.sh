#!/usr/bin/env bash
# Prepares a machine for .ci/run. Idempotent; says what it lacks.
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
for tool in python3 diff cmp; do
  command -v "$tool" >/dev/null || { echo "$tool is missing" >&2; exit 1; }
done
cargo --version

# The browser in which the HTML report is looked at.
if [[ -f scripts/setup-browser.sh ]]; then
  bash scripts/setup-browser.sh
fi
