# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
# Debian's own cloud configuration, built with GCC, the series switched on: what people
# would get. Built in, without the modules, which no guest here loads.
lane_distro() {
	local touched warnings row k style isol i s n obj
	obj=$(obj_of distro)
	kernel distro || return
	touched=$(sed -n 's/^+++ b\/\(.*\.\([chS]\|rs\)\)$/\1/p' "$TOP"/patches/*.patch | sort -u)
	# Also of an earlier run that did not get to its end: each run appends.
	warnings=$(grep -E '(^|[ :])warning[:[]' "$LOGS/distro-warnings.log" | grep -F "$touched" | sort -u)
	expect "distro: built without a warning of ours" -z "$warnings" || indented "$warnings"
	for k in CONFIG_CC_IS_GCC=y CONFIG_RUST=y CONFIG_TASK_ISOLATION=y CONFIG_TASK_ISOLATION_DEFER_TLB=y CONFIG_NO_HZ_FULL=y; do
		expect "distro: $k" "$(grep -cx "$k" "$obj/.config")" -eq 1
	done
	selftests || return
	KERNEL=distro RUN=guest-selftests MEM=2G TIMEOUT=1200 ISOL=$NOHZ_ISOL guest distro && tap distro
	for style in isolcpus nohz; do
		isol=$NOHZ_ISOL
		[ $style = isolcpus ] || isol=$NOHZ_ONLY
		KERNEL=distro ISOL=$isol MEM=2G RUN=guest-demo TIMEOUT=240 guest "distro-$style" || return
		n=0
		while read -r row; do
			n=$((n + 1))
			i=$(tr ' ' '\n' <<< "$row" | sed -n 's/^interrupts=//p')
			s=$(tr ' ' '\n' <<< "$row" | sed -n 's/^switches=//p')
			expect "distro: isolated thread is left alone ($style, $(cut -d' ' -f2 <<< "$row"))" "$i/$s" = 0/0
		done < <(grep '^noise .*actions=[1-9]' "$LOGS/guest-distro-$style.log")
		expect "distro: all rows of the demo were run ($style)" "$n" -eq 3
		n=0
		while read -r row; do
			n=$((n + 1))
			i=$(tr ' ' '\n' <<< "$row" | sed -n 's/^timer=//p')
			expect "distro: no timer interrupt in user mode ($style, $(cut -d' ' -f2 <<< "$row"))" "$i" = 0
		done < <(grep '^tick .*actions=0x' "$LOGS/guest-distro-$style.log")
		expect "distro: all ways of the demo were run ($style)" "$n" -eq 3
		i=$(field "distro-$style" "noise stat_refresh actions=0" switches 2)
		expect "distro: control, not isolated it is interrupted ($style)" "${i:-0}" -ge 1
	done
}
