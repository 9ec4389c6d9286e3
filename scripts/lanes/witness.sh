# shellcheck shell=bash disable=SC2154 # what is not set here is set in common.sh
# SPDX-License-Identifier: GPL-2.0
# Not part of the default: deferred text synchronization, watched from outside of the guest
# by a plugin of QEMU (scripts/witness/text.c): no CPU executes text that was changed
# without having serialized, and the hook serializes as often as the guest says. Then
# with parts of the series left out (MUTANTS=), where it must find some that do.
. "$TOP/scripts/lanes/mutants.sh"
lane_witness() {
	local p m n name mutants plugin
	[ -z "${KDIR:-}" ] || die "mutants are those of the series in the cache" "try: without KDIR"
	plugin=$("$TOP/scripts/witness/build") || { bad "build the plugin"; return; }
	kernel series || return
	selftests || return
	for p in off on; do
		name=witness-text-$p
		KERNEL=series RUN=text_sync_test APPEND="pti=$p" watched "$name" "$(obj_of series)/System.map" || return
		expect "witness: $(seen "$name"): nothing that was missed (pti=$p)" "$(found "$name")" = 0:0:0
		n=$(sed -n 's/^text_sync .* syncs=\([0-9]*\) late_syncs=\([0-9]*\) .*/\1 \2/p' "$LOGS/guest-$name.log" | awk '{ n += $1 + $2 } END { print n + 0 }')
		expect "witness: the hook serialized $(hooks "$name") times on CPU 1, $n as the guest says (pti=$p)" "$(hooks "$name")" = "$n"

		name=witness-ways-$p
		KERNEL=series RUN="tlb_defer_test+-x+-n+${WITNESS_ROUNDS:-300}" APPEND="pti=$p" watched "$name" "$(obj_of series)/System.map" || return
		m=$(field "$name" "tlb_defer control " stale)
		expect "witness: control, with the pending bit lost, it is seen, ${m:-0} times (pti=$p)" "${m:-0}" -gt 0
		expect "witness: $(seen "$name"): nothing that was missed beside these, on 17 ways into the kernel (pti=$p)" \
			"$(found "$name"):$(grep -c '^tlb_defer ' "$LOGS/guest-$name.log")" = "${m:-0}:0:0:18"
		n=$(sed -n 's/^tlb_defer .* flushes=\([0-9]*\) .*/\1/p' "$LOGS/guest-$name.log" | awk '{ n += $1 } END { print n + 0 }')
		expect "witness: the hook serialized $(hooks "$name") times on CPU 1, $n as the guest says (pti=$p)" "$(hooks "$name")" = "$n"
	done

	# Whoever else patches text.
	kernel bench bzImage modules || return
	name=witness-others
	KERNEL=bench RUN=guest-bench APPEND="BENCH_Q=all BENCH_ROWS=tracepoint,kprobe,kprobe_text,ftrace,schedstats,bpf,module,rseq_debug" \
		watched "$name" "$(obj_of bench)/System.map" || return
	expect "witness: tracing, kprobes, BPF, modules, static keys, $(seen "$name"): nothing that was missed" \
		"$(found "$name"):$(grep -c '^noise .* times=' "$LOGS/guest-$name.log")" = 0:0:0:8

	# Pages whose permissions change: no stale mapping can be written to afterwards.
	step "witness: the module for stale mappings" "$TOP/scripts/test-modules/build" bench || return
	KERNEL=bench RUN=guest-alias guest witness-alias || return
	expect "witness: control, a mapping that is gone can be written to until something is flushed" \
		"$(grep -c '^alias none mapped=1 unmapped=1 changed=1$' "$LOGS/guest-witness-alias.log"):$(grep -c '^alias ' "$LOGS/guest-witness-alias.log")" = 1:4
	for n in vmap direct nothing; do
		expect "witness: and not behind set_memory_*(), $n" \
			"$(grep -c "^alias $n mapped=1 unmapped=1 changed=0\$" "$LOGS/guest-witness-alias.log")" -eq 1
	done

	# shellcheck disable=SC2086 # a pattern
	mutants=$(cd "$TOP/scripts/mutants" && grep -l '^# Witness: ' -- ${MUTANTS:-*.patch} | sed 's/\.patch$//')
	expect "witness: there are mutants to be found, $(wc -w <<< "$mutants")" -n "$mutants" || return
	# shellcheck disable=SC2086 # a list of words
	each_mutant watched_mutant $mutants
}

# watched_mutant MUTANT KERNEL - whether it is found what the mutant says.
watched_mutant() {
	local name=witness-mutant-$1 kind n=0 image=$BUILD/mutant.bzImage map=$BUILD/mutant.map
	cp "$(obj_of "$2")/arch/x86/boot/bzImage" "$image"
	cp "$(obj_of "$2")/System.map" "$map"
	kind=$(mutant_says "$1" Witness)
	KERNEL=$image RUN=$(mutant_says "$1" Run | tr ' ' +) APPEND=$(mutant_says "$1" Append) watched "$name" "$map" || return
	# The control of the test itself is none of the mutant's.
	[ "$kind" != missed ] || n=$(field "$name" "tlb_defer control " stale)
	expect "witness: control, with $1, $(seen "$name"): $(found "$name") missed, half changed, without INT3" \
		"$(of_end "$name" "$kind")" -gt "${n:-0}"
}

# watched NAME MAP - guest, with the plugin. MAP is the System.map of its kernel.
watched() {
	local addresses name n
	addresses=$(for name in _text _etext smp_call_function_many_cond do_sync_core; do
		sed -n "s/^\([0-9a-f]*\) [Tt] $name\$/\1/p" "$2"
	done | paste -sd' ')
	# shellcheck disable=SC2086 # one each
	set -- "$1" "$2" $addresses
	[ $# -eq 6 ] || { bad "$1: no symbols in $2"; return 1; }
	# The functions that the hook is in, with the next symbol behind each.
	sort "$2" | awk '$3 == "__user_defer_exit" || $3 == "__user_defer_nmi_enter" { from = $1; next }
		from && $1 != from { print from, $1; from = "" }' > "$LOGS/$1.hooks"
	PLUGIN="$plugin,text=$3-$4,call=$5,sync=$6" PLUGINOUT=$LOGS/$1.txt TIMEOUT=900 guest "$1" || return
	# The end is told when QEMU ends well.
	n=$(of_end "$1" syncs)
	[ "${n:-0}" -gt 0 ] || bad "$1: the plugin saw no synchronization (log: build/logs/$1.txt)"
}

# of_end NAME FIELD - of the plugin's last line
of_end() { sed -n 's/^witness end //p' "$LOGS/$1.txt" | tr ' ' '\n' | sed -n "s/^$2=//p"; }

seen() { echo "$(of_end "$1" stores) stores to text, $(of_end "$1" syncs) synchronizations"; }

found() { echo "$(of_end "$1" missed):$(of_end "$1" tail):$(of_end "$1" first)"; }

# hooks NAME - how many times the hook serialized on CPU 1; any other CPU makes it wrong.
hooks() {
	awk 'NR == FNR { from[NR] = $1 ""; to[NR] = $2 ""; next }
		/^witness serialized / {
			split($3, at, "="); split($5, cpu, "="); split($6, times, "=")
			for (i in from)
				if (at[2] "" >= from[i] && at[2] "" < to[i]) {
					n += times[2]
					if (cpu[2] != 1) other = "+CPU " cpu[2]
				}
		}
		END { print n + 0 other }' "$LOGS/$1.hooks" "$LOGS/$1.txt"
}
