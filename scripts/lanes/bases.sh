# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
# The series on kernels that it was not made for, as Debian has them: says of each patch
# how it applies. Nothing is built. "merged" is what git am -3 does by itself.

# base_git DIR - the files in DIR as a git tree, which knows the blobs of our own base.
base_git() {
	(
		cd "$1" && git init -q . && echo "$STOCK/.git/objects" > .git/objects/info/alternates && git add -A -f &&
			git -c user.name=x -c user.email=x@localhost commit -q -m base
	)
}

# verdicts DIR PATCH... - a line for each patch; those that do not fit are made to, by
# the side of the patch, so that the next ones are told about for themselves.
verdicts() {
	local dir=$1 p verdict out f stage
	shift
	cd "$dir" || return
	for p; do
		out=
		if out=$(git apply --check --verbose "$p" 2>&1); then
			verdict=clean
			! grep -q 'offset' <<< "$out" || verdict='clean, offset'
			git apply --index "$p"
		elif "$TOP/scripts/in-toolchain" patch -p1 -f -s -F2 --dry-run < "$p" > /dev/null 2>&1; then
			verdict=fuzz
			"$TOP/scripts/in-toolchain" patch -p1 -f -s -F2 --no-backup-if-mismatch < "$p" > /dev/null
			git add -A -f
		else
			verdict=merged
			out=$(fails_where "$p")
			if ! git apply -3 "$p" > /dev/null 2>&1; then
				verdict=conflict
				if [ -z "$(git ls-files -u)" ]; then
					git apply --reject "$p" > /dev/null 2>&1
					find . -name '*.rej' -delete
				fi
				git ls-files -u | cut -f2 | sort -u | while read -r f; do
					for stage in 1 2 3; do git cat-file blob ":$stage:$f" > "../stage.$stage" 2>/dev/null || : > "../stage.$stage"; done
					git merge-file --theirs -q -p ../stage.2 ../stage.1 ../stage.3 > "$f"
				done
				git add -A -f
			fi
		fi
		printf '%-14s %s\n' "$verdict" "$(basename "$p")"
		case $verdict in merged|conflict) printf '               %s\n' "${out//$'\n'/$'\n'               }" ;; esac
	done
}

# kdir_on DIR FIRST - what "make apply" does on a tree where FIRST, if any, does not fit.
kdir_on() {
	local dir=$1 first=$2 n out head
	n=$(series_patches | grep -nxF -- "$first" | cut -d: -f1)
	cp -r "$dir" "$dir.quilt"
	rm -rf "$dir.quilt/.git"
	head=$(git -C "$dir" rev-parse HEAD)
	out=$(KEEP='' KDIR=$dir "$TOP/scripts/apply" 2>&1)
	if [ -z "$first" ]; then
		expect "bases: KDIR= applies all with git am" "$(git -C "$dir" rev-list --count "$head..HEAD")" -eq "$(series_patches | wc -l)" || indented "$out"
		return
	fi
	expect "bases: KDIR= names the patch and the hunk that do not fit, and changes nothing" \
		"$(grep -c "patches/$first does not apply" <<< "$out"):$(grep -c ': hunk @@' <<< "$out" | sed 's/[1-9].*/1/'):$(git -C "$dir" rev-parse HEAD):$(git -C "$dir" status --porcelain | wc -l)" = "1:1:$head:0" || indented "$out"
	out=$(KEEP=1 KDIR=$dir "$TOP/scripts/apply" 2>&1)
	expect "bases: KEEP=1 keeps $((n - 1)) patches on a branch, and says how to go on" \
		"$(grep -c 'go on by hand: git am -3' <<< "$out"):$(git -C "$dir" rev-list --count "$head..isolation-kept"):$(git -C "$dir" status --porcelain | wc -l)" = "1:$((n - 1)):0" || indented "$out"
	out=$(KEEP=1 KDIR=$dir.quilt "$TOP/scripts/apply" 2>&1)
	expect "bases: KEEP=1 keeps $((n - 1)) patches in quilt, where there is no git" \
		"$(grep -c 'quilt push -m' <<< "$out"):$(wc -l < "$dir.quilt/.pc/applied-patches")" = "1:$((n - 1))" || indented "$out"
}

