// SPDX-License-Identifier: GPL-2.0
/*
 * Random calls, valid and not, from many threads at once: each thread must see
 * what a model of the interface says, and the kernel log must stay clean.
 */
#include "isolation.h"

#include <pthread.h>

#include "kselftest_harness.h"

#define THREADS	8
/* Of each test. Under emulation some 100,000 calls. */
#define SECONDS	10

struct model {
	unsigned long	sup_features;
	unsigned long	sup_quiesce;
	unsigned long	features;
	unsigned long	quiesce;
	unsigned long	sup_block;
	unsigned long	block;
};

#define ANYTHING	0x7fffffff	/* as an answer */

/* The interface, once more. */
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
		case PR_ISOL_SUP_BLOCK_CFG:	return m->sup_block;
		case PR_ISOL_BLOCK_CFG:		return m->block;
		/* Nothing is claimed, see is_other_feature(). */
		case PR_ISOL_BLOCK_LEFT:	return m->block;
		case PR_ISOL_QUIESCE_LEFT:
			return may_be_left(m) ? ANYTHING : 0;
		}
		return -EINVAL;
	}
	if (a[0] == ISOL_FEATURES)
		return expect_enable(m, a[1]);
	if (a[0] == PR_ISOL_BLOCK_CFG) {
		if (a[1] & ~m->sup_block)
			return -EINVAL;
		m->block = a[1];
		return 0;
	}
	if (a[0] != PR_ISOL_QUIESCE_CFG || (a[1] & ~m->sup_quiesce))
		return -EINVAL;
	if (m->features & ISOL_F_QUIESCE_ON_URET)
		return -EBUSY;
	m->quiesce = a[1];
	return 0;
}

static const int options[] = { PR_ISOL_GET, PR_ISOL_SET, PR_ISOL_ENABLE };

static const unsigned long commands[] = {
	ISOL_SUP_FEATURES, ISOL_FEATURES, PR_ISOL_SUP_QUIESCE_CFG, PR_ISOL_QUIESCE_CFG,
	PR_ISOL_QUIESCE_LEFT, PR_ISOL_SUP_BLOCK_CFG, PR_ISOL_BLOCK_CFG, PR_ISOL_BLOCK_LEFT,
};

static unsigned long argument(uint64_t *seed)
{
	uint64_t r = next_random(seed);

	switch (r % 10) {
	case 0:
		return next_random(seed);
	case 1:
		return (unsigned long)(1ULL << (r >> 8) % 64);
	case 2:
	case 3:
	case 4:
		return commands[(r >> 8) % ARRAY_SIZE(commands)];
	default:
		/* Masks of known bits, and small numbers that are none. */
		return (r >> 8) % 16;
	}
}

/* Whether a feature would be enabled that is supported and not modelled. */
static bool is_other_feature(const struct model *m, int option, const unsigned long *a)
{
	unsigned long mask = m->sup_features & ~(unsigned long)ISOL_F_QUIESCE_ON_URET;

	return (option == PR_ISOL_ENABLE && a[0] & mask) ||
	       (option == PR_ISOL_SET && a[0] == ISOL_FEATURES && a[1] & mask);
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
	struct model m = {
		.sup_features = isol_get(ISOL_SUP_FEATURES),
		.sup_quiesce = isol_get(PR_ISOL_SUP_QUIESCE_CFG),
		.sup_block = isol_get(PR_ISOL_SUP_BLOCK_CFG),
	};

	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		int option = options[next_random(&w->seed) % ARRAY_SIZE(options)];
		unsigned long a[4] = { argument(&w->seed), 0, 0, 0 };
		int want, got;

		if (option == PR_ISOL_SET)
			a[1] = argument(&w->seed);
		if (next_random(&w->seed) % 16 == 0)
			a[1 + next_random(&w->seed) % 3] = argument(&w->seed);
		/* These have conditions that are not in the model. */
		if (is_other_feature(&m, option, a))
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

/* Opens the kernel log, to read what is added from now on. */
static int open_log(void)
{
	int fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK);

	if (fd >= 0)
		lseek(fd, 0, SEEK_END);
	return fd;
}

/*
 * How many lines since open_log() should not be there, with the first of them, or
 * -1 if some are lost. Each read() is one record.
 */
static int complaints(int fd, char *first, size_t size)
{
	static const char * const bad[] = {
		"WARNING:", "BUG:", "INFO: possible", "INFO: task", "self-detected",
		"Oops", "UBSAN", "suspicious RCU usage", "panicked at",
	};
	char record[8192];
	int count = 0;
	ssize_t len;

	while ((len = read(fd, record, sizeof(record) - 1)) > 0) {
		record[len] = '\0';
		for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
			if (!strstr(record, bad[i]))
				continue;
			if (!count++)
				snprintf(first, size, "%.*s", (int)strcspn(record, "\n"), record);
			break;
		}
	}
	return errno == EAGAIN ? count : -1;
}

FIXTURE(stress)
{
	int log;
};

FIXTURE_SETUP(stress)
{
	self->log = -1;
	if (!isol_present())
		SKIP(return, NO_ISOLATION);
	self->log = open_log();
}

FIXTURE_TEARDOWN(stress)
{
	if (self->log >= 0)
		close(self->log);
}

/* Runs the threads. */
static void random_calls(struct __test_metadata *_metadata)
{
	struct worker workers[THREADS] = { };
	unsigned long calls = 0, accepted = 0;

	for (int i = 0; i < THREADS; i++) {
		/* Any that are not 0 and differ. */
		workers[i].seed = 0x9e3779b97f4a7c15ULL * (i + 1);
		ASSERT_EQ(0, pthread_create(&workers[i].thread, NULL, work, &workers[i]));
	}
	sleep_ms(SECONDS * 1000);
	__atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
	for (int i = 0; i < THREADS; i++) {
		ASSERT_EQ(0, pthread_join(workers[i].thread, NULL));
		EXPECT_EQ(0, workers[i].failed) {
			TH_LOG("thread %d: %s", i, workers[i].what);
		}
		calls += workers[i].calls;
		accepted += workers[i].accepted;
	}
	TH_LOG("%lu calls, %lu accepted", calls, accepted);
	/* So that each thread saw each kind of call, with slow checks in the kernel as well. */
	EXPECT_LT(THREADS * 100UL, calls);
	/* Neither kind may be missing. One of ten calls, or more, should be of each. */
	EXPECT_LT(calls / 100, accepted);
	EXPECT_LT(calls / 100, calls - accepted);
}

TEST_F_TIMEOUT(stress, random_calls, SECONDS + 60)
{
	random_calls(_metadata);
}

/* As above, for what the kernel itself says of it. */
TEST_F_TIMEOUT(stress, kernel_log_stays_clean, SECONDS + 60)
{
	char first[256] = "";
	int count;

	if (self->log < 0)
		SKIP(return, "cannot read the kernel log");
	random_calls(_metadata);
	count = complaints(self->log, first, sizeof(first));
	if (count < 0 && __test_passed(_metadata))
		SKIP(return, "lines of the kernel log are lost");
	EXPECT_EQ(0, count) {
		TH_LOG("kernel log: %s", first);
	}
}

TEST_HARNESS_MAIN
