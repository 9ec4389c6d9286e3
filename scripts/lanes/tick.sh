# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
# Not part of the default: each way to have the tick restarted, 200 times, with
# 5 s of user mode. Three guests at once, which takes some 20 minutes.
lane_tick() {
	local k q name alone way hit unnamed left pid pids
	kernel stock || return
	kernel series || return
	selftests || return
	for k in ${TICK_KERNELS:-series stock}; do
		q=
		pids=()
		[ "$k" = stock ] || q=" TICK_Q=all"
		for alone in "" perf_event kworker child; do
			name=tick-$k${alone:+-$alone}
			KERNEL=$k SMP=$([ -n "$alone" ] && echo 2 || echo 16) MEM=2G RUN=guest-tick-wide TIMEOUT=3000 \
				ISOL="nohz_full=1-$([ -n "$alone" ] && echo 1 || echo 15) isolcpus=domain,managed_irq,1-$([ -n "$alone" ] && echo 1 || echo 15)" \
				APPEND="TICK_ROUNDS=${TICK_ROUNDS:-200} TICK_MS=${TICK_MS:-5000}$q ${alone:+TICK_ALONE=$alone}" \
				guest "$name" > "$LOGS/$name.result" &
			pids+=($!)
		done
		for pid in "${pids[@]}"; do
			while kill -0 "$pid" 2>/dev/null; do sleep 5; echo; done
		done | progress "tick-$k"
		wait
		for alone in "" perf_event kworker child; do
			name=tick-$k${alone:+-$alone}
			if grep -q '^ok ' "$LOGS/$name.result"; then ok "$name"; else cat "$LOGS/$name.result"; bad "$name"; fi
			grep '^tick ' "$LOGS/guest-$name.log"
		done
	done | tee "$BUILD/report/tick.txt"
	# The pipe above is a shell of its own.
	passed=$((passed + $(grep -c '^ok ' "$BUILD/report/tick.txt")))
	failed=$((failed + $(grep -c '^FAIL ' "$BUILD/report/tick.txt")))
	while read -r way hit unnamed left; do
		expect "tick: each interrupt was announced, $way" "$unnamed" -eq 0
		if [ "$way" = cpu_timer_armed ]; then
			expect "tick: what keeps it is named, $way" $((left & 1)) -eq 1
		else
			expect "tick: in few rounds only, $way" "$hit" -le $((${TICK_ROUNDS:-200} / 4))
		fi
	done < <(sed -n 's/^tick \([a-z_]*\) actions=0x.* rounds='"${TICK_ROUNDS:-200}"' hit=\([0-9]*\) .* unnamed=\([0-9]*\) gave_up=[0-9]* left=\([0-9a-fx]*\) .*/\1 \2 \3 \4/p' "$BUILD/report/tick.txt")
	[[ ${TICK_KERNELS:-series stock} != *series* ]] ||
		expect "tick: every way was run with the action" "$(grep -c "^tick .*actions=0x.* rounds=${TICK_ROUNDS:-200} " "$BUILD/report/tick.txt")" -eq 18
	[[ ${TICK_KERNELS:-series stock} != *stock* ]] ||
		expect "tick: control, the stock kernel is interrupted in every round of several ways" \
			"$(grep -c "^tick .*actions=0 .* hit=${TICK_ROUNDS:-200} " "$BUILD/report/tick.txt")" -ge 5
}
