# shellcheck shell=bash disable=SC2034 # what is unused here is used by the lanes
# SPDX-License-Identifier: GPL-2.0
# Common to all lanes: how they count, build, boot, and keep to their share of time.

passed=0 failed=0 skipped=0 counted=
declare -A built=() spent=()
# What the lane had to wait for that has a share of its own.
elsewhere=0 accel_told=

ok()   { passed=$((passed + 1)); printf 'ok   %s\n' "$*"; }
bad()  { failed=$((failed + 1)); printf 'FAIL %s\n' "$*"; }
# expect NAME CONDITION... - a named test(1).
expect() {
	local name=$1
	shift
	if [ "$@" ]; then ok "$name"; else bad "$name (${*%%$'\n'*})"; return 1; fi
}
# indented TEXT - what belongs to the line before.
indented() { printf '%s\n' "$1" | sed 's/^/     /'; }
step() {
	local name=$1
	shift
	if "$@"; then ok "$name"; else bad "$name"; fi
}

# share NAME - seconds that it may take, of scripts/lanes/budgets.
share() { awk -v n="$1" '!/^#/ && $1 == n { print $2 }' "$TOP/scripts/lanes/budgets"; }

# account NAME SECONDS - remember what it took, and say so if that is too long.
account() {
	local limit
	limit=$(share "$1")
	spent[$1]=$((${spent[$1]:-0} + $2))
	[ -n "$limit" ] || die "no share for $1" "add it to scripts/lanes/budgets"
	[ "${spent[$1]}" -le "$limit" ] ||
		warn "$1 took ${spent[$1]} s, its share is $limit s (scripts/lanes/budgets)"
}

# kernel NAME [TARGET...] - build it, once in a run. Its time is its own.
kernel() {
	local begin=$SECONDS took n limit rc=0
	[ -z "${built[$*]:-}" ] || return 0
	if "$TOP/scripts/build" "$@"; then ok "build $*"; built[$*]=1; else bad "build $*"; rc=1; fi
	took=$((SECONDS - begin))
	elsewhere=$((elsewhere + took))
	account "build-$1" "$took"
	[ "$rc" -eq 0 ] || return 1
	n=$(c_files "$(obj_of "$1")")
	limit=$(kernel_limit "$1")
	expect "$1: $n C files were compiled, at most ${limit:-?} (kernel-config/README.md)" "$n" -le "${limit:-0}"
	return 0
}

# selftests - build them, once in a run.
selftests() {
	[ -z "${built[selftests]:-}" ] || return 0
	if "$TOP/scripts/selftests"; then ok "build selftests"; built[selftests]=1; else bad "build selftests"; return 1; fi
}

# stale_int3 LOG - whether the guest died of what its emulation does wrong.
#
# QEMU's emulation of several CPUs can execute an INT3 of text patching that is
# not there any more: what the kernel shows behind it is a NOP or a jump again. A
# synchronization that is missing would look the same. So it is no excuse on the CPU
# that is isolated, unless it is idle or nothing is deferred, nor where nothing is
# emulated.
stale_int3() {
	[ "$(cat "$CACHE/kvm" 2>/dev/null)" != yes ] || return
	[[ " ${APPEND:-} " = *" text_defer=off "* ]] ||
		! grep -A 2 'Oops: int3' "$1" | grep 'CPU: 1 ' | grep -qv 'Comm: swapper/' || return
	grep -A 5 'Oops: int3' "$1" | grep -qE 'Code: .* (0f <1f> 44|66 <90>|e9 <..>|eb <..>|e8 <..>) '
}

# guest NAME - boot and keep the log; the guest must get to its end, and its
# kernel must not complain.
guest() {
	local log=$LOGS/guest-$1.log
	say "booting: $1"
	if [ -z "$accel_told" ] && [ "$(cat "$CACHE/kvm" 2>/dev/null)" = yes ]; then
		accel_told=1
		echo "     guests run under KVM, but for those that count instructions"
	fi
	# Warnings do not get through "quiet": they shall end the guest.
	APPEND="panic_on_warn=1 ${APPEND:-}" "$TOP/scripts/boot" 2>&1 | tr -d '\r' | tee "$log" | progress "guest-$1"
	if [ -z "$accel_told" ]; then
		accel_told=1
		[ "$(cat "$CACHE/kvm" 2>/dev/null)" = yes ] || echo "     guests run under QEMU's emulation, TCG: no KVM here"
	fi
	if [ -z "${again:-}" ] && stale_int3 "$log"; then
		cp "$log" "$log.int3"
		warn "$1: QEMU executed a stale INT3, once more (log: build/logs/guest-$1.log.int3)"
		again=1 guest "$1"
		return
	fi
	if ! grep -q '^==> end' "$log"; then
		tail -n 15 "$log"
		bad "$1: the guest did not get to its end (log: build/logs/guest-$1.log)"
		return 1
	fi
	if grep -qE 'Kernel panic|WARNING:|BUG:|Oops|INFO: (possible|task|trying)|suspicious RCU|self-detected|panicked at' "$log"; then
		grep -E -A 25 -m 1 'Kernel panic|WARNING:|BUG:|Oops|INFO: (possible|task|trying)|suspicious RCU|self-detected|panicked at' "$log"
		bad "$1: the kernel complains (log: build/logs/guest-$1.log)"
		return 1
	fi
	ok "$1: ran to its end, no complaint from the kernel"
}

