# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
# Claims on a kernel that has what they refuse: the tests of claims, and what tools print.
# Each tool works before the claim and after it. It says "busy" under it, or is none
# that a claim refuses.
lane_claims() {
	local tool log=$LOGS/guest-claims-tools.log refused="" n
	# rtla says only that it cannot start.
	local says="busy|Could not init osnoise"
	local passes=" other_msr other_sysctl trace_marker mount date ping processes claims "
	kernel bench bzImage modules || return
	step "claims: a second clock source" "$TOP/scripts/test-clocksource/build" bench || return
	selftests || return
	KERNEL=bench RUN=guest-clocksource,block_test,block_race TIMEOUT=900 guest claims-tests || return
	n=$(grep -cE '^not ok ' "$LOGS/guest-claims-tests.log")
	expect "claims: block_test and block_race pass" "$n:$(grep -c '^# Totals: ' "$LOGS/guest-claims-tests.log")" = 0:2
	expect "claims: none is left out" "$(grep -cE '^ok .*# SKIP|: not here: ' "$LOGS/guest-claims-tests.log")" -eq 0

	KERNEL=bench WITH='modprobe depmod sysctl chcpu taskset dd rtla' RUN=guest-clocksource,guest-tools TIMEOUT=400 guest claims-tools || return
	while read -r tool; do
		if [[ $passes = *" $tool "* ]]; then
			expect "claims: $tool is not refused" \
				"$(grep -cE "^tool (before|claimed|after) $tool status=0\$" "$log")" -eq 3
			continue
		fi
		refused+=" $tool"
		expect "claims: $tool works before and after, and says that it is busy under a claim" \
			"$(grep -cE "^tool (before|after) $tool status=0\$" "$log"):$(grep -cE "^tool claimed $tool status=[1-9]" "$log"):$(grep -qE "^tool claimed $tool: .*($says)" "$log" && echo busy)" = 2:1:busy
	done < <(sed -n 's/^tool before \([a-z_]*\) status=.*/\1/p' "$log")
	expect "claims: tools were run that are refused" "$(wc -w <<< "$refused")" -ge 10
	expect "claims: the claimant cannot be moved" "$(grep -c '^tool claimed taskset: .*busy' "$log")" -eq 1
	expect "claims: isolate --claims lists it, and nothing afterwards" \
		"$(grep -c '^tool claimed claims: CPU 1: sleep\[' "$log"):$(grep -c '^tool after claims: no CPU is claimed' "$log")" = 1:1
	expect "claims: isolate --claims says how to mount debugfs" "$(grep -c '^tool unmounted claims: .*mount -t debugfs' "$log")" -eq 1
	expect "claims: the kernel's log says who claims" "$(grep -c '^log task_isolation: .* is claimed by sleep\[' "$log")" -ge 1
	sed -n 's/^tool claimed \([a-z_]*: .*\)/     \1/p' "$log"
}
