# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
# Not part of the default: KASAN. With KASAN_VMALLOC purges flush its shadow, which
# is not deferred: tlb_defer_test skips.
lane_kasan() {
	kernel kasan || return
	selftests || return
	KERNEL=kasan MEM=2G RUN=guest-selftests,guest-hotplug,guest-memory TIMEOUT=1800 ISOL=$NOHZ_ISOL \
		APPEND='loglevel=5 panic_on_warn=1 movablecore=512M' guest kasan && tap kasan
	step "hotplug of the isolated CPU, KASAN" grep -q '^<== guest-hotplug status 0' "$LOGS/guest-kasan.log"
	expect "memory hotplug, KASAN: $(sed -n 's/^# \([0-9]* blocks, .*\)/\1/p' "$LOGS/guest-kasan.log")" \
		"$(grep -cE '^# [0-9]+ blocks|^ok 1 memory$|^<== guest-memory status 0' "$LOGS/guest-kasan.log")" -eq 3
}
