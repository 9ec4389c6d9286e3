# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
# Deferred TLB flushes: what is seen after them, without page table isolation, as
# each change of CR3 is a flush under emulation. SYSENTER only with one vendor.
# Then how many interrupts that saves.
lane_tlb() {
	local vendor k p n m kinds
	kernel stock || return
	kernel series || return
	selftests || return
	for vendor in AuthenticAMD GenuineIntel; do
		KERNEL=series CPUFLAGS=,vendor=$vendor RUN="$(test_programs | grep -o "tlb_defer[a-z_]*")+-n+${TLB_ROUNDS:-3000}" TIMEOUT=900 APPEND=pti=off guest "tlb-$vendor" || return
		m=$(field "tlb-$vendor" "tlb_defer control " stale)
		n=$(field "tlb-$vendor" "tlb_defer control " rounds)
		expect "tlb: control, with the flush lost they see it, $m of $n times ($vendor)" "$((n > 0 && m * 10 >= n * 9))" -eq 1
		n=$(sed -n '/^tlb_defer control/d; s/^tlb_defer .* rounds=\([0-9]*\) .*/\1/p' "$LOGS/guest-tlb-$vendor.log" | awk '{ n += $1 } END { print n + 0 }')
		m=$(sed -n '/^tlb_defer control/d; s/^tlb_defer .* deferred=\([0-9]*\) .*/\1/p' "$LOGS/guest-tlb-$vendor.log" | awk '{ n += $1 } END { print n + 0 }')
		expect "tlb: each of 21 ways into the kernel, as it should ($vendor)" \
			"$(grep -c '^ok ' "$LOGS/guest-tlb-$vendor.log"):$(grep -c '^not ok ' "$LOGS/guest-tlb-$vendor.log")" = 22:0
		expect "tlb: in $n rounds, $m of them deferred, nobody saw what was there before ($vendor)" \
			"$(grep -cE '^tlb_defer .* stale=0 bad_word=0 ' "$LOGS/guest-tlb-$vendor.log")" -eq 21
	done
	for p in ${PURGE_PTI:-off}; do
		for k in stock series; do
			KERNEL=$k RUN=guest-purges TIMEOUT=600 \
				APPEND="pti=$p PURGE_N=${PURGE_N:-200} PURGE_Q=$([ $k = stock ] && echo 0 || echo all)" guest "purges-$k-$p" || return
			n=$(sed -n 's/^purges=//p' "$LOGS/guest-purges-$k-$p.log")
			kinds=$(field "purges-$k-$p" "noise threads" kinds)
			m=$(sed -n 's/.*\<CAL:\([0-9]*\).*/\1/p' <<< "$kinds")
			if [ $k = stock ]; then
				expect "tlb: $n purges, control: on stock each is a function-call interrupt, $kinds (pti=$p)" \
					"$((n >= 5 && ${m:-0} >= n - 1 && ${m:-0} <= n + n / 10 + 2))" -eq 1
			else
				expect "tlb: $n purges, no interrupt, $kinds (pti=$p)" \
					"$((n >= 5)):$(field "purges-$k-$p" "noise threads" interrupts):$(field "purges-$k-$p" "noise threads" entries)" = 1:0:0
			fi
		done
	done
}
