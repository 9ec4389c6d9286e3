# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
# Claims on a kernel that has what they refuse: the tests of claims, and what tools print.
# Each tool works before the claim and after it. It says "busy" under it, or is none
# that a claim refuses.
lane_claims() {
	local tool log=$LOGS/guest-claims-tools.log refused="" n rounds=${BLOCK_ROUNDS:-500} some
	# Ever more text patching in one boot only finds what QEMU does wrong, see guest().
	some=$((rounds < 1000 ? rounds : 1000))
	# rtla and cpupower say only that they cannot.
	local says="busy|Could not init osnoise|Error setting new values"
	local passes=" other_msr other_rdmsr other_perf other_cpupower own_perf trace_cmd_show other_sysctl trace_marker mount date ping processes hibernate claims "
	"$TOP/scripts/setup-extra" claims || { bad "claims: the tools that meet them"; return; }
	kernel claims bzImage modules || return
	step "claims: a second clock source, and frequencies" "$TOP/scripts/test-modules/build" claims || return
	selftests || return
	# The boot parameter allows what seccomp_test claims; the others set what they need.
	# What is deferred would not be seen, refused or not.
	KERNEL=claims RUN=guest-clocksource,seccomp_test,block_test,block_race APPEND="task_isolation_block=127 text_defer=off BLOCK_ROUNDS=$some" \
		TIMEOUT=900 guest claims-tests || return
	n=$(grep -cE '^not ok ' "$LOGS/guest-claims-tests.log")
	expect "claims: seccomp_test, block_test and block_race pass" "$n:$(grep -c '^# Totals: ' "$LOGS/guest-claims-tests.log")" = 0:3
	expect "claims: none is left out" "$(grep -cE '^ok .*# SKIP|: not here' "$LOGS/guest-claims-tests.log")" -eq 0
	# The five operations of block_race: "NAME: not here" is caught above.
	expect "claims: each operation of block_race interrupts without claims" \
		"$(grep -cE '^# [a-z_]+: [1-9][0-9]* done without claims, [1-9][0-9]* interrupts' "$LOGS/guest-claims-tests.log")" -eq 5
	expect "claims: each operation of block_race is refused under claims" \
		"$(grep -cE '^# [a-z_]+: [0-9]+ done, [1-9][0-9]* refused' "$LOGS/guest-claims-tests.log")" -eq 5
	expect "claims: no interrupt in $some claims" "$(grep -c "^# $some claims: 0 interrupts" "$LOGS/guest-claims-tests.log")" -eq 1
	for ((n = some; n < rounds; n += some)); do
		KERNEL=claims RUN=guest-clocksource,block_race APPEND="text_defer=off BLOCK_ROUNDS=$some" TIMEOUT=600 guest claims-race || return
		expect "claims: no interrupt in $some more claims, $((n + some)) together, and the test passes" \
			"$(grep -c "^# $some claims: 0 interrupts" "$LOGS/guest-claims-race.log"):$(grep -c '^not ok ' "$LOGS/guest-claims-race.log")" = 1:0 || return
	done

	KERNEL=claims WITH='modprobe depmod sysctl chcpu taskset dd rtla perf rdmsr cpupower trace-cmd' \
		RUN=guest-clocksource,guest-tools TIMEOUT=600 guest claims-tools || return
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
	expect "claims: tools were run that are refused" "$(wc -w <<< "$refused")" -ge 18
	for tool in modprobe sysctl chcpu trace_cmd perf_stat rdmsr cpupower; do
		expect "claims: $tool is among them" "$(grep -cw "$tool" <<< "$refused")" -eq 1
	done
	expect "claims: hibernation takes the claimed CPU offline and back" "$(grep -c '^tool claimed hibernate status=0' "$log")" -eq 1
	expect "claims: the claimant cannot be moved" "$(grep -c '^tool claimed taskset: .*busy' "$log")" -eq 1
	expect "claims: isolate --claims lists it as in force, and nothing afterwards" \
		"$(grep -c '^tool claimed claims: CPU 1: sleep\[.*passed=[0-9]*$' "$log"):$(grep -c '^tool after claims: no CPU is claimed' "$log")" = 1:1
	expect "claims: isolate --claims says how to mount debugfs" "$(grep -c '^tool unmounted claims: .*mount -t debugfs' "$log")" -eq 1
	expect "claims: the kernel's log says who claims" "$(grep -c '^log task_isolation: .* is claimed by sleep\[' "$log")" -ge 1
	expect "claims: the machine restarts under a claim" \
		"$(grep -c '^tool leaving claims: CPU 1: sleep\[' "$log"):$(grep -c 'reboot: Restarting system' "$log")" = 1:1
	sed -n 's/^tool claimed \([a-z_]*: .*\)/     \1/p' "$log"
}
