# cloudhsmv2: AWS CloudHSM V2 from Lua. `make help` lists what this file makes.

# Settings, to be overridden on the command line: make CC=clang CFLAGS=-O3 LUA_VERSIONS="5.4 jit"
CFLAGS      ?= -O2 -g
PKG_CONFIG  ?= pkg-config
PREFIX      ?= /usr/local
LUA_VERSION ?= 5.4
BUILD       ?= build
DIR         ?= ../shared/conformance

# The name pkg-config has for a Lua: lua5.4 on Debian, lua-5.4 or lua54 elsewhere; nothing where it is not installed.
names = $(if $(filter jit,$1),luajit,lua$1 lua-$1 lua$(subst .,,$1))
found = $(firstword $(foreach name,$(call names,$1),$(shell $(PKG_CONFIG) --exists $(name) 2>/dev/null && echo $(name))))
lua   = $(if $(filter jit,$1),luajit,lua$1)

ifndef LUA_VERSIONS
LUA_VERSIONS := $(foreach version,5.1 5.2 5.3 5.4 jit,$(if $(call found,$(version)),$(version)))
endif

WARNINGS  := -std=c11 -Wall -Wextra -Wpedantic -Wconversion -Wsign-conversion -Wshadow -Wformat=2 -Wvla -Wcast-qual \
             -Wundef -Wstrict-prototypes
X86       := $(filter x86_64% i%86%,$(shell $(CC) -dumpmachine 2>/dev/null))
HARDENING ?= -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3 -fstack-protector-strong -fstack-clash-protection -funwind-tables \
             $(if $(X86),-fcf-protection)
COMPILE    = $(WARNINGS) $(HARDENING) $(CPPFLAGS) $(CFLAGS) -fPIC -fvisibility=hidden -MMD -MP
LINK       = $(CFLAGS) $(LDFLAGS) -Wl,-z,relro,-z,now,-z,noexecstack,-z,nodelete
LIBS      ?= -lcurl -lcrypto -lm -pthread -ldl

