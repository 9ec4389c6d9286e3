# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
# lru_test where it has all that it can use: two NUMA nodes, a file system on a RAM disk,
# a CPU that is nohz_full and caches buffer heads, as it is not one of isolcpus=, and
# eight CPUs for eight threads. Huge pages and seals are rows of the matrix.
lane_batches() {
	local log=$LOGS/guest-batches.log
	kernel debug bzImage modules || return
	selftests || return
	KERNEL=debug RUN=lru_test SMP=10 TIMEOUT=400 ISOL='nohz_full=1-8 irqaffinity=0' \
		APPEND='loglevel=5 kunit.enable=0 numa=fake=2' guest batches || return
	grep -E '^# lru_test.c.*(rounds|calls)' "$log" | sed 's/^# lru_test.c:[0-9]*:/     /'
	grep -E '^not ok|lru_test.c.*Expected' "$log"
	expect "batches: no test of lru_test fails" "$(grep -c '^not ok' "$log"):$(grep -c '^# Totals: ' "$log")" = 0:1
	expect "batches: nothing is left out but what is said above" \
		"$(grep -E ': not here, needs' "$log" | grep -cv collapse):$(grep -c '^ok .*# SKIP' "$log"):$(grep -c '^ok .*isolated_fifo.cache_disable # SKIP' "$log")" = 0:1:1
	expect "batches: eight threads on eight CPUs, with the action and without" "$(grep -c 'cache_disable:8 threads on 8 CPUs' "$log")" -eq 2
}
