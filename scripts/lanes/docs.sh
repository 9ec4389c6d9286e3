# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
# kernel-doc on the files that have some of ours, and the new documents by the
# kernel's own Sphinx configuration: no warning.
lane_docs() {
	local dir=$BUILD/docs log=$LOGS/docs.log f new n
	local tree=${KDIR:-$SERIES_TREE} base=$STOCK
	[ -e "$tree/Documentation/conf.py" ] || { bad "docs: no source in $tree"; return; }
	sed -n 's/^+++ b\/\(.*\.[chS]\)$/\1/p' "$TOP"/patches/*.patch | sort -u | grep -v '^tools/' |
		while read -r f; do [ ! -e "$tree/$f" ] || echo "$f"; done > "$BUILD/kernel-doc-files"
	kernel_doc() {
		(cd "$1" && while read -r f; do [ ! -e "$f" ] || echo "$f"; done < "$BUILD/kernel-doc-files" |
			xargs "$TOP/scripts/in-toolchain" python3 tools/docs/kernel-doc -none -Wall 2>&1 | sed -E 's/:[0-9]+ / /; s/^(warning|error): //I' | sort -u)
	}
	kernel_doc "$base" > "$BUILD/kernel-doc-base.txt"
	kernel_doc "$tree" > "$BUILD/kernel-doc-series.txt"
	new=$(comm -13 "$BUILD/kernel-doc-base.txt" "$BUILD/kernel-doc-series.txt")
	expect "kernel-doc: $(wc -l < "$BUILD/kernel-doc-files") files, no warning that the base does not have" -z "$new" || indented "$new"
	n=$(cd "$tree" && xargs grep -hE '^ \* (struct )?[a-z_0-9]*(task_isol|tlb_defer|quiesce)[a-z_0-9]*(\(\))? - ' < "$BUILD/kernel-doc-files" | wc -l)
	expect "kernel-doc: it had something to read, $n descriptions of ours" "$n" -ge 5
	# Control: a parameter that is not described is seen.
	mkdir -p "$dir"
	printf '/**\n * f() - nothing\n * @a: one\n */\nint f(int a, int b);\n' > "$dir/control.h"
	expect "kernel-doc: control, a parameter without a word is seen" \
		"$(cd "$tree" && "$TOP/scripts/in-toolchain" python3 tools/docs/kernel-doc -none -Wall "$dir/control.h" 2>&1 | grep -c "'b' not described")" -ge 1

	# The new documents, under an index of our own: the whole takes half an hour. Then those
	# that are changed, beside what the base says of them.
	sed -n '/^--- \/dev\/null/{n; s/^+++ b\/\(Documentation\/.*\.rst\)$/\1/p}' "$TOP"/patches/*.patch | sort -u > "$BUILD/docs-files"
	sed -n 's/^+++ b\/\(Documentation\/.*\.rst\)$/\1/p' "$TOP"/patches/*.patch | sort -u | grep -vxFf "$BUILD/docs-files" > "$BUILD/docs-changed"
	expect "htmldocs: there are new documents" -s "$BUILD/docs-files" || return
	htmldocs "$tree" "$BUILD/docs-files" docs.log
	expect "htmldocs: Sphinx ran" $? -eq 0
	# What stands in documents that are not here cannot be found here.
	new=$(grep -E 'WARNING|ERROR|CRITICAL' "$log" | grep -vE 'unknown document|dot\(1\)|/index\.rst:.*control-that-is-not-there')
	expect "htmldocs: $(wc -l < "$BUILD/docs-files") new documents, no warning" -z "$new" || indented "$new"
	expect "htmldocs: control, a reference to nothing is seen" "$(grep -c 'undefined label: .control-that-is-not-there' "$log")" -ge 1
	while read -r f; do
		expect "htmldocs: $f" -s "$dir/html/$(sed 's/^Documentation\///; s/rst$/html/' <<< "$f")"
		# Each path that it names is there.
		while read -r n; do
			expect "htmldocs: $f names $n, which is there" -e "$tree/$n"
		done < <(grep -oE 'Documentation/[A-Za-z0-9_/.-]+\.(rst|txt)' "$tree/$f" | sort -u)
	done < "$BUILD/docs-files"
	while read -r f; do
		expect "htmldocs: $f is in the index of its folder" \
			"$(grep -cE "^ +$(basename "$f" .rst)\$" "$tree/$(dirname "$f")/index.rst")" -ge 1
	done < "$BUILD/docs-files"

	grep -v '/index\.rst$' "$BUILD/docs-changed" > "$BUILD/docs-changed-files"
	for f in stock series; do
		htmldocs "$([ $f = stock ] && echo "$base" || echo "$tree")" "$BUILD/docs-changed-files" "docs-changed-$f.log"
		expect "htmldocs: Sphinx ran on what $f has of $(wc -l < "$BUILD/docs-changed-files") documents" $? -eq 0
		# The same complaint, wherever the line has moved to.
		grep -E 'WARNING|ERROR|CRITICAL' "$LOGS/docs-changed-$f.log" | sed -E "s/\\.rst:[0-9]+:/.rst:/; s,($base|$tree)/,,g" | sort -u > "$BUILD/docs-changed-$f.txt"
	done
	new=$(comm -13 "$BUILD/docs-changed-stock.txt" "$BUILD/docs-changed-series.txt")
	expect "htmldocs: changed documents, no warning that the base does not have" -z "$new" || indented "$new"
}

# htmldocs TREE LIST LOG - the listed documents of TREE, and a reference to nothing.
htmldocs() {
	local dir=$BUILD/docs f
	rm -rf "$dir"
	mkdir -p "$dir/Documentation"
	{
		printf 'Documents\n=========\n\n.. toctree::\n\n'
		sed -n 's/^Documentation\/\(.*\)\.rst$/   \1/p' "$2"
		# shellcheck disable=SC2016 # as it stands
		printf '\n:ref:`control-that-is-not-there`\n'
	} > "$dir/Documentation/index.rst"
	while read -r f; do
		mkdir -p "$dir/$(dirname "$f")"
		cp "$1/$f" "$dir/$f" || return 1
	done < "$2"
	# An extension reads it, whatever the documents are.
	ln -s "$1/MAINTAINERS" "$dir/MAINTAINERS"
	"$TOP/scripts/in-toolchain" env srctree="$1" KERNELVERSION="$BASE_VERSION" KERNELRELEASE="$BASE_VERSION" \
		sphinx-build -b html -n -q -E -c "$1/Documentation" -d "$dir/doctrees" "$dir/Documentation" "$dir/html" 2>&1 |
		tee "$LOGS/$3" | progress htmldocs
	return "${PIPESTATUS[0]}"
}
