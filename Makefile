# SPDX-License-Identifier: BSD-2-Clause
# Copyright (c) 2026 the sley authors
#
# One Makefile, not recursive but for `demo` and `check`, which install packages before they build. It runs no program
# while it is parsed, so that `make deps` works on a machine that has make and nothing else.
#
# Everything is built under $(BUILD); each combination of compiler and options has its own, so switching between them
# rebuilds nothing. Files are found by wildcard:
#
#   runtime/**             libsley, static and shared, from the same objects; and libsley-debug, see there
#   runtime/posix/*        libsley-posix, shared alone: libc's calls as waits, for libraries that know nothing of sley
#   bpf/X.bpf.c            $(BUILD)/bpf/X.bpf.o and its skeleton X.skel.h
#   bpf/X.c                loads them: libsley_assist, and a part of asynctop
#   tools/asynctop/**      $(BUILD)/asynctop; all but main.o also as an archive, for the tests
#   tools/examples/X.c     $(BUILD)/examples/X, unless there is an X.h: then it is a module that examples may use
#   tools/examples/third_party/X.c
#                          the same for examples that need more than libsley: what X links with is in libs_X
#   tests/DIR/X.c          $(BUILD)/tests/DIR/X, a cmocka program, unless there is an X.h: then it is a module
#   tests/DIR/X.planted.c  $(BUILD)/tests/DIR/X.planted, a service for a test to look at; X.debug.planted.c: with the
#                          debug library
#   tests/posix/X.c        linked with libsley-posix.so and libsley.so, as services are
#   tests/ports/X/         $(BUILD)/ports/X-threads and X-tasks: a server with pthreads, and with tasks in their place
#   tests/bench/           $(BUILD)/bench, bench-raw-echo and bench-load; trace.c: with TRACE=1, a part of libsley
#   tests/bench/peers/     $(BUILD)/peers/go, tokio and boost: rows of bench in other languages, built by `peers` alone
#   include/**             $(BUILD)/man/man3, a page of the manual for each call and each header

# `make help` prints the lines that start with two hashes.
##
## Targets
##   all        the libraries, asynctop, the examples, the benchmarks (default)
##   demo       a service under load, and asynctop's verdict on it; LIVE=1: the live screen
##   check      all tests; PART=gcc|clang|debug|ucontext|asan|tsan|aarch64: one part
##   check-deep the same with the full counts under sanitizers too, for hours
##   figures    measures them all, for half an hour on a quiet machine, and writes them into README.md
##   bench-check  what the rows cost by counts, against those in tests/bench/counts (valgrind, strace)
##   bench-shared  their stores to cache lines that several of 8 workers write; ARGS="-S -r ROW[,ROW]": and where
##   bench      the figures; ARGS="-r ROW[,ROW] -w WORKERS[,WORKERS]": some of them
##   bench-peers  rows of bench beside Go, Tokio and Boost.Fiber, which it installs; ARGS="-r ROW[,ROW] -n ROUNDS": some of them
##   figures-peers  writes what bench-peers measured into README.md and tests/bench/peers/
##   tests      builds the test programs
##   man        the manual's pages of section 3, from the headers' comments
##   examples   builds all examples, also those with OpenSSL, libcurl and hiredis, which `all` leaves out
##   install    the libraries, headers and tools; DESTDIR= PREFIX=/usr/local
##   install-lib  without the tools: needs neither clang nor bpftool; SANITIZE=...: libsley-asan, -ubsan or -tsan
##   uninstall  removes what either of them puts there, with the same DESTDIR and PREFIX
##   deps       installs the Debian packages that are missing; PACKAGES="..." others than all
##   clean      removes build/
##
## Options
##   V=1        print commands
##   CC=        gcc (default) or clang
##   CONTEXT=   ucontext: glibc's context switch instead of ours
##   SANITIZE=  address,undefined or thread (the latter with clang): libraries, unit and stress tests only
##   CROSS=     aarch64-linux-gnu-: cross-compiles with that gcc; libraries, unit and stress tests only
##   CROSS_ROOT= where CROSS finds libcmocka, as in tests/check/arm64_root.sh
##   VALGRIND=1 memcheck is told of stacks and their copies, for services that run under it; needs its headers to build
##   TRACE=1    the library's stores can be recorded, for make bench-shared; with gcc
##   DEBUG=1    checks of the runtime's invariants (DCHECK)
##   WERROR=1   warnings are errors
##   CFLAGS=    default -O2 -g; these and CPPFLAGS= and LDFLAGS= come after our own flags, also from the environment
##   BUILD=     the build directory; default build, and build/VARIANT for other than plain gcc builds

MAKEFLAGS += -r --no-print-directory
.SUFFIXES:
.DELETE_ON_ERROR:
.SECONDARY:
.DEFAULT_GOAL := $(if $(SANITIZE)$(CROSS),tests,all)

VERSION := 0.1.0
SOVERSION := 0
RELEASED := November 29, 2026

# ---- options ----

ifdef CROSS
CC := $(CROSS)gcc
AR := $(CROSS)ar
OBJCOPY := $(CROSS)objcopy
endif
ifeq ($(origin CC),default)
CC := gcc
endif
CFLAGS ?= -O2 -g
BPF_CLANG ?= clang
OBJCOPY ?= objcopy
PREFIX ?= /usr/local
BINDIR ?= $(PREFIX)/bin
LIBDIR ?= $(PREFIX)/lib
INCLUDEDIR ?= $(PREFIX)/include
MANDIR ?= $(PREFIX)/share/man
DATADIR ?= $(PREFIX)/share/sley

empty :=
space := $(empty) $(empty)
comma := ,
# A word of the shell, whatever is in it.
quote = '$(subst ','\'',$(1))'

