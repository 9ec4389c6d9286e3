// SPDX-License-Identifier: GPL-2.0
/*
 * The prctl() interface of task isolation, as it is documented. Every test runs in
 * a process of its own, so each starts with nothing enabled.
 */
#include "isolation.h"

#include "kselftest_harness.h"

#define VMSTAT	ISOL_F_QUIESCE_VMSTAT_SYNC
#define ON_URET	ISOL_F_QUIESCE_ON_URET
#define BLOCK	ISOL_F_BLOCK_INTERRUPTORS

#define ALL_FEATURES	(ON_URET | BLOCK)
#define ALL_ACTIONS	(VMSTAT | ISOL_F_QUIESCE_NOHZ_FULL | ISOL_F_QUIESCE_DEFER_TLB_FLUSH |	\
			 ISOL_F_QUIESCE_LRU_DRAIN | ISOL_F_QUIESCE_DEFER_TEXT_SYNC)
#define ALL_CLASSES	(ISOL_BLOCK_HOTPLUG | ISOL_BLOCK_STOP_MACHINE | ISOL_BLOCK_CPU_ACCESS |	\
			 ISOL_BLOCK_CPUSET | ISOL_BLOCK_MODULE | ISOL_BLOCK_TRACE | ISOL_BLOCK_KNOB)

/* Which classes the administrator lets be claimed. */
#define POLICY	"/proc/sys/kernel/task_isolation_block"

typedef int (*call_fn)(int option, unsigned long arg2, unsigned long arg3,
		       unsigned long arg4, unsigned long arg5);

FIXTURE(abi)
{
	call_fn call;
};

FIXTURE_VARIANT(abi)
{
	bool compat;
};

FIXTURE_VARIANT_ADD(abi, native)
{
	.compat = false,
};

/* The 32-bit system call, by way of int 0x80. */
FIXTURE_VARIANT_ADD(abi, compat)
{
	.compat = true,
};

FIXTURE_SETUP(abi)
{
	self->call = variant->compat ? compat_prctl : isol_call;
	if (variant->compat && !have_compat())
		SKIP(return, "no 32-bit system calls here");
	if (!isol_present())
		SKIP(return, NO_ISOLATION);
	/* Where there is isolation, there is this. */
	ASSERT_TRUE(isol_supports(VMSTAT));
}

FIXTURE_TEARDOWN(abi)
{
}

#define GET(cmd)	self->call(PR_ISOL_GET, cmd, 0, 0, 0)
#define SET(cmd, value)	self->call(PR_ISOL_SET, cmd, value, 0, 0)
#define ENABLE(mask)	self->call(PR_ISOL_ENABLE, mask, 0, 0, 0)

TEST_F(abi, starts_with_nothing)
{
	EXPECT_EQ(0, GET(ISOL_FEATURES));
	EXPECT_EQ(0, GET(PR_ISOL_QUIESCE_CFG));
	EXPECT_EQ(0, GET(PR_ISOL_BLOCK_CFG));
	EXPECT_EQ(0, GET(PR_ISOL_BLOCK_LEFT));
}

TEST_F(abi, supported_masks)
{
	EXPECT_EQ(ON_URET, GET(ISOL_SUP_FEATURES) & ON_URET);
	EXPECT_EQ(VMSTAT, GET(PR_ISOL_SUP_QUIESCE_CFG) & VMSTAT);

	/* prctl() returns an int: a mask never uses its sign. */
	EXPECT_LT(0, GET(ISOL_SUP_FEATURES));
	EXPECT_LT(0, GET(PR_ISOL_SUP_QUIESCE_CFG));
	/* Policy may allow nothing. */
	EXPECT_LE(0, GET(PR_ISOL_SUP_BLOCK_CFG));
}

/* No bit has a meaning that the header does not tell, and no class without the feature. */
TEST_F(abi, bits_have_names)
{
	EXPECT_EQ(0, GET(ISOL_SUP_FEATURES) & ~ALL_FEATURES);
	EXPECT_EQ(0, GET(PR_ISOL_SUP_QUIESCE_CFG) & ~ALL_ACTIONS);
	EXPECT_EQ(0, GET(PR_ISOL_SUP_BLOCK_CFG) & ~ALL_CLASSES);
	if (!(GET(ISOL_SUP_FEATURES) & BLOCK))
		EXPECT_EQ(0, GET(PR_ISOL_SUP_BLOCK_CFG));
}

/* Batches can be drained wherever there is isolation. */
TEST_F(abi, lru_drain_is_always_there)
{
	EXPECT_EQ(ISOL_F_QUIESCE_LRU_DRAIN,
		  GET(PR_ISOL_SUP_QUIESCE_CFG) & ISOL_F_QUIESCE_LRU_DRAIN);
}

