# SPDX-License-Identifier: Apache-2.0
#
# The goals a person types. What is built, and from what, is the image builder's to know: it keeps every component
# under the hash of its inputs, so nothing is listed here twice and a second `make image` takes seconds.

ARCH  ?= x86_64
BUILD := image-builder/build

.DEFAULT_GOAL := help
.PHONY: help setup image run test check bench reproduce lint fuzz update-sources clean

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1	/p' $(MAKEFILE_LIST) | expand -t 16
	@echo
	@echo 'ARCH=x86_64 (default) or aarch64 chooses what image and run are about.'
	@echo 'ONLY=PATH limits check and fuzz to a folder, test to one scenario, bench to modules by name (ONLY=kube_api).'
	@echo 'FUZZ_SECONDS is the time of each fuzzer.'
	@echo 'WHERRY_MIRROR names a Debian mirror or a dated snapshot; WHERRY_CACHE is where downloads and components stay.'

setup: ## install what this machine lacks, with apt
	@image-builder/setup

image: ## out/ARCH/{linux,initrd,cmdline,wherry.efi,wherry.img}
	@image-builder/setup --quiet
	@$(BUILD) image $(ARCH)

run: image ## boot a fresh node in this terminal
	@# the operator's wherryctl is the x86_64 one, whatever the node is
	@[ $(ARCH) = x86_64 ] || $(BUILD) programs x86_64
	@qemu/run --arch $(ARCH)

# Scenarios run four at a time: most nodes have one processor, and half of the time each waits.
test: ## unit tests, fuzzers, and the VM tests, on both architectures
	@$(MAKE) --no-print-directory image ARCH="x86_64 $(if $(ONLY),,aarch64)"
ifeq ($(filter tests/%,$(ONLY)),)
	@$(MAKE) --no-print-directory check fuzz
endif
ifeq ($(ONLY),)
	@/usr/bin/python3 -m pytest -n 2 tests/host
endif
ifeq ($(filter-out tests/%,$(ONLY)),)
	@/usr/bin/python3 -m pytest -n 4 --dist loadgroup --durations 15 $(or $(ONLY),tests/vm)
endif

check: ## unit tests under ASan and UBSan
	@$(BUILD) check

fuzz: ## every fuzzer, FUZZ_SECONDS each
	@$(BUILD) fuzz

lint: ## format, static analysis, and the rule that rooms include only downward
	@$(BUILD) lint

bench: image ## figures against peers, in one VM and one run
	@tests/bench/run $(ONLY)

reproduce: ## build everything twice, elsewhere and later, and compare every byte
	@image-builder/reproduce

update-sources: ## lock what Debian 13 has today
	@$(BUILD) update-sources

clean: ## remove out/; downloads and components stay in the cache
	rm -rf out
