# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
# Deferred text synchronization: who is interrupted, that each way into the kernel
# serializes, with page table isolation and without, and what is in the text before that.
lane_text() {
	local p m n log
	kernel series || return
	selftests || return
	for p in on off; do
		log=$LOGS/guest-text-$p.log
		KERNEL=series RUN="text_sync_test,tlb_defer_test+-x+-n+${TEXT_ROUNDS:-500}" TIMEOUT=900 APPEND="pti=$p" guest "text-$p" || return
		expect "text: 20 switches of a static key, none interrupts, $(field "text-$p" "text_sync control " calls) without the action (pti=$p)" \
			"$(field "text-$p" "text_sync deferred " calls)" -eq 0
		expect "text: of code before the hook, $(field "text-$p" "text_sync window " calls) interrupts, $(field "text-$p" "text_sync int3 " int3) INT3 met, none that was left to the CPU (pti=$p)" \
			"$(field "text-$p" "text_sync int3 " int3_pending)" -eq 0
		m=$(field "text-$p" "tlb_defer control " stale)
		n=$(field "text-$p" "tlb_defer control " rounds)
		expect "text: control, with the pending bit lost it shows, $m of $n times (pti=$p)" "$((n > 0 && m * 10 >= n * 9))" -eq 1
		n=$(sed -n '/^tlb_defer control/d; s/^tlb_defer .* deferred=\([0-9]*\) .*/\1/p' "$log" | awk '{ n += $1 } END { print n + 0 }')
		expect "text: each of 17 ways into the kernel serializes, $n times deferred (pti=$p)" \
			"$(grep -cE '^tlb_defer .* stale=0 bad_word=0 ' "$log"):$(grep -c '^not ok ' "$log")" = 17:0
	done
	log=$LOGS/guest-text-switched-off.log
	KERNEL=series RUN="text_sync_test,tlb_defer_test+-n+20+-r+syscall" APPEND="pti=off text_defer=off" guest text-switched-off || return
	expect "text: text_defer=off turns it off, and leaves TLB flushes deferred" \
		"$(grep -c 'SKIP.*the kernel does not defer text synchronization' "$log"):$(grep -c '^ok .*syscall' "$log"):$(grep -c '^not ok ' "$log")" = 1:1:0
}
