#!/bin/sh
# A throw-away PostgreSQL for the tests: `eval "$(.ci/postgres.sh start)"`, later `.ci/postgres.sh stop`.
# It listens on a free port of the loopback only, and its files go with it. Installs PostgreSQL through apt if missing.
set -eu

state="${TMPDIR:-/tmp}/vouchsafe-postgres.$(id -u)"

binaries() {
    for folder in /usr/lib/postgresql/*/bin; do
        [ -x "$folder/initdb" ] && found="$folder"
    done
    [ -n "${found:-}" ] || { command -v initdb >/dev/null && found=$(dirname "$(command -v initdb)"); } || return 1
    echo "$found"
}

# The server refuses to run as root.
as_server() {
    if [ "$(id -u)" = 0 ]; then
        user=postgres
        id postgres >/dev/null 2>&1 || user=nobody
        runuser -u "$user" -- "$@"
    else
        "$@"
    fi
}

free_port() {
    python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

exports() {
    # shellcheck disable=SC1091
    . "$state/settings"
    cat <<END
export VOUCHSAFE_TEST_PG_OWNER='postgres://vouchsafe_owner:owner@127.0.0.1:$port/postgres'
export VOUCHSAFE_TEST_PG_URL='postgres://vouchsafe_app:app@127.0.0.1:$port/postgres'
END
}

start() {
    if [ -f "$state/settings" ]; then
        # shellcheck disable=SC1091
        . "$state/settings"
        if "$bin/pg_isready" -q -h 127.0.0.1 -p "$port"; then exports; return; fi
        rm -rf "$state"
    fi
    if ! binaries >/dev/null; then
        echo "installing PostgreSQL" >&2
        if [ "$(id -u)" = 0 ]; then sudo=""; else sudo=sudo; fi
        $sudo apt-get update -q >&2
        DEBIAN_FRONTEND=noninteractive $sudo apt-get install -q -y postgresql >&2
    fi
    bin=$(binaries)
    port=$(free_port)
    mkdir -m 755 "$state"
    mkdir -m 700 "$state/data"
    if [ "$(id -u)" = 0 ]; then
        chown "$(as_server id -u)" "$state/data"
    fi
    as_server "$bin/initdb" -D "$state/data" -U postgres --auth=trust --encoding=UTF8 --locale=C >"$state/log" 2>&1
    as_server "$bin/pg_ctl" -D "$state/data" -w -t 60 -l "$state/data/log" start \
        -o "-c listen_addresses=127.0.0.1 -c port=$port -c unix_socket_directories= -c max_connections=400" >>"$state/log" 2>&1
    "$bin/psql" -q -v ON_ERROR_STOP=1 -h 127.0.0.1 -p "$port" -U postgres -d postgres >>"$state/log" 2>&1 <<END
CREATE ROLE vouchsafe_owner LOGIN CREATEDB PASSWORD 'owner';
CREATE ROLE vouchsafe_app LOGIN PASSWORD 'app';
GRANT CREATE ON DATABASE postgres TO vouchsafe_owner;
END
    printf 'bin=%s\nport=%s\n' "$bin" "$port" >"$state/settings"
    exports
}

stop() {
    [ -d "$state" ] || return 0
    bin=$(binaries)
    as_server "$bin/pg_ctl" -D "$state/data" -m immediate stop >/dev/null 2>&1 || true
    rm -rf "$state"
}

case "${1:-}" in
    start) start ;;
    stop) stop ;;
    env) exports ;;
    *) echo "usage: $0 start|env|stop" >&2; exit 2 ;;
esac
