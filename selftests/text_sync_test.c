// SPDX-License-Identifier: GPL-2.0
/*
 * ISOL_F_QUIESCE_DEFER_TEXT_SYNC: a thread in user mode is not interrupted when text
 * of the kernel is patched, and serializes when it enters the kernel. If the text is
 * executed before it can do that, it is interrupted. Needs
 * CONFIG_TASK_ISOLATION_DEFER_TLB_TEST.
 *
 * That it serializes on each way into the kernel is shown by "tlb_defer_test -x".
 */
#include "isolation.h"

#include <getopt.h>
#include <pthread.h>
#include <sys/ioctl.h>

#include "../../../../arch/x86/mm/tlb_defer_test.h"

#include "kselftest.h"

#ifdef __x86_64__
static const char usage[] =
"Usage: text_sync_test [-n FLIPS] [-p MS] [-c CPU]\n"
"  -n  how often a static key is switched (default 20)\n"
"  -p  how long each step of a switch lasts, in the part about INT3 (default 5)\n"
"  -c  CPU of the isolated thread (default: the first isolated one)\n"
"Prints: text_sync NAME flips=N deferred=N calls=N syncs=N late_syncs=N int3=N\n"
"	int3_pending=N\n";

/* What the thread does. */
enum { STARTS, SPINS, CALLS, ENDS, ENDED };

static int device, cpu, error;
static unsigned int flips = 20, pause_ms = 5;
static unsigned long actions;
static pid_t tid;
static int phase;

struct result {
	unsigned long	deferred;
	unsigned long	calls;		/* function-call interrupts */
	unsigned long	syncs;		/* while it was in user mode */
	unsigned long	late_syncs;	/* when it entered the kernel */
	unsigned long	int3;
	unsigned long	int3_pending;
};

static int get_phase(void)
{
	return __atomic_load_n(&phase, __ATOMIC_ACQUIRE);
}

static void set_phase(int to)
{
	__atomic_store_n(&phase, to, __ATOMIC_RELEASE);
}

static void *isolated(void *calls)
{
	int ret = pin_to(cpu);

	tid = syscall(SYS_gettid);
	if (!ret)
		ret = isol_quiesce(actions);
	if (!ret && ioctl(device, TLB_DEFER_TEST_ARM, 0))
		ret = -errno;
	error = -ret;
	set_phase(ret ? ENDED : calls ? CALLS : SPINS);
	if (ret)
		return NULL;
	/* Without a system call, but for those that are meant. */
	while (get_phase() == SPINS)
		__builtin_ia32_pause();
	while (get_phase() == CALLS)
		syscall(SYS_getppid);
	syscall(SYS_getppid);
	set_phase(ENDED);
	isol_quiesce(0);
	return NULL;
}

static void get_stats(struct tlb_defer_test_stats *stats)
{
	if (ioctl(device, TLB_DEFER_TEST_STATS, stats))
		ksft_exit_fail_msg("STATS: %s\n", strerror(errno));
}

static void look(struct noise *noise, struct tlb_defer_test_stats *stats)
{
	if (read_noise(cpu, tid, noise))
		ksft_exit_fail_msg("cannot read /proc/interrupts\n");
	get_stats(stats);
}

/* Switches a static key @flips times by @cmd, against a thread with @actions. */
static struct result flip(const char *name, int cmd, unsigned long arg, bool calls)
{
	struct tlb_defer_test_stats before, after, last;
	struct noise start, end;
	struct result result = { };
	pthread_t thread;

	set_phase(STARTS);
	errno = pthread_create(&thread, NULL, isolated, calls ? &calls : NULL);
	if (errno)
		ksft_exit_fail_msg("pthread_create: %s\n", strerror(errno));
	while (get_phase() == STARTS)
		sleep_ms(1);
	if (error)
		ksft_exit_fail_msg("%s: isolation: %s\n", name, strerror(error));
	/* What its start left to others. */
	sleep_ms(300);

	look(&start, &before);
	for (unsigned int i = 0; i < flips; i++) {
		int ret = ioctl(device, cmd, arg);

		if (ret < 0)
			ksft_exit_fail_msg("%s: %s\n", name, strerror(errno));
		result.deferred += ret;
	}
	look(&end, &after);
	set_phase(ENDS);
	while (get_phase() != ENDED)
		sleep_ms(1);
	get_stats(&last);
	pthread_join(thread, NULL);

