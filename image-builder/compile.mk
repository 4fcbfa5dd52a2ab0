# SPDX-License-Identifier: Apache-2.0
#
# Compiles our own programs, unit tests and fuzzers. The top Makefile runs this file inside the build root;
# nothing here knows where that root is. Two ways to compile the same sources, and one to look at them:
#
#   target   gcc, static, for the image: musl and the components' libraries under SYSROOT
#   check    clang, the build root's own C library and libraries, with ASan, UBSan and the counters of libFuzzer: unit
#            tests and fuzzers, which are linked with what was compiled once
#   tidy     clang-tidy
#
# A file's name says what it is: *_test.c is a cmocka program, *_fuzz.c a fuzzer, main.c and *_main.c hold a
# main(), everything else goes into one archive from which each program takes what it refers to. So a new
# source file needs no line here.

ARCH    ?= x86_64
OUT     ?= out
SYSROOT ?= /sysroot

ROOMS   := $(sort $(dir $(shell find init services -name '*.c')))
SOURCES := $(foreach r,$(ROOMS),$(wildcard $(r)*.c))
MAINS   := $(filter %/main.c %_main.c services/wherry.c,$(SOURCES))
TESTS   := $(filter %_test.c,$(SOURCES))
FUZZERS := $(filter %_fuzz.c,$(SOURCES))
PARTS   := $(filter-out $(MAINS) $(TESTS) $(FUZZERS),$(SOURCES))

# The kinds' text files become constant tables.
KINDS     := $(shell find services/cluster/kinds -name '*.kind' -o -name '*.types')
GENERATED := $(OUT)/gen/kinds.c
$(GENERATED): services/cluster/kinds/compile.py $(KINDS)
	python3 -B services/cluster/kinds/compile.py $@ $(KINDS)

# So does the tz database: the component's for the image, that of the C library here for tests. It is read each time, and the
# table is replaced only when it is another.
ZONES     := $(OUT)/$(ARCH)/gen/zones.c $(OUT)/check/gen/zones.c
$(OUT)/$(ARCH)/gen/zones.c: ZONEINFO := $(SYSROOT)/share/zoneinfo
$(OUT)/check/gen/zones.c: ZONEINFO := /usr/share/zoneinfo
$(ZONES): services/cluster/schema/zones.py FORCE
	@mkdir -p $(@D)
	python3 -B services/cluster/schema/zones.py $@ $(ZONEINFO)

CPPFLAGS := -I. -Iservices -D_GNU_SOURCE
WARNINGS := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith -Wwrite-strings \
	    -Wvla -Wformat=2 -Wundef -Wno-unused-parameter -Wno-missing-field-initializers -Werror
CFLAGS   := -std=gnu17 -pipe $(WARNINGS) -fno-common -fno-strict-aliasing

# ---- target

T        := $(OUT)/$(ARCH)
T_CC     := $(ARCH)-wherry-gcc
T_AR     := gcc-ar
T_CFLAGS := $(CFLAGS) -Os -ffunction-sections -fdata-sections -fstack-protector-strong -D_FORTIFY_SOURCE=2 \
	    -fno-asynchronous-unwind-tables -ffile-prefix-map=$(CURDIR)=.
T_LDFLAGS := -static -Wl,--gc-sections -Wl,-z,pack-relative-relocs -Wl,-z,max-page-size=4096 -Wl,--build-id=none -s
T_LIBS   := -lcurl -lsqlite3 -larchive -lmbedtls -lmbedx509 -lmbedcrypto -lllhttp -lyyjson -lseccomp -lyaml -lisal -lzstd -llzma -lbz2 -lz

PROGRAMS := init stage1 runtime wherry docker-init
init_MAIN    := init/main.c
stage1_MAIN  := init/stage1_main.c
runtime_MAIN := services/runtime/main.c
wherry_MAIN  := services/wherry.c
docker-init_MAIN := services/engine/container_init_main.c
HAVE     := $(foreach p,$(PROGRAMS),$(if $(wildcard $($(p)_MAIN)),$(p)))

.PHONY: programs check fuzz FORCE
.SECONDARY: # what is made on the way stays, programs of tests above all
programs: $(HAVE:%=$(T)/bin/%)

$(T)/obj/%.o: %.c
	@mkdir -p $(@D)
	$(T_CC) $(CPPFLAGS) $(T_CFLAGS) -MMD -MP -c -o $@ $<

$(T)/obj/gen/kinds.o: $(GENERATED)
$(T)/obj/gen/zones.o: $(T)/gen/zones.c
$(T)/obj/gen/kinds.o $(T)/obj/gen/zones.o:
	@mkdir -p $(@D)
	$(T_CC) $(CPPFLAGS) $(T_CFLAGS) -MMD -MP -c -o $@ $<

$(T)/obj/parts.a: $(PARTS:%.c=$(T)/obj/%.o) $(T)/obj/gen/kinds.o $(T)/obj/gen/zones.o
	@rm -f $@
	$(T_AR) rcsD $@ $^

define program
$(T)/bin/$(1): $(T)/obj/$(basename $($(1)_MAIN)).o $(T)/obj/parts.a
	@mkdir -p $$(@D)
	$(T_CC) $(T_LDFLAGS) -o $$@ $$^ $(T_LIBS)
endef
$(foreach p,$(HAVE),$(eval $(call program,$(p))))

# ---- check

C        := $(OUT)/check
SANITIZE := address,undefined
# the name by which gcc, and clang from 20 on, say that ASan is there
C_CFLAGS := $(CFLAGS) -D__SANITIZE_ADDRESS__=1 -O1 -g -fsanitize=fuzzer-no-link,$(SANITIZE) -fno-sanitize-recover=all -fno-omit-frame-pointer \
	    -Wno-gnu -Wno-unknown-warning-option