/* What depends on the machine is offered only where it is there. */
TEST_F(abi, nohz_full_needs_nohz_full_cpus)
{
	bool have = cpu_is_nohz_full(0) || first_cpu_of(NOHZ_FULL_CPUS) > 0;
	int expected = have ? ISOL_F_QUIESCE_NOHZ_FULL : 0;

	EXPECT_EQ(expected, GET(PR_ISOL_SUP_QUIESCE_CFG) & ISOL_F_QUIESCE_NOHZ_FULL);
}

static bool is_command(unsigned long cmd)
{
	switch (cmd) {
	case ISOL_SUP_FEATURES:
	case ISOL_FEATURES:
	case PR_ISOL_SUP_QUIESCE_CFG:
	case PR_ISOL_QUIESCE_CFG:
	case PR_ISOL_QUIESCE_LEFT:
	case PR_ISOL_SUP_BLOCK_CFG:
	case PR_ISOL_BLOCK_CFG:
	case PR_ISOL_BLOCK_LEFT:
		return true;
	}
	return false;
}

/* An unknown command is refused, and nothing has changed then. */
TEST_F(abi, unknown_commands)
{
	static const unsigned long far[] = { 0x7fffffff, 0x80000000, 0xffffffff };
	unsigned long cmd;
	int unknown = 0;

	ASSERT_EQ(0, SET(PR_ISOL_QUIESCE_CFG, VMSTAT));
	for (size_t i = 0; i < 64 + ARRAY_SIZE(far); i++) {
		cmd = i < 64 ? i : far[i - 64];
		if (is_command(cmd))
			continue;
		unknown++;
		EXPECT_EQ(-EINVAL, GET(cmd));
		EXPECT_EQ(-EINVAL, SET(cmd, 0));
		EXPECT_EQ(-EINVAL, SET(cmd, VMSTAT));
	}
	EXPECT_EQ(VMSTAT, GET(PR_ISOL_QUIESCE_CFG));
	EXPECT_EQ(0, GET(ISOL_FEATURES));
	/* All but eight were tried. */
	EXPECT_EQ(64 - 8 + (int)ARRAY_SIZE(far), unknown);
}

TEST_F(abi, supported_masks_are_read_only)
{
	EXPECT_EQ(-EINVAL, SET(ISOL_SUP_FEATURES, 0));
	EXPECT_EQ(-EINVAL, SET(ISOL_SUP_FEATURES, ON_URET));
	EXPECT_EQ(-EINVAL, SET(PR_ISOL_SUP_QUIESCE_CFG, 0));
	EXPECT_EQ(-EINVAL, SET(PR_ISOL_SUP_QUIESCE_CFG, VMSTAT));
	EXPECT_EQ(-EINVAL, SET(PR_ISOL_QUIESCE_LEFT, 0));
	EXPECT_EQ(-EINVAL, SET(PR_ISOL_QUIESCE_LEFT, 1));
	EXPECT_EQ(-EINVAL, SET(PR_ISOL_SUP_BLOCK_CFG, 0));
	EXPECT_EQ(-EINVAL, SET(PR_ISOL_SUP_BLOCK_CFG, 1));
	EXPECT_EQ(-EINVAL, SET(PR_ISOL_BLOCK_LEFT, 0));
	EXPECT_EQ(-EINVAL, SET(PR_ISOL_BLOCK_LEFT, 1));
}

/* VMSTAT_SYNC leaves nothing. */
TEST_F(abi, nothing_is_left)
{
	EXPECT_EQ(0, GET(PR_ISOL_QUIESCE_LEFT));
	ASSERT_EQ(0, SET(PR_ISOL_QUIESCE_CFG, VMSTAT));
	EXPECT_EQ(0, GET(PR_ISOL_QUIESCE_LEFT));
	ASSERT_EQ(0, ENABLE(ON_URET));
	EXPECT_EQ(0, GET(PR_ISOL_QUIESCE_LEFT));
}

