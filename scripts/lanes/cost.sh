# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
lane_cost() {
	local k p cpu kind a b kernel mode what boot bound
	local table=$BUILD/report/cost.txt
	kernel stock || return
	kernel series || return
	selftests || return
	for p in off on; do for k in stock series; do
		KERNEL=$k ICOUNT=1 APPEND="pti=$p" ISOL=$NOHZ_ISOL RUN=guest-cost TIMEOUT=600 guest "cost-$k-pti-$p" || return
	done; done
	# Kinds of CPU that there are where none is nohz_full.
	for p in off on; do for k in stock series; do
		KERNEL=$k ICOUNT=1 APPEND="pti=$p" ISOL=$NO_NOHZ RUN=$COST_TWICE TIMEOUT=600 guest "cost-$k-no-nohz-$p" || return
	done; done
	{
		echo "Instructions per getppid(), page fault and signal round trip (QEMU, -icount shift=0)"
		printf '%-11s %-13s %-7s %-8s %10s %10s %10s\n' boot cpu kernel mode getppid fault signal
		for boot in pti-off pti-on no-nohz-off no-nohz-on; do for cpu in 0 1; do for kernel in stock series; do for mode in plain vmstat nohz defer lru text three all; do
			[ "$kernel" != stock ] || [ "$mode" = plain ] || continue
			kind=$(field "cost-$kernel-$boot" "cost cpu=$cpu .*mode=$mode " kind)
			[ -n "$kind" ] || continue
			printf '%-11s %-13s %-7s %-8s %10s %10s %10s\n' "$boot" "$kind" "$kernel" "$mode" \
				"$(field "cost-$kernel-$boot" "cost cpu=$cpu .*mode=$mode " syscall)" \
				"$(field "cost-$kernel-$boot" "cost cpu=$cpu .*mode=$mode " fault)" \
				"$(field "cost-$kernel-$boot" "cost cpu=$cpu .*mode=$mode " signal)"
		done; done; done; done
	} > "$table"
	cat "$table"
	rm -rf "$BUILD/measured-cost"
	mkdir -p "$BUILD/measured-cost"
	for p in off on; do for k in stock series; do
		cat "$LOGS/guest-cost-$k-pti-$p.log" "$LOGS/guest-cost-$k-no-nohz-$p.log" > "$BUILD/measured-cost/cost-$k-$p.log"
	done; done
	if [ -n "${KEEP:-}" ]; then
		step "measured.md keeps the cost" "$TOP/scripts/in-toolchain" python3 "$TOP/scripts/bench-report" \
			--keep "$TOP/Documentation/measured.md" "$BUILD/measured-cost"
	else
		measured "the cost" "$BUILD/measured-cost"
	fi
	expect "cost: CPU 1 is nohz_full" "$(field cost-series-pti-off 'cost cpu=1 .*mode=plain ' kind)" = nohz_full
	expect "cost: CPU 0 without nohz_full=" "$(field cost-series-no-nohz-off 'cost cpu=0 .*mode=plain ' kind)" = no_nohz_full
	expect "cost: CPU 1 is isolcpus only" "$(field cost-series-no-nohz-off 'cost cpu=1 .*mode=plain ' kind)" = isolcpus
	for boot in pti-off pti-on no-nohz-off no-nohz-on; do for cpu in 0 1; do
		kind="CPU $cpu, $boot"
		for k in stock series; do
			a=$(field "cost-$k-$boot" "cost cpu=$cpu .*mode=plain " syscall 1)
			b=$(field "cost-$k-$boot" "cost cpu=$cpu .*mode=plain " syscall 2)
			expect "cost: two runs agree ($k, $kind)" -n "$a" -a "$a" = "$b"
		done
		for what in syscall fault signal; do
			expect "cost: not isolated, no more than stock ($what, $kind)" \
				"$(more "$boot" "$cpu" plain "$what" 0)" = yes
		done
		# Without nohz_full=, a CPU of isolcpus= is the only one where actions have an
		# effect, so that it has to look at the counters and the batches. The deferral
		# is not supported.
		if [[ $boot = no-nohz-* ]]; then
			bound=$((cpu ? 112 : 60))
			expect "cost: clean return, all actions, at most $bound more ($kind)" \
				"$(more "$boot" "$cpu" all syscall $bound)" = yes
			continue
		fi
		bound=$((cpu ? 100 : 60))
		expect "cost: clean return, all actions, at most $bound more ($kind)" \
			"$(more "$boot" "$cpu" all syscall $bound)" = yes
		expect "cost: clean return, three actions, at most $((cpu ? 75 : 60)) more ($kind)" \
			"$(more "$boot" "$cpu" three syscall $((cpu ? 75 : 60)))" = yes
		expect "cost: page fault with vmstat, at most 450 more ($kind)" \
			"$(more "$boot" "$cpu" vmstat fault 450)" = yes
	done; done
}

# more BOOT CPU MODE WHAT BOUND - "yes" if it is at most BOUND more than on stock, plain.
more() {
	awk -v a="$(field "cost-series-$1" "cost cpu=$2 .*mode=$3 " "$4")" \
	    -v b="$(field "cost-stock-$1" "cost cpu=$2 .*mode=plain " "$4")" -v m="$5" \
		'BEGIN { print (a > 0 && b > 0 && a - b <= m) ? "yes" : a - b " more" }'
}
