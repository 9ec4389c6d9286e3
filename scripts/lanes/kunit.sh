# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
# The KUnit tests, in the debug kernel as it is built already, judged by kunit.py. How
# many there are is read from the source. Then those that are modules, of which the kernel
# has others as well: which of them are meant is told when they are loaded.
lane_kunit() {
	local log=$LOGS/kunit.log tree=${KDIR:-$SERIES_TREE} suite suites tests missing
	kernel debug bzImage modules || return
	missing=$(grep '^CONFIG_' "$tree/kernel/isolation/.kunitconfig" | grep -vxFf "$(obj_of debug)/.config" | paste -sd' ')
	expect "KUnit: what .kunitconfig asks for is in the kernel" -z "$missing"
	suites=$(sed -n 's/.*kunit_tests(\([a-z_]*\)).*/\1/p' "$TOP"/rust/*.rs "$TOP"/rust/policy/*.rs)
	tests=$(cat "$TOP"/rust/*.rs "$TOP"/rust/policy/*.rs | grep -cE '^[[:space:]]*#\[test\]')
	# kunit.py reads what the kernel says. It cannot start it: its QEMU has no way to tell
	# the frequency of the TSC, see scripts/boot.
	KERNEL=debug TIMEOUT=200 APPEND='loglevel=7 kunit.filter_glob=task_isolation*' \
		RUN=guest-kunit+slub_kunit+slub_test.test_kfree_rcu_idle_cpu,guest-kunit+smp_kunit+smp_call_function_any guest kunit || return
	kunit_of_module slub_kunit 1
	kunit_of_module smp_kunit 3
	sed '/^==> guest-kunit/,$d' "$LOGS/guest-kunit.log" > "$LOGS/kunit-boot.log"
	"$TOP/scripts/in-toolchain" python3 "$tree/tools/testing/kunit/kunit.py" parse "$LOGS/kunit-boot.log" > "$log" 2>&1
	for suite in $suites; do
		expect "KUnit: suite $suite passed" "$(grep -cE "\[PASSED\] $suite( |\$)" "$log")" -eq 1
	done
	expect "KUnit: each of the $tests tests of $(wc -w <<< "$suites") suites passed, no other ran" \
		"$(sed -n 's/.*Testing complete. Ran //p' "$log")" = "$tests tests: passed: $tests" && passed=$((passed + tests - 1)) && return
	tail -n 20 "$log"
	echo "     log: build/logs/kunit.log"
}

# kunit_of_module MODULE TESTS - so many of its tests passed, and no other was run or skipped.
kunit_of_module() {
	local log=$LOGS/kunit-$1.log
	sed -n "/^==> guest-kunit+$1+/,/^<== guest-kunit+$1+/p" "$LOGS/guest-kunit.log" > "$log.ktap"
	"$TOP/scripts/in-toolchain" python3 "$tree/tools/testing/kunit/kunit.py" parse "$log.ktap" > "$log" 2>&1
	expect "KUnit: $1, each of $2 tests passed" \
		"$(sed -n 's/.*Testing complete. Ran //p' "$log")" = "$2 tests: passed: $2" && passed=$((passed + $2 - 1)) && return
	tail -n 20 "$log"
	echo "     log: build/logs/kunit-$1.log"
}