/* Unused arguments have to be 0, and nothing has changed if they are not. */
TEST_F(abi, unused_arguments)
{
	int i;

	ASSERT_EQ(0, SET(PR_ISOL_QUIESCE_CFG, VMSTAT));
	for (i = 0; i < 3; i++) {
		unsigned long a[3] = { i == 0, i == 1, i == 2 };

		EXPECT_EQ(-EINVAL, self->call(PR_ISOL_GET, ISOL_FEATURES, a[0], a[1], a[2]));
		EXPECT_EQ(-EINVAL, self->call(PR_ISOL_ENABLE, ON_URET, a[0], a[1], a[2]));
		EXPECT_EQ(-EINVAL, self->call(PR_ISOL_ENABLE, 0, a[0], a[1], a[2]));
		if (!i)
			continue;	/* the value, for SET */
		EXPECT_EQ(-EINVAL, self->call(PR_ISOL_SET, ISOL_FEATURES, ON_URET, a[1], a[2]));
		EXPECT_EQ(-EINVAL, self->call(PR_ISOL_SET, PR_ISOL_QUIESCE_CFG, 0, a[1], a[2]));
		EXPECT_EQ(-EINVAL, self->call(PR_ISOL_SET, PR_ISOL_BLOCK_CFG, 0, a[1], a[2]));
	}
	EXPECT_EQ(VMSTAT, GET(PR_ISOL_QUIESCE_CFG));
	EXPECT_EQ(0, GET(ISOL_FEATURES));
}

/* A bit that is not supported is refused, beside others as well. */
TEST_F(abi, unsupported_bits)
{
	unsigned int sup_features = GET(ISOL_SUP_FEATURES);
	unsigned int sup_quiesce = GET(PR_ISOL_SUP_QUIESCE_CFG);
	unsigned int sup_block = GET(PR_ISOL_SUP_BLOCK_CFG);
	int bit;

	ASSERT_EQ(0, SET(PR_ISOL_QUIESCE_CFG, VMSTAT));
	for (bit = 0; bit < 32; bit++) {
		unsigned long mask = 1UL << bit;

		if (!(sup_features & mask)) {
			EXPECT_EQ(-EINVAL, ENABLE(mask));
			EXPECT_EQ(-EINVAL, ENABLE(mask | ON_URET));
			EXPECT_EQ(-EINVAL, SET(ISOL_FEATURES, mask));
		}
		if (!(sup_quiesce & mask)) {
			EXPECT_EQ(-EINVAL, SET(PR_ISOL_QUIESCE_CFG, mask));
			EXPECT_EQ(-EINVAL, SET(PR_ISOL_QUIESCE_CFG, mask | VMSTAT));
		}
		if (!(sup_block & mask)) {
			EXPECT_EQ(-EINVAL, SET(PR_ISOL_BLOCK_CFG, mask));
			EXPECT_EQ(-EINVAL, SET(PR_ISOL_BLOCK_CFG, mask | sup_block));
		}
	}
	EXPECT_EQ(0, GET(PR_ISOL_BLOCK_CFG));
	EXPECT_EQ(VMSTAT, GET(PR_ISOL_QUIESCE_CFG));
	EXPECT_EQ(0, GET(ISOL_FEATURES));
}

/* A bit of the upper half, 0 where there is none. */
static unsigned long upper(int bit)
{
	return (unsigned long)(1ULL << bit);
}

/* The upper half of a register is not lost on a 64-bit caller. */
TEST_F(abi, upper_half)
{
	if (variant->compat || sizeof(long) == 4)
		SKIP(return, "arguments have no upper half");

	ASSERT_EQ(0, SET(PR_ISOL_QUIESCE_CFG, VMSTAT));
	EXPECT_EQ(-EINVAL, GET(upper(32) | ISOL_FEATURES));
	EXPECT_EQ(-EINVAL, SET(upper(32) | PR_ISOL_QUIESCE_CFG, 0));
	EXPECT_EQ(-EINVAL, SET(PR_ISOL_QUIESCE_CFG, upper(32) | VMSTAT));
	for (int bit = 32; bit < 64; bit++) {
		EXPECT_EQ(-EINVAL, SET(PR_ISOL_QUIESCE_CFG, upper(bit)));
		EXPECT_EQ(-EINVAL, SET(PR_ISOL_BLOCK_CFG, upper(bit)));
		EXPECT_EQ(-EINVAL, ENABLE(upper(bit) | ON_URET));
	}
	EXPECT_EQ(-EINVAL, self->call(PR_ISOL_GET, ISOL_FEATURES, upper(63), 0, 0));
	EXPECT_EQ(VMSTAT, GET(PR_ISOL_QUIESCE_CFG));
	EXPECT_EQ(0, GET(ISOL_FEATURES));
}

