# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
# The selftests, by the kernel's own runner, in both styles of isolation.
lane_kselftest() {
	kernel series || return
	selftests || return
	KERNEL=series RUN=guest-selftests TIMEOUT=900 ISOL=$NOHZ_ISOL guest nohz_full+isolcpus && tap nohz_full+isolcpus
	KERNEL=series RUN=guest-selftests TIMEOUT=900 ISOL=$NOHZ_ONLY guest nohz_full && tap nohz_full
}