	result.calls = noise_of_kind(&end, "CAL") - noise_of_kind(&start, "CAL");
	result.syncs = after.syncs - before.syncs;
	result.late_syncs = last.syncs - after.syncs;
	result.int3 = last.int3 - before.int3;
	result.int3_pending = last.int3_pending - before.int3_pending;
	printf("text_sync %s flips=%u deferred=%lu calls=%lu syncs=%lu late_syncs=%lu ",
	       name, flips, result.deferred, result.calls, result.syncs, result.late_syncs);
	printf("int3=%lu int3_pending=%lu\n", result.int3, result.int3_pending);
	return result;
}

static void run_tests(unsigned long all)
{
	struct result result;

	actions = all;
	result = flip("deferred", TLB_DEFER_TEST_PURGE, 0, false);
	ksft_test_result(result.deferred == flips && !result.calls && !result.syncs,
			 "a switch does not interrupt\n");
	ksft_test_result(result.late_syncs == 1, "the CPU serializes once, when it enters\n");

	/* Of three steps each */
	result = flip("window", TLB_DEFER_TEST_WINDOW, 0, false);
	ksft_test_result(result.calls >= 6 * flips && !result.late_syncs,
			 "a switch of code before the hook interrupts\n");
	result = flip("int3", TLB_DEFER_TEST_WINDOW, pause_ms, true);
	if (result.int3_pending)
		ksft_test_result_fail("%lu INT3 that were left to the CPU\n", result.int3_pending);
	else
		ksft_test_result(result.int3, "all INT3 in such code are expected\n");

	actions = all & ~ISOL_F_QUIESCE_DEFER_TEXT_SYNC;
	result = flip("control", TLB_DEFER_TEST_PURGE, 0, false);
	ksft_test_result(!result.deferred && result.calls >= 3 * flips && !result.late_syncs,
			 "without the action a switch interrupts\n");
}

int main(int argc, char **argv)
{
	int opt, all;

	cpu = isolated_cpu();
	while ((opt = getopt(argc, argv, "n:p:c:h")) != -1) {
		switch (opt) {
		case 'n':
			flips = atoi(optarg);
			break;
		case 'p':
			pause_ms = atoi(optarg);
			break;
		case 'c':
			cpu = atoi(optarg);
			break;
		default:
			fputs(usage, opt == 'h' ? stdout : stderr);
			return opt == 'h' ? 0 : 2;
		}
	}
	if (optind < argc || !flips) {
		fputs(usage, stderr);
		return 2;
	}

	setvbuf(stdout, NULL, _IOLBF, 0);
	ksft_print_header();
	if (!isol_present())
		ksft_exit_skip(NO_ISOLATION "\n");
	if (!isol_supports(ISOL_F_QUIESCE_DEFER_TEXT_SYNC))
		ksft_exit_skip("the kernel does not defer text synchronization\n");
	if (cpu < 1)
		ksft_exit_skip(NO_CPU "\n");
	if (!cpu_is_nohz_full(cpu))
		ksft_exit_skip(NO_NOHZ_FULL "\n");
	device = open(TLB_DEFER_TEST_DEVICE, O_RDWR | O_CLOEXEC);
	if (device < 0)
		ksft_exit_skip(TLB_DEFER_TEST_DEVICE ": %s, see %s\n", strerror(errno),
			       "CONFIG_TASK_ISOLATION_DEFER_TLB_TEST");
	if (ioctl(device, TLB_DEFER_TEST_TEXT, 1))
		ksft_exit_fail_msg("TEXT: %s\n", strerror(errno));
	/* Only what is to enter the kernel may. */
	mlockall(MCL_CURRENT | MCL_FUTURE);
	if (pin_to(0))
		ksft_exit_fail_msg("cannot run on CPU 0\n");
	all = isol_get(PR_ISOL_SUP_QUIESCE_CFG);
	if (all < 0)
		ksft_exit_fail_msg("PR_ISOL_SUP_QUIESCE_CFG: %s\n", strerror(-all));

	ksft_set_plan(5);
	run_tests(all);
	ksft_finished();
}
#else
int main(void)
{
	ksft_print_header();
	ksft_exit_skip("x86-64 only\n");
}
#endif
