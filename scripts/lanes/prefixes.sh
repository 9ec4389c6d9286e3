# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
# Each prefix of the series, as far as that needs no kernel: its selftests build with its
# own UAPI header, and its documents name nothing that comes later.
lane_prefixes() {
	local log=$LOGS/prefixes.log control
	[ -d "$(obj_of headers)/usr/include" ] || "$TOP/scripts/selftests" || { bad "prefixes: no headers to build with"; return; }
	"$TOP/scripts/check-prefixes" 2>&1 | tee "$log" | progress prefixes
	expect "prefixes: each builds its selftests, and documents what is there" "${PIPESTATUS[0]}" -eq 0 ||
		indented "$(grep -E 'FAIL|error:' "$log")"
	# Control: the first test as it is in the end, which knows the whole interface.
	control=$(prefixes_control) || { bad "prefixes: no control"; return; }
	"$TOP/scripts/check-prefixes" "$control" > "$LOGS/prefixes-control.log" 2>&1
	expect "prefixes: control, a test of what comes later does not build" "$?:$(grep -c 'selftests do not build' "$LOGS/prefixes-control.log")" = 1:1
}

# prefixes_control - a commit whose abi_test.c is that of the whole series.
prefixes_control() {
	local file=tools/testing/selftests/isolation/abi_test.c tip first index=$BUILD/prefixes-control.index
	tip=$("$TOP/scripts/series-commits" "$BUILD/prefixes.err") || return
	(
		cd "$STOCK" || exit
		first=$(git rev-list --reverse base.."$tip" -- "$file" | head -n 1)
		rm -f "$index"
		export GIT_INDEX_FILE=$index GIT_AUTHOR_NAME=$PROJECT_NAME GIT_AUTHOR_EMAIL=$PROJECT_MAIL
		export GIT_COMMITTER_NAME=$PROJECT_NAME GIT_COMMITTER_EMAIL=$PROJECT_MAIL
		git read-tree "$first" &&
			git update-index --cacheinfo "100644,$(git rev-parse "$tip:$file"),$file" &&
			git commit-tree "$(git write-tree)" -p "$first^" -m control
	)
}
