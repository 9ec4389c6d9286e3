# SPDX-License-Identifier: GPL-2.0
# The front door.  Everything is done by scripts/, with the cache outside of
# the checkout.
SHELL := /bin/bash
.DEFAULT_GOAL := help
CONFIG ?= series
export SECTION TREE BASE SKIP VERSION OUT ASSISTED_BY STATEMENT ONLY KDIR KERNEL INIT RUN SMP MEM ISOL APPEND ICOUNT INTLOG PLUGIN PLUGINOUT EXECLOG EXECRANGES TIMEOUT INTO TICK_ROUNDS TICK_MS TICK_KERNELS MUTANTS ARCHES ROWS KEEP FORCE FROM NR QUICK JOBS

.PHONY: arches batches claims container post post-check import bases share growth help setup fetch apply build boot check refresh test demo clean \
	distclean window where host-test kselftest cost rt tick tlb x86 kasan mutants bench clippy bisect prefixes bloat kunit debug docs sparse distro off noise text witness containerfile

help:		## this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup:		## make the toolchain: the host's own, or a Debian root in the cache (no root needed)
	@scripts/setup

fetch: setup	## get the base kernel into the cache
	@[ -n "$$KDIR" ] || scripts/fetch

apply: fetch	## apply the series to the base, or to KDIR=/path (KEEP=1: keep what applies)
	@scripts/apply

build: apply	## build a kernel: CONFIG=series, stock, off, debug, or any kernel-config/*.config
	@scripts/build $(CONFIG)

boot:		## boot a built kernel: KERNEL= INIT= SMP= APPEND= ICOUNT=1 INTLOG= TIMEOUT= (scripts/boot)
	@[ -n "$$INIT" ] || scripts/selftests
	@scripts/boot

check: fetch	## drift, zero fuzz, checkpatch, covers, rustfmt, clippy, shellcheck: no kernel build (ONLY=regex)
	@scripts/check

refresh:	## fold edits into the patches that own them: INTO=NNNN for new files
	@scripts/refresh

test:		## all tests that fit in an hour, from nothing
	@scripts/test

demo:		## from nothing to a table: the isolated CPU beside that of Debian's kernel (KEEP=1: and the picture of README.md)
	@scripts/demo

host-test: setup	## cargo test of the policy files
	@scripts/test host

kselftest: apply	## build and boot the series, run its selftests
	@scripts/test kselftest

cost: apply	## instructions per system call and fault, stock and series
	@scripts/test cost

where: apply	## where the instructions of an isolated return go, function by function (EACH=1; KEEP=1)
	@scripts/where

kunit: apply	## the KUnit tests in the debug kernel, by kunit.py
	@scripts/test kunit

batches: apply	## all kinds of batches of pages on a CPU, eight isolated threads, two NUMA nodes
	@scripts/test batches

window: apply	## what a CPU can execute before the hook: no patched or instrumented code is unknown
	@scripts/test window

debug: apply	## the selftests and CPU hotplug on the debug kernel
	@scripts/test debug

noise: apply	## what interrupts the thread, on stock and ours
	@scripts/test noise

off: apply	## with the option off, the objects that the series touches come out as on stock
	@scripts/test off

sparse: apply	## sparse on what the series touches: no new warning
	@scripts/test sparse

docs: apply	## kernel-doc, and the new documents by Sphinx: no warning
	@scripts/test docs

distro: apply	## Debian's configuration and GCC, the series switched on: builds, boots, is quiet (long)
	@scripts/test distro

rt: apply	## the selftests on PREEMPT_RT with all debug options (long)
	@scripts/test rt

tlb: apply	## deferred TLB flushes: what is seen after them (TLB_ROUNDS= for each of 20 ways)
	@scripts/test tlb

text: apply	## deferred text synchronization: who is interrupted, and what is in the text before
	@scripts/test text

witness: apply	## deferred text synchronization watched from outside, and parts left out (long; MUTANTS=)
	@scripts/test witness

arches: apply	## arm64 and riscv64 built and tested, others compiled (ARCHES=some; long)
	@scripts/test arches

claims: apply	## claims where all of what they refuse is there: their tests, and what tools print (BLOCK_ROUNDS= of the race; long)
	@scripts/test claims

x86: apply	## the entry tests of selftests/x86, on stock, ours, and isolated (long)
	@scripts/test x86

kasan: apply	## the selftests on a KASAN kernel (long)
	@scripts/test kasan

share: apply	## the share of an isolated thread beside a task of another user (long)
	@scripts/test share

growth: apply	## the cost with more CPUs, nodes and threads (long)
	@scripts/test growth

tick: apply	## timer interrupts in user mode, 200 x 5 s for each way to have one (long)
	@scripts/test tick

bench: apply	## count every interruption, what it costs, and draw it, into build/report (ROWS=a,b; KEEP=1)
	@scripts/bench

mutants: apply	## the parts of the series left out one by one, and what that does (long; MUTANTS=)
	@scripts/test mutants

clippy: apply	## the whole crate with the kernel's own CLIPPY=1 (minutes)
	@scripts/build clippy kernel/isolation/isolation.o

bloat: apply	## bloat-o-meter of the whole =n kernel against stock (long)
	@scripts/test bloat

prefixes: apply	## each prefix without a kernel build: its selftests build, its documents fit (long)
	@scripts/test prefixes

bisect: apply	## build every prefix with the option on and off (long)
	@scripts/bisect

post: fetch	## the mails of a posting, none sent: SECTION= TREE=/path/to/linux BASE=tag BUILD=1 (scripts/post)
	@EACH="$(BUILD)" scripts/post "$(SECTION)" "$(TREE)" "$(BASE)"

post-check: fetch	## make post for each section, on a scratch tree, and a thread that comes back
	@scripts/test post

import: fetch	## the review tags of a thread into the patches: MBOX=
	@scripts/import "$(MBOX)"

bases: fetch	## the series on Debian's 7.2 and 7.3-rc: each patch clean, fuzz or conflict (long)
	@scripts/test bases

container: fetch	## the image of scripts/containerfile is built and has the toolchain, where an engine runs (long)
	@scripts/test container

containerfile:	## print a Containerfile with the packages of the toolchain root
	@scripts/containerfile

clean:		## remove build/
	rm -rf build

distclean: clean	## remove the cache as well: toolchain, source, objects
	@scripts/distclean
