# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
# With the option off, what the series touches must come out as on stock, but
# for the patches before the core, which stand alone.
OFF_OBJECTS="kernel/time/tick-sched.o kernel/time/hrtimer.o kernel/time/posix-cpu-timers.o kernel/fork.o kernel/exit.o kernel/sys.o kernel/entry/common.o fs/exec.o arch/x86/entry/syscall_64.o
	arch/x86/entry/syscall_32.o arch/x86/kernel/traps.o arch/x86/kernel/nmi.o arch/x86/kernel/apic/apic.o arch/x86/mm/fault.o
	arch/x86/mm/tlb.o arch/x86/kernel/process_64.o kernel/context_tracking.o
	kernel/cpu.o kernel/cgroup/cpuset.o kernel/events/core.o kernel/module/main.o fs/proc/proc_sysctl.o drivers/base/core.o"
OFF_STANDALONE='schedule_on_each_cpu|schedule_on_each_cpu_cond|need_update|refresh_needed|refresh_cpu_vm_stats|vmstat_folds|vmstat_refresh|vmstat_shepherd|quiet_vmstat|hrtick_schedule_exit|dl_server_stop|__enqueue_dl_entity|enqueue_dl_entity|__dequeue_dl_entity|dequeue_dl_entity|inc_dl_tasks|dec_dl_tasks|update_curr_dl_se|dl_server_timer|dl_task_timer|__schedule|schedule_tail|finish_task_switch'
OFF_STANDALONE+='|__purge_vmap_area_lazy|remove_vm_area|vfree|vmap|vunmap|free_vm_area|free_vmap_area_noflush|pcpu_free_vm_areas|cleanup_vm_area_work|purge_vmap_node|decay_va_pool_node|_vm_unmap_aliases|reclaim_and_purge_vmap_areas|drain_vmap_area_work|single|vmap_flush_deferred|vmalloc_init|vmap_init_nodes'
OFF_STANDALONE+='|fold_cpu_vm_stats|refresh_cpu_pagesets|cpu_vm_stats_fold|vmstat_(add|remove)_(node|zone)|vmstat_(zones|nodes)|zoneinfo_show_print|pagetypeinfo_showblockcount_print|vmstat_update|refresh_vm_stats|fold_diff'
# The state of context tracking is read in one instruction.
OFF_STANDALONE+='|context_tracking_recursion_(nested|enter)|__ct_user_(enter|exit)|irqentry_enter|do_syscall_64|do_int80_emulation|__do_fast_syscall_32|exc_int3|exc_debug_user'
# What each return to user mode invokes is inlined, but for what is rare.
OFF_STANDALONE+='|irqentry_exit|tick_nohz_user_enter_prepare|arch_exit_to_user_mode_prepare|arch_exit_work|indirect_branch_prediction_barrier'
# smt/control stores the number of threads behind the point where it may be refused.
OFF_STANDALONE+='|control_store'
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
	for o in $OFF_OBJECTS $OFF_CHANGED; do
		out=$("$TOP/scripts/in-toolchain" "$STOCK/scripts/bloat-o-meter" "$CACHE/obj/stock/$o" "$CACHE/obj/off/$o" 2>&1)
		out=$(sed '1,2d; /^Total/d' <<< "$out" | grep -v __UNIQUE_ID)
		[ -z "$out" ] || indented "$out"
		expect "=n: $o differs by the stand-alone patches only" \
			-z "$(awk '{ print $1 }' <<< "$out" | grep -v '^$' | grep -vxE "$OFF_STANDALONE")"
	done
}
