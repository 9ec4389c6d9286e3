# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
# Not part of the default: the share of the CPU that an isolated thread has beside a task
# of another user. Counting instructions makes times exact.
lane_share() {
	kernel series || return
	selftests || return
	KERNEL=series ICOUNT=1 SMP=2 RUN=share_test TIMEOUT=900 guest share || return
	expect "share: each of 8 patterns, with its control" \
		"$(grep -c '^ok ' "$LOGS/guest-share.log"):$(grep -c '^not ok ' "$LOGS/guest-share.log")" = 8:0
}
