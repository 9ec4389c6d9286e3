# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
# With the option off, what the series touches must come out as on stock, but
# for the patches before the core, which stand alone.
OFF_OBJECTS="kernel/time/tick-sched.o kernel/time/hrtimer.o kernel/time/posix-cpu-timers.o kernel/fork.o kernel/exit.o kernel/sys.o kernel/entry/common.o fs/exec.o arch/x86/entry/syscall_64.o
	arch/x86/entry/syscall_32.o arch/x86/kernel/traps.o arch/x86/kernel/nmi.o arch/x86/kernel/apic/apic.o arch/x86/mm/fault.o
	arch/x86/mm/tlb.o arch/x86/kernel/process_64.o kernel/context_tracking.o"
OFF_STANDALONE='schedule_on_each_cpu|schedule_on_each_cpu_cond|need_update|refresh_needed|refresh_cpu_vm_stats|vmstat_folds|vmstat_refresh|vmstat_shepherd|quiet_vmstat|hrtick_schedule_exit|dl_server_stop|__enqueue_dl_entity|enqueue_dl_entity|__dequeue_dl_entity|dequeue_dl_entity|inc_dl_tasks|dec_dl_tasks|update_curr_dl_se|dl_server_timer|dl_task_timer|__schedule|schedule_tail|finish_task_switch'
OFF_STANDALONE+='|__purge_vmap_area_lazy|remove_vm_area|vfree|vmap|vunmap|free_vm_area|free_vmap_area_noflush|pcpu_free_vm_areas|cleanup_vm_area_work|purge_vmap_node|decay_va_pool_node|_vm_unmap_aliases|reclaim_and_purge_vmap_areas|drain_vmap_area_work|single|vmap_flush_deferred|vmalloc_init|vmap_init_nodes'
OFF_CHANGED="kernel/workqueue.o mm/vmstat.o mm/vmalloc.o kernel/sched/core.o kernel/sched/build_policy.o"
lane_off() {
	local o out
	# shellcheck disable=SC2086 # a list of words
	kernel off $OFF_OBJECTS $OFF_CHANGED || return
	kernel stock || return
	for o in $OFF_OBJECTS $OFF_CHANGED; do
		if [ ! -s "$CACHE/obj/stock/$o" ] || [ ! -s "$CACHE/obj/off/$o" ]; then
			bad "=n: $o is missing"
			return
		fi
	done
	for o in $OFF_OBJECTS; do
		out=$("$TOP/scripts/in-toolchain" "$STOCK/scripts/bloat-o-meter" "$CACHE/obj/stock/$o" "$CACHE/obj/off/$o" 2>&1)
		expect "=n: symbols of $o have the size of those on stock" "$(sed -n '/^add/s/ (.*//p' <<< "$out")" = "add/remove: 0/0 grow/shrink: 0/0 up/down: 0/0"
	done
	for o in $OFF_CHANGED; do
		out=$("$TOP/scripts/in-toolchain" "$STOCK/scripts/bloat-o-meter" "$CACHE/obj/stock/$o" "$CACHE/obj/off/$o" 2>&1)
		printf '%s\n' "$out" | sed 's/^/     /'
		expect "=n: $o differs by the stand-alone patches only" \
			-z "$(sed '1,2d; /^Total/d' <<< "$out" | awk '{ print $1 }' | grep -v __UNIQUE_ID | grep -vxE "$OFF_STANDALONE")"
	done
}
