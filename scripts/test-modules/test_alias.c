// SPDX-License-Identifier: GPL-2.0
/*
 * Whether a page that is made read only can still be written to through a mapping that
 * is gone from the page tables, but not from the TLB of CPU 1. The vmap layer flushes
 * lazily, and change_page_attr_set_clr() sees to what must not wait.
 *
 * Prints for each case whether a store worked while it was mapped, after it was
 * unmapped, and after the change. It fails on purpose, so as not to stay.
 */
#include <linux/kprobes.h>
#include <linux/module.h>
#include <linux/smp.h>
#include <linux/vmalloc.h>

#include <asm/asm.h>

static int (*set_ro)(unsigned long addr, int numpages);
static int (*set_rw)(unsigned long addr, int numpages);
static int (*set_nx)(unsigned long addr, int numpages);

/* They are not exported any more. */
static void *address_of(const char *name)
{
	struct kprobe kp = { .symbol_name = name };
	void *addr;

	if (register_kprobe(&kp))
		return NULL;
	addr = kp.addr;
	unregister_kprobe(&kp);
	return addr;
}

struct access {
	char	*p;
	bool	works;
};

static void store(void *arg)
{
	struct access *access = arg;

	access->works = false;
	asm goto("1: movb $1, (%0)\n" _ASM_EXTABLE(1b, %l[fault])
		 : : "r" (access->p) : "memory" : fault);
	access->works = true;
fault:
	return;
}

static bool can_store(char *p)
{
	struct access access = { .p = p };

	smp_call_function_single(1, store, &access, 1);
	return access.works;
}

enum change {
	NONE,
	VMAP,		/* another mapping is made read only */
	DIRECT,		/* the direct map is */
	NOTHING,	/* a call that finds it as it is to be */
};

static const char * const names[] = { "none", "vmap", "direct", "nothing" };

static int test(enum change change)
{
	struct page *page = alloc_page(GFP_KERNEL | __GFP_ZERO);
	bool mapped, unmapped, changed;
	char *alias, *other = NULL;
	unsigned long direct;

	if (!page)
		return -ENOMEM;
	direct = (unsigned long)page_address(page);
	/* The direct map is split here, which flushes, and not by the change. */
	set_ro(direct, 1);
	set_rw(direct, 1);
	if (change == VMAP)
		other = vmap(&page, 1, VM_MAP, PAGE_KERNEL);
	alias = vmap(&page, 1, VM_MAP, PAGE_KERNEL);
	if (!alias || (change == VMAP && !other))
		return -ENOMEM;
	mapped = can_store(alias);
	vunmap(alias);
	unmapped = can_store(alias);
	if (change == VMAP)
		set_ro((unsigned long)other, 1);
	else if (change == DIRECT)
		set_ro(direct, 1);
	else if (change == NOTHING)
		set_nx(direct, 1);
	changed = can_store(alias);
	pr_info("test_alias: %s mapped=%d unmapped=%d changed=%d\n", names[change], mapped, unmapped, changed);
	if (change == DIRECT)
		set_rw(direct, 1);
	if (other) {
		set_rw((unsigned long)other, 1);
		vunmap(other);
	}
	__free_page(page);
	return 0;
}

static int __init test_alias_init(void)
{
	int ret = 0;

	set_ro = address_of("set_memory_ro");
	set_rw = address_of("set_memory_rw");
	set_nx = address_of("set_memory_nx");
	if (!set_ro || !set_rw || !set_nx)
		return -ENOENT;
	for (enum change change = NONE; change <= NOTHING && !ret; change++)
		ret = test(change);
	return ret ?: -EAGAIN;
}
module_init(test_alias_init);

MODULE_DESCRIPTION("Test of stale mappings of pages that are made read only");
MODULE_LICENSE("GPL");