compiler := $(if $(findstring clang,$(notdir $(CC))),clang,gcc)
cross_arch := $(firstword $(subst -, ,$(CROSS)))
variant := $(compiler) $(cross_arch) $(CONTEXT) $(subst $(comma), ,$(SANITIZE)) $(if $(filter 1,$(DEBUG)),debug) \
	$(if $(filter 1,$(VALGRIND)),valgrind) $(if $(filter 1,$(TRACE)),trace)
variant := $(subst $(space),-,$(strip $(variant)))
BUILD ?= build$(if $(filter-out gcc,$(variant)),/$(variant))
build_path = $(call quote,$(abspath $(BUILD)))

# Make's own lists are of words. A path with spaces may lead to the tree, and DESTDIR may be one.
ifneq ($(words $(BUILD)) $(words x$(PREFIX)$(BINDIR)$(LIBDIR)$(INCLUDEDIR)$(MANDIR)$(DATADIR)),1 1)
$(error there may be no spaces in BUILD, PREFIX and the other directories of the installation)
endif
# sley.pc names them, to whoever reads it and from wherever.
ifneq ($(filter-out /%,$(PREFIX) $(BINDIR) $(LIBDIR) $(INCLUDEDIR) $(MANDIR) $(DATADIR)),)
$(error PREFIX=$(PREFIX): it and the other directories of the installation begin with /)
endif

ifneq ($(filter-out ucontext,$(CONTEXT)),)
$(error CONTEXT=$(CONTEXT): only ucontext is known; empty means the assembly)
endif

# bpftool and setcap live in /usr/sbin, which is not in everybody's path.
export PATH := $(PATH):/usr/sbin:/sbin

# ---- flags ----

warnings := -Wall -Wextra -Wstrict-prototypes $(if $(filter 1,$(WERROR)),-Werror)
# Reads of arrays that have become too long, and writes, end the process. Not without optimisation, where glibc warns
# of it, nor with a sanitizer, which knows better, nor over a packager's choice.
optimised := $(filter-out -O0,$(lastword $(filter -O%,$(CFLAGS))))
fortify := $(if $(optimised),$(if $(SANITIZE)$(findstring _FORTIFY_SOURCE,$(CPPFLAGS) $(CFLAGS)),,\
	-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3))
target_arch := $(or $(cross_arch),$(firstword $(subst -, ,$(MAKE_HOST))))
branches := $(if $(filter x86_64,$(target_arch)),-fcf-protection)$(if $(filter aarch64,$(target_arch)),-mbranch-protection=standard)
hardening := -fstack-protector-strong $(branches) $(fortify)
# The same bytes wherever it is built: no path of the tree is in them.
no_paths := $(if $(filter /%,$(BUILD)),-ffile-prefix-map=$(BUILD)=build) -ffile-prefix-map=$(call quote,$(CURDIR))=.
flags := -std=gnu11 -D_GNU_SOURCE $(warnings) $(hardening) $(CPPFLAGS) $(CFLAGS) -fno-omit-frame-pointer -pthread
flags += $(if $(CONTEXT),-DSLEY_CONTEXT_UCONTEXT) $(if $(filter 1,$(DEBUG)),-DSLEY_DEBUG) \
	$(if $(filter 1,$(VALGRIND)),-DSLEY_VALGRIND)
ifdef SANITIZE
sanitize := -fsanitize=$(SANITIZE)
# gcc's flow analysis sees ghosts in instrumented code.
flags += $(sanitize) -fno-sanitize-recover=all $(if $(filter gcc,$(compiler)),-Wno-maybe-uninitialized)
endif
link := $(sanitize) -pthread -Wl,-z,relro,-z,now,-z,noexecstack $(LDFLAGS)
ifdef CROSS_ROOT
flags += -isystem $(CROSS_ROOT)/usr/include
link += -L$(CROSS_ROOT)/usr/lib/$(CROSS:-=)
endif

arch := $(firstword $(subst -, ,$(MAKE_HOST)))
bpf_arch := $(patsubst x86_64,x86,$(patsubst aarch64,arm64,$(arch)))
bpf_flags := -target bpf $(no_paths) -mcpu=v3 -g -O2 $(warnings) -D__TARGET_ARCH_$(bpf_arch) -Ibpf -Iinclude \
	-idirafter /usr/include/$(arch)-linux-gnu

runtime_flags := -Iinclude -Iruntime -iquote bpf $(no_paths) -fvisibility=hidden -fPIC -ftls-model=initial-exec
# Where every instruction counts only functions with arrays of characters get a canary. For all whose locals have their
# address taken it costs 5 % of a read and a write of a pipe, and 2 % of a spawn and of a yield, in instructions.
hot := $(foreach d,context stack task run life watch reactor sync,runtime/$(d)/%) runtime/base/block.% \
	$(foreach f,io operation sigpipe,runtime/io/$(f).%)
$(if $(wildcard runtime/.),$(foreach p,$(hot),$(if $(wildcard $(subst %,*,$(p))),,$(error hot: there is no $(p)))))
hot_flags := -fstack-protector
# The library's accesses call tests/bench/trace.c, which takes the place of ThreadSanitizer's library. It is the library as
# it is, not the one made for ThreadSanitizer.
trace_flags := $(if $(filter 1,$(TRACE)),-fsanitize=thread --param=tsan-instrument-func-entry-exit=0 -U__SANITIZE_THREAD__ -Wno-tsan)
# Nothing is declared in the place of the functions that it defines.
posix_flags := $(runtime_flags) -U_FORTIFY_SOURCE
asynctop_flags := $(no_paths) -Iinclude -Ibpf -I$(BUILD)/bpf -Itools/asynctop
example_flags := -Iinclude -Itools/examples
# Where there is a canary gcc forgets values of parameters that tests of gdb and of asynctop look for.
test_flags := -fno-stack-protector -Itests -I. -Iinclude -Iruntime -iquote bpf -I$(BUILD)/bpf -Itools/asynctop -Itools/examples \
	-I/usr/include/fuse3 -I/usr/include/postgresql -I/usr/include/mariadb -Wno-unused-parameter -Wno-missing-field-initializers \
	$(if $(filter gcc,$(compiler)),-Wno-format-truncation)

