# shellcheck shell=bash disable=SC2154 # what is not set here is set in common.sh
# SPDX-License-Identifier: GPL-2.0
# Not part of the default: what each part of the series is for, by leaving it out.
# The kernels are built in the tree of the series, one after the other.
lane_mutants() {
	local m run seen unseen append image=$BUILD/mutant.bzImage
	[ -z "${KDIR:-}" ] || die "mutants are those of the series in the cache" "try: without KDIR"
	selftests || return
	# Whatever happens, the tree is left as it was.
	trap '"$TOP/scripts/mutate" -R; [ -n "$counted" ] || echo "$passed passed, $((failed + 1)) failed"' EXIT
	for m in ${MUTANTS:-$(cd "$TOP/scripts/mutants" && echo *.patch)}; do
		m=${m%.patch}
		run=$(sed -n 's/^# Run: //p' "$TOP/scripts/mutants/$m.patch" | tr ' ' +)
		seen=$(sed -n 's/^# Seen: //p' "$TOP/scripts/mutants/$m.patch")
		# The control of another one: as slow, but right.
		unseen=$(sed -n 's/^# Unseen: //p' "$TOP/scripts/mutants/$m.patch")
		append=$(sed -n 's/^# Append: //p' "$TOP/scripts/mutants/$m.patch")
		"$TOP/scripts/build" series || { bad "build series"; return; }
		KERNEL=series RUN=$run APPEND=$append TIMEOUT=200 guest "sound-$m" || continue
		expect "mutants: not seen without $m" "$(grep -cE "${seen:-$unseen}" "$LOGS/guest-sound-$m.log")" -eq 0
		"$TOP/scripts/mutate" "$m" || { bad "mutate $m"; return; }
		if "$TOP/scripts/build" series; then
			cp "$CACHE/obj/series/arch/x86/boot/bzImage" "$image"
			if ! KERNEL=$image RUN=$run APPEND=$append TIMEOUT=200 guest "mutant-$m"; then
				:
			elif [ -n "$seen" ]; then
				expect "mutants: $m is seen" "$(grep -cE "$seen" "$LOGS/guest-mutant-$m.log")" -ge 1
			else
				expect "mutants: $m is sound" "$(grep -cE "$unseen" "$LOGS/guest-mutant-$m.log")" -eq 0
			fi
		else
			bad "build $m"
		fi
		"$TOP/scripts/mutate" -R
	done
	"$TOP/scripts/build" series || bad "build series"
}
