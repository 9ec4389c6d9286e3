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
	host_missing
}

# A host without a program: the package by the name of its own package manager.
host_missing() {
	local dir=$BUILD/host-missing manager package out
	for manager in apt-get:uidmap dnf:shadow-utils zypper:shadow pacman:shadow apk:shadow-subids; do
		package=${manager#*:} manager=${manager%%:*}
		rm -rf "$dir"
		mkdir -p "$dir"
		ln -s "$(type -P true)" "$dir/$manager"
		# shellcheck disable=SC2016 # for the other shell
		out=$(bash -c '. "$1/scripts/lib.sh"; PATH=$2; need_cmd newuidmap uidmap' - "$TOP" "$dir" 2>&1) && out+=' and goes on'
		expect "host: without newuidmap, $manager is told to install $package, or a container" \
			"$(grep -cE "^ +try: $manager (install |-S |add )?$package\$|containerfile|goes on" <<< "$out")" -eq 2 || indented "$out"
	done
	rm -rf "$dir"
}