loader_flags := $(no_paths) -Iinclude -Ibpf -I$(BUILD)/bpf -fvisibility=hidden -fPIC

asynctop_libs := -lbpf -ldw -lelf -lz -lncursesw -ltinfo
test_libs := -lcmocka -Wl,--as-needed
observer_libs := $(asynctop_libs) -lfuse3
libs_tls_server := -lssl -lcrypto
libs_tls_client := $(libs_tls_server)
libs_curl_fetch := -lcurl
libs_redis_tasks := -lhiredis
# of tests/posix/
libs_redis := -lhiredis
libs_curl := -lcurl
libs_pq := -lpq
libs_mariadb := -lmariadb
libs_tls := -lssl -lcrypto

# ---- files ----

c_of = $(sort $(wildcard $(1)/*.c $(1)/*/*.c $(1)/*/*/*.c))
modules_of = $(foreach c,$(1),$(if $(wildcard $(c:.c=.h)),$(c)))
programs_of = $(filter-out $(call modules_of,$(1)) %.planted.c,$(1))
planted_of = $(filter %.planted.c,$(1))
object = $(patsubst %,$(BUILD)/obj/%.o,$(basename $(1)))
debug = $(patsubst %,$(BUILD)/debug/%.o,$(basename $(1)))
posix_object = $(patsubst %,$(BUILD)/posix/%.o,$(basename $(1)))
program = $(patsubst %.c,$(BUILD)/%,$(1))

