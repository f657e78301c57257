# The front door. `make lab` and `make test` do everything on a fresh Debian 12 machine, as root or
# with sudo; both are quick the second time. The build itself is CMake's: see CMakePresets.json.

MAKEFLAGS += --no-print-directory
JOBS := $(shell nproc)
LAB ?= ping-receive
FUZZ_SECONDS ?= 600

# The compiler's cache serves every clone on the machine, wherever it lies.
export CCACHE_BASEDIR := $(CURDIR)
export CCACHE_NOHASHDIR := 1

.PHONY: help lab test test-all bench bench-judge bench-clock bench-tracer setup programs build build-asan build-fuzz fuzz check-format tidy clean

help:
	@echo "make lab           set up, build, boot a guest, trace a ping, judge its path (LAB=$(LAB))"
	@echo "make test          set up, build, run all tests"
	@echo "make test-all      the same, and every lab on every kernel (about an hour)"
	@echo "make fuzz          each fuzzer for FUZZ_SECONDS=$(FUZZ_SECONDS) (tests/hostile/README.md)"
	@echo "make bench         set up, build, measure the NIC against its peers (BENCH=part of a name)"
	@echo "make bench-judge   check and diff of recordings of up to 1,000,000 calls"
	@echo "make bench-clock   boots by the lab clock, compared (CLOCK_BOOTS=$(CLOCK_BOOTS))"
	@echo "make bench-tracer  set up, build, measure the collector against pwru, bpftrace, trace-cmd"
	@echo "make setup         install what is missing from Debian 12 and its backports"
	@echo "make build         build build/bin/{skbtrail,skbtrail-nic,skbtrail-collect}"
	@echo "make check-format  does clang-format agree with every file?"
	@echo "make tidy          each C++ file compiled alone, and clang-tidy over all of them"
	@echo "make clean         remove build/"

lab: programs
	@build/bin/skbtrail run $(LAB)

# One ctest runs all: the unit tests and, briefly, the fuzzers, under the sanitizers, and the tests
# that boot guests, with the programs as built for use. Its closing line is the verdict.
test: build build-asan
	@ctest --test-dir build --output-on-failure --parallel $(JOBS) --no-tests=error

# Which labs `make test` runs, and why those: tests/guest/shipped_labs_test.cpp.
test-all: test
	@build/bin/skbtrail_test_guests '[.all]'

# Everything takes the better part of an hour, and wants the machine for itself. The names that
# BENCH can choose from: build/bin/skbtrail-bench --list. The results stay in build/bench.
bench: build
	@.ci/setup --bench
	@mkdir -p build/bench
	@build/bin/skbtrail-bench --json build/bench/results.json --results build/bench $(BENCH)

# check and diff as recordings grow: a table, and build/bench/judge.tsv and .svg.
bench-judge: build
	@build/bin/skbtrail-bench-judge build/bench

# Ten boots of three labs by the lab clock, compared: a table (docs/clock.md).
CLOCK_BOOTS ?= 10
CLOCK_LABS ?= ping-receive udp tcp-tour
bench-clock: build
	@SKBTRAIL_CLOCK_BOOTS=$(CLOCK_BOOTS) SKBTRAIL_CLOCK_LABS="$(CLOCK_LABS)" \
	    build/bin/skbtrail_test_guests "boots by the lab clock*"

bench-tracer:
	@$(MAKE) bench BENCH=tracer

setup:
	@.ci/setup

# What a lab needs, without the tests and the benchmarks: half of the compiling.
programs: setup
	@cmake --preset release >build.log 2>&1 || { cat build.log; rm -f build.log; exit 1; }; rm -f build.log
	@cmake --build --preset release --parallel $(JOBS) --target skbtrail skbtrail-nic skbtrail-init skbtrail-collect

build: programs
	@cmake --build --preset release --parallel $(JOBS)

build-asan: setup build
	@cmake --preset asan >build.log 2>&1 || { cat build.log; rm -f build.log; exit 1; }; rm -f build.log
	@cmake --build --preset asan --parallel $(JOBS) --target unit-tests fuzzers

build-fuzz: setup build
	@cmake --preset fuzz >build-fuzz.log 2>&1 || { cat build-fuzz.log; rm -f build-fuzz.log; exit 1; }; rm -f build-fuzz.log
	@cmake --build --preset fuzz --parallel $(JOBS) --target fuzzers

fuzz: build-fuzz
	@for fuzzer in $(notdir $(wildcard tests/hostile/corpus/*)); do \
	    build/fuzz/bin/fuzz_$$fuzzer -max_total_time=$(FUZZ_SECONDS) -timeout=10 \
	        -print_final_stats=1 -artifact_prefix=build/fuzz/findings/$$fuzzer- \
	        build/fuzz/corpus/$$fuzzer tests/hostile/corpus/$$fuzzer || exit 1; \
	done

check-format:
	@git ls-files '*.h' '*.cpp' '*.c' | xargs clang-format-19 --dry-run --Werror

# Each file alone, as the other builds do not compile them: does it include what it needs?
tidy: setup
	@cmake --preset dev >build.log 2>&1 || { cat build.log; rm -f build.log; exit 1; }; rm -f build.log
	@cmake --build --preset dev --parallel $(JOBS)
	@git ls-files 'device/*.cpp' 'guest/*.cpp' 'tracer/*.cpp' 'labs/*.cpp' | \
	    xargs -n 4 -P $(JOBS) clang-tidy-19 -p build/dev --quiet

clean:
	rm -rf build
