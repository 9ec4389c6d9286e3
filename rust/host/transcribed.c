// SPDX-License-Identifier: GPL-2.0-only
/*
 * What tlb_loom.rs transcribes of the CPU that is to do the work, without the comments.
 * Not compiled: "make check" looks for each function in the files that the patches make.
 */

static __always_inline void tlb_defer_flush(void)
{
	unsigned long cr4;
	this_cpu_inc(user_defer.flushes);
	this_cpu_or(user_defer.done, TASK_ISOL_DONE_TLB_FLUSH);
	if (cpu_feature_enabled(X86_FEATURE_INVPCID)) {
		invpcid_flush_all();
		return;
	}
	cr4 = this_cpu_read(cpu_tlbstate.cr4);
	asm volatile("mov %0, %%cr4" : : "r" (cr4 ^ X86_CR4_PGE) : "memory");
	asm volatile("mov %0, %%cr4" : : "r" (cr4) : "memory");
}

static __always_inline void text_defer_sync(void)
{
	this_cpu_inc(user_defer.syncs);
	this_cpu_or(user_defer.done, TASK_ISOL_DONE_TEXT_SYNC);
	sync_core();
}

static __always_inline void user_defer_work(unsigned int old)
{
	if (old & USER_DEFER_PENDING(USER_DEFER_TLB))
		tlb_defer_flush();
	if (old & USER_DEFER_PENDING(USER_DEFER_TEXT))
		text_defer_sync();
}

noinstr void __user_defer_exit(unsigned int old)
{
	user_defer_work(old);
	raw_atomic_set(this_cpu_ptr(&user_defer.state), 0);
}

noinstr unsigned int __user_defer_nmi_enter(void)
{
	atomic_t *state = this_cpu_ptr(&user_defer.state);
	unsigned int old = raw_atomic_read(state);
	unsigned int user = old & USER_DEFER_USER;
	if (user)
		old = raw_atomic_fetch_sub(user, state);
	if (!(old & USER_DEFER_PENDING(USER_DEFER_USER)))
		return user;
	user_defer_work(old);
	if (user)
		raw_atomic_set(state, 0);
	return user;
}

static __always_inline void user_defer_enter(enum ctx_state state)
{
	unsigned int user = current->isol.uret & USER_DEFER_USER;
	if (likely(!user) || state != CT_STATE_USER)
		return;
	raw_atomic_set_release(this_cpu_ptr(&user_defer.state), user & user_defer_kinds);
}

static __always_inline void user_defer_exit(void)
{
	unsigned int user, old;
	user = raw_cpu_read(user_defer.state.counter) & USER_DEFER_USER;
	if (likely(!user))
		return;
	user_defer_test_window();
	user = user_defer_test_early(user);
	old = raw_atomic_fetch_sub(user, this_cpu_ptr(&user_defer.state));
	if (unlikely(old & USER_DEFER_PENDING(USER_DEFER_USER)))
		__user_defer_exit(old);
}

static __always_inline unsigned int user_defer_nmi_enter(void)
{
	if (!static_branch_unlikely(&user_defer_key))
		return 0;
	if (likely(!this_cpu_read(user_defer.state.counter)))
		return 0;
	return __user_defer_nmi_enter();
}

static __always_inline void user_defer_nmi_exit(unsigned int user)
{
	if (unlikely(user))
		raw_atomic_set_release(this_cpu_ptr(&user_defer.state), user);
}