count() { grep -c "^$2" "$1"; }

lane_bases() {
	local dir=$BUILD/bases suite package got version tar files report n patches=() one
	rm -rf "$dir"
	mkdir -p "$dir"
	mapfile -t patches < <(series_patches)
	n=${#patches[@]}
	files=$dir/files
	sed -n 's/^--- a\///p; s/^+++ b\///p' "${patches[@]/#/$TOP/patches/}" | sort -u > "$files"

	# Control: on the base that they were made for, and one that does not fit there.
	mkdir "$dir/own"
	git -C "$STOCK" ls-tree -r --name-only base | grep -xF -f "$files" | tr '\n' '\0' | (cd "$STOCK" && xargs -0 git archive base --) | tar -x -C "$dir/own"
	base_git "$dir/own" || { bad "bases: no git tree"; return; }
	one=$dir/control.patch
	sed 's/^ \(.*[a-z].*\)$/ no such line: \1/' "$TOP/patches/${patches[0]}" > "$one"
	expect "bases: control, a patch with other lines around it is a conflict" "$( (verdicts "$dir/own" "$one") | grep -c '^conflict')" -eq 1
	git -C "$dir/own" reset -q --hard
	(verdicts "$dir/own" "${patches[@]/#/$TOP/patches/}") > "$dir/own.txt" 2>&1
	expect "bases: control, on $BASE_VERSION each of $n patches is clean, without offset" "$(count "$dir/own.txt" 'clean  ')" -eq "$n" ||
		indented "$(grep -v '^clean  ' "$dir/own.txt" | head -n 5)"

	while read -r suite package; do
		got=$("$TOP/scripts/fetch-base" "$suite" "$package") || { bad "bases: $package of $suite cannot be had (log: build/logs/fetch-base-$suite.log)"; continue; }
		read -r version tar <<< "${got##*$'\n'}"
		mkdir "$dir/$suite"
		# Files that the series adds are not there.
		"$TOP/scripts/in-toolchain" tar -xJf "$tar" -C "$dir/$suite" --strip-components=1 -T <(sed "s,^,$package/," "$files") 2>/dev/null
		expect "bases: $package $version has $(find "$dir/$suite" -type f | wc -l) of $(wc -l < "$files") files" "$(find "$dir/$suite" -type f | wc -l)" -gt 10 || continue
		mkdir "$dir/kdir-$suite"
		cp -r "$dir/$suite/." "$dir/kdir-$suite/"
		touch "$dir/kdir-$suite/Kbuild"
		(cd "$dir/kdir-$suite" && git init -q . && git add -A -f && git -c user.name=x -c user.email=x@localhost commit -q -m base)
		base_git "$dir/$suite" || { bad "bases: no git tree"; continue; }
		report=$BUILD/report/bases-$suite.txt
		mkdir -p "$BUILD/report"
		{
			echo "# The series on $package $version of Debian $suite: $n patches"
			(verdicts "$dir/$suite" "${patches[@]/#/$TOP/patches/}") 2>&1
		} > "$report"
		expect "bases: $version, of $n patches $(count "$report" clean) clean ($(count "$report" 'clean, offset') with offset), $(count "$report" fuzz) fuzz, $(count "$report" merged) merged, $(count "$report" conflict) conflict (build/report/bases-$suite.txt)" \
			"$(($(count "$report" clean) + $(count "$report" fuzz) + $(count "$report" merged) + $(count "$report" conflict)))" -eq "$n"
		grep -vE "^(#|clean)" "$report" | sed "s/^/     /"
		kdir_on "$dir/kdir-$suite" "$(sed -n '/^\(fuzz\|merged\|conflict\) /{s/^[a-z]* *//p;q}' "$report")"
	done <<< "$OTHER_BASES"
	rm -rf "$dir"
}
