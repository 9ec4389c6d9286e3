# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
# The selftests, by the kernel's own runner, in both styles of isolation. The race of
# operations against claims is shorter here than in the lane for claims.
lane_kselftest() {
	kernel series || return
	selftests || return
	KERNEL=series RUN=guest-selftests TIMEOUT=900 ISOL=$NOHZ_ISOL APPEND=BLOCK_ROUNDS=100 guest nohz_full+isolcpus && tap nohz_full+isolcpus
	KERNEL=series RUN=guest-selftests TIMEOUT=900 ISOL=$NOHZ_ONLY APPEND=BLOCK_ROUNDS=100 guest nohz_full && tap nohz_full
	expect "control, a skip that skips.txt does not have is seen" \
		"$(unexpected_skips nohz_full <(echo '# ok 1 a.test # SKIP made up'))" = "1, at most 0: made up"
}
