# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
# The KUnit tests, in the debug kernel as it is built already, judged by kunit.py. How
# many there are is read from the source.
lane_kunit() {
	local log=$LOGS/kunit.log tree=${KDIR:-$SERIES_TREE} suite suites tests missing
	kernel debug || return
	missing=$(grep '^CONFIG_' "$tree/kernel/isolation/.kunitconfig" | grep -vxFf "$(obj_of debug)/.config" | paste -sd' ')
	expect "KUnit: what .kunitconfig asks for is in the kernel" -z "$missing"
	suites=$(sed -n 's/.*kunit_tests(\([a-z_]*\)).*/\1/p' "$TOP"/rust/*.rs "$TOP"/rust/policy/*.rs)
	tests=$(cat "$TOP"/rust/*.rs "$TOP"/rust/policy/*.rs | grep -cE '^[[:space:]]*#\[test\]')
	# kunit.py reads what the kernel says. It cannot start it: its QEMU has no way to tell
	# the frequency of the TSC, see scripts/boot.
	KERNEL=debug RUN=guest-nothing TIMEOUT=200 APPEND='loglevel=7 kunit.filter_glob=task_isolation*' guest kunit || return
	"$TOP/scripts/in-toolchain" python3 "$tree/tools/testing/kunit/kunit.py" parse "$LOGS/guest-kunit.log" > "$log" 2>&1
	for suite in $suites; do
		expect "KUnit: suite $suite passed" "$(grep -cE "\[PASSED\] $suite( |\$)" "$log")" -eq 1
	done
	expect "KUnit: each of the $tests tests of $(wc -w <<< "$suites") suites passed, no other ran" \
		"$(sed -n 's/.*Testing complete. Ran //p' "$log")" = "$tests tests: passed: $tests" && passed=$((passed + tests - 1)) && return
	tail -n 20 "$log"
	echo "     log: build/logs/kunit.log"
}