C_LIBS   := -lm -lcmocka -lsqlite3 -lcurl-gnutls -larchive -lmbedtls -lmbedx509 -lmbedcrypto -lllhttp -lyyjson -lseccomp -lyaml -lisal \
	    -lzstd -llzma -lbz2 -lz
# make check ONLY=services/lib  limits the run to one folder; fuzz and tidy heed it, too
ONLY     ?=
RUN_TESTS := $(filter $(ONLY)%,$(TESTS))

$(C)/%.o: %.c
	@mkdir -p $(@D)
	clang $(CPPFLAGS) $(C_CFLAGS) -MMD -MP -c -o $@ $<

$(C)/gen/kinds.o: $(GENERATED)
$(C)/gen/zones.o: $(C)/gen/zones.c
$(C)/gen/kinds.o $(C)/gen/zones.o:
	@mkdir -p $(@D)
	clang $(CPPFLAGS) $(C_CFLAGS) -MMD -MP -c -o $@ $<

# A linker takes the first of two that have one name, and says nothing.
$(C)/parts.a: $(PARTS:%.c=$(C)/%.o) $(C)/gen/kinds.o $(C)/gen/zones.o
	@rm -f $@
	ar rcsD $@ $^
	@twice=$$(nm -g --defined-only $@ | awk '$$2 ~ /[TDRB]/ && $$3 !~ /^__/ {print $$3}' | sort | uniq -d); \
	[ -z "$$twice" ] || { rm $@; echo "$@: defined in more than one file:" $$twice >&2; exit 1; }

$(C)/%_test: $(C)/%_test.o $(C)/parts.a
	clang -fsanitize=$(SANITIZE) -o $@ $^ -Wl,--as-needed $(C_LIBS)

# The multi-call program, for tests that drive it on the build machine: `make OUT=out out/check/bin/wherry`
$(C)/bin/wherry: $(C)/services/wherry.o $(C)/parts.a
	@mkdir -p $(@D)
	clang -fsanitize=$(SANITIZE) -o $@ $^ -Wl,--as-needed $(C_LIBS)

# As many at a time as make has jobs: most of them wait, for a child or for a moment of time. One that fails shows what it
# said and does not stop the others; a test that was skipped is named, and counted.
$(C)/%.ran: $(C)/%_test FORCE
	@if timeout 120 $< >$@.log 2>&1; then echo passed >$@; echo "TEST $*: $$(grep -c '^\[ *OK' $@.log) passed"; \
	sed -n 's/^\[ *SKIPPED \] \(test_[a-z0-9_]*\)$$/SKIPPED \1/p' $@.log | sort -u | tee -a $@; \
	else echo failed >$@; cat $@.log; echo "FAILED $<"; fi

check: $(RUN_TESTS:%_test.c=$(C)/%.ran)
	@failed=$$(cat $^ | grep -c failed); skipped=$$(cat $^ | grep -c SKIPPED); \
	echo "unit test programs: $(words $(RUN_TESTS)) run, $$failed failed; $$skipped tests skipped"; [ $$failed = 0 ]

# ---- fuzz

F        := $(OUT)/fuzz
FUZZ_SECONDS ?= 30

$(F)/%_fuzz: $(C)/%_fuzz.o $(C)/parts.a
	@mkdir -p $(@D)
	clang -fsanitize=fuzzer,$(SANITIZE) -o $@ $^ -Wl,--as-needed $(C_LIBS)

# The seeds are tests/corpus/NAME; what a run finds is kept beside the program, not in the tree. They run as many at a
# time as make has jobs; one that fails shows the end of its log and does not stop the others.
RUN_FUZZERS := $(filter $(ONLY)%,$(FUZZERS))

$(F)/%.ran: $(F)/%_fuzz FORCE
	@n=$(notdir $*); mkdir -p $(F)/found/$$n; echo failed >$@; \
	if $< -max_total_time=$(FUZZ_SECONDS) -timeout=5 -rss_limit_mb=1024 -verbosity=0 -print_final_stats=1 \
		-artifact_prefix=$(F)/found/$$n- $(F)/found/$$n tests/corpus/$$n >$(F)/$*.log 2>&1; \
	then echo ran >$@; echo "FUZZ $$n: $$(sed -n 's/^stat::number_of_executed_units: *//p' $(F)/$*.log) inputs"; \
	else tail -n 40 $(F)/$*.log; echo "FAILED $<"; fi

fuzz: $(RUN_FUZZERS:%_fuzz.c=$(F)/%.ran)
	@failed=$$(cat $^ | grep -c failed); \
	echo "fuzzers: $(words $(RUN_FUZZERS)) run for $(FUZZ_SECONDS) s each, $$failed failed"; [ $$failed = 0 ]

FORCE:

# ---- lint: clang-tidy over what ships; tests and fuzzers are judged by running them

L        := $(OUT)/lint
HEADERS  := $(foreach r,$(ROOMS),$(wildcard $(r)*.h))
TIDY     := $(filter $(ONLY)%,$(filter-out $(TESTS) $(FUZZERS),$(SOURCES)))

.PHONY: tidy
tidy: $(TIDY:%.c=$(L)/%.tidy)

$(L)/%.tidy: %.c $(HEADERS) .clang-tidy
	@mkdir -p $(@D)
	@clang-tidy --quiet $< -- $(CPPFLAGS) -std=gnu17 >$@.new 2>&1 || { cat $@.new; rm $@.new; exit 1; }
	@mv $@.new $@

-include $(shell find $(OUT) -name '*.d' 2>/dev/null)
