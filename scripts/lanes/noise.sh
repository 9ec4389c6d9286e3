# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
lane_noise() {
	local style isol n row i s
	kernel stock || return
	kernel series || return
	selftests || return
	for style in isolcpus nohz; do
		isol=$NOHZ_ISOL
		[ $style = isolcpus ] || isol=$NOHZ_ONLY
		KERNEL=stock ISOL=$isol RUN=guest-demo TIMEOUT=120 guest "noise-stock-$style" || return
		KERNEL=series ISOL=$isol RUN=guest-demo TIMEOUT=120 guest "noise-series-$style" || return
		for n in 1 2 3; do
			row=$(grep '^noise .*actions=[1-9]' "$LOGS/guest-noise-series-$style.log" | sed -n "${n}p")
			i=$(tr ' ' '\n' <<< "$row" | sed -n 's/^interrupts=//p')
			s=$(tr ' ' '\n' <<< "$row" | sed -n 's/^switches=//p')
			expect "noise: isolated thread is left alone ($style, $(cut -d' ' -f2 <<< "$row"))" "$i/$s" = 0/0 ||
				printf '     %s\n' "$row"
		done
		i=$(field "noise-stock-$style" "noise stat_refresh actions=0" switches 2)
		expect "noise: control, the stock kernel interrupts it ($style)" "${i:-0}" -ge 20
	done
	# Those that need nothing which this kernel does not have.
	local rows=idle,stat_refresh,threads,forks,settimeofday,cpuset,membarrier
	rm -rf "$BUILD/measured-noise"
	mkdir -p "$BUILD/measured-noise"
	for style in isolcpus nohz; do
		isol=$NOHZ_ISOL
		[ $style = isolcpus ] || isol=$NOHZ_ONLY
		KERNEL=series ISOL=$isol RUN=guest-bench TIMEOUT=300 \
			APPEND="BENCH_Q=all BENCH_ROWS=$rows" guest "measured-$style" || return
		cp "$LOGS/guest-measured-$style.log" "$BUILD/measured-noise/matrix-$style-on.log"
	done
	measured "what interrupts the thread" "$BUILD/measured-noise" "$rows"
}
