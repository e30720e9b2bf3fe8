# Everything here is quiet, incremental, and does the set-up it needs itself. `make help` lists the targets.
.DEFAULT_GOAL := all
MAKEFLAGS += --no-print-directory
SHELL := /bin/bash

PREFIX ?= /usr/local
JOBS ?= $(shell nproc)
# Most tests wait for something most of the time.
TEST_JOBS ?= $(shell expr $(JOBS) + 3)
FUZZ_SECONDS ?= 20
FUZZ_SEED ?= 0
DRILL_SECONDS ?= 1800
# The tests start brokers, registries and bridges by the dozen; one that a starved machine failed is tried once more, and
# the log says so. What is broken fails twice. What a sanitizer finds counts the first time: a race that shows once is there.
CTEST_FLAGS ?= --repeat until-pass:2

FINDING := (WARNING|ERROR|SUMMARY): (Thread|Address|Leak|UndefinedBehavior)Sanitizer|runtime error:

build_with = cmake --build --preset $(1) -j $(JOBS) $(if $(2),--target $(2)) -- --quiet

.PHONY: all build setup demo test cache-tests install bench fuzz lint format asan tsan image compose-test drill drill-kills drill-bare clean help

all: build ## the program (the default)

build: build/release/build.ninja ## build/release/bin/propeller-proxy
	@$(call build_with,release,propeller-proxy)

setup: ## install what is missing from Debian's packages
	@tools/setup.sh build test

demo: build ## a WASM module travels from a registry through a broker to a device
	@tools/setup.sh test
	@python3 tools/demo/demo.py build/release/bin/propeller-proxy

test: build/release/build.ninja ## all tests
	@tools/setup.sh test
	@$(call build_with,release)
	@ctest --preset release -j $(TEST_JOBS) $(CTEST_FLAGS)

cache-tests: build ## the public tests for HTTP caches, and their table in docs/caching.md
	@tools/setup.sh test
	@tests/cache_suite/install.sh build/release/cache_suite
	@node tests/cache_suite/run.mjs --binary build/release/bin/propeller-proxy --packages build/release/cache_suite \
	  --expected tests/cache_suite/expected.json --table docs/caching.md --write-table

install: build ## into PREFIX (/usr/local), below DESTDIR
	@DESTDIR="$(DESTDIR)" cmake --install build/release --prefix "$(PREFIX)"

bench: build/bench/build.ninja build ## speed and memory, next to the raw broker and to other caches
	@tools/setup.sh test bench
	@$(call build_with,bench)
	@bench/run $(BENCH_FLAGS)

fuzz: build/asan/build.ninja ## replay each corpus, then fuzz it for FUZZ_SECONDS
	@$(call build_with,fuzz,fuzzers)
	@tools/fuzz.sh build/asan $(FUZZ_SECONDS) $(JOBS) $(FUZZ_SEED)

lint: build/release/build.ninja ## format, layers, house rules, clang-tidy
	@tools/lint.sh build/release

format: ## put every C++ file into shape
	@tools/setup.sh build
	@git ls-files '*.cpp' '*.hpp' | xargs clang-format-19 -i

asan tsan: %: build/%/build.ninja ## the tests under AddressSanitizer and UBSan, or ThreadSanitizer
	@tools/setup.sh test
	@$(call build_with,$@)
	@ctest --preset $@ -j $(TEST_JOBS) $(CTEST_FLAGS)
	@! grep -nE '$(FINDING)' build/$@/Testing/Temporary/LastTest.log

image: ## container image propeller-proxy:local, all from source
	@tools/containers.sh image

compose-test: build ## docker-compose.yml for real: registry, broker, bridge and device in containers
	@tools/containers.sh compose-test build/release/bin/propeller-proxy

drill: build ## long: transfers while broker and registry break, memory and files watched; the image from source, a short bench
	@tools/setup.sh test
	@python3 tools/drill.py build/release/bin/propeller-proxy --seconds $(DRILL_SECONDS)
	@[ -n "$$CI" ] || $(MAKE) drill-kills
	@[ -n "$$CI" ] || $(MAKE) fuzz FUZZ_SECONDS=120
	@[ -n "$$CI" ] || $(MAKE) image
	@# Whether it runs, not how fast: with CI set a missed bar is no failure.
	@[ -n "$$CI" ] || CI=true $(MAKE) bench BENCH_FLAGS=--quick

drill-kills: build/release/build.ninja ## kill -9 under load, 200 times the store and 200 times the proxy
	@$(call build_with,release,store_test cmd_test)
	@PROPELLER_KILLS=200 build/release/bin/store_test --gtest_brief --gtest_filter='StoreCrash*'
	@PROPELLER_KILLS=200 build/release/bin/cmd_test --gtest_brief --gtest_filter='ForwardKilled*'

drill-bare: ## make test and make demo on a bare Debian 12 made with debootstrap
	@tools/bare_debian.sh

clean: ## remove build/
	@rm -rf build

help: ## this list
	@sed -nE 's/^([a-z -]+):[^#]*## (.*)/\1\t\2/p' Makefile | sed -E 's/^asan tsan: .*\t/asan tsan\t/' | awk -F'\t' '{printf "  %-14s %s\n", $$1, $$2}'

# A changed preset needs a new configuration; everything else CMake watches itself.
build/%/build.ninja: CMakePresets.json
	@tools/setup.sh build
	@mkdir -p build && cmake --preset $* >build/$*.configure.log 2>&1 || { cat build/$*.configure.log; exit 1; }
	@touch $@
