# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
# Not part of the default: KASAN. With KASAN_VMALLOC purges flush its shadow, which
# is not deferred: tlb_defer_test skips.
lane_kasan() {
	kernel kasan || return
	selftests || return
	# With 2G, the threshold of vmstat divides what a CPU takes at once: quiet_test would skip that.
	KERNEL=kasan MEM=3G RUN=guest-selftests,guest-hotplug TIMEOUT=1800 ISOL=$NOHZ_ISOL APPEND='loglevel=5 panic_on_warn=1' guest kasan && tap kasan
	step "hotplug of the isolated CPU, KASAN" grep -q '^<== guest-hotplug status 0' "$LOGS/guest-kasan.log"
	# The rest of the memory is what comes and goes.
	KERNEL=kasan MEM=2G RUN=guest-memory TIMEOUT=400 ISOL=$NOHZ_ISOL APPEND='loglevel=5 mem=1536M' guest memory || return
	expect "memory hotplug, KASAN: $(sed -n 's/^# \(a zone of .*\)/\1/p' "$LOGS/guest-memory.log")" \
		"$(grep -cE '^# a zone of|^ok 1 memory$|^<== guest-memory status 0' "$LOGS/guest-memory.log")" -eq 3
}
