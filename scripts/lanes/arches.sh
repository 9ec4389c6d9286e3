# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
# Other architectures than x86: arm64 and riscv64 are built, booted and tested, the
# others, and the option off, are compiled only.
ARCHES_RUN="arm64 riscv64"
ARCHES_OBJECTS="loongarch64 s390x rust-web arm64-off riscv64-off s390x-off loongarch64-off i386-off ppc64-off"
# ARCHES= are some of them, and "cost" for the cost on arm64 beside stock.
lane_arches() {
	local a all="$ARCHES_RUN $ARCHES_OBJECTS cost"
	"$TOP/scripts/setup-arches" arm64 riscv || { bad "the tools for other architectures"; return; }
	"$TOP/scripts/setup-rust-web" || bad "a newer Rust, for s390x"
	for a in ${ARCHES:-$all}; do
		case " $ARCHES_RUN / $ARCHES_OBJECTS / cost " in
		*" $a "*/*/*)	arch_runs "$a" ;;
		*/*" $a "*/*)	arch_compiles "$a" ;;
		*/*/*" $a "*)	arch_costs arm64 ;;
		*)		bad "no architecture $a, known: $all" ;;
		esac
	done
}

# arch_runs NAME - build it, and see that it does what the series is for.
arch_runs() {
	local name=$1 arch tests
	arch=$(arch_of "$name")
	kernel "$name" || return
	step "build selftests for $name" "$TOP/scripts/selftests" "$arch" || return
	no_warning "$name"
	KERNEL=$name SMP=8 RUN=guest-selftests TIMEOUT=2400 ISOL=$NOHZ_ISOL guest "$name" && tap "$name"
	rm -f "$LOGS/kunit-$name.log"
	KERNEL=$name RUN=guest-nothing TIMEOUT=300 \
		APPEND='loglevel=7 kunit.enable=1 kunit.filter_glob=task_isolation*' guest "$name-kunit" &&
		"$TOP/scripts/in-toolchain" python3 "${KDIR:-$SERIES_TREE}/tools/testing/kunit/kunit.py" parse \
			"$LOGS/guest-$name-kunit.log" > "$LOGS/kunit-$name.log" 2>&1
	# Those of the deferral are for kernels that have it.
	tests=$(find "$TOP"/rust/*.rs "$TOP"/rust/policy -name '*.rs' ! -name tlb.rs -exec cat {} + | grep -cE '^[[:space:]]*#\[test\]')
	expect "$name: KUnit: each of the $tests tests passed" \
		"$(sed -n 's/.*Testing complete. Ran //p' "$LOGS/kunit-$name.log")" = "$tests tests: passed: $tests"
	KERNEL=$name RUN=guest-demo TIMEOUT=600 ISOL=$NOHZ_ISOL guest "$name-demo" && arch_is_quiet "$name"
	# What is patched in the text of the kernel interrupts as without the series.
	KERNEL=$name RUN=guest-bench TIMEOUT=600 ISOL=$NOHZ_ISOL \
		APPEND='BENCH_Q=all BENCH_ROWS=tracepoint,schedstats,threads,membarrier' guest "$name-bench" &&
		grep '^noise' "$LOGS/guest-$name-bench.log" | sed 's/^/     /'
	[ "$arch" != riscv ] || firmware_rows "$name"
}

# firmware_rows NAME - what the firmware interrupts user mode of CPU 1 for, which the kernel
# does not count, by QEMU's log of interrupts (cause 3). A boot for each row.
firmware_rows() {
	local row log=$LOGS/int-$1.log
	local -A n
	for row in idle threads tracepoint schedstats; do
		KERNEL=$1 INTLOG=$log RUN=guest-bench TIMEOUT=600 ISOL=$NOHZ_ISOL \
			APPEND="BENCH_Q=all BENCH_ROWS=$row" guest "$1-firmware-$row" || return
		n[$row]=$(grep -cE '^riscv_cpu_do_interrupt: hart:1, async:1, cause:0*3, epc:0x0000' "$log")
		say "$1: isolated, $row: the firmware interrupted user mode ${n[$row]} times"
		rm -f "$log"
	done
	expect "$1: control, patched text interrupts user mode by the firmware, an idle system hardly" \
		"$((n[idle] <= 3 && n[tracepoint] >= 40))" -eq 1
}

# arch_is_quiet NAME - of the rows of "make demo": 0 isolated, above 0 not isolated.
arch_is_quiet() {
	local log=$LOGS/guest-$1-demo.log row what n
	for n in 1 2 3; do
		row=$(grep '^noise .*actions=[1-9]' "$log" | sed -n "${n}p")
		expect "$1: isolated thread is left alone ($(cut -d' ' -f2 <<< "$row"), row $n)" \
			"$(grep -oE ' (interrupts|switches)=[0-9]+' <<< "$row" | tr -d '\n')" = " interrupts=0 switches=0" || indented "$row"
	done
	n=$(grep '^noise stat_refresh actions=0' "$log" | sed -n 's/.* switches=\([0-9]*\).*/\1/p' | tail -n 1)
	expect "$1: control, it is not if it does not ask (stat_refresh)" "${n:-0}" -gt 0
	for what in thread_timer second_task kworker; do
		# Announced are those that other code has set up: on arm64 the random number
		# generator mixes its pool on the CPU that was interrupted.
		row="tick $what actions=0x"
		expect "$1: isolated, no timer interrupt in user mode but $(field "$1-demo" "$row" timer) that were announced ($what)" \
			"$(field "$1-demo" "$row" unnamed)" = 0
		n=$(field "$1-demo" "tick $what actions=0 " timer)
		# A kworker seldom brings the tick back on these.
		[ "$what" = kworker ] || expect "$1: control, there are if it does not ask ($what)" "${n:-0}" -ge 15
	done
}

