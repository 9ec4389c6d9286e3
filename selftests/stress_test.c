// SPDX-License-Identifier: GPL-2.0
/*
 * Random calls, valid and not, from many threads at once: each thread must see
 * what a model of the rules says, and the kernel log must stay clean.
 */
#include "isolation.h"

#include <pthread.h>
#include <sys/klog.h>

#include "kselftest_harness.h"

#define THREADS	8
#define SECONDS	20

struct model {
	unsigned long	sup_features;
	unsigned long	sup_quiesce;
	unsigned long	features;
	unsigned long	quiesce;
};

static uint64_t next_random(uint64_t *state)
{
	/* xorshift64 */
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

#define ANYTHING	0x7fffffff	/* as an answer */

/* The rules, once more. */
static int expect_enable(struct model *m, unsigned long mask)
{
	if (mask & ~m->sup_features)
		return -EINVAL;
	if ((mask & ISOL_F_QUIESCE_ON_URET) && !m->quiesce)
		return -EINVAL;
	m->features = mask;
	return 0;
}

/* Only this action may leave something. */
static bool may_be_left(const struct model *m)
{
	return m->features & ISOL_F_QUIESCE_ON_URET && m->quiesce & ISOL_F_QUIESCE_NOHZ_FULL;
}

static int expect(struct model *m, int option, const unsigned long *a)
{
	if (a[2] || a[3] || (option != PR_ISOL_SET && a[1]))
		return -EINVAL;
	if (option == PR_ISOL_ENABLE)
		return expect_enable(m, a[0]);
	if (option == PR_ISOL_GET) {
		switch (a[0]) {
		case ISOL_SUP_FEATURES:		return m->sup_features;
		case ISOL_FEATURES:		return m->features;
		case PR_ISOL_SUP_QUIESCE_CFG:	return m->sup_quiesce;
		case PR_ISOL_QUIESCE_CFG:	return m->quiesce;
		case PR_ISOL_QUIESCE_LEFT:
			return may_be_left(m) ? ANYTHING : 0;
		}
		return -EINVAL;
	}
	if (a[0] == ISOL_FEATURES)
		return expect_enable(m, a[1]);
	if (a[0] != PR_ISOL_QUIESCE_CFG || (a[1] & ~m->sup_quiesce))
		return -EINVAL;
	if (m->features & ISOL_F_QUIESCE_ON_URET)
		return -EBUSY;
	m->quiesce = a[1];
	return 0;
}

static unsigned long argument(uint64_t *seed)
{
	uint64_t r = next_random(seed);

	switch (r % 10) {
	case 0:
		return next_random(seed);
	case 1:
		return 1UL << (r >> 8) % 64;
	default:
		return (r >> 8) % 6;
	}
}

struct worker {
	pthread_t	thread;
	uint64_t	seed;
	unsigned long	calls;
	unsigned long	accepted;
	int		failed;
	char		what[128];
};

static int stop;

static void *work(void *arg)
{
	struct worker *w = arg;
	/* BLOCK_INTERRUPTORS has conditions of its own: left out here. */
	struct model m = {
		.sup_features = isol_get(ISOL_SUP_FEATURES),
		.sup_quiesce = isol_get(PR_ISOL_SUP_QUIESCE_CFG),
	};

	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		int option = PR_ISOL_GET + next_random(&w->seed) % 3;
		unsigned long a[4] = { argument(&w->seed), 0, 0, 0 };
		int want, got;

		if (option == PR_ISOL_SET)
			a[1] = argument(&w->seed);
		if (next_random(&w->seed) % 16 == 0)
			a[1 + next_random(&w->seed) % 3] = argument(&w->seed);
		if (a[0] & ISOL_F_BLOCK_INTERRUPTORS && option == PR_ISOL_ENABLE &&
		    m.sup_features & ISOL_F_BLOCK_INTERRUPTORS)
			continue;

		want = expect(&m, option, a);
		got = isol_call(option, a[0], a[1], a[2], a[3]);
		w->calls++;
		w->accepted += got >= 0;
		if (got != want && !(want == ANYTHING && got >= 0)) {
			snprintf(w->what, sizeof(w->what),
				 "prctl(%d, %#lx, %#lx, %#lx, %#lx) = %d, not %d",
				 option, a[0], a[1], a[2], a[3], got, want);
			w->failed = 1;
			break;
		}
		/* Make the actions have something to do now and then. */
		if (w->calls % 64 == 0) {
			char *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
					  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

			if (page != MAP_FAILED) {
				*page = 1;
				munmap(page, 4096);
			}
		}
	}
	return NULL;
}

/* Lines of the kernel log that should not be there. */
static int complaints(char *first, size_t size)
{
	static const char * const bad[] = {
		"WARNING:", "BUG:", "INFO: possible", "INFO: task", "rcu_sched self-detected",
		"Oops", "UBSAN", "suspicious RCU usage", "panicked at",
	};
	static char buf[1 << 20];
	char *line, *save;
	int len, count = 0;

	len = klogctl(3 /* SYSLOG_ACTION_READ_ALL */, buf, sizeof(buf) - 1);
	if (len < 0)
		return -1;
	buf[len] = '\0';
	for (line = strtok_r(buf, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
			if (!strstr(line, bad[i]))
				continue;
			if (!count++)
				snprintf(first, size, "%s", line);
			break;
		}
	}
	return count;
}

FIXTURE(stress)
{
};

FIXTURE_SETUP(stress)
{
}

FIXTURE_TEARDOWN(stress)
{
}

TEST_F_TIMEOUT(stress, random_calls, SECONDS + 60)
{
	struct worker workers[THREADS] = { };
	char first[256] = "";
	unsigned long calls = 0, accepted = 0;
	int i, before, after;

	if (!isol_present())
		SKIP(return, NO_ISOLATION);

	before = complaints(first, sizeof(first));
	for (i = 0; i < THREADS; i++) {
		workers[i].seed = 0x9e3779b97f4a7c15ULL * (i + 1);
		ASSERT_EQ(0, pthread_create(&workers[i].thread, NULL, work, &workers[i]));
	}
	for (i = 0; i < SECONDS * 10; i++)
		sleep_ms(100);
	__atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
	for (i = 0; i < THREADS; i++) {
		ASSERT_EQ(0, pthread_join(workers[i].thread, NULL));
		EXPECT_EQ(0, workers[i].failed) {
			TH_LOG("thread %d: %s", i, workers[i].what);
		}
		calls += workers[i].calls;
		accepted += workers[i].accepted;
	}
	TH_LOG("%lu calls, %lu accepted", calls, accepted);
	EXPECT_LT(THREADS * 100, calls);
	/* Both kinds must have been there. */
	EXPECT_LT(calls / 100, accepted);
	EXPECT_GT(calls, accepted);

	if (before < 0) {
		TH_LOG("cannot read the kernel log, not looked at");
		return;
	}
	/* Old lines may have left the buffer meanwhile. */
	after = complaints(first, sizeof(first));
	EXPECT_GE(before, after) {
		TH_LOG("kernel log: %s", first);
	}
}

TEST_HARNESS_MAIN
