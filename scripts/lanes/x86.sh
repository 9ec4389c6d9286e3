# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
# Not part of the default: the entry tests of x86, on stock, on ours and isolated.
# The 64-bit ones: the toolchain has no C library for 32 bits.
lane_x86() {
	local k t mode status
	kernel stock || return
	kernel series || return
	selftests || return
	# Some want what is not there, and are not for this.
	logged x86.log "$TOP/scripts/in-toolchain" make -k -C "$SERIES_TREE/tools/testing/selftests/x86" OUTPUT="$BUILD/selftests" \
		EXTRA_CFLAGS=-static CC=gcc KHDR_INCLUDES="-isystem $CACHE/obj/headers/usr/include" all_64
	for k in stock series; do
		KERNEL=$k RUN=guest-x86 TIMEOUT=300 guest "x86-$k" || return
	done
	while read -r t mode status; do
		expect "x86: $t, $mode, as on stock" "$status" = "$(sed -n "s/^x86 $t plain status=//p" "$LOGS/guest-x86-stock.log")"
	done < <(sed -n 's/^x86 \([a-z_0-9]*\) \([a-z]*\) status=\([0-9]*\)$/\1 \2 \3/p' "$LOGS/guest-x86-series.log")
	expect "x86: tests were run isolated" "$(grep -c '^x86 .* isolated status=0' "$LOGS/guest-x86-series.log")" -ge 12
}