MODULES := $(LUA_VERSIONS:%=$(BUILD)/%/cloudhsmv2/core.so)
CORE    := $(patsubst src/core/%.c,$(BUILD)/core/%.o,$(wildcard src/core/*.c))
UNITS   := $(patsubst spec/core/%.c,$(BUILD)/unit/%,$(wildcard spec/core/*_test.c))
LOAD    := $(BUILD)/bench/load
FUZZERS := $(patsubst spec/fuzz/%.c,$(BUILD)/fuzzer/%,$(wildcard spec/fuzz/*_fuzz.c))
SCRIPTS  = $(shell find lua spec examples -name '*.lua')
C_FILES  = $(wildcard src/*/*.[ch] spec/core/*.[ch] spec/emulator/*.c spec/bench/*.c spec/fuzz/*.[ch] spec/torture/*.[ch])
STYLUA   = $(or $(shell command -v stylua 2>/dev/null),build/tools/node_modules/.bin/stylua)

# Run a sub-make on every processor, and a program of this tree from this tree.
PARALLEL = $(MAKE) --no-print-directory --silent -j$(shell nproc)
HERE     = LUA_PATH='./lua/?.lua;./lua/?/init.lua;./?.lua;;' LUA_CPATH='$(BUILD)/$1/?.so;;' $(call lua,$1)

.PHONY: all units fuzzers fuzz oom once hazards soak coverage valgrind torture test check demo doctor lint lint-c lint-lua lint-format \
        lint-library conformance bench profile bench-emulator interop behaviours model asan browser dashboard install rock doc clean help
.DELETE_ON_ERROR:

all: $(MODULES) ## build the module for every Lua that pkg-config finds

# The core knows no Lua, so it is compiled once; the binding once for each Lua.
$(BUILD)/core/%.o: src/core/%.c
	@mkdir -p $(@D)
	$(CC) $(COMPILE) -c $< -o $@

define for_each_lua
$(BUILD)/$1/binding/%.o: src/binding/%.c
	@mkdir -p $$(@D)
	$$(CC) $$(COMPILE) $$(shell $$(PKG_CONFIG) --cflags $$(call found,$1)) -c $$< -o $$@

$(BUILD)/$1/cloudhsmv2/core.so: $(CORE) $(patsubst src/binding/%.c,$(BUILD)/$1/binding/%.o,$(wildcard src/binding/*.c))
	@mkdir -p $$(@D)
	$$(CC) -shared $$(LINK) $$^ -o $$@ $$(LIBS)
endef
$(foreach version,$(LUA_VERSIONS),$(eval $(call for_each_lua,$(version))))

units: $(UNITS) $(LOAD) ## build the C unit programs

$(BUILD)/unit/%: spec/core/%.c $(CORE)
	@mkdir -p $(@D)
	$(CC) $(COMPILE) $(LINK) $< $(CORE) -o $@ $(LIBS)

$(LOAD): spec/emulator/load.c
	@mkdir -p $(@D)
	$(CC) $(COMPILE) $(LINK) $< -o $@

-include $(wildcard $(BUILD)/core/*.d $(BUILD)/*/binding/*.d $(BUILD)/unit/*.d)

test: ## install what is missing, build, and run every test on every Lua
	@spec/tools/setup test
	@$(PARALLEL) check

check: all units ## as test, without installing anything; SPEC=spec/x_spec.lua for one file, LUA_VERSIONS=5.4 for one Lua
	@spec/tools/test $(BUILD) $(LUA_VERSIONS)

demo: ## a tour of the API against an emulator on this machine, in under a minute
	@spec/tools/setup demo
	@$(PARALLEL) all LUA_VERSIONS=5.4
	@spec/tools/demo $(BUILD)

doctor: ## what is well and what is not here: versions, configuration, credentials, the way to AWS, the clock
	@spec/tools/setup build
	@$(PARALLEL) all LUA_VERSIONS=5.4
	@$(call HERE,5.4) examples/doctor.lua

lint: ## strict warnings of two compilers, luacheck, formatting, and what the built library may hold
	@spec/tools/setup lint
	@$(PARALLEL) lint-c
	@$(MAKE) --no-print-directory --silent lint-lua lint-format lint-library
	@echo "lint: no findings"

lint-c:
	$(MAKE) --no-print-directory all units CC=gcc BUILD=build/lint/gcc CFLAGS='-O2 -Werror -fanalyzer'
	$(MAKE) --no-print-directory all units CC=clang BUILD=build/lint/clang CFLAGS='-O2 -Werror'

lint-lua:
	luacheck --quiet lua spec examples src/bin

lint-format: | $(STYLUA)
	clang-format --dry-run -Werror $(C_FILES)
	$(STYLUA) --check $(SCRIPTS)

lint-library: all
	spec/tools/inspect $(BUILD) $(LUA_VERSIONS)

build/tools/node_modules/.bin/stylua:
	npm install --silent --no-audit --no-fund --prefix build/tools @johnnymorganz/stylua-bin@2.5.2

conformance: ## run the public test data of a folder: make conformance DIR=...
	@spec/tools/setup test
	@$(PARALLEL) all
	@$(call HERE,5.4) spec/conformance.lua '$(DIR)'
	@$(call HERE,jit) spec/conformance.lua '$(DIR)'

bench: ## what calls cost, beside their floor in C; PEERS=1: beside boto3 and the JS SDK, too; ROUNDS=7, ONLY=pattern
	@spec/tools/setup bench $(PEERS)
	@$(PARALLEL) all $(BUILD)/bench/floor-5.4 $(BUILD)/bench/floor-jit $(if $(PEERS),$(PEER_FILES))
	@$(PINNED) $(call HERE,5.4) spec/bench.lua $(BUILD)/bench
	@$(if $(ONLY),,$(call HERE,5.4) spec/nginx/bench.lua)

# All on one processor: a call to a server on another wakes a processor up, and costs what that takes. Not the first one, which has the
# interrupts. A CA file of the machine's own would be read instead of the system's store.
PINNED     = $(and $(filter-out 1,$(shell nproc)),$(shell command -v taskset),taskset -c 1) env -u AWS_CA_BUNDLE
PEER_FILES = build/bench/venv/bin/python build/bench/node_modules/@aws-sdk/client-cloudhsm-v2/package.json

$(BUILD)/bench/floor-%: spec/bench/floor.c
	@mkdir -p $(@D)
	$(CC) -std=gnu11 -O2 -Wall -Wextra $(shell $(PKG_CONFIG) --cflags $(call found,$*)) $< -o $@ -lcurl -lcrypto $(shell $(PKG_CONFIG) --libs $(call found,$*))

build/bench/venv/bin/python:
	python3 -m venv build/bench/venv
	build/bench/venv/bin/pip install --quiet boto3

build/bench/node_modules/@aws-sdk/client-cloudhsm-v2/package.json:
	npm install --silent --no-audit --no-fund --prefix build/bench @aws-sdk/client-cloudhsm-v2

interop: ## botocore, the AWS SDK for JavaScript and moto against this, and this against them; from PyPI and npm into build/
	@spec/tools/setup interop
	@$(PARALLEL) all LUA_VERSIONS='5.4 jit'
	@spec/interop/run $(BUILD)

bench-emulator: ## how many signed requests one emulator serves a second, and how long lists page
	@spec/tools/setup test
	@$(PARALLEL) all $(LOAD)
	@$(call HERE,5.4) spec/emulator/bench.lua $(LOAD)
	@$(call HERE,jit) spec/emulator/bench.lua $(LOAD)

model: RUNS := $(if $(filter command line,$(origin RUNS)),$(RUNS),100000)
model: ## random walks over the emulator against a much simpler model: make model RUNS=100000 SEED=
	@spec/tools/setup test
	@$(PARALLEL) all LUA_VERSIONS=jit
	@spec/tools/model $(BUILD) $(RUNS) $(SEED)

behaviours: ## gather what the emulator does, and how sure it is, in doc/emulator-behaviour.md
	@spec/tools/setup build
	@LUA_PATH='./?.lua;;' $(call lua,5.4) -e 'os.exit(require("spec.tools.behaviours").main())'

profile: ## instructions of signing, encoding and decoding, against spec/profile.txt; UPDATE=1 writes them there
	@spec/tools/setup profile
	@$(PARALLEL) all LUA_VERSIONS=5.4
	@$(call HERE,5.4) spec/profile.lua $(if $(UPDATE),update)

dashboard: ## the OpenResty example against an emulator of its own, until Ctrl-C
	@spec/tools/setup browser
	@$(PARALLEL) --silent all LUA_VERSIONS=jit
	@examples/openresty/run

browser: | build/tools/node_modules/playwright-core ## the OpenResty example in a headless Chromium; pictures go to build/screenshots
	@$(PARALLEL) --silent all LUA_VERSIONS=jit
	@spec/tools/browser

build/tools/node_modules/playwright-core:
	@spec/tools/setup browser
	PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD=1 npm install --silent --no-audit --no-fund --prefix build/tools playwright-core@1.60.0

# Lua itself was not built with the sanitizers, so their runtime is preloaded. Reports go to files, for a program that a spec
# starts may hide its messages and its exit code; each report is a failure.
SANITIZE = -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=undefined
REPORT   = $(CURDIR)/build/asan/report
asan: ## the whole test suite under AddressSanitizer, UndefinedBehaviorSanitizer and LeakSanitizer
	@spec/tools/setup test
	@$(PARALLEL) --silent all LUA_VERSIONS=jit
	@rm -f $(REPORT).*
	@status=0; \
	WITH="env LD_PRELOAD=$$($(CC) -print-file-name=libasan.so) ASAN_OPTIONS=detect_leaks=1:log_path=$(REPORT) \
	  UBSAN_OPTIONS=print_stacktrace=1:log_path=$(REPORT) \
	  LSAN_OPTIONS=suppressions=$(CURDIR)/spec/tools/lsan.supp:print_suppressions=0" \
	  $(PARALLEL) check BUILD=build/asan LUA_VERSIONS='5.4 jit' HARDENING= CFLAGS='$(SANITIZE)' \
	  || status=1; \
	if cat $(REPORT).* 2>/dev/null; then status=1; fi; \
	exit $$status

# Fuzz targets: all of the C code and one Lua, linked into one program with libFuzzer. They abort when they find something.
RUNS      ?= 1000000
FUZZED     = -O2 -g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=undefined
fuzzers: $(FUZZERS)

# Its loops over limbs say nothing to a fuzzer, and telling it of every comparison would take most of the time.
build/fuzz/core/number.o: override CFLAGS += -fno-sanitize-coverage=trace-cmp

$(BUILD)/fuzzer/%: spec/fuzz/%.c $(wildcard spec/fuzz/*.h) $(CORE) $(patsubst src/binding/%.c,$(BUILD)/5.4/binding/%.o,$(wildcard src/binding/*.c))
	@mkdir -p $(@D)
	$(CC) -std=gnu11 -Wall -Wextra $(CFLAGS) -fsanitize=fuzzer $(shell $(PKG_CONFIG) --cflags $(call found,5.4)) $(filter-out %.h,$^) \
	  -o $@ $(call STATIC,5.4) $(LIBS)

fuzz: ## feed every fuzz target RUNS inputs (1000000), under the sanitizers
	@spec/tools/setup fuzz
	@$(PARALLEL) fuzzers BUILD=build/fuzz CC=clang HARDENING= LUA_VERSIONS=5.4 CFLAGS='$(FUZZED) -fsanitize=fuzzer-no-link'
	@spec/tools/fuzz build/fuzz $(RUNS)

# Hosts with an allocator of their own, each with its Lua linked in.
STATIC  = $(shell $(PKG_CONFIG) --variable=libdir $(call found,$1))/$(if $(filter jit,$1),libluajit-5.1.a,liblua$1.a)
OOM     = $(BUILD)/torture/oom-5.4 $(BUILD)/torture/oom-jit
$(BUILD)/torture/oom-%: spec/torture/oom.c
	@mkdir -p $(@D)
	$(CC) -std=gnu11 -Wall -Wextra $(CFLAGS) $(shell $(PKG_CONFIG) --cflags $(call found,$*)) $< -o $@ -Wl,-E $(call STATIC,$*) -lm -ldl

STACK   = $(BUILD)/torture/stack-5.4 $(BUILD)/torture/stack-jit
$(BUILD)/torture/stack-%: spec/torture/stack.c
	@mkdir -p $(@D)
	$(CC) -std=gnu11 -Wall -Wextra $(CFLAGS) $(shell $(PKG_CONFIG) --cflags $(call found,$*)) $< -o $@ -Wl,-E $(call STATIC,$*) -lm -ldl -pthread

oom: ## fail every allocation of Lua in turn, under each operation, a paginator and a waiter
	@spec/tools/setup test
	@$(PARALLEL) all $(OOM)
	@spec/tools/oom $(BUILD)

once: RUNS := $(if $(filter command line,$(origin RUNS)),$(RUNS),10000)
once: ## RUNS (10000) operations that cannot be repeated, over connections that break anywhere: none is sent twice
	@spec/tools/setup test
	@$(PARALLEL) all LUA_VERSIONS='5.4 jit'
	@$(call HERE,5.4) spec/torture/once.lua $(RUNS)
	@$(call HERE,jit) spec/torture/once.lua $(RUNS)

hazards: ## specs about text, numbers and moments in three locales and three time zones; nesting on a stack of 96 KiB
	@spec/tools/setup test
	@$(PARALLEL) all $(STACK) LUA_VERSIONS='5.4 jit'
	@spec/tools/hazards $(BUILD)

soak: CALLS ?= 200000
soak: ## CALLS (200000) calls over TLS: memory and descriptors stay what they were
	@spec/tools/setup test
	@$(PARALLEL) all LUA_VERSIONS='5.4 jit'
	@$(call HERE,5.4) spec/torture/soak.lua $(CALLS) 5.4
	@$(call HERE,jit) spec/torture/soak.lua $(CALLS) jit

coverage: ## which lines the specs run, of C and of Lua, by file
	@spec/tools/setup coverage
	@$(PARALLEL) all LUA_VERSIONS=jit
	@$(PARALLEL) all units BUILD=build/coverage CC=gcc LUA_VERSIONS=5.4 HARDENING= CFLAGS='-O0 -g --coverage'
	@spec/tools/coverage build/coverage

valgrind: ## the C unit programs and some specs under valgrind
	@spec/tools/setup valgrind
	@$(PARALLEL) all units LUA_VERSIONS='5.4 jit'
	@spec/tools/valgrind $(BUILD)

torture: ## all of these, with one table at the end: in about 25 minutes
	@spec/tools/setup torture
	@spec/tools/torture

# LuaJIT looks where Lua 5.1 looks.
SHARE = $(PREFIX)/share/lua/$(LUA_VERSION:jit=5.1)
LIB   = $(PREFIX)/lib/lua/$(LUA_VERSION:jit=5.1)
install: $(BUILD)/$(LUA_VERSION)/cloudhsmv2/core.so ## install for one Lua: LUA_VERSION=5.4|jit PREFIX=/usr/local DESTDIR=
	cd lua && find cloudhsmv2 -name '*.lua' -exec install -D -m 644 {} '$(DESTDIR)$(SHARE)'/{} \;
	install -D -m 755 $< '$(DESTDIR)$(LIB)/cloudhsmv2/core.so'
	install -D -m 755 src/bin/cloudhsmv2-emulator '$(DESTDIR)$(PREFIX)/bin/cloudhsmv2-emulator'
	sed -i '1c #!/usr/bin/env $(call lua,$(LUA_VERSION))\
package.path = "$(SHARE)/?.lua;$(SHARE)/?/init.lua;" .. package.path\
package.cpath = "$(LIB)/?.so;" .. package.cpath' '$(DESTDIR)$(PREFIX)/bin/cloudhsmv2-emulator'

rock: ## pack build/rock/cloudhsmv2-scm-1.src.rock
	@spec/tools/setup rock
	rm -rf build/rock && mkdir -p build/rock/cloudhsmv2
	cp -R Makefile README.md LICENSE CHANGELOG.md SECURITY.md src lua rockspec spec examples doc build/rock/cloudhsmv2
	cp rockspec/cloudhsmv2-scm-1.rockspec build/rock
	cd build/rock && zip -q -r cloudhsmv2-scm-1.src.rock cloudhsmv2-scm-1.rockspec cloudhsmv2 && rm -r cloudhsmv2

doc: ## write the reference to build/doc
	@spec/tools/setup doc
	rm -rf build/doc
	lua5.1 "$$(command -v ldoc)" --quiet --config config.ld .

clean: ## remove everything that was built
	rm -rf build

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1\t\2/p' Makefile | expand -t 16