# no_warning NAME - the compilers said nothing, but what Rust says of the kernel's own flags.
no_warning() {
	local said
	if ! grep -qE '^ +(CC|RUSTC L) ' "$LOGS/build-$1.log"; then
		say "$1: nothing was compiled anew, so nothing is said of warnings (to compile all: rm -r $(obj_of "$1"))"
		return
	fi
	said=$(grep -E '(warning|error)(\[[a-z0-9]*\])?: ' "$LOGS/build-$1.log" |
		grep -vE '^warning: (unstable feature specified for |1 warning emitted$)')
	[ -z "$said" ] || indented "$said"
	expect "$1: compiled without a warning" -z "$said"
}

# Of x86 or riscv only, not in these configurations, or part of another object.
ARCHES_NOT='drivers/(clocksource|cpufreq|idle)/|fs/resctrl/|lib/tests/|mm/alloc_tag\.'
ARCHES_NOT+='|kernel/(livepatch|isolation|trace/rv)/|kernel/(kstack_erase|latencytop|watchdog)\.'
ARCHES_NOT+='|kernel/sched/(deadline|topology|debug)\.|kernel/trace/trace_(hwlat|osnoise)\.'

# arch_compiles NAME - the files of the series that are compiled on all architectures.
arch_compiles() {
	local name=$1 o missing=""
	local -a objects=()
	# shellcheck disable=SC2046 # a list of words
	mapfile -t objects < <(cd "$TOP/patches" && sed -n 's,^+++ b/\(.*\)\.c$,\1.o,p' $(series_patches) | sort -u |
		grep -vE '^(arch|tools|rust)/' | grep -vE "^($ARCHES_NOT)")
	objects+=(kernel/sched/build_policy.o kernel/sched/build_utility.o)
	# With another Rust, what is C is compiled as elsewhere.
	[ "$name" != rust-web ] || objects=()
	[ "${name%-off}" != "$name" ] || objects+=(kernel/isolation/)
	"$TOP/scripts/build" "$name" -k "${objects[@]}" || { bad "$name: compiled"; return; }
	no_warning "$name"
	for o in "${objects[@]}"; do
		[ -e "$(obj_of "$name")/${o/%\///isolation.o}" ] || missing+=" $o"
	done
	expect "$name: what was asked for is there (${#objects[@]})" -z "$missing"
}

# arch_costs NAME - instructions per system call, fault and signal, beside stock. The
# counter of the CPU counts one per instruction under -icount, as the TSC does on x86.
arch_costs() {
	local name=$1 k cpu what
	kernel "$name-stock" || return
	kernel "$name" || return
	step "build selftests for $name" "$TOP/scripts/selftests" "$(arch_of "$name")" || return
	KERNEL=$name ICOUNT=1 ISOL=$NOHZ_ISOL RUN=guest-cost TIMEOUT=1200 guest "$name-cost" || return
	KERNEL=$name-stock ICOUNT=1 ISOL=$NOHZ_ISOL RUN=guest-cost TIMEOUT=1200 guest "$name-stock-cost" || return
	for k in "$name-stock" "$name"; do
		grep '^cost ' "$LOGS/guest-$k-cost.log" | sed "s/^/     $k: /"
		for cpu in 0 1; do
			expect "$k: two runs agree (CPU $cpu)" \
				"$(field "$k-cost" "cost cpu=$cpu .*mode=plain " syscall 1)" = "$(field "$k-cost" "cost cpu=$cpu .*mode=plain " syscall 2)"
		done
	done
	for cpu in 0 1; do for what in syscall fault signal; do
		expect "$name: not isolated, no more than stock ($what, CPU $cpu)" \
			"$(awk -v a="$(field "$name-cost" "cost cpu=$cpu .*mode=plain " $what)" \
			       -v b="$(field "$name-stock-cost" "cost cpu=$cpu .*mode=plain " $what)" \
				'BEGIN { print (a > 0 && b > 0 && a <= b) ? "yes" : a - b " more" }')" = yes
	done; done
}
