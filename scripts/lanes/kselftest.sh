# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
# The selftests, by the kernel's own runner, in both styles of isolation. The race of
# operations against claims is shorter here than in the lane for claims.
lane_kselftest() {
	kernel series || return
	selftests || return
	KERNEL=series RUN=guest-selftests TIMEOUT=900 ISOL=$NOHZ_ISOL APPEND=BLOCK_ROUNDS=100 guest nohz_full+isolcpus && tap nohz_full+isolcpus
	KERNEL=series RUN=guest-selftests TIMEOUT=900 ISOL=$NOHZ_ONLY APPEND=BLOCK_ROUNDS=100 guest nohz_full && tap nohz_full
	# Where no CPU is nohz_full, two of the actions act on those of isolcpus=.
	KERNEL=series RUN=guest-selftests+vmstat_test+abi_test TIMEOUT=300 ISOL=$NO_NOHZ guest isolcpus && tap isolcpus vmstat_test abi_test
	expect "control, a skip that skips.txt does not have is seen, of a test and of a program" \
		"$(unexpected_skips nohz_full <(printf '# %s # SKIP made up\n' 'ok 1 a.test' 1..0) | sort | paste -sd';')" = \
		"1, at most 0: all: made up;1, at most 0: made up"
}
