# Weir: the commands of every day. `make test` is what CI runs; `make check` is its first half.

NEXTEST_VERSION = 0.9.151
DENY_VERSION    = 0.20.2

# The tests need the failpoints; building everything with them avoids compiling the crate twice.
FEATURES = --features failpoints
# `make run PROFILE=release` for a fast server; the default is the one that is built soonest.
PROFILE ?= dev

PAGE = web/app/dist/index.html
PAGE_SOURCES := $(wildcard $(shell git ls-files -co --exclude-standard web/app web/client/src 2>/dev/null \
	|| find web/app/src web/client/src -type f))

.DELETE_ON_ERROR:
.PHONY: run test check fmt lint floors deny openapi client web page e2e docs-images bench torture nextest-installed deny-installed

run:
	@if command -v npm >/dev/null; then $(MAKE) --no-print-directory $(PAGE); \
		else echo "run: no Node, so no page; the API is complete without it"; fi
	cargo run --profile $(PROFILE) -- serve

test: $(PAGE) check nextest-installed mcp-packages
	cargo nextest run $(FEATURES)
	$(MAKE) client page e2e
	@echo "make test: fmt, clippy, floors, deny, openapi and the tests above passed"

# The MCP servers that tests/mcp talks to, and the suite that judges the client.
.PHONY: mcp-packages
mcp-packages:
	cd tests/mcp/node && npm ci --no-audit --no-fund --loglevel=error

# The TypeScript package: its types from openapi.json, its fold against tests/vectors, all of it against the server.
client:
	cargo build -q $(FEATURES)
	cd web/client && npm ci --no-audit --no-fund --loglevel=error \
		&& WEIR_BIN="$(abspath $(or $(CARGO_TARGET_DIR),target))/debug/weir" npm test --loglevel=error

# The page, in web/app/dist: a release embeds it, a debug build reads it from there.
web: $(PAGE)

$(PAGE): $(PAGE_SOURCES)
	cd web/app && npm ci --no-audit --no-fund --loglevel=error && npm run build --loglevel=error
	@touch $@

# What the page decides by itself; how it behaves in a browser is tried in web/e2e.
page: $(PAGE)
	cd web/client && npm ci --no-audit --no-fund --loglevel=error
	cd web/app && npm test --loglevel=error

# The page and the examples in a real browser; Debian's Chromium is installed where there is none.
e2e: $(PAGE) client-built
	cargo build -q $(FEATURES)
	@test -x "$${CHROMIUM_BIN:-/usr/bin/chromium}" \
		|| { apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium >/dev/null; }
	cd web/e2e && npm ci --no-audit --no-fund --loglevel=error \
		&& WEIR_BIN="$(abspath $(or $(CARGO_TARGET_DIR),target))/debug/weir" npm test --loglevel=error

# The pictures in docs/, taken of the page as it is.
docs-images: $(PAGE)
	cargo build -q $(FEATURES)
	cd web/e2e && npm ci --no-audit --no-fund --loglevel=error && npm run build --loglevel=error \
		&& WEIR_BIN="$(abspath $(or $(CARGO_TARGET_DIR),target))/debug/weir" node dist/docs-images.js

.PHONY: client-built
client-built:
	cd web/client && npm ci --no-audit --no-fund --loglevel=error && npm run build --loglevel=error

check: fmt-check lint floors deny openapi

fmt:
	cargo fmt --all

.PHONY: fmt-check
fmt-check:
	cargo fmt --all --check

lint:
	cargo clippy --all-targets --all-features -- -D warnings

# Imports point down a floor, and only `runtime` and `server` spawn.
floors:
	cargo test -q $(FEATURES) --test floors

# The advisories need a database from the network; the rest is answered from Cargo.lock.
deny: deny-installed
	cargo deny --log-level error check licenses bans sources
	@if timeout 120 cargo deny --log-level off fetch db >/dev/null 2>&1; then \
		cargo deny --log-level error check advisories; \
	else \
		echo "deny: the advisory database cannot be fetched here; ADVISORIES WERE NOT CHECKED"; \
	fi

# The document in the repository is the one that the code generates. To update it: make openapi.json
openapi:
	@if [ -f openapi.json ]; then \
		cargo run -q $(FEATURES) -- openapi | diff -u openapi.json - \
			&& echo "openapi: openapi.json is up to date" \
			|| { echo "openapi: out of date; run make openapi.json"; exit 1; }; \
	else \
		echo "openapi: there is no openapi.json yet; NOT CHECKED"; \
	fi

.PHONY: openapi.json
openapi.json:
	cargo run -q $(FEATURES) -- openapi > $@

# What it costs, beside the goals and raw baselines; ONLY=cpu,tools runs parts of it, as benches/weir/parts.rs lists them.
bench:
	ONLY="$(ONLY)" cargo bench --bench weir

# The full counts of the crash and race tests; WEIR_SEED=<seed> repeats a run, FILTER=<expression> picks tests.
torture: nextest-installed
	WEIR_TORTURE=1 cargo nextest run --release $(FEATURES) --profile torture --no-capture $(if $(FILTER),-E '$(FILTER)')

# Unoptimised builds of the tools: they compile in half the time, and run for a second.
nextest-installed:
	@cargo nextest --version >/dev/null 2>&1 || cargo install cargo-nextest --version $(NEXTEST_VERSION) \
		--locked --debug --no-default-features --features default-no-update

deny-installed:
	@cargo deny --version >/dev/null 2>&1 || cargo install cargo-deny --version $(DENY_VERSION) --locked --debug
