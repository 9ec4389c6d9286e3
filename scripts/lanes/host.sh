# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
lane_host() {
	local log=$LOGS/cargo-test.log n rc=0
	say "cargo test of the policy files"
	"$TOP/scripts/in-toolchain" env CARGO_TARGET_DIR="$CACHE/cargo-target" CARGO_HOME="$CACHE/cargo" \
		cargo test --manifest-path "$TOP/rust/Cargo.toml" --locked 2>&1 | tee "$log" | progress cargo-test
	rc=${PIPESTATUS[0]}
	if [ "$rc" -ne 0 ] || ! grep -qE '^test result: ok. [1-9]' "$log"; then
		tail -n 15 "$log"
		bad "cargo test (log: build/logs/cargo-test.log)"
		return
	fi
	n=$(sed -n 's/^test result:.* \([0-9]*\) passed.*/\1/p' "$log" | awk '{ n += $1 } END { print n }')
	passed=$((passed + n))
	printf '     cargo test: %d passed\n' "$n"
}