posix := $(sort $(wildcard runtime/posix/*.c))
runtime := $(filter-out $(posix),$(sort $(wildcard runtime/*.c runtime/*/*.c runtime/*/*.S)))
bpf := $(wildcard bpf/*.bpf.c)
loader := $(filter-out $(bpf),$(wildcard bpf/*.c))
asynctop := $(call c_of,tools/asynctop)
examples := $(wildcard tools/examples/*.c)
third_party := $(wildcard tools/examples/third_party/*.c)
# introspect.h has no calls: asynctop reads it, and says what it means.
documented := include/sley.h $(filter-out %/introspect.h,$(sort $(wildcard include/sley/*.h)))
trace := tests/bench/trace.c
bench := $(filter-out %/raw_echo.c %/load.c $(trace),$(wildcard tests/bench/*.c))
bench_modules := $(call modules_of,$(filter-out %/bench.c,$(bench)))
unit := $(call c_of,tests/unit)
stress := $(call c_of,tests/stress)
posix_tests := $(call c_of,tests/posix)
observers := $(call c_of,tests/bpf) $(call c_of,tests/tools)
support := $(call modules_of,$(wildcard tests/*.c) $(unit) $(stress))
observer_support := $(call modules_of,$(observers))

skeletons := $(bpf:%.bpf.c=$(BUILD)/%.skel.h)
libraries := $(if $(runtime),$(addprefix $(BUILD)/,libsley.a libsley.so \
	$(if $(SANITIZE)$(CROSS),,libsley-debug.a libsley-debug.so)))
example_programs := $(patsubst tools/%.c,$(BUILD)/%,$(call programs_of,$(examples)))
third_party_programs := $(patsubst tools/%.c,$(BUILD)/%,$(call programs_of,$(third_party)))
bench_programs := $(if $(wildcard tests/bench/bench.c),$(BUILD)/bench) \
	$(if $(wildcard tests/bench/raw_echo.c),$(BUILD)/bench-raw-echo) \
	$(if $(wildcard tests/bench/load.c),$(BUILD)/bench-load)
asynctop_program := $(if $(wildcard tools/asynctop/main.c),$(BUILD)/asynctop)
# Not with a sanitizer, which defines the same functions of libc.
posix_library := $(if $(SANITIZE)$(CROSS),,$(if $(posix),$(BUILD)/libsley-posix.so))
assist_library := $(if $(SANITIZE)$(CROSS),,$(if $(loader),$(BUILD)/libsley_assist.so))

unit_programs := $(call program,$(call programs_of,$(unit)))
stress_programs := $(call program,$(call programs_of,$(stress)))
observer_programs := $(if $(SANITIZE)$(CROSS),,$(call program,$(call programs_of,$(observers))))
posix_programs := $(if $(SANITIZE)$(CROSS),,$(call program,$(call programs_of,$(posix_tests))))
# Each server of tests/ports/ twice from the same source: with pthreads, and with tasks in their place.
ports := $(if $(SANITIZE)$(CROSS),,$(sort $(patsubst tests/ports/%/,%,$(wildcard tests/ports/*/))))
port_programs := $(foreach p,$(ports),$(BUILD)/ports/$(p)-threads $(BUILD)/ports/$(p)-tasks) $(if $(ports),$(BUILD)/ports/load)
port_objects = $(patsubst tests/ports/%.c,$(BUILD)/ports/$(1)/%.o,$(wildcard tests/ports/$(2)/*.c))
test_programs := $(unit_programs) $(stress_programs) $(posix_programs) $(observer_programs)
planted_programs := $(call program,$(call planted_of,$(unit) $(stress) $(if $(SANITIZE)$(CROSS),,$(observers))))

# ---- how it looks ----

# $(call quiet,WORD) before a command: prints WORD and the target instead of the command, unless V=1.
quiet = $(if $(filter 1,$(V)),,@printf '  %-8s%s\n' '$(1)' '$@' && )

# ---- targets ----

.PHONY: all libs tests examples man demo check check-deep bench bench-check bench-shared bench-peers peers figures figures-peers install install-lib install-tools uninstall deps clean help list-tests FORCE

all: $(libraries) $(posix_library) $(assist_library) $(asynctop_program) $(example_programs) $(bench_programs) man
libs: $(libraries) $(posix_library) $(assist_library)
examples: $(example_programs) $(third_party_programs)
man: $(BUILD)/man/made
tests: $(libraries) $(posix_library) $(assist_library) $(test_programs) $(planted_programs) $(port_programs) $(if $(SANITIZE)$(CROSS),,examples)

list-tests:
	@printf '%s\n' $(test_programs:$(BUILD)/tests/%=%)

help:
	@sed -n 's/^## \{0,1\}//p' Makefile

clean:
	rm -rf build

demo:
	@$(MAKE) deps PACKAGES=$(call quote,$(BUILD_PACKAGES) $(DEMO_PACKAGES))
	@$(MAKE) all
	@SLEY_BUILD=$(build_path) LIVE=$(LIVE) tools/demo.sh

check:
	@$(MAKE) deps
	@PART=$(PART) tests/check/run

check-deep:
	@$(MAKE) deps
	@SLEY_CHECK_DEEP=1 PART=$(PART) tests/check/run

# Measured whole first: README.md is as it was if a row fails.
figures: $(bench_programs) $(asynctop_program) $(example_programs)
	SLEY_BUILD=$(build_path) $(BUILD)/bench >$(BUILD)/figures
	awk -v day="$$(date +%F)" -f tests/bench/figures.awk $(BUILD)/figures README.md >$(BUILD)/README.md
	cp $(BUILD)/README.md README.md

bench: $(bench_programs) $(asynctop_program) $(example_programs)
	@SLEY_BUILD=$(build_path) $(BUILD)/bench $(ARGS)

# What bench -s runs.
traced := bench bench-load examples/echo examples/httpd

bench-shared:
	@$(MAKE) TRACE=1 BUILD=$(BUILD)/trace $(addprefix $(BUILD)/trace/,$(traced))
	@SLEY_BUILD=$(build_path)/trace $(BUILD)/trace/bench -s $(ARGS)

# A change that lowers a count, or raises it for a reason, brings the new counts with it.
bench-check: $(bench_programs)
	$(BUILD)/bench -c >$(BUILD)/counts
	@awk -f tests/bench/counts.awk tests/bench/counts $(BUILD)/counts || \
		{ echo "if this is meant: cp $(BUILD)/counts tests/bench/counts"; exit 1; }
	@$(MAKE) TRACE=1 BUILD=$(BUILD)/trace $(addprefix $(BUILD)/trace/,$(traced))
	SLEY_BUILD=$(build_path)/trace $(BUILD)/trace/bench -s >$(BUILD)/shared
	@awk -f tests/bench/bounds.awk tests/bench/bounds $(BUILD)/shared

# Half an hour on a quiet machine. What was measured before is kept until this is done.
bench-peers:
	@$(MAKE) deps PACKAGES=$(call quote,$(BUILD_PACKAGES) $(PEER_PACKAGES))
	@$(MAKE) peers
	@SLEY_BUILD=$(build_path) tests/bench/peers/run.sh $(ARGS) >$(BUILD)/peers/new; status=$$?; \
		mv $(BUILD)/peers/new $(BUILD)/peers/raw; awk -f tests/bench/peers/summary.awk $(BUILD)/peers/raw && exit $$status

figures-peers:
	awk -f tests/bench/peers/summary.awk $(BUILD)/peers/raw >$(BUILD)/peers/figures
	awk -f tests/bench/peers/table.awk $(BUILD)/peers/figures README.md >$(BUILD)/README.md
	awk -f tests/bench/peers/plot.awk $(BUILD)/peers/figures >$(BUILD)/peers/figures.svg
	cp $(BUILD)/peers/figures $(BUILD)/peers/figures.svg tests/bench/peers/
	cp $(BUILD)/README.md README.md

# ---- packages ----

# To build, to run the demo, and what the tests need on top of both. libc6-dev: gcc only recommends it.
BUILD_PACKAGES := gcc libc6-dev clang llvm bpftool libbpf-dev libelf-dev zlib1g-dev libdw-dev libncurses-dev
DEMO_PACKAGES := libcap2-bin
THIRD_PARTY_PACKAGES := libssl-dev libcurl4-openssl-dev libhiredis-dev libpq-dev postgresql \
	libmariadb-dev mariadb-server-core
CHECK_PACKAGES := g++ clang-format-14 libclang-rt-14-dev libcmocka-dev libfuse3-dev fuse3 pkgconf python3 python3-jsonschema redis-tools \
	gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user gdb valgrind strace spin mandoc $(THIRD_PARTY_PACKAGES)
# Not among those of `make check`.
PEER_PACKAGES := g++ golang-go rustc cargo librust-tokio-dev librust-async-channel-dev libboost-fiber-dev
PACKAGES ?= $(BUILD_PACKAGES) $(DEMO_PACKAGES) $(CHECK_PACKAGES)

# Asks dpkg alone; apt and the network are touched only if something is missing.
apt_install = apt-get install -y --no-install-recommends
deps:
	@missing=; for package in $(PACKAGES); do \
		dpkg-query -W -f '$${db:Status-Status}\n' $$package 2>/dev/null | grep -qx installed || \
			missing="$$missing $$package"; \
	done; \
	[ -n "$$missing" ] || exit 0; \
	if [ "$$(id -u)" = 0 ]; then sudo=; \
	elif command -v sudo >/dev/null; then sudo=sudo; \
	else \
		echo "These packages are missing, and only root may install them:" >&2; \
		echo "	apt-get update && $(apt_install)$$missing" >&2; \
		exit 1; \
	fi; \
	echo "Installing:$$missing"; \
	$$sudo apt-get update; \
	$$sudo env DEBIAN_FRONTEND=noninteractive $(apt_install) $$missing || { \
		echo "This failed; run it by hand:" >&2; \
		echo "	$${sudo:+$$sudo }apt-get update && $${sudo:+$$sudo }$(apt_install)$$missing" >&2; \
		exit 1; }

# ---- stamps: what was compiled, with what ----

# A stamp's file changes only when its text does, so a change of flags or of the list of sources rebuilds what it must.
# It is written under `make -n` too, which would show everything as out of date else.
stamp = +@mkdir -p $(@D) && printf '%s\n' $(call quote,$(1)) >$@.new && \
	if cmp -s $@.new $@; then rm $@.new; else mv $@.new $@; fi

$(BUILD)/flags: FORCE
	$(call stamp,$(CC) $(flags) $(runtime_flags) $(trace_flags) $(hot) $(hot_flags) $(asynctop_flags) $(test_flags) $(link) \
		$(bpf_flags) $(loader_flags))
$(BUILD)/sources: FORCE
	$(call stamp,$(runtime) $(posix) $(loader) $(asynctop) $(examples) $(third_party) $(bench) $(support) $(observer_support))
FORCE:

# ---- objects ----

compile = $(CC) $(flags) $(1) -MMD -MP -c -o $@ $<

# All of libsley is position-independent: an archive that is not could go into no plugin. What makes it as fast as if it
# were not: thread-locals are initial-exec, and data that is used often is HIDDEN where it is declared.
for_runtime = $(runtime_flags) $(trace_flags) $(if $(filter $(hot),$<),$(hot_flags))
$(BUILD)/obj/runtime/%.o: runtime/%.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(call quiet,CC)$(call compile,$(for_runtime))
$(BUILD)/obj/runtime/%.o: runtime/%.S $(BUILD)/flags
	@mkdir -p $(@D)
	$(call quiet,AS)$(call compile,$(for_runtime))
$(BUILD)/debug/runtime/%.o: runtime/%.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(call quiet,CC)$(call compile,$(for_runtime) -DSLEY_DEBUG)
$(BUILD)/debug/runtime/%.o: runtime/%.S $(BUILD)/flags
	@mkdir -p $(@D)
	$(call quiet,AS)$(call compile,$(for_runtime))
$(BUILD)/posix/runtime/%.o: runtime/%.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(call quiet,CC)$(call compile,$(posix_flags))
$(BUILD)/obj/tools/asynctop/%.o: tools/asynctop/%.c $(BUILD)/flags | $(skeletons)
	@mkdir -p $(@D)
	$(call quiet,CC)$(call compile,$(asynctop_flags) -fPIE)
$(BUILD)/obj/bpf/%.o: bpf/%.c $(BUILD)/flags | $(skeletons)
	@mkdir -p $(@D)
	$(call quiet,CC)$(call compile,$(loader_flags))
$(BUILD)/obj/tools/examples/%.o: tools/examples/%.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(call quiet,CC)$(call compile,$(example_flags) -fPIE)
$(BUILD)/obj/tests/bpf/%.o $(BUILD)/obj/tests/tools/%.o: | $(skeletons)
$(BUILD)/obj/tests/%.o: tests/%.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(call quiet,CC)$(call compile,$(test_flags) -fPIE)

# ---- libsley ----

# The archive for users is one object in which only sley_* is global, so that the runtime's own names cannot clash with
# the service's. It is compiled to the end, also with -flto: names are made local in machine code alone, and any compiler
# can link with it. The tests link with the objects themselves.
lto := $(lastword $(filter -flto% -fno-lto,$(CFLAGS)))
one_object = $(CC) -r -nostdlib $(filter -fuse-ld=%,$(CFLAGS) $(LDFLAGS)) $(lto) \
	$(if $(filter gcc,$(compiler)),$(if $(filter -flto%,$(lto)),-flinker-output=nolto-rel))
$(BUILD)/libsley.a: $(call object,$(runtime) $(if $(trace_flags),$(trace))) $(BUILD)/sources
	$(call quiet,AR)$(one_object) -o $(BUILD)/obj/libsley.o $(filter %.o,$^) && \
		$(OBJCOPY) --wildcard --keep-global-symbol='sley_*' $(BUILD)/obj/libsley.o && \
		rm -f $@ && $(AR) rcsD $@ $(BUILD)/obj/libsley.o

# q and not r, which would take objects of the same name in two folders for one.
archive = rm -f $@ && $(AR) qcsD $@ $(filter %.o,$^)
$(BUILD)/obj/internal.a: $(call object,$(runtime) $(if $(trace_flags),$(trace))) $(BUILD)/sources
	$(call quiet,AR)$(archive)

$(BUILD)/libsley.map: Makefile
	@mkdir -p $(@D) && echo 'SLEY_$(SOVERSION) { global: sley_*; local: *; };' >$@

# The name under which it is installed, and found by programs: that of a sanitized library says so. Programs linked here
# find libsley.so.0 next to libsley.so. It stays where it is once loaded: tasks run its code, and threads do.
installed_suffix := $(if $(SANITIZE),-$(firstword $(patsubst address%,asan,$(filter address%,$(SANITIZE))) \
	$(patsubst thread%,tsan,$(filter thread%,$(SANITIZE))) ubsan))
installed := libsley$(installed_suffix)
shared = $(CC) -shared -Wl,-soname,$(1).so.$(SOVERSION) -Wl,--version-script,$(BUILD)/$(2).map -Wl,-z,nodelete \
	$(if $(SANITIZE),,-Wl,-z,defs) -o $@ $(filter %.o,$^) $(link) && ln -sf $(2).so $(BUILD)/$(1).so.$(SOVERSION)
$(BUILD)/libsley.so: $(call object,$(runtime)) $(BUILD)/libsley.map $(BUILD)/sources
	$(call quiet,LD)$(call shared,$(installed),libsley)

# The debug library: the runtime's invariants are checked, and locks of the C and C++ libraries that a task holds while it
# waits are reported. For that it defines their functions (runtime/run/libc_locks.c), which must be found in the place of libc's:
# so they are global, and the shared library's symbols have no version, which matches every one. Not for programs that
# are linked statically with libc.
interposed := pthread_mutex_* pthread_rwlock_* pthread_spin_* mtx_* __cxa_guard_*
$(BUILD)/libsley-debug.a: $(call debug,$(runtime)) $(BUILD)/sources
	$(call quiet,AR)$(one_object) -o $(BUILD)/debug/libsley.o $(filter %.o,$^) && \
		$(OBJCOPY) --wildcard --keep-global-symbol='sley_*' $(interposed:%=--keep-global-symbol='%') \
			$(BUILD)/debug/libsley.o && \
		rm -f $@ && $(AR) rcsD $@ $(BUILD)/debug/libsley.o
$(BUILD)/libsley-debug.map: Makefile
	@mkdir -p $(@D) && echo '{ global: sley_*; $(interposed:%=%;) local: *; };' >$@
$(BUILD)/libsley-debug.so: $(call debug,$(runtime)) $(BUILD)/libsley-debug.map $(BUILD)/sources
	$(call quiet,LD)$(call shared,libsley-debug,libsley-debug)

# libsley-posix: in the place of libc's functions are those of runtime/posix/, so they are global and have no version, which
# matches every one. It calls libsley as any service does.
posix_soname := libsley-posix.so.$(SOVERSION)
$(BUILD)/libsley-posix.so: $(call posix_object,$(posix)) $(BUILD)/sources | $(BUILD)/libsley.so
	$(call quiet,LD)$(CC) -shared -Wl,-soname,$(posix_soname) -Wl,-z,nodelete -Wl,-z,defs -o $@ $(filter %.o,$^) $(link) \
		-L$(BUILD) -lsley && ln -sf libsley-posix.so $(BUILD)/$(posix_soname)

# ---- bpf ----

# llvm-strip removes DWARF, which nobody reads there, and keeps BTF, which libbpf needs.
$(BUILD)/bpf/%.bpf.o: bpf/%.bpf.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(call quiet,BPF)$(BPF_CLANG) $(bpf_flags) -MMD -MP -c -o $@ $< && llvm-strip -g $@
$(BUILD)/bpf/%.skel.h: $(BUILD)/bpf/%.bpf.o
	$(call quiet,SKEL)bpftool gen skeleton $< name $*_bpf >$@

# What the runtime opens where the source bpf is asked for. It needs libbpf; libsley does not.
assist_soname := libsley_assist.so.$(SOVERSION)
$(BUILD)/libsley_assist.map: Makefile
	@mkdir -p $(@D) && echo '{ global: sley_*; local: *; };' >$@
$(BUILD)/libsley_assist.so: $(call object,$(loader)) $(BUILD)/libsley_assist.map $(BUILD)/sources
	$(call quiet,LD)$(CC) -shared -Wl,-soname,$(assist_soname) -Wl,--version-script,$(BUILD)/libsley_assist.map \
		-Wl,-z,defs -o $@ $(filter %.o,$^) $(link) -lbpf && ln -sf libsley_assist.so $(BUILD)/$(assist_soname)

# ---- tools ----

$(BUILD)/obj/asynctop.a: $(call object,$(filter-out %/main.c,$(asynctop)) $(loader)) $(BUILD)/sources
	$(call quiet,AR)$(archive)
$(BUILD)/asynctop: $(BUILD)/obj/tools/asynctop/main.o $(BUILD)/obj/asynctop.a
	$(call quiet,LD)$(CC) -pie -o $@ $(filter %.o %.a,$^) $(link) $(asynctop_libs)

$(BUILD)/obj/examples.a: $(call object,$(call modules_of,$(examples))) $(BUILD)/sources
	$(call quiet,AR)$(archive)
$(BUILD)/obj/third_party.a: $(call object,$(call modules_of,$(third_party))) $(BUILD)/sources
	$(call quiet,AR)$(archive)
$(third_party_programs): $(BUILD)/obj/third_party.a
$(example_programs) $(third_party_programs): $(BUILD)/%: $(BUILD)/obj/tools/%.o $(BUILD)/obj/examples.a $(BUILD)/libsley.a
	@mkdir -p $(@D)
	$(call quiet,LD)$(CC) -pie -o $@ $^ $(link) $(libs_$(@F))

# ---- tests ----

$(BUILD)/obj/tests/support.a: $(call object,$(support)) $(BUILD)/sources
	$(call quiet,AR)$(archive)
$(BUILD)/obj/tests/observer_support.a: $(call object,$(observer_support)) $(BUILD)/sources
	$(call quiet,AR)$(archive)

# In the order in which they use each other.
archives := $(BUILD)/obj/tests/support.a $(BUILD)/obj/examples.a $(BUILD)/obj/internal.a
$(unit_programs) $(stress_programs): $(BUILD)/%: $(BUILD)/obj/%.o $(archives)
	@mkdir -p $(@D)
	$(call quiet,LD)$(CC) -pie -o $@ $^ $(link) $(test_libs)
# The libraries that they need are found beside their build, wherever that is.
$(posix_programs): $(BUILD)/%: $(BUILD)/obj/%.o $(BUILD)/obj/tests/posix_support.a | $(posix_library) $(BUILD)/libsley.so
	@mkdir -p $(@D)
	$(call quiet,LD)$(CC) -pie -o $@ $^ $(link) -L$(BUILD) -Wl,--no-as-needed -lsley-posix -lsley -Wl,-rpath,$(build_path) $(test_libs) \
		$(libs_$(@F))
$(BUILD)/tests/posix/curl: | $(BUILD)/tests/tools/third_party_curl.planted
$(BUILD)/obj/tests/posix_support.a: $(call object,tests/test.c tests/tools/scratch.c tests/tools/service.c \
		$(call modules_of,$(posix_tests))) $(BUILD)/sources
	$(call quiet,AR)$(archive)
archives := $(BUILD)/obj/tests/observer_support.a $(BUILD)/obj/asynctop.a $(archives)
$(observer_programs): $(BUILD)/%: $(BUILD)/obj/%.o $(archives)
	@mkdir -p $(@D)
	$(call quiet,LD)$(CC) -pie -o $@ $^ $(link) $(test_libs) $(observer_libs)
$(filter-out %.debug.planted,$(planted_programs)): $(BUILD)/%: $(BUILD)/obj/%.o $(BUILD)/libsley.a
$(filter %.debug.planted,$(planted_programs)): $(BUILD)/%: $(BUILD)/obj/%.o $(BUILD)/libsley-debug.a
# A test's planted program is there when the test is.
$(foreach p,$(planted_programs),$(eval $(basename $(p:.debug.planted=.planted)): | $(p)))
$(planted_programs):
	@mkdir -p $(@D)
	$(call quiet,LD)$(CC) -pie -o $@ $^ $(link)

# The port is what is added to the second command: the shim, main.c, and the libraries.
port_compile = $(CC) $(flags) -MMD -MP -c -o $@ $<
$(BUILD)/ports/threads/%.o: tests/ports/%.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(call quiet,CC)$(port_compile)
$(BUILD)/ports/tasks/%.o: tests/ports/%.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(call quiet,CC)$(port_compile) -Iinclude -include tests/ports/tasks.h
define port
$(BUILD)/ports/$(1)-threads: $(call port_objects,threads,$(1))
	$$(call quiet,LD)$$(CC) -o $$@ $$^ $$(link)
$(BUILD)/ports/$(1)-tasks: $(call port_objects,tasks,$(1)) $(BUILD)/ports/tasks/main.o | $(posix_library) $(BUILD)/libsley.so
	$$(call quiet,LD)$$(CC) -o $$@ $$^ $$(link) -L$(BUILD) -lsley-posix -lsley -Wl,-rpath,$$(build_path)
endef
$(foreach p,$(ports),$(eval $(call port,$(p))))
$(BUILD)/ports/load: $(BUILD)/ports/threads/load.o
	$(call quiet,LD)$(CC) -o $@ $^ $(link)

$(BUILD)/obj/tests/bench.a: $(call object,$(bench_modules)) $(BUILD)/sources
	$(call quiet,AR)$(archive)
$(BUILD)/bench: $(call object,$(filter-out $(bench_modules),$(bench))) $(BUILD)/obj/tests/bench.a $(BUILD)/obj/internal.a
	$(call quiet,LD)$(CC) -pie -o $@ $^ $(link) -lm
$(BUILD)/bench-raw-echo: $(BUILD)/obj/tests/bench/raw_echo.o $(BUILD)/obj/tests/bench.a
	$(call quiet,LD)$(CC) -pie -o $@ $^ $(link)
$(BUILD)/bench-load: $(BUILD)/obj/tests/bench/load.o $(BUILD)/obj/tests/bench.a
	$(call quiet,LD)$(CC) -pie -o $@ $^ $(link) -lm

# ---- peers ----

# From Debian's packages alone, with Debian's compilers: no other Go or Rust that may be installed, no setting of the user,
# and nothing from a network. cargo writes beside its sources, so it gets a copy of them.
peers := tests/bench/peers
peers: $(bench_programs) $(example_programs) $(addprefix $(BUILD)/peers/,go tokio boost)
$(BUILD)/peers/go: $(wildcard $(peers)/go/*.go)
	@mkdir -p $(@D)
	$(call quiet,GO)GOTOOLCHAIN=local GO111MODULE=off GOFLAGS= GOCACHE=$(build_path)/peers/gocache /usr/bin/go build -o $@ $^

crates := /usr/share/cargo/registry
$(BUILD)/peers/tokio: $(wildcard $(peers)/tokio/Cargo.toml $(peers)/tokio/src/*.rs)
	@rm -rf $(@D)/crate/src $(@D)/crate/Cargo.lock && mkdir -p $(@D)/crate && cp -r $(peers)/tokio/. $(@D)/crate
	$(call quiet,CARGO)cd $(@D)/crate && CARGO_HOME=$(build_path)/peers/cargo RUSTC=/usr/bin/rustc RUSTFLAGS= /usr/bin/cargo \
		build --quiet --release --offline --target-dir target --config 'source.crates-io.replace-with="debian"' \
		--config 'source.debian.directory="$(crates)"'
	@cp $(@D)/crate/target/release/peer $@

$(BUILD)/peers/boost: $(peers)/boost.cpp
	@mkdir -p $(@D)
	$(call quiet,CXX)g++ -std=c++17 -O2 -Wall -Wextra -o $@ $< -lboost_fiber -lboost_context -pthread -Wl,-z,now

# ---- man ----

# With the awk that every Debian has. The directory is made anew: a page whose call is gone goes.
$(BUILD)/man/made: tools/man/pages.awk $(documented) Makefile
	@rm -rf $(@D) && mkdir -p $(@D)/man3
	$(call quiet,MAN)awk -v out=$(@D) -v date='$(RELEASED)' -v release='sley $(VERSION)' -f $< $(documented) && touch $@

# ---- install ----

root = $(if $(DESTDIR),$(call quote,$(DESTDIR)))

# $(call install_library,FILE,SUFFIX): $(BUILD)/FILE.a and FILE.so as libsley and the suffix. A program needs the same
# sanitizers as the library. Nothing depends on the umask.
define install_library
install -m 644 $(BUILD)/$(1).a $(root)$(LIBDIR)/libsley$(2).a
install -m 755 $(BUILD)/$(1).so $(root)$(LIBDIR)/libsley$(2).so.$(VERSION)
ln -sf libsley$(2).so.$(VERSION) $(root)$(LIBDIR)/libsley$(2).so.$(SOVERSION)
ln -sf libsley$(2).so.$(SOVERSION) $(root)$(LIBDIR)/libsley$(2).so
printf '%s\n' 'prefix=$(PREFIX)' 'libdir=$(LIBDIR)' 'includedir=$(INCLUDEDIR)' '' 'Name: sley$(2)' \
	'Description: green threads that you can see into' 'Version: $(VERSION)' \
	'Libs: -L$${libdir} -lsley$(2) $(sanitize)' 'Libs.private: -pthread' 'Cflags: -I$${includedir} $(sanitize)' | \
	sed 's/ *$$//' | install -m 644 /dev/stdin $(root)$(LIBDIR)/pkgconfig/sley$(2).pc
endef

# For LD_PRELOAD by its name, or to link with; a service is to contain no libsley.a then.
define install_posix
install -m 755 $(BUILD)/libsley-posix.so $(root)$(LIBDIR)/libsley-posix.so.$(VERSION)
ln -sf libsley-posix.so.$(VERSION) $(root)$(LIBDIR)/$(posix_soname)
ln -sf $(posix_soname) $(root)$(LIBDIR)/libsley-posix.so
printf '%s\n' 'prefix=$(PREFIX)' 'libdir=$(LIBDIR)' '' 'Name: sley-posix' \
	'Description: blocking calls of libc as waits of tasks' 'Version: $(VERSION)' 'Requires: sley' \
	'Libs: -L$${libdir} -Wl,--push-state,--no-as-needed -lsley-posix -Wl,--pop-state' | \
	install -m 644 /dev/stdin $(root)$(LIBDIR)/pkgconfig/sley-posix.pc
endef

# Only what is linked with the shared library needs the loader's cache, which only root may write, and which has the
# directories alone that the system knows.
install-lib: $(libraries) $(posix_library) man
	install -d $(addprefix $(root),$(LIBDIR)/pkgconfig $(INCLUDEDIR)/sley $(MANDIR)/man3 $(MANDIR)/man7)
	install -m 644 include/sley.h $(root)$(INCLUDEDIR)
	install -m 644 include/sley/*.h $(root)$(INCLUDEDIR)/sley
	install -m 644 $(BUILD)/man/man3/*.3 $(root)$(MANDIR)/man3
	install -m 644 $(wildcard tools/man/*.7) $(root)$(MANDIR)/man7
	$(call install_library,libsley,$(installed_suffix))
	$(if $(SANITIZE)$(CROSS),,$(call install_library,libsley-debug,-debug))
	$(if $(posix_library),$(install_posix))
	@[ -n "$(root)" ] || { ldconfig 2>/dev/null; ldconfig -p | grep -q ' $(LIBDIR)/$(installed)\.so'; } || \
		echo "The loader does not know $(installed).so in $(LIBDIR) yet: run ldconfig as root, or link with -Wl,-rpath,$(LIBDIR)"

install: install-lib $(if $(SANITIZE)$(CROSS),,install-tools)

install-tools: $(asynctop_program) $(assist_library)
	install -d $(addprefix $(root),$(BINDIR) $(LIBDIR) $(MANDIR)/man1 $(DATADIR))
	install -m 755 $(BUILD)/asynctop $(root)$(BINDIR)
	install -m 755 $(BUILD)/libsley_assist.so $(root)$(LIBDIR)/$(assist_soname)
	@[ -n "$(root)" ] || ldconfig 2>/dev/null || :
	install -m 644 $(wildcard tools/man/*.1) $(root)$(MANDIR)/man1
	install -m 644 $(wildcard tools/gdb/*.py) $(root)$(DATADIR)

installed_libraries := $(foreach name,sley sley-debug sley-asan sley-tsan sley-ubsan,$(addprefix $(LIBDIR)/,lib$(name).a \
	lib$(name).so lib$(name).so.$(SOVERSION) lib$(name).so.$(VERSION) pkgconfig/$(name).pc)) $(addprefix $(LIBDIR)/, \
	libsley-posix.so libsley-posix.so.$(SOVERSION) libsley-posix.so.$(VERSION) pkgconfig/sley-posix.pc)
uninstall:
	rm -f $(addprefix $(root),$(installed_libraries) $(LIBDIR)/$(assist_soname) $(BINDIR)/asynctop \
		$(patsubst tools/man/%,$(MANDIR)/man1/%,$(wildcard tools/man/*.1)) \
		$(patsubst tools/man/%,$(MANDIR)/man7/%,$(wildcard tools/man/*.7)) \
		$(patsubst tools/gdb/%,$(DATADIR)/%,$(wildcard tools/gdb/*.py)) \
		$(patsubst include/%,$(INCLUDEDIR)/%,$(wildcard include/sley.h include/sley/*.h)))
	for page in $$(awk -v names=1 -f tools/man/pages.awk $(documented)); do rm -f $(root)$(MANDIR)/man3/$$page; done
	for directory in $(addprefix $(root),$(INCLUDEDIR)/sley $(DATADIR)); do \
		[ ! -d "$$directory" ] || rmdir --ignore-fail-on-non-empty "$$directory"; \
	done

# ---- dependencies between files, as the compiler found them ----

-include $(patsubst %.o,%.d,$(call object,$(filter %.c %.S,$(runtime) $(loader) $(asynctop) $(examples) \
	$(third_party) $(unit) $(stress) $(posix_tests) $(observers) $(wildcard tests/*.c tests/bench/*.c))) $(call debug,$(runtime)) \
	$(call posix_object,$(posix)) $(BUILD)/ports/tasks/main.o $(BUILD)/ports/threads/load.o $(foreach p,$(ports),$(call port_objects,threads,$(p)) \
	$(call port_objects,tasks,$(p)))) \
	$(bpf:%.bpf.c=$(BUILD)/%.bpf.d)
