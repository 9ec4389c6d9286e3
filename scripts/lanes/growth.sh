# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
# How the bill grows with the machine: CPUs, nodes, and threads that fault at once.
lane_growth() {
	local n what most=16
	local table=$BUILD/report/growth.txt
	kernel stock || return
	kernel series || return
	# Nodes on one machine need NUMA_EMU. Polling for machine checks is a timer of each CPU.
	kernel bench bzImage modules || return
	kernel bench-stock bzImage modules || return
	# The others have room for 16 CPUs.
	kernel growth || return
	selftests || return
	for n in 2 8 16; do
		growth_bill "cpus-$n" stock series "$n" || return
	done
	for n in 1 4 8; do
		growth_bill "nodes-$n" bench-stock bench 2 "numa=fake=$n mce=off" || return
	done
	# A second zone on each node tells the price of a zone from that of a node.
	for n in 4 8; do
		growth_bill "zones-$n" bench-stock bench 2 "numa=fake=$n movablecore=512M mce=off" || return
	done
	# CPU 0 is for all others.
	KERNEL=growth ICOUNT=1 SMP=$((most + 1)) ISOL="nohz_full=1-$most isolcpus=domain,managed_irq,1-$most irqaffinity=0" \
		APPEND=pti=off RUN="$(growth_threads)" TIMEOUT=1200 guest growth-threads || return
	mkdir -p "$BUILD/report"
	{
		echo "Instructions per getppid() and page fault on a nohz_full CPU (QEMU, -icount shift=0), pti=off"
		printf '%-10s %10s %10s %10s %10s %10s %10s\n' machine stock plain all stock plain all
		for n in $GROWTH_MACHINES; do
			printf '%-10s' "$n"
			for what in syscall fault; do
				printf ' %10s %10s %10s' "$(grown "$n" stock plain $what)" \
					"$(grown "$n" series plain $what)" "$(grown "$n" series all $what)"
			done
			echo
		done
		echo
		echo "A page fault of one of N threads that fault at once, and of a thread on CPU 0 beside them"
		printf '%-10s %10s %10s %10s %10s\n' threads actions fault other counters
		grep '^fault_cost ' "$LOGS/guest-growth-threads.log" | tr ' ' '\n' |
			sed -nE 's/^(threads|actions|fault|other|counters)=//p' | paste - - - - - |
			awk '{ printf "%-10s %10s %10s %10s %10s\n", $1, $2, $3, $4, $5 }'
	} > "$table"
	cat "$table"
	rm -rf "$BUILD/measured-growth"
	mkdir -p "$BUILD/measured-growth"
	cp "$table" "$BUILD/measured-growth/"
	if [ -n "${KEEP:-}" ]; then
		step "measured.md keeps the growth" "$TOP/scripts/in-toolchain" python3 "$TOP/scripts/bench-report" \
			--keep "$TOP/Documentation/measured.md" "$BUILD/measured-growth"
	elif [ -z "${UNCHECKED:-}" ]; then
		measured "the growth" "$BUILD/measured-growth"
	fi
	# What vmstat pays for itself, with nobody isolated.
	for what in bench-stock bench; do
		KERNEL=$what ICOUNT=1 APPEND='pti=off mce=off' RUN=guest-vmstat-cost TIMEOUT=600 guest "growth-vmstat-$what" || return
		grep '^cost of ' "$LOGS/guest-growth-vmstat-$what.log" | sed "s/^/     $what: /"
	done
	# quiet_vmstat() has nothing to fold most times, so that what it often takes says nothing.
	expect "growth: vmstat_update folds with fewer instructions than on stock" \
		"$(awk -v a="$(vmstat_cost bench vmstat_update)" -v b="$(vmstat_cost bench-stock vmstat_update)" \
		'BEGIN { print (a > 0 && b > 0 && a < b) ? "yes" : a " and " b }')" = yes
	for n in $GROWTH_MACHINES; do
		expect "growth: nothing was left, $n" "$(grown "$n" series all left)" = 0
	done
	expect "growth: threads, with and without isolation" "$(grep -c '^fault_cost threads=' "$LOGS/guest-growth-threads.log")" -eq 10
	expect "growth: there is a second zone on each node, and a return looks at it" \
		"$(awk -v a="$(grown zones-8 series all syscall)" -v b="$(grown nodes-8 series all syscall)" \
		'BEGIN { print (b > 0 && a > b) ? "yes" : "no" }')" = yes
	for n in 8 16; do
		expect "growth: a clean return is the same with $n CPUs as with 2" \
			"$(grown "cpus-$n" series all syscall)" = "$(grown cpus-2 series all syscall)"
	done
	for n in 4 8; do
		expect "growth: a thread that is not isolated pays the same with $n nodes as with one" \
			"$(grown "nodes-$n" series plain syscall)" = "$(grown nodes-1 series plain syscall)"
	done
	# A word for each eight counters of a zone and of a node, and what finds it.
	expect "growth: a clean return costs at most $GROWTH_NODE more for each node" \
		"$(awk -v a="$(grown nodes-8 series all syscall)" -v b="$(grown nodes-4 series all syscall)" -v m="$GROWTH_NODE" \
		'BEGIN { print (a > 0 && b > 0 && (a - b) / 4 <= m) ? "yes" : (a - b) / 4 }')" = yes
}
GROWTH_NODE=40
GROWTH_MACHINES='cpus-2 cpus-8 cpus-16 nodes-1 nodes-4 nodes-8 zones-4 zones-8'

# growth_bill NAME STOCK SERIES CPUS [APPEND]
growth_bill() {
	local side kernel name=$1 cpus=$4 append=${5:-}
	for side in stock series; do
		kernel=$([ $side = stock ] && echo "$2" || echo "$3")
		KERNEL=$kernel ICOUNT=1 SMP=$cpus APPEND="pti=off $append" ISOL=$NOHZ_ISOL \
			RUN=syscall_cost+plain+all TIMEOUT=900 guest "growth-$name-$side" || return
	done
}

# vmstat_cost KERNEL FUNCTION - what it often takes while memory is touched.
vmstat_cost() { sed -n "s/^cost of $2 phase=busy .* often=//p" "$LOGS/guest-growth-vmstat-$1.log"; }

# growth_threads - fault_cost with more and more threads, as RUN.
growth_threads() {
	local n
	for n in 1 2 4 8 16; do
		printf 'fault_cost+-t+%s,fault_cost+-t+%s+-q+all,' "$n" "$n"
	done | sed 's/,$//'
}

# grown MACHINE SIDE MODE WHAT
grown() { field "growth-$1-$2" "cost cpu=1 .*mode=$3 " "$4"; }