/* What is enabled replaces what was: a feature that is not given is disabled. */
TEST_F(abi, enable_replaces)
{
	ASSERT_EQ(0, SET(PR_ISOL_QUIESCE_CFG, VMSTAT));
	EXPECT_EQ(0, ENABLE(ON_URET));
	EXPECT_EQ(ON_URET, GET(ISOL_FEATURES));
	EXPECT_EQ(0, ENABLE(ON_URET));
	EXPECT_EQ(ON_URET, GET(ISOL_FEATURES));
	EXPECT_EQ(0, ENABLE(0));
	EXPECT_EQ(0, GET(ISOL_FEATURES));
	EXPECT_EQ(0, ENABLE(0));

	/* The configuration outlives it. */
	EXPECT_EQ(VMSTAT, GET(PR_ISOL_QUIESCE_CFG));
	EXPECT_EQ(0, ENABLE(ON_URET));
	EXPECT_EQ(0, ENABLE(0));
}

TEST_F(abi, set_features_is_enable)
{
	EXPECT_EQ(-EINVAL, SET(ISOL_FEATURES, ON_URET));
	ASSERT_EQ(0, SET(PR_ISOL_QUIESCE_CFG, VMSTAT));
	EXPECT_EQ(0, SET(ISOL_FEATURES, ON_URET));
	EXPECT_EQ(ON_URET, GET(ISOL_FEATURES));
	EXPECT_EQ(-EBUSY, SET(PR_ISOL_QUIESCE_CFG, VMSTAT));
	EXPECT_EQ(0, SET(ISOL_FEATURES, 0));
	EXPECT_EQ(0, GET(ISOL_FEATURES));
}

/* To quiesce on return without an action to do is refused. */
TEST_F(abi, never_active_with_nothing)
{
	EXPECT_EQ(-EINVAL, ENABLE(ON_URET));
	EXPECT_EQ(0, GET(ISOL_FEATURES));
	ASSERT_EQ(0, SET(PR_ISOL_QUIESCE_CFG, VMSTAT));
	ASSERT_EQ(0, SET(PR_ISOL_QUIESCE_CFG, 0));
	EXPECT_EQ(-EINVAL, ENABLE(ON_URET));
	EXPECT_EQ(0, GET(ISOL_FEATURES));
}

/* Actions cannot be configured while they are in use. Malformed ones are still EINVAL. */
TEST_F(abi, busy_while_enabled)
{
	/* The lowest one */
	int sup = GET(PR_ISOL_SUP_QUIESCE_CFG), unsupported = ~sup & (sup + 1);

	ASSERT_EQ(0, SET(PR_ISOL_QUIESCE_CFG, VMSTAT));
	ASSERT_EQ(0, ENABLE(ON_URET));
	EXPECT_EQ(-EBUSY, SET(PR_ISOL_QUIESCE_CFG, 0));
	EXPECT_EQ(-EBUSY, SET(PR_ISOL_QUIESCE_CFG, VMSTAT));
	if (unsupported)
		EXPECT_EQ(-EINVAL, SET(PR_ISOL_QUIESCE_CFG, unsupported));
	EXPECT_EQ(VMSTAT, GET(PR_ISOL_QUIESCE_CFG));
	EXPECT_EQ(ON_URET, GET(ISOL_FEATURES));
	ASSERT_EQ(0, ENABLE(0));
	EXPECT_EQ(0, SET(PR_ISOL_QUIESCE_CFG, 0));
}

TEST_F(abi, configuring_does_not_activate)
{
	ASSERT_EQ(0, SET(PR_ISOL_QUIESCE_CFG, VMSTAT));
	EXPECT_EQ(0, GET(ISOL_FEATURES));
}

/* "Everything that this kernel can do" can always be configured. */
TEST_F(abi, supported_can_be_written_back)
{
	int all = GET(PR_ISOL_SUP_QUIESCE_CFG);

	EXPECT_EQ(0, SET(PR_ISOL_QUIESCE_CFG, all));
	EXPECT_EQ(all, GET(PR_ISOL_QUIESCE_CFG));
	EXPECT_EQ(0, ENABLE(ON_URET));
	EXPECT_EQ(0, ENABLE(0));
}

/* No privilege is needed for what only concerns the thread itself. */
TEST_F(abi, unprivileged)
{
	if (geteuid())
		SKIP(return, NO_ROOT " to give it up");
	ASSERT_EQ(0, setresuid(65534, 65534, 65534));
	EXPECT_EQ(0, SET(PR_ISOL_QUIESCE_CFG, VMSTAT));
	EXPECT_EQ(0, ENABLE(ON_URET));
	EXPECT_EQ(ON_URET, GET(ISOL_FEATURES));
	EXPECT_EQ(0, ENABLE(0));
}

/* With nothing to refuse a claim is refused itself. */
TEST_F(abi, never_claims_nothing)
{
	EXPECT_EQ(0, SET(PR_ISOL_BLOCK_CFG, 0));
	EXPECT_EQ(-EINVAL, ENABLE(BLOCK));
	ASSERT_EQ(0, SET(PR_ISOL_QUIESCE_CFG, VMSTAT));
	EXPECT_EQ(-EINVAL, ENABLE(BLOCK | ON_URET));
	EXPECT_EQ(0, GET(ISOL_FEATURES));
}

