#!/usr/bin/env bash
# Runs all tests, against a real Apache Kafka and a real PostgreSQL that it starts and stops itself.
#
# Given services are used instead: DRIFTD_TEST_KAFKA (host:port) and DRIFTD_TEST_DATABASE_URL (a database whose
# user may create databases). KAFKA_HOME names an unpacked Kafka; otherwise its jars are brought by Maven.
# Missing Debian packages are installed when this runs as root.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf '== %s\n' "$*"; }
fail() { printf 'error: %s\n' "$*" >&2; exit 1; }

missing=()
need() { command -v "$1" >/dev/null 2>&1 || missing+=("$2"); }
need cc build-essential
need pkg-config pkg-config
need openssl openssl
need systemd-analyze systemd
need prometheus-alertmanager prometheus-alertmanager
need promtool prometheus
command -v "${CHROMIUM:-chromium}" >/dev/null 2>&1 || missing+=(chromium)
need python3 python3
python3 -c 'import ensurepip' 2>/dev/null || missing+=(python3-venv)
[ -e /usr/include/openssl/ssl.h ] || missing+=(libssl-dev)
/usr/bin/python3 -c 'import aiosmtpd' 2>/dev/null || missing+=(python3-aiosmtpd)
[ -n "${DRIFTD_TEST_DATABASE_URL:-}" ] || ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || command -v initdb >/dev/null 2>&1 || missing+=(postgresql)
if [ -z "${DRIFTD_TEST_KAFKA:-}" ]; then
    need java openjdk-17-jre-headless
    [ -n "${KAFKA_HOME:-}" ] || need mvn maven
fi
if [ "${#missing[@]}" -gt 0 ]; then
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
        say "installing ${missing[*]}"
        apt-get update -qq
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
    else
        fail "these are needed: ${missing[*]}
hint: sudo apt-get install ${missing[*]}"
    fi
fi
command -v cargo >/dev/null 2>&1 || fail "a Rust toolchain is needed
hint: https://rustup.rs"

# What the API and the pages are held against, and what makes inputs: Python packages and axe-core. In a folder of their own.
python="${XDG_CACHE_HOME:-$HOME/.cache}/driftd-tests/python-$(sha256sum tests/services/requirements.txt | cut -c1-12)"
if [ ! -e "$python/complete" ]; then
    say "bringing Python packages and axe-core into $python"
    rm -rf "$python"
    python3 -m venv "$python"
    "$python/bin/pip" install -q --disable-pip-version-check -r tests/services/requirements.txt
    # Only the script in it is wanted, not the browsers it drives.
    "$python/bin/pip" install -q --disable-pip-version-check --no-deps axe-playwright-python==0.1.8
    touch "$python/complete"
fi
export DRIFTD_TEST_PYTHON="$python/bin"
DRIFTD_TEST_AXE=$(ls "$python"/lib/python3*/site-packages/axe_playwright_python/axe.min.js)
export DRIFTD_TEST_AXE

say "building"
cargo test --locked --no-run

work=$(mktemp -d -t driftd-tests-XXXXXX)
chmod 755 "$work"
pids=()
stop() {
    for pid in "${pids[@]:-}"; do [ -n "$pid" ] && kill "$pid" 2>/dev/null || true; done
    for pid in "${pids[@]:-}"; do [ -n "$pid" ] && wait "$pid" 2>/dev/null || true; done
    rm -rf "$work"
}
trap stop EXIT

wait_for() { # what, seconds, log, command...
    local what=$1 seconds=$2 log=$3
    shift 3
    for _ in $(seq $((seconds * 5))); do
        if "$@" >/dev/null 2>&1; then return 0; fi
        sleep 0.2
    done
    tail -n 40 "$log" >&2 || true
    fail "$what did not start within $seconds s"
}
free_port() { /usr/bin/python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

if [ -z "${DRIFTD_TEST_DATABASE_URL:-}" ]; then
    bin=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -n 1)
    [ -n "$bin" ] || bin=$(dirname "$(command -v initdb)")
    as=()
    if [ "$(id -u)" = 0 ]; then
        user=postgres
        id "$user" >/dev/null 2>&1 || user=nobody
        as=(setpriv "--reuid=$user" "--regid=$(id -gn "$user")" --clear-groups)
        mkdir "$work/postgres"
        chown "$user" "$work/postgres"
    else
        mkdir "$work/postgres"
    fi
    "${as[@]}" "$bin/initdb" --pgdata="$work/postgres/data" --username=driftd --auth=trust --encoding=UTF8 --no-locale >/dev/null
    # fsync stays on: what is tested is what is promised.
    "${as[@]}" "$bin/postgres" -D "$work/postgres/data" -k "$work/postgres" -c listen_addresses= -c max_connections=200 \
        >"$work/postgres.log" 2>&1 &
    pids+=($!)
    wait_for PostgreSQL 30 "$work/postgres.log" test -S "$work/postgres/.s.PGSQL.5432"
    export DRIFTD_TEST_DATABASE_URL="postgres://driftd@${work//\//%2F}%2Fpostgres/postgres"
    say "PostgreSQL $("$bin/postgres" --version | awk '{print $3}') is running"
fi

if [ -z "${DRIFTD_TEST_KAFKA:-}" ]; then
    if [ -n "${KAFKA_HOME:-}" ]; then
        classes="$KAFKA_HOME/libs/*"
    else
        cache="${XDG_CACHE_HOME:-$HOME/.cache}/driftd-tests/kafka-$(sha256sum tests/services/pom.xml | cut -c1-12)"
        if [ ! -e "$cache/complete" ]; then
            say "bringing Apache Kafka's jars into $cache"
            mkdir -p "$cache"
            mvn -q -B -f tests/services/pom.xml org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies \
                -DincludeScope=runtime "-DoutputDirectory=$cache"
            touch "$cache/complete"
        fi
        classes="$cache/*"
    fi
    port=$(free_port)
    controller=$(free_port)
    cat >"$work/kafka.properties" <<PROPERTIES
process.roles=broker,controller
node.id=1
listeners=PLAINTEXT://127.0.0.1:$port,CONTROLLER://127.0.0.1:$controller
advertised.listeners=PLAINTEXT://127.0.0.1:$port
controller.listener.names=CONTROLLER
controller.quorum.bootstrap.servers=127.0.0.1:$controller
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
log.dirs=$work/kafka-logs
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
auto.create.topics.enable=false
log.retention.check.interval.ms=1000
PROPERTIES
    # Not with a dash in front, which would be taken for an option.
    id=A$(head -c 16 /dev/urandom | base64 | tr '+/' '-_' | tr -d '=' | cut -c2-)
    java -cp "$classes" kafka.tools.StorageTool format -t "$id" -c "$work/kafka.properties" --standalone >"$work/kafka.log" 2>&1 \
        || { cat "$work/kafka.log" >&2; fail "Kafka's storage could not be formatted"; }
    java -Xmx512m -cp "$classes" kafka.Kafka "$work/kafka.properties" >>"$work/kafka.log" 2>&1 &
    pids+=($!)
    wait_for Kafka 60 "$work/kafka.log" bash -c "exec 3<>/dev/tcp/127.0.0.1/$port"
    export DRIFTD_TEST_KAFKA="127.0.0.1:$port"
    # For tests that start a broker of their own.
    export DRIFTD_TEST_KAFKA_CLASSES="$classes"
    say "Apache Kafka is running"
fi

say "running the tests"
cargo test --locked "$@"
