// SPDX-License-Identifier: GPL-2.0
/*
 * The prctl interface of task isolation, rule by rule. Every test runs in a
 * process of its own, so each starts with nothing enabled.
 */
#include "isolation.h"

#include "kselftest_harness.h"

#define VMSTAT	ISOL_F_QUIESCE_VMSTAT_SYNC
#define ON_URET	ISOL_F_QUIESCE_ON_URET

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
}

TEST_F(abi, supported_masks)
{
	EXPECT_EQ(ON_URET, GET(ISOL_SUP_FEATURES) & ON_URET);
	EXPECT_EQ(VMSTAT, GET(PR_ISOL_SUP_QUIESCE_CFG) & VMSTAT);

	/* Rule 1: the masks fit an int and never use its sign. */
	EXPECT_LT(0, GET(ISOL_SUP_FEATURES));
	EXPECT_LT(0, GET(PR_ISOL_SUP_QUIESCE_CFG));
}

/* Rule 7: what depends on the machine is only offered where it is there. */
TEST_F(abi, nohz_full_needs_nohz_full_cpus)
{
	int expected = first_cpu_of("/sys/devices/system/cpu/nohz_full") < 0 ?
		       0 : ISOL_F_QUIESCE_NOHZ_FULL;

	EXPECT_EQ(expected, GET(PR_ISOL_SUP_QUIESCE_CFG) & ISOL_F_QUIESCE_NOHZ_FULL);
}

/* Rule 2, and nothing may have changed. */
TEST_F(abi, unknown_commands)
{
	static const unsigned long commands[] = { 0, 6, 31, 32, 0x7fffffff, 0x80000000 };
	size_t i;

	ASSERT_EQ(0, SET(PR_ISOL_QUIESCE_CFG, VMSTAT));
	for (i = 0; i < ARRAY_SIZE(commands); i++) {
		EXPECT_EQ(-EINVAL, GET(commands[i]));
		EXPECT_EQ(-EINVAL, SET(commands[i], 0));
		EXPECT_EQ(-EINVAL, SET(commands[i], VMSTAT));
	}
	EXPECT_EQ(VMSTAT, GET(PR_ISOL_QUIESCE_CFG));
	EXPECT_EQ(0, GET(ISOL_FEATURES));
}

TEST_F(abi, supported_masks_are_read_only)
{
	EXPECT_EQ(-EINVAL, SET(ISOL_SUP_FEATURES, 0));
	EXPECT_EQ(-EINVAL, SET(ISOL_SUP_FEATURES, ON_URET));
	EXPECT_EQ(-EINVAL, SET(PR_ISOL_SUP_QUIESCE_CFG, 0));
	EXPECT_EQ(-EINVAL, SET(PR_ISOL_SUP_QUIESCE_CFG, VMSTAT));
	EXPECT_EQ(-EINVAL, SET(PR_ISOL_QUIESCE_LEFT, 0));
	EXPECT_EQ(-EINVAL, SET(PR_ISOL_QUIESCE_LEFT, 1));
}

/* VMSTAT_SYNC always settles everything. */
TEST_F(abi, nothing_is_left)
{
	EXPECT_EQ(0, GET(PR_ISOL_QUIESCE_LEFT));
	ASSERT_EQ(0, SET(PR_ISOL_QUIESCE_CFG, VMSTAT));
	EXPECT_EQ(0, GET(PR_ISOL_QUIESCE_LEFT));
	ASSERT_EQ(0, ENABLE(ON_URET));
	EXPECT_EQ(0, GET(PR_ISOL_QUIESCE_LEFT));
}

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
	}
	EXPECT_EQ(VMSTAT, GET(PR_ISOL_QUIESCE_CFG));
	EXPECT_EQ(0, GET(ISOL_FEATURES));
}

TEST_F(abi, unsupported_bits)
{
	unsigned int sup_features = GET(ISOL_SUP_FEATURES);
	unsigned int sup_quiesce = GET(PR_ISOL_SUP_QUIESCE_CFG);
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
	}
	EXPECT_EQ(VMSTAT, GET(PR_ISOL_QUIESCE_CFG));
	EXPECT_EQ(0, GET(ISOL_FEATURES));
}

/* The upper half of a register is not lost on a 64-bit caller. */
TEST_F(abi, upper_half)
{
	if (variant->compat || sizeof(long) == 4)
		SKIP(return, "arguments have no upper half");

	ASSERT_EQ(0, SET(PR_ISOL_QUIESCE_CFG, VMSTAT));
	EXPECT_EQ(-EINVAL, GET((1UL << 32) | ISOL_FEATURES));
	EXPECT_EQ(-EINVAL, SET((1UL << 32) | PR_ISOL_QUIESCE_CFG, 0));
	EXPECT_EQ(-EINVAL, SET(PR_ISOL_QUIESCE_CFG, (1UL << 32) | VMSTAT));
	for (int bit = 32; bit < 64; bit++) {
		EXPECT_EQ(-EINVAL, SET(PR_ISOL_QUIESCE_CFG, 1UL << bit));
		EXPECT_EQ(-EINVAL, ENABLE((1UL << bit) | ON_URET));
	}
	EXPECT_EQ(-EINVAL, self->call(PR_ISOL_GET, ISOL_FEATURES, 1UL << 63, 0, 0));
	EXPECT_EQ(VMSTAT, GET(PR_ISOL_QUIESCE_CFG));
	EXPECT_EQ(0, GET(ISOL_FEATURES));
}

/* Rule 3 */
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

/* Rule 4 */
TEST_F(abi, never_active_with_nothing)
{
	EXPECT_EQ(-EINVAL, ENABLE(ON_URET));
	EXPECT_EQ(0, GET(ISOL_FEATURES));
	ASSERT_EQ(0, SET(PR_ISOL_QUIESCE_CFG, VMSTAT));
	ASSERT_EQ(0, SET(PR_ISOL_QUIESCE_CFG, 0));
	EXPECT_EQ(-EINVAL, ENABLE(ON_URET));
	EXPECT_EQ(0, GET(ISOL_FEATURES));
}

/* Rule 5 */
TEST_F(abi, busy_while_enabled)
{
	ASSERT_EQ(0, SET(PR_ISOL_QUIESCE_CFG, VMSTAT));
	ASSERT_EQ(0, ENABLE(ON_URET));
	EXPECT_EQ(-EBUSY, SET(PR_ISOL_QUIESCE_CFG, 0));
	EXPECT_EQ(-EBUSY, SET(PR_ISOL_QUIESCE_CFG, VMSTAT));
	EXPECT_EQ(-EINVAL, SET(PR_ISOL_QUIESCE_CFG, 1UL << 30));
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

/* Rule 6 */
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

TEST_HARNESS_MAIN
