# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
# The selftests and CPU hotplug under everything that checks, threads that come and go.
# Then four nodes of memory and 16 CPUs, which take turns on those of this machine.
# At this level the console shows warnings that are no WARN().
WIDE='abi_test lifecycle_test uret_test vmstat_test lru_test workers_test'
lane_debug() {
	kernel debug || return
	selftests || return
	KERNEL=debug RUN=guest-selftests,guest-hotplug TIMEOUT=1500 ISOL=$NOHZ_ISOL \
		APPEND='loglevel=5 panic_on_warn=1 kunit.enable=0' guest debug && tap debug
	step "hotplug of the isolated CPU, against stat_refresh" grep -q '^<== guest-hotplug status 0' "$LOGS/guest-debug.log"
	KERNEL=debug RUN=guest-life TIMEOUT=300 ISOL="nohz_full=1-2 isolcpus=domain,managed_irq,1-2" APPEND='pti=off kunit.enable=0' guest life || return
	expect "life of isolated threads, with flushes deferred: $(sed -n 's/^rounds of life: //p' "$LOGS/guest-life.log")" \
		"$(sed -n 's/^rounds of life: 40, .*CPU 1: //p' "$LOGS/guest-life.log")" -ge 10
	KERNEL=debug SMP=16 RUN="guest-selftests+${WIDE// /+}" TIMEOUT=1200 \
		ISOL="${NOHZ_ISOL//1/1-15}" APPEND='loglevel=7 panic_on_warn=1 kunit.enable=0 numa=fake=4' guest wide || return
	expect "wide: 16 CPUs, 4 nodes" "$(grep -c 'smp: Brought up 4 nodes, 16 CPUs' "$LOGS/guest-wide.log")" -eq 1
	# shellcheck disable=SC2086 # a list of words
	tap wide $WIDE
}
