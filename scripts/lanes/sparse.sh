# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
# sparse, by "make C=2", on each C file that the series touches and the kernel has:
# no warning that it does not give about the base. Objects are there already.
lane_sparse() {
	local f k tree objects log new control=$BUILD/sparse-control
	kernel stock || return
	kernel series || return
	sed -n 's/^+++ b\/\(.*\.c\)$/\1/p' "$TOP"/patches/*.patch | sort -u |
		grep -v -e '^tools/' -e '^Documentation/' > "$BUILD/sparse-files"
	for k in stock series; do
		tree=$STOCK
		[ $k = stock ] || tree=$SERIES_TREE
		objects=()
		while read -r f; do
			f=$(sparse_object "$f")
			[ ! -e "$CACHE/obj/$k/$f" ] || objects+=("$f")
		done < "$BUILD/sparse-files"
		log=$LOGS/sparse-$k.log
		say "sparse: ${#objects[@]} files of $k"
		"$TOP/scripts/in-toolchain" make -C "$tree" O="$CACHE/obj/$k" LLVM=1 CC="ccache clang" HOSTCC=clang -j"$JOBS" C=2 "${objects[@]}" 2>&1 |
			tee "$log" | progress "sparse-$k"
		expect "sparse: $k was built with it" "${PIPESTATUS[0]}:$(( $(grep -c '^  CHECK ' "$log") >= ${#objects[@]} ))" = 0:1
		# The same fault in the same file is the same, wherever it has moved to.
		sed -nE 's/^(\.\.\/|\/)*(.*): (warning|error): (.*)/\2 \3 \4/p' "$log" |
			sed -E "s,^${tree#/}/,,; s/^([^: ]*):[0-9:]* /\1 /" | sort > "$BUILD/sparse-$k.txt"
	done
	# How many times it is said depends on how many include it.
	new=$(comm -13 <(sort -u "$BUILD/sparse-stock.txt") <(sort -u "$BUILD/sparse-series.txt"))
	expect "sparse: $(wc -l < "$BUILD/sparse-series.txt") warnings, none that the base does not have" -z "$new" || indented "$new"
	# It must be able to say something.
	printf 'static int *p = 0;\nint *task_isolation_control(void);\nint *task_isolation_control(void) { return p; }\n' > "$control.c"
	expect "sparse: control, a plain 0 as a pointer is seen" \
		"$("$TOP/scripts/in-toolchain" sparse -Wnon-pointer-null "$control.c" 2>&1 | grep -c 'plain integer as NULL')" -eq 1
	rm -f "$control.c"
}

# sparse_object FILE - some are included by others, and checked with those.
sparse_object() {
	case $1 in
	kernel/sched/cputime.c|kernel/sched/deadline.c|kernel/sched/syscalls.c|kernel/sched/rt.c|kernel/sched/idle.c)
		if grep -q "\"$(basename "$1")\"" "$STOCK/kernel/sched/build_policy.c"; then
			echo kernel/sched/build_policy.o
		else
			echo kernel/sched/build_utility.o
		fi ;;
	*)	echo "${1%.c}.o" ;;
	esac
}
