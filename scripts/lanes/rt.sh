# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
# Not part of the default: PREEMPT_RT, with all that the debug kernel checks.
lane_rt() {
	kernel rt || return
	selftests || return
	KERNEL=rt RUN=guest-selftests,guest-hotplug TIMEOUT=1500 ISOL=$NOHZ_ISOL \
		APPEND='loglevel=5 panic_on_warn=1 kunit.enable=0 rcutree.kthread_prio=2' guest rt && tap rt
	step "hotplug of the isolated CPU, PREEMPT_RT" grep -q '^<== guest-hotplug status 0' "$LOGS/guest-rt.log"
}
