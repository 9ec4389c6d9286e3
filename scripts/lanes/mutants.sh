# shellcheck shell=bash disable=SC2154 # what is not set here is set in common.sh
# SPDX-License-Identifier: GPL-2.0
# Not part of the default: what each part of the series is for, by leaving it out.
# The kernels are built in the tree of the series, one after the other. A mutant says of
# which configuration, if it is not that of the series.
lane_mutants() {
	local m mutants seen kernels k how what log
	local -A sound
	[ -z "${KDIR:-}" ] || die "mutants are those of the series in the cache" "try: without KDIR"
	selftests || return
	# Those that only show from outside are in the lane for that.
	mutants=$(cd "$TOP/scripts/mutants" && for m in ${MUTANTS:-$(grep -lE '^# (Seen|Unseen): ' -- *.patch)}; do echo "${m%.patch}"; done)
	kernels=$(for m in $mutants; do mutant_kernel "$m"; done | sort -u)
	for k in $kernels; do
		mutant_build "$k" modules || { bad "build $k"; return; }
		[[ $k = series || $k = debug ]] || "$TOP/scripts/test-modules/build" "$k" || { bad "build the modules of $k"; return; }
	done
	# First without any of them: one kernel, and one run for those that are seen by the same.
	for m in $mutants; do
		how=$(for what in Kernel Run Append Isol; do echo "$what: $(mutant_says "$m" $what)"; done)
		log=${sound[$how]:-}
		if [ -z "$log" ]; then
			KERNEL=$(mutant_kernel "$m") mutant_run "sound-$m" "$m" || continue
			log=$LOGS/guest-sound-$m.log
			sound[$how]=$log
		fi
		seen=$(mutant_says "$m" Seen)
		expect "mutants: not seen without $m" "$(grep -cE "${seen:-$(mutant_says "$m" Unseen)}" "$log")" -eq 0
	done
	# shellcheck disable=SC2086 # a list of words
	each_mutant seen_mutant $mutants
}

# seen_mutant MUTANT KERNEL - whether its tests see it, in that kernel, as it is built now.
seen_mutant() {
	local seen unseen image=$BUILD/mutant.bzImage
	cp "$(obj_of "$2")/arch/x86/boot/bzImage" "$image"
	seen=$(mutant_says "$1" Seen)
	# The control of another one: as slow, but right.
	unseen=$(mutant_says "$1" Unseen)
	OBJ=$(obj_of "$2") KERNEL=$image mutant_run "mutant-$1" "$1" || return
	if [ -n "$seen" ]; then
		expect "mutants: $1 is seen" "$(grep -cE "$seen" "$LOGS/guest-mutant-$1.log")" -ge 1
	else
		expect "mutants: $1 is sound" "$(grep -cE "$unseen" "$LOGS/guest-mutant-$1.log")" -eq 0
	fi
}

# each_mutant FUNCTION MUTANT... - build each, have FUNCTION look at it, and undo it.
each_mutant() {
	local m k visit=$1
	shift
	# Whatever happens, the tree is left as it was.
	trap '"$TOP/scripts/mutate" -R; [ -n "$counted" ] || echo "$passed passed, $((failed + 1)) failed"' EXIT
	for m; do
		"$TOP/scripts/mutate" "$m" || { bad "mutate $m"; return; }
		k=$(mutant_kernel "$m")
		if mutant_build "$k"; then
			"$visit" "$m" "$k"
		else
			bad "build $m"
		fi
		"$TOP/scripts/mutate" -R
	done
	for k in $(for m; do mutant_kernel "$m"; done | sort -u); do mutant_build "$k" || bad "build $k"; done
}

# mutant_says MUTANT FIELD
mutant_says() { sed -n "s/^# $2: //p" "$TOP/scripts/mutants/$1.patch"; }

# mutant_kernel MUTANT - the configuration that has what it breaks, and what sees it.
mutant_kernel() {
	local k
	k=$(mutant_says "$1" Kernel)
	echo "${k:-series}"
}

# mutant_build KERNEL [TARGET...]
mutant_build() { "$TOP/scripts/build" "$1" bzImage "${@:2}"; }

# mutant_run NAME MUTANT - the tests that are to see it, on $KERNEL.
mutant_run() {
	RUN=$(mutant_says "$2" Run | tr ' ' +) APPEND=$(mutant_says "$2" Append) ISOL=$(mutant_says "$2" Isol) TIMEOUT=400 guest "$1"
}