/* Does @test with all classes allowed. Why it cannot, or NULL. */
#define WITH_CLASSES(test)						\
({									\
	const char *reason = NULL;					\
	char policy[32], all[16];					\
									\
	snprintf(all, sizeof(all), "%d", ALL_CLASSES);			\
	if (!(GET(ISOL_SUP_FEATURES) & BLOCK))				\
		reason = "needs CONFIG_TASK_ISOLATION_BLOCK";		\
	else if (geteuid())						\
		reason = NO_ROOT " to allow claims";			\
	else if (read_file(POLICY, policy, sizeof(policy)) <= 0 ||	\
		 write_file(POLICY, all))				\
		reason = "cannot write " POLICY;				\
	if (!reason) {							\
		test;							\
		EXPECT_EQ(0, write_file(POLICY, policy));		\
	}								\
	reason;								\
})

/* What can be claimed can be configured, and is not refused as long as it is not claimed. */
TEST_F(abi, claims_are_configured)
{
	const char *reason = WITH_CLASSES({
		EXPECT_EQ(ALL_CLASSES, GET(PR_ISOL_SUP_BLOCK_CFG));
		EXPECT_EQ(0, SET(PR_ISOL_BLOCK_CFG, ALL_CLASSES));
		EXPECT_EQ(ALL_CLASSES, GET(PR_ISOL_BLOCK_CFG));
		EXPECT_EQ(ALL_CLASSES, GET(PR_ISOL_BLOCK_LEFT));
		EXPECT_EQ(0, GET(ISOL_FEATURES));
		EXPECT_EQ(0, GET(PR_ISOL_QUIESCE_CFG));
	});

	if (reason)
		SKIP(return, "%s", reason);
}

/* A claim needs one CPU. It is in force, and busy, until it is given up. */
TEST_F(abi, claims_are_busy)
{
	const char *reason = WITH_CLASSES({
		EXPECT_EQ(0, SET(PR_ISOL_BLOCK_CFG, ISOL_BLOCK_KNOB));
		if (sysconf(_SC_NPROCESSORS_ONLN) > 1)
			EXPECT_EQ(-EINVAL, ENABLE(BLOCK));
		EXPECT_EQ(0, pin_to(0));
		EXPECT_EQ(0, ENABLE(BLOCK));
		EXPECT_EQ(BLOCK, GET(ISOL_FEATURES));
		EXPECT_EQ(0, GET(PR_ISOL_BLOCK_LEFT));
		EXPECT_EQ(-EBUSY, SET(PR_ISOL_BLOCK_CFG, ISOL_BLOCK_KNOB));
		EXPECT_EQ(-EBUSY, SET(PR_ISOL_BLOCK_CFG, 0));
		EXPECT_EQ(-EINVAL, SET(PR_ISOL_BLOCK_CFG, ALL_CLASSES + 1));
		/* The actions are not. */
		EXPECT_EQ(0, SET(PR_ISOL_QUIESCE_CFG, VMSTAT));
		EXPECT_EQ(0, ENABLE(BLOCK | ON_URET));
		EXPECT_EQ(BLOCK | ON_URET, GET(ISOL_FEATURES));
		EXPECT_EQ(0, ENABLE(0));
		EXPECT_EQ(ISOL_BLOCK_KNOB, GET(PR_ISOL_BLOCK_LEFT));
		EXPECT_EQ(0, SET(PR_ISOL_BLOCK_CFG, 0));
	});

	if (reason)
		SKIP(return, "%s", reason);
}

/* A claim is at the expense of others. */
TEST_F(abi, claims_need_privilege)
{
	int status = -1;
	const char *reason = WITH_CLASSES({
		pid_t pid = fork();

		if (!pid) {
			if (pin_to(0) || setresuid(65534, 65534, 65534) ||
			    SET(PR_ISOL_BLOCK_CFG, ISOL_BLOCK_KNOB))
				_exit(1);
			/* Nothing has changed. */
			_exit(ENABLE(BLOCK) != -EPERM || GET(ISOL_FEATURES) ||
			      GET(PR_ISOL_BLOCK_CFG) != ISOL_BLOCK_KNOB || ENABLE(0));
		}
		EXPECT_EQ(pid, waitpid(pid, &status, 0));
		EXPECT_EQ(0, status);
	});

	if (reason)
		SKIP(return, "%s", reason);
}

TEST_HARNESS_MAIN
