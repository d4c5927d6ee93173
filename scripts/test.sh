#!/usr/bin/env bash
# Everything that must hold: format, lints, tests on both engines, every app's page proven, every probe able to fail.
#
#   scripts/test.sh          all of it (what CI runs)
#   scripts/test.sh --fast   format, lints and tests only
#
# Installs and starts what it needs (PostgreSQL); works when it is there already.
set -euo pipefail
cd "$(dirname "$0")/.."
step() { printf '\n== %s\n' "$*"; }

step "PostgreSQL"
eval "$(.ci/postgres.sh start)"
trap '.ci/postgres.sh stop' EXIT
export VOUCHSAFE_TEST_PG_OWNER VOUCHSAFE_TEST_PG_URL

step "format and lints"
cargo fmt --all --check
cargo clippy --workspace --all-targets --quiet -- -D warnings

step "tests"
cargo test --workspace --quiet
[ "${1:-}" = --fast ] && exit 0

step "licences, bans and sources"
if command -v cargo-deny >/dev/null; then
    cargo deny --all-features check bans licenses sources
else
    echo "NOT CHECKED HERE: cargo-deny is not installed (cargo install --locked cargo-deny)"
fi

step "every app's page, on the embedded engine"
cargo build --quiet --bin vouchsafe
for app in apps/*/; do
    target/debug/vouchsafe check "$app"
    target/debug/vouchsafe verify "$app"
done

step "one app's page, on PostgreSQL"
psql -q "$VOUCHSAFE_TEST_PG_OWNER" -c 'DROP DATABASE IF EXISTS verify_app' -c 'CREATE DATABASE verify_app'
VOUCHSAFE_DATABASE_OWNER="${VOUCHSAFE_TEST_PG_OWNER%/*}/verify_app" \
    target/debug/vouchsafe verify apps/nordkestrel --database "${VOUCHSAFE_TEST_PG_URL%/*}/verify_app"

step "every probe turns red with its control off"
cargo build --quiet --bin vouchsafe --features sabotage --target-dir target/sabotage
python3 scripts/sabotage.py

step "the release binary has no sabotage"
cargo build --quiet --release --bin vouchsafe
if grep -qa VOUCHSAFE_SABOTAGE target/release/vouchsafe; then
    echo "the release binary can be sabotaged" >&2
    exit 1
fi
echo "absent"
