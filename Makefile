.PHONY: demo test nemesis lint bench study fuzz deny help

help: ## Show this help
	@grep -E '^[a-z]+:.*##' Makefile | sed 's/:.*## /\t/' | expand -t 12

demo: ## Demo with real data (installs the PostgreSQL server with apt if missing)
	@tests/services/demo-needs.sh
	cargo run --locked --quiet -- demo $(ARGS)

test: ## Run all tests against a real Kafka and a real PostgreSQL, started by the tests
	tests/run.sh

nemesis: ## An hour of kills, cuts, silence and outages, checking every guarantee (docs/reliability.md); DRIFTD_NEMESIS_SECONDS for less
	tests/run.sh --test it nemesis::hours -- --ignored --nocapture

lint: ## Formatting, lints and documentation
	cargo fmt --check
	cargo clippy --locked --all-targets -- -D warnings
	cargo check --locked --manifest-path fuzz/Cargo.toml --target-dir target
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --no-deps

bench: ## Decode, count and merge, per record and per value; judge windows by natural variation
	cargo bench --locked --bench counting --bench judging

study: ## What alarms mean: false alarms and power, simulated and on real series (docs/calibration.md); FULL=1 for the size shown there
	cargo bench --locked --bench calibration -- $(if $(FULL),full) $(PARTS)

# Seconds for each target, and which targets.
SECONDS ?= 60
TARGETS ?= message table stored configuration template words request

fuzz: ## Run each fuzz target for a minute (SECONDS=600, TARGETS="table stored")
	@fuzz/run.sh $(SECONDS) $(TARGETS)

deny: ## Advisories, licences, sources and duplicates of dependencies
	@tests/services/deny.sh