# test_programs - the names of the selftests, of their Makefile.
test_programs() {
	sed -n -e ':join' -e '/\\$/{N;s/\\\n/ /;b join' -e '}' -e 's/^TEST_GEN_PROGS[[:space:]]*[:+]*=//p' "$TOP/selftests/Makefile"
}

# tap NAME [PROGRAM...] - count what run_kselftest.sh says in a guest's log. Each program,
# all of the Makefile by default, must have run, and each must have said as many results as it planned.
tap() {
	local log=$LOGS/guest-$1.log ktap=$LOGS/guest-$1.ktap good poor skip t n programs
	programs=${*:2}
	sed -n '/^==> guest-selftests/,/^<== guest-selftests/p' "$log" > "$ktap"
	# Results of the programs; those of whole programs stand at the margin.
	good=$(grep -E '^# ok [0-9]+' "$ktap" | grep -cv '# SKIP')
	skip=$(grep -cE '^# (ok [0-9]+|1\.\.0 ).*# SKIP' "$ktap")
	poor=$(grep -cE '^# not ok [0-9]+' "$ktap")
	passed=$((passed + good)) failed=$((failed + poor)) skipped=$((skipped + skip))
	printf '     %s: %d passed, %d failed, %d skipped\n' "$1" "$good" "$poor" "$skip"
	grep -E '^# not ok' "$ktap" | sed 's/^# /FAIL /'
	if [ "$poor" -gt 0 ]; then
		grep -E '^# # .*(Expected|_test.c)' "$ktap" | head -n 20 | sed 's/^/     /'
		printf '     log: build/logs/guest-%s.log\n' "$1"
	fi
	grep -E '^# (ok [0-9]+|1\.\.0 ).*# SKIP' "$ktap" | sed -E 's/^# (ok [0-9]* *|1\.\.0 )/     skipped: /'
	n=0
	for t in ${programs:-$(test_programs)}; do
		n=$((n + 1))
		# Planned and told, of the part of this program.
		sed -nE "/^# selftests: isolation: $t\$/,/^(not )?ok [0-9]+ selftests: isolation: $t( |\$)/p" "$ktap" > "$ktap.one"
		expect "$1: $t told as many results as it planned, and ended well" \
			"$(sed -n 's/^# 1\.\.\([0-9]*\).*/\1/p' "$ktap.one" | head -n 1):$(grep -cE "^ok [0-9]+ selftests: isolation: $t( #|\$)" "$ktap.one")" \
			= "$(grep -cE '^# (not )?ok [0-9]+' "$ktap.one"):1"
	done
	rm -f "$ktap.one"
	expect "$1: run_kselftest.sh ran each of the $n programs" \
		"$n:$(sed -n 's/^1\.\.\([0-9]*\)$/\1/p' "$ktap"):$(grep -cE '^(not )?ok [0-9]+ selftests: isolation: ' "$ktap")" = "$n:$n:$n"
	[ "$good" -gt 0 ] || bad "$1: no test passed"
	t=$(unexpected_skips "$1" "$ktap")
	expect "$1: each skip is in kernel-config/skips.txt" -z "$t" || indented "$t"
}

# unexpected_skips LANE KTAP - those that kernel-config/skips.txt does not allow there. A
# program that skips as a whole says so in its plan.
unexpected_skips() {
	awk -F '\t+' -v lane="$1" '
		FNR == NR { if (!/^#/ && lane ~ "^(" $1 ")$") most[$3] += $2; next }
		/^# ok [0-9]+.*# SKIP/ { sub(/.*# SKIP */, ""); n[$0]++ }
		/^# 1\.\.0 # SKIP/ { sub(/.*# SKIP */, ""); n["all: " $0]++ }
		END { for (reason in n) if (n[reason] > most[reason] + 0) print n[reason] ", at most " most[reason] + 0 ": " reason }
	' "$TOP/kernel-config/skips.txt" "$2"
}

# Prints FIELD of the N-th line of a guest's log that starts with KEY.
field() { grep "^$2" "$LOGS/guest-$1.log" | sed -n "${4:-1}p" | tr ' ' '\n' | sed -n "s/^$3=//p"; }

# measured NAME DIR [ROWS] - what Documentation/measured.md says of this is still true.
measured() {
	step "measured.md: $1" "$TOP/scripts/in-toolchain" python3 "$TOP/scripts/bench-report" --check "$TOP/Documentation/measured.md" "$2" "${3:-}"
}
