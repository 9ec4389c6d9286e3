# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
lane_cost() {
	local k p cpu kind a b kernel mode what
	local table=$BUILD/report/cost.txt
	kernel stock || return
	kernel series || return
	selftests || return
	for p in off on; do for k in stock series; do
		KERNEL=$k ICOUNT=1 APPEND="pti=$p" ISOL=$NOHZ_ISOL RUN=guest-cost TIMEOUT=600 guest "cost-$k-pti-$p" || return
	done; done
	{
		echo "Instructions per getppid(), page fault and signal round trip (QEMU, -icount shift=0)"
		printf '%-4s %-13s %-7s %-8s %10s %10s %10s\n' pti cpu kernel mode getppid fault signal
		for p in off on; do for cpu in 0 1; do for kernel in stock series; do for mode in plain vmstat nohz defer lru text three all; do
			[ "$kernel" != stock ] || [ "$mode" = plain ] || continue
			kind=$(field "cost-$kernel-pti-$p" "cost cpu=$cpu .*mode=$mode " kind)
			printf '%-4s %-13s %-7s %-8s %10s %10s %10s\n' "$p" "$kind" "$kernel" "$mode" \
				"$(field "cost-$kernel-pti-$p" "cost cpu=$cpu .*mode=$mode " syscall)" \
				"$(field "cost-$kernel-pti-$p" "cost cpu=$cpu .*mode=$mode " fault)" \
				"$(field "cost-$kernel-pti-$p" "cost cpu=$cpu .*mode=$mode " signal)"
		done; done; done; done
	} > "$table"
	cat "$table"
	rm -rf "$BUILD/measured-cost"
	mkdir -p "$BUILD/measured-cost"
	for p in off on; do for k in stock series; do
		cp "$LOGS/guest-cost-$k-pti-$p.log" "$BUILD/measured-cost/cost-$k-$p.log"
	done; done
	if [ -n "${KEEP:-}" ]; then
		step "measured.md keeps the cost" "$TOP/scripts/in-toolchain" python3 "$TOP/scripts/bench-report" \
			--keep "$TOP/Documentation/measured.md" "$BUILD/measured-cost"
	else
		measured "the cost" "$BUILD/measured-cost"
	fi
	expect "cost: CPU 1 is nohz_full" "$(field cost-series-pti-off 'cost cpu=1 .*mode=plain ' kind)" = nohz_full
	for p in off on; do for cpu in 0 1; do
		for k in stock series; do
			a=$(field "cost-$k-pti-$p" "cost cpu=$cpu .*mode=plain " syscall 1)
			b=$(field "cost-$k-pti-$p" "cost cpu=$cpu .*mode=plain " syscall 2)
			expect "cost: two runs agree ($k, CPU $cpu, pti=$p)" -n "$a" -a "$a" = "$b"
		done
		for what in syscall fault signal; do
			expect "cost: not isolated, no more than stock ($what, CPU $cpu, pti=$p)" \
				"$(more "$p" "$cpu" plain "$what" 0)" = yes
		done
		# Off nohz_full three of the actions have no effect, but are looked at.
		expect "cost: clean return, three actions, at most $((cpu ? 75 : 60)) more (CPU $cpu, pti=$p)" \
			"$(more "$p" "$cpu" three syscall $((cpu ? 75 : 60)))" = yes
		expect "cost: clean return, all actions, at most $((cpu ? 100 : 60)) more (CPU $cpu, pti=$p)" \
			"$(more "$p" "$cpu" all syscall $((cpu ? 100 : 60)))" = yes
		expect "cost: page fault with vmstat, at most 450 more (CPU $cpu, pti=$p)" \
			"$(more "$p" "$cpu" vmstat fault 450)" = yes
	done; done
}

# more PTI CPU MODE WHAT BOUND - "yes" if it is at most BOUND more than on stock, plain.
more() {
	awk -v a="$(field "cost-series-pti-$1" "cost cpu=$2 .*mode=$3 " "$4")" \
	    -v b="$(field "cost-stock-pti-$1" "cost cpu=$2 .*mode=plain " "$4")" -v m="$5" \
		'BEGIN { print (a > 0 && b > 0 && a - b <= m) ? "yes" : a - b " more" }'
}
