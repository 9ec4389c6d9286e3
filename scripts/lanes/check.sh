# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
lane_check() {
	local log=$LOGS/check.log
	"$TOP/scripts/check" 2>&1 | tee "$log"
	passed=$((passed + $(grep -c '^ok ' "$log")))
	failed=$((failed + $(grep -c '^FAIL' "$log")))
	grep -q 'check: .* passed' "$log" || bad "check did not end"
}
