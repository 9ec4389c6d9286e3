# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
# Not part of the default: KASAN. With KASAN_VMALLOC purges flush its shadow, which
# is not deferred: tlb_defer_test skips.
lane_kasan() {
	kernel kasan || return
	selftests || return
	KERNEL=kasan MEM=2G RUN=guest-selftests,guest-hotplug TIMEOUT=1800 ISOL=$NOHZ_ISOL APPEND='loglevel=5 panic_on_warn=1' guest kasan && tap kasan
}
