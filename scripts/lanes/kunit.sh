# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
# The KUnit tests, run by kunit.py with the debug kernel as it is built already. How
# many there are is read from the source.
lane_kunit() {
	local log=$LOGS/kunit.log tree=${KDIR:-$SERIES_TREE} suite suites tests missing
	kernel debug || return
	missing=$(grep '^CONFIG_' "$tree/kernel/isolation/.kunitconfig" | grep -vxFf "$(obj_of debug)/.config" | paste -sd' ')
	expect "KUnit: what .kunitconfig asks for is in the kernel" -z "$missing"
	suites=$(sed -n 's/.*kunit_tests(\([a-z_]*\)).*/\1/p' "$TOP"/rust/*.rs "$TOP"/rust/policy/*.rs)
	tests=$(cat "$TOP"/rust/*.rs "$TOP"/rust/policy/*.rs | grep -cE '^[[:space:]]*#\[test\]')
	"$TOP/scripts/in-toolchain" python3 "$tree/tools/testing/kunit/kunit.py" exec --arch x86_64 --build_dir "$(obj_of debug)" \
		--kunitconfig "$tree/kernel/isolation" --timeout 200 --qemu_args '-smp 2' \
		--kernel_args panic_on_warn=1 'task_isolation_*' 2>&1 | tee "$log" | progress kunit
	for suite in $suites; do
		expect "KUnit: suite $suite passed" "$(grep -cE "\[PASSED\] $suite( |\$)" "$log")" -eq 1
	done
	expect "KUnit: each of the $tests tests of $(wc -w <<< "$suites") suites passed, no other ran" \
		"$(sed -n 's/.*Testing complete. Ran //p' "$log")" = "$tests tests: passed: $tests" && passed=$((passed + tests - 1)) && return
	tail -n 20 "$log"
	echo "     log: build/logs/kunit.log"
}
