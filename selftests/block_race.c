// SPDX-License-Identifier: GPL-2.0
/*
 * Operations on CPU 0, in a loop, against claims of another CPU: as soon as a claim is
 * granted, this CPU is not interrupted, and nothing changes.
 */
#include "block.h"

#include "kselftest_harness.h"

#define SPIN_MS		20
#define ROUNDS		500

/* Shared by the two sides. */
struct shared {
	int		stop;
	long		done;
	long		refused;
};

FIXTURE(race)
{
	struct shared	*shared;
	int		cpu;
	long		policy;
};

FIXTURE_SETUP(race)
{
	if (!isol_present())
		SKIP(return, NO_ISOLATION);
	if (!(isol_get(ISOL_SUP_FEATURES) & ISOL_F_BLOCK_INTERRUPTORS))
		SKIP(return, "the kernel has no CONFIG_TASK_ISOLATION_BLOCK");
	if (geteuid())
		SKIP(return, NO_ROOT);
	self->cpu = isolated_cpu();
	if (self->cpu < 0 || !cpu_is_nohz_full(self->cpu))
		SKIP(return, NO_NOHZ_FULL);
	/* Which also interrupts it, by a function call, and nobody refuses. */
	if (!cpu_is_in(self->cpu, ISOLATED_CPUS))
		SKIP(return, "needs isolcpus=domain, elsewhere any task is woken up on the CPU");
	self->shared = alloc_shared(sizeof(*self->shared));
	ASSERT_NE(NULL, self->shared);
	self->policy = read_number(POLICY);
	if (write_number(POLICY, ALL_CLASSES))
		SKIP(return, "not all classes");
}

FIXTURE_TEARDOWN(race)
{
	isol_enable(0);
	write_number(POLICY, self->policy);
}

/* Those without after-effects, which come a second later. */
static const char * const names[] = {
	"clocksource", "msr", "trace_event", "overcommit", "schedstats",
};

static void interrupt(struct shared *shared, int cpu)
{
	die_with_parent();
	pin_to(0);
	while (!__atomic_load_n(&shared->stop, __ATOMIC_RELAXED)) {
		for (int i = 0; i < NR_OPERATIONS; i++) {
			int ret = -ENOENT;

			for (int j = 0; j < (int)ARRAY_SIZE(names); j++) {
				if (!strcmp(names[j], operations[i].name))
					ret = operations[i].run(cpu);
			}
			if (!ret)
				__atomic_fetch_add(&shared->done, 1, __ATOMIC_RELAXED);
			else if (ret == -EBUSY)
				__atomic_fetch_add(&shared->refused, 1, __ATOMIC_RELAXED);
		}
	}
	_exit(0);
}

/*
 * Returns how often the CPU was interrupted in @rounds claims, by function calls: most
 * operations are made of these. Others are printed only, as a timer or irq_work of the
 * CPU itself may end in a reschedule interrupt.
 */
static long race(struct __test_metadata *_metadata, int cpu, int rounds, int classes,
		 struct shared *shared)
{
	long interrupted = 0;
	pid_t pid;

	memset(shared, 0, sizeof(*shared));
	pid = fork();
	if (!pid)
		interrupt(shared, cpu);
	ASSERT_EQ(0, pin_to(cpu));
	for (int i = 0; i < rounds; i++) {
		static struct noise before, after;

		if (classes) {
			int ret;

			isol_enable(ISOL_F_QUIESCE_ON_URET);
			/* Let some operations through. */
			sleep_ms(i % 5);
			ret = isol_enable(ISOL_F_QUIESCE_ON_URET | ISOL_F_BLOCK_INTERRUPTORS);
			ASSERT_EQ(0, ret);
		}
		ASSERT_EQ(0, read_noise(cpu, getpid(), &before));
		/* By the vDSO, which a change of the clocksource takes away. */
		spin_ms(SPIN_MS);
		ASSERT_EQ(0, read_noise(cpu, getpid(), &after));
		noise_since(&after, &before);
		interrupted += noise_of_kind(&after, "CAL");
		if (classes && after.interrupts) {
			printf("# claim %d: ", i);
			noise_print_kinds(&after);
			printf("\n");
		}
	}
	isol_enable(0);
	__atomic_store_n(&shared->stop, 1, __ATOMIC_RELAXED);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	return interrupted;
}

/* Switches off what the last operation switched on. */
static void restore(int cpu)
{
	for (int i = 0; i < NR_OPERATIONS; i++) {
		if (operations[i].run == run_trace && read_number(EVENT) == 1)
			operations[i].run(cpu);
		if (operations[i].run == run_schedstats && read_number(SCHEDSTATS) == 1)
			operations[i].run(cpu);
		if (operations[i].run == run_overcommit && read_number(OVERCOMMIT) == 1)
			operations[i].run(cpu);
	}
}

TEST_F_TIMEOUT(race, claims_against_operations, 900)
{
	const char *env = getenv("BLOCK_ROUNDS");
	int rounds = env ? atoi(env) : ROUNDS;
	long interrupted;

	ASSERT_EQ(0, pin_to(self->cpu));
	ASSERT_EQ(0, isol_set(PR_ISOL_BLOCK_CFG, isol_get(PR_ISOL_SUP_BLOCK_CFG)));
	ASSERT_EQ(0, isol_set(PR_ISOL_QUIESCE_CFG, isol_get(PR_ISOL_SUP_QUIESCE_CFG)));

	/* The control: the same operations, without claims. */
	interrupted = race(_metadata, self->cpu, 50, 0, self->shared);
	ksft_print_msg("without claims: %ld function calls, %ld operations\n", interrupted,
		       self->shared->done);
	EXPECT_LT(0, interrupted);
	EXPECT_LT(0, self->shared->done);
	EXPECT_EQ(0, self->shared->refused);

	interrupted = race(_metadata, self->cpu, rounds, 1, self->shared);
	ksft_print_msg("%d claims: %ld function calls, %ld operations, %ld refused\n", rounds,
		       interrupted, self->shared->done, self->shared->refused);
	EXPECT_EQ(0, interrupted);
	/* Both sides ran. */
	EXPECT_LT(0, self->shared->done);
	EXPECT_LT(0, self->shared->refused);
	restore(self->cpu);
}

TEST_HARNESS_MAIN
