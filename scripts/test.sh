#!/usr/bin/env bash
# Everything that must hold: format, lints, tests on both engines, every app's page proven, every probe able to fail.
#
#   scripts/test.sh            all of it (what CI runs)
#   scripts/test.sh --fast     format, lints and tests only
#   scripts/test.sh --release  all of it, and the same look at the optimised binary
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

step "OSCAL documents whose references all resolve, and which compliance-trestle reads"
oscal=$(mktemp -d)
judges=$(.ci/judges.sh)
target/debug/vouchsafe oscal apps/estokad --out "$oscal" >/dev/null
python3 scripts/oscal.py "$oscal" --trestle "$judges/trestle"

step "pages and journeys in a browser"
VOUCHSAFE_CHROMIUM=$(.ci/chromium.sh)
export VOUCHSAFE_CHROMIUM
npm ci --silent --prefix tests/browser
(cd tests/browser && node --test --test-concurrency=1 --test-reporter=dot)

step "a binary built without the feature has no sabotage"
absent() {
    if grep -qa VOUCHSAFE_SABOTAGE "$1"; then
        echo "$1 can be sabotaged" >&2
        exit 1
    fi
    echo "absent from $1"
}
absent target/debug/vouchsafe
if [ "${1:-}" = --release ]; then
    cargo build --quiet --release --bin vouchsafe
    absent target/release/vouchsafe
fi

# The same folder, so that the 600 crates we use are not built again; the binary is put aside and the usual one back.
step "every probe turns red with its control off"
mkdir -p target/sabotage/debug
cargo build --quiet --bin vouchsafe --features sabotage
cp target/debug/vouchsafe target/sabotage/debug/vouchsafe
cargo build --quiet --bin vouchsafe
python3 scripts/sabotage.py

step "a broken promise cannot be hidden"
"$judges/python" scripts/unhidden.py

step "and nothing else does: a tenth of the matrix"
python3 scripts/sabotage.py --matrix --tenth today
