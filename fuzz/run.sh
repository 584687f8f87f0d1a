#!/bin/sh
# Runs fuzz targets, each for some seconds: fuzz/run.sh SECONDS TARGET...
#
# Finds are kept in fuzz/artifacts and printed with how to run them again. What is new in the corpus stays outside of the
# repository, in fuzz/target/corpus, and is used by the next run.
set -u
cd "$(dirname "$0")/.." || exit 1
seconds=$1
shift

if ! rustup run nightly cargo --version > /dev/null 2>&1; then
    echo "error: fuzzing needs the nightly compiler, for its sanitizers" >&2
    echo "hint: rustup toolchain install nightly --profile minimal" >&2
    exit 1
fi
if ! rustup run nightly cargo fuzz --version > /dev/null 2>&1; then
    echo "error: cargo-fuzz is not installed" >&2
    echo "hint: cargo install cargo-fuzz --locked" >&2
    exit 1
fi

# C in Rust crates is compiled with the sanitizer; librdkafka is configured by itself, and has to be linked with both.
export CFLAGS="${CFLAGS:-} -fsanitize=address" LDFLAGS="${LDFLAGS:-} -fsanitize=address"

rustup run nightly cargo fuzz build || exit 1
failed=""
for target in "$@"; do
    echo "== $target, $seconds s"
    mkdir -p "fuzz/target/corpus/$target" "fuzz/corpus/$target"
    dictionary=""
    [ -f "fuzz/dictionaries/$target.txt" ] && dictionary="-dict=fuzz/dictionaries/$target.txt"
    # Memory as on a small machine: an input that takes more is a find.
    rustup run nightly cargo fuzz run "$target" "fuzz/target/corpus/$target" "fuzz/corpus/$target" -- \
        -max_total_time="$seconds" -rss_limit_mb=2048 -malloc_limit_mb=1200 -timeout=20 -max_len=65536 \
        -print_final_stats=1 $dictionary || failed="$failed $target"
done
if [ -n "$failed" ]; then
    echo "error: found something in:$failed; the inputs are in fuzz/artifacts" >&2
    exit 1
fi
