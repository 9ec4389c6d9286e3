# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
lane_bloat() {
	kernel off vmlinux || return
	kernel stock vmlinux || return
	"$TOP/scripts/in-toolchain" "$STOCK/scripts/bloat-o-meter" "$CACHE/obj/stock/vmlinux" "$CACHE/obj/off/vmlinux" | tee "$BUILD/report/bloat-off.txt"
	expect "=n: vmlinux differs by the stand-alone patches only" \
		-z "$(sed '1,2d; /^Total/d' "$BUILD/report/bloat-off.txt" | awk '{ print $1 }' | grep -vE '__UNIQUE_ID|^kallsyms_|^__pfx_|^_R' | grep -vxE "$OFF_STANDALONE")"
}
