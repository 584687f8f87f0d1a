#!/usr/bin/env bash
# Brings what the demo needs and the machine lacks: a C compiler, OpenSSL's headers, PostgreSQL's server.
set -euo pipefail
missing=()
command -v cc >/dev/null 2>&1 || missing+=(build-essential)
command -v pkg-config >/dev/null 2>&1 || missing+=(pkg-config)
[ -e /usr/include/openssl/ssl.h ] || missing+=(libssl-dev)
ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || command -v initdb >/dev/null 2>&1 || missing+=(postgresql)
command -v cargo >/dev/null 2>&1 || { echo "error: a Rust toolchain is needed
hint: https://rustup.rs" >&2; exit 1; }
[ "${#missing[@]}" -eq 0 ] && exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    echo "== installing ${missing[*]}"
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
else
    echo "error: these are needed: ${missing[*]}
hint: sudo apt-get install ${missing[*]}" >&2
    exit 1
fi
