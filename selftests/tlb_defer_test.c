// SPDX-License-Identifier: GPL-2.0
/*
 * ISOL_F_QUIESCE_DEFER_TLB_FLUSH: whatever brings an isolated thread into the
 * kernel, the kernel sees what is mapped at an address now, and not what was
 * there before. Needs CONFIG_TASK_ISOLATION_DEFER_TLB_TEST, and pti=off, as
 * otherwise each entry may flush anyway.
 */
#include "isolation.h"

#include <getopt.h>
#include <pthread.h>
#include <setjmp.h>
#include <sys/auxv.h>
#include <sys/ioctl.h>
#include <ucontext.h>

#include "../../../../arch/x86/mm/tlb_defer_test.h"

#include "kselftest.h"

#ifdef __x86_64__
#include <cpuid.h>

static const char usage[] =
"Usage: tlb_defer_test [-x [-o]] [-n ROUNDS] [-c CPU] [-r ROUTE]... [-s SEED]\n"
"       tlb_defer_test -t [-n ROUNDS] [-c CPU]\n"
"       tlb_defer_test -l\n"
"  -n  rounds of each route (default 100)\n"
"  -c  CPU of the isolated thread (default: the first isolated one)\n"
"  -r  a route into the kernel, beside the control (default: all of them)\n"
"  -s  of the random delays (default 1)\n"
"  -t  what a system call costs that has to flush, in ticks of the TSC\n"
"  -l  list the routes\n"
"  -x  text is patched, instead of addresses used again\n"
"  -o  without the control, which lets a CPU run into text that is stale\n"
"Prints: tlb_defer ROUTE rounds=N deferred=N void=N flushes=N entry=N exit=N nmi=N\n"
"	warn=N iret=N stale=N bad_word=N ms=N\n"
"    or: tlb_defer cost rounds=N pending=TICKS clean=TICKS\n";

struct route {
	const char	*name, *what;
	/* The isolated thread enters the kernel, with nothing before. */
	void		(*enter)(void);
	/* Why it is impossible, or NULL */
	const char	*(*missing)(void);
	/* What the other thread does when all is swapped, but the thread not told. */
	int		cmd;
	/* Whether the thread enters the kernel all the time. */
	bool		race;
	/* The other thread tells when it is over: enter() waits for that. */
	bool		waits;
	/* enter() arms by itself. */
	bool		arms;
	/* The NMI is sent at a random time around enter(). */
	bool		nmi_anytime;
	/* The NMI lasts until all is swapped, or as long as it may. */
	bool		nmi_holds;
	/* A WARN on the way in comes before the hook. */
	bool		warns;
	bool		timer;
	/* What is purged with the window, and must be flushed at once if not PLAIN. */
	int		kind;
	/* Nobody looks at what is seen. */
	bool		measures;
	/*
	 * The control: the flush is lost. It is the first, and always done. If that is
	 * not seen, no other route can show that the old content is not.
	 */
	bool		loses;
	/* One of so many rounds is done. */
	unsigned int	every;
};

/* Nothing takes a tenth of it, even when emulated and with two CPUs for three. */
#define TIMEOUT		(10000 * NSEC_PER_MSEC)
/* More than the random delays need to have NMIs all over an entry, some 1000 instructions. */
#define MAX_LINGER	20000
/* The driver does not hold a CPU in an NMI for longer than twice this. */
#define MAX_HOLD	(50 * NSEC_PER_MSEC)
#define FRESH_PAGES	512
/* Beyond the GDT, of user privilege */
#define BAD_SS		0xfff3
#define USER_SS		0x2b
#define USER32_CS	0x23

/* The rounds of the two threads. Only the page fault is to fault. */
static struct {
	unsigned int	cmd;		/* round that is to begin */
	unsigned int	armed;
	unsigned int	go;
	unsigned int	over;
	unsigned int	finished;
	int		error;
	bool		ready;
} sync_;

static const struct route *route;
static uint64_t timer_ns, swap_ns = NSEC_PER_MSEC;
static unsigned int linger;
static uint64_t seed = 1;
static int device, cpu;
/* It is about text, and ISOL_F_QUIESCE_DEFER_TEXT_SYNC. */
static bool text;

static unsigned int seen(const unsigned int *round)
{
	return __atomic_load_n(round, __ATOMIC_ACQUIRE);
}

static void set(unsigned int *round, unsigned int value)
{
	__atomic_store_n(round, value, __ATOMIC_RELEASE);
}

static void relax(void)
{
	__builtin_ia32_pause();
}

static unsigned int some(unsigned int below)
{
	return next_random(&seed) % below;
}

/* ---- what the isolated thread does ---- */

static char *fresh, *low, *landing;
static unsigned int next_fresh;
static sigjmp_buf after_fast32;
static volatile bool in_fast32, fast32_is_illegal, bad_iret;
static unsigned int round_;

static void arm(void)
{
	if (ioctl(device, TLB_DEFER_TEST_ARM, (unsigned long)timer_ns))
		sync_.error = errno;
	set(&sync_.armed, round_);
	if (route->race)
		return;
	while (seen(&sync_.go) != round_)
		;
	for (unsigned int i = 0; i < linger; i++)
		asm volatile("");
}

static void by_syscall(void)
{
	long ret;

	asm volatile("syscall" : "=a" (ret) : "0" ((long)SYS_getppid) : "rcx", "r11", "memory");
}

static void by_int80(void)
{
	long ret;

	asm volatile("int $0x80" : "=a" (ret) : "0" (64L)
		     : "memory", "r8", "r9", "r10", "r11");
}

/*
 * Goes to compat mode. The kernel returns to where the 32-bit vDSO would be.
 * The signal mask is not saved, as that would be a system call.
 */
static void by_fast32(void)
{
	struct {
		uint32_t	offset;
		uint16_t	segment;
	} __attribute__((packed)) code = { (unsigned long)low, USER32_CS };
	char *stack = low + 0x1800;

	if (sigsetjmp(after_fast32, 0))
		return;
	in_fast32 = true;
	asm volatile("mov %1, %%rsp\n\t"
		     "mov %%esp, %%ebp\n\t"
		     "ljmpl *(%0)"
		     : : "c" (&code), "r" (stack), "a" (64), "m" (code) : "memory");
	__builtin_unreachable();
}

static void by_fault(void)
{
	touch(fresh + 4096 * next_fresh++);
}

static void by_refault(void)
{
	touch(fresh);
	madvise(fresh, 4096, MADV_DONTNEED);
}

static void by_ud2(void)
{
	asm volatile("ud2");
}

static void by_int3(void)
{
	asm volatile("int3");
}

static void by_step(void)
{
	/* Not into the red zone. The trap comes after the instruction that follows. */
	asm volatile("lea -128(%%rsp), %%rsp\n\t"
		     "pushfq\n\t"
		     "orq $0x100, (%%rsp)\n\t"
		     "popfq\n\t"
		     "nop\n\t"
		     "lea 128(%%rsp), %%rsp"
		     : : : "memory", "cc");
}

/* The handler arms, and breaks the frame that it returns with. */
static void by_sigreturn(void)
{
	bad_iret = true;
	by_int3();
}

static void by_nothing(void)
{
}

static void on_signal(int sig, siginfo_t *info __maybe_unused, void *context)
{
	greg_t *regs = ((ucontext_t *)context)->uc_mcontext.gregs;
	uint16_t *ss = (uint16_t *)&regs[REG_CSGSFS] + 3;

	if (in_fast32) {
		in_fast32 = false;
		fast32_is_illegal |= sig == SIGILL;
		siglongjmp(after_fast32, 1);
	}
	if (sig == SIGILL) {
		/* Behind UD2 */
		regs[REG_RIP] += 2;
		return;
	}
	if (sig == SIGTRAP) {
		regs[REG_EFL] &= ~0x100;
		if (bad_iret) {
			bad_iret = false;
			if (route->arms)
				arm();
			*ss = BAD_SS;
		}
		return;
	}
	if (*ss != BAD_SS) {
		signal(sig, SIG_DFL);
		return;
	}
	*ss = USER_SS;
}

static void *isolated(void *arg)
{
	stack_t stack = { .ss_size = 64 << 10 };
	unsigned int spin = 0;

	stack.ss_sp = malloc(stack.ss_size);
	memset(stack.ss_sp, 0, stack.ss_size);
	sync_.error = 0;
	if (sigaltstack(&stack, NULL) || pin_to(cpu))
		sync_.error = errno;
	else
		sync_.error = -isol_quiesce(text ? ISOL_F_QUIESCE_DEFER_TEXT_SYNC :
					    ISOL_F_QUIESCE_DEFER_TLB_FLUSH);
	__atomic_store_n(&sync_.ready, true, __ATOMIC_RELEASE);

	for (round_ = 1; !sync_.error; round_++) {
		while (seen(&sync_.cmd) != round_)
			relax();
		if (next_fresh == FRESH_PAGES) {
			madvise(fresh, FRESH_PAGES * 4096, MADV_DONTNEED);
			next_fresh = 0;
		}
		if (!route->arms)
			arm();
		/* In user mode about as long as in the kernel. */
		while (route->race && seen(&sync_.go) != round_) {
			route->enter();
			spin = (spin * 5 + 1) % 4096;
			for (unsigned int i = 0; i < spin; i++)
				asm volatile("");
		}
		route->enter();
		if (route->waits) {
			while (seen(&sync_.over) != round_)
				relax();
		}
		set(&sync_.finished, round_);
	}
	return arg;
}

static uint64_t pending_ticks, clean_ticks;

static void by_two_syscalls(void)
{
	uint64_t start = ticks(), middle;

	by_syscall();
	middle = ticks();
	pending_ticks = middle - start;
	by_syscall();
	clean_ticks = ticks() - middle;
}

/* ---- what is possible ---- */

static const char *no_compat(void)
{
	static int have = -1;

	if (have < 0)
		have = have_compat();
	return have ? NULL : "no 32-bit system calls";
}

/* Which instruction the 32-bit vDSO of this CPU would use. */
static void make_fast32(void)
{
	unsigned int eax, ebx = 0, ecx, edx;
	bool amd;

	__get_cpuid(0, &eax, &ebx, &ecx, &edx);
	/* "AuthenticAMD", "HygonGenuine" */
	amd = ebx == 0x68747541 || ebx == 0x6f677948;
	memcpy(low, amd ? "\x0f\x05\xf4" : "\x0f\x34\xf4", 3);
}

static const char *no_fast32(void)
{
	unsigned long vdso = getauxval(AT_SYSINFO_EHDR);

	if (no_compat())
		return no_compat();
	if (!low || !landing)
		return vdso ? "cannot map low memory, try again" : "no vDSO";
	return NULL;
}

static int prepare(void)
{
	unsigned long vdso = getauxval(AT_SYSINFO_EHDR) & 0xfffff000;
	int signals[] = { SIGILL, SIGTRAP, SIGSEGV, SIGBUS };
	/* SA_NODEFER, as siglongjmp() does not restore the mask. */
	struct sigaction act = {
		.sa_sigaction = on_signal,
		.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER,
	};

	/* Only what is to fault may: not the first use of a function, say. */
	mlockall(MCL_CURRENT);

	fresh = mmap(NULL, FRESH_PAGES * 4096, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (fresh == MAP_FAILED)
		return -errno;
	/* Fails where there are no huge pages. */
	madvise(fresh, FRESH_PAGES * 4096, MADV_NOHUGEPAGE);

	low = mmap(NULL, 0x2000, PROT_READ | PROT_WRITE | PROT_EXEC,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT | MAP_POPULATE, -1, 0);
	low = low == MAP_FAILED ? NULL : low;
	/*
	 * The kernel returns to the vDSO, of which compat mode reaches the low half
	 * of the address only. There HLT faults.
	 */
	landing = mmap((void *)vdso, 0x4000, PROT_READ | PROT_WRITE | PROT_EXEC,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	landing = landing == MAP_FAILED || !vdso || landing != (void *)vdso ? NULL : landing;
	if (low && landing) {
		memset(landing, 0xf4, 0x4000);
		make_fast32();
	}

	for (size_t i = 0; i < ARRAY_SIZE(signals); i++) {
		if (sigaction(signals[i], &act, NULL))
			return -errno;
	}
	return 0;
}

/* ---- the other thread ---- */

static const struct route routes[] = {
	{ .name = "control", .what = "without the flush the old content is seen",
	  .enter = by_syscall, .loses = true, .every = 5 },
	{ .name = "syscall", .what = "64-bit SYSCALL", .enter = by_syscall },
	{ .name = "int80", .what = "INT 0x80", .enter = by_int80, .missing = no_compat },
	{ .name = "fast32", .what = "SYSENTER, or SYSCALL, from compat mode",
	  .enter = by_fast32, .missing = no_fast32 },
	{ .name = "fault", .what = "a page fault", .enter = by_fault },
	{ .name = "ud2", .what = "#UD", .enter = by_ud2 },
	{ .name = "step", .what = "#DB of a single step", .enter = by_step },
	{ .name = "int3", .what = "#BP", .enter = by_int3 },
	{ .name = "sigreturn", .what = "a return from a signal, with a SS that IRET faults of",
	  .enter = by_sigreturn, .arms = true },
	{ .name = "timer", .what = "a timer interrupt", .enter = by_nothing, .waits = true,
	  .timer = true },
	{ .name = "ipi", .what = "a function-call interrupt", .enter = by_nothing,
	  .waits = true, .cmd = TLB_DEFER_TEST_KICK },
	{ .name = "nmi", .what = "an NMI, then SYSCALL", .enter = by_syscall,
	  .cmd = TLB_DEFER_TEST_NMI },
	{ .name = "nmi_race", .what = "an NMI while SYSCALL enters", .enter = by_syscall,
	  .nmi_anytime = true },
	{ .name = "warn", .what = "a WARN before the hook of SYSCALL", .enter = by_syscall,
	  .warns = true },
	{ .name = "nmi_hold", .what = "an NMI that lasts while all is swapped",
	  .enter = by_syscall, .nmi_holds = true, .every = 5 },
	{ .name = "device", .what = "purged with an area of a device", .enter = by_syscall,
	  .kind = DEVICE },
	{ .name = "reset_perms", .what = "purged with an area that was executable",
	  .enter = by_syscall, .kind = RESET_PERMS },
	{ .name = "huge", .what = "purged with an area of huge pages", .enter = by_syscall,
	  .kind = HUGE_PAGES },
	{ .name = "aliases", .what = "vm_unmap_aliases()", .enter = by_nothing, .waits = true,
	  .cmd = TLB_DEFER_TEST_ALIASES },
	{ .name = "race", .what = "SYSCALL all the time", .enter = by_syscall, .race = true },
	{ .name = "race_fault", .what = "a page fault and SYSCALL all the time",
	  .enter = by_refault, .race = true },
	{ .name = "race_sigreturn", .what = "faults of IRET all the time",
	  .enter = by_sigreturn, .race = true },
};

#define NR_ROUTES	ARRAY_SIZE(routes)

/* Whether an entry before all was swapped does not matter. */
static bool early_is_fine(void)
{
	return route->race || route->nmi_holds || route->kind;
}

static void get_stats(struct tlb_defer_test_stats *stats)
{
	if (ioctl(device, TLB_DEFER_TEST_STATS, stats))
		ksft_exit_fail_msg("STATS: %s\n", strerror(errno));
	if (text)
		stats->flushes = stats->syncs;
}

static int wait_round(const unsigned int *what, unsigned int round)
{
	uint64_t end = 0;

	for (unsigned int i = 0; seen(what) != round; i++) {
		if (sync_.error)
			return -sync_.error;
		relax();
		if (i % 1024)
			continue;
		if (end && monotonic_ns() > end)
			return -ETIMEDOUT;
		end = end ? end : monotonic_ns() + TIMEOUT;
		/* The thread may need what others do here. */
		sched_yield();
	}
	return 0;
}

/* Until the round is DONE. It never is if the thread came too early. */
static void wait_done(struct tlb_defer_test_stats *stats)
{
	uint64_t end = monotonic_ns() + timer_ns + TIMEOUT;

	do {
		get_stats(stats);
	} while (stats->state != DONE && !stats->early && monotonic_ns() < end);
}

static int do_call(const char *name, int cmd, unsigned long arg)
{
	int ret = ioctl(device, cmd, arg);

	if (ret < 0) {
		ret = -errno;
		ksft_print_msg("%s: %s\n", name, strerror(errno));
	}
	return ret;
}

/* Returns whether it was deferred, or an error. */
static int do_round(unsigned int round, struct tlb_defer_test_stats *stats)
{
	uint64_t start;
	int deferred, ret;

	timer_ns = route->timer ? (timer_ns ? timer_ns : 2 * swap_ns + NSEC_PER_MSEC / 2) : 0;
	linger = route->nmi_anytime ? some(MAX_LINGER) : 0;
	set(&sync_.cmd, round);
	ret = wait_round(&sync_.armed, round);
	if (!ret)
		ret = -sync_.error;
	if (ret) {
		ksft_print_msg("the thread did not arm: %s\n", strerror(-ret));
		return ret;
	}
	if (route->nmi_holds) {
		uint64_t ns = 3 * swap_ns + NSEC_PER_MSEC / 2;

		ret = do_call("HOLD", TLB_DEFER_TEST_HOLD, ns < MAX_HOLD ? ns : MAX_HOLD);
		if (ret < 0)
			return ret;
	}
	start = monotonic_ns();
	deferred = do_call("SWAP", route->measures ? TLB_DEFER_TEST_PURGE :
				   route->loses ? TLB_DEFER_TEST_LOSE : TLB_DEFER_TEST_SWAP,
			   route->kind);
	if (deferred < 0)
		return deferred;
	/* The others wait for more than the swap. */
	if (!early_is_fine())
		swap_ns = (7 * swap_ns + monotonic_ns() - start) / 8;
	if (route->cmd) {
		ret = do_call("KICK or NMI", route->cmd, 1);
		if (ret < 0)
			return ret;
	}
	set(&sync_.go, round);
	if (route->nmi_anytime) {
		for (unsigned int i = some(MAX_LINGER / 10); i; i--)
			asm volatile("");
		ret = do_call("NMI", TLB_DEFER_TEST_NMI, 1);
		if (ret < 0)
			return ret;
	}
	if (route->waits) {
		wait_done(stats);
		set(&sync_.over, round);
	}
	ret = wait_round(&sync_.finished, round);
	if (ret) {
		ksft_print_msg("the thread did not return: %s\n", strerror(-ret));
		return ret;
	}
	get_stats(stats);
	return deferred;
}

/* By the void and the valid, so that the timer comes soon but not too soon. */
static void tune_timer(bool too_early)
{
	if (too_early && timer_ns < 100 * NSEC_PER_MSEC)
		timer_ns += timer_ns / 4;
	else if (!too_early)
		timer_ns -= timer_ns / 64;
}

static unsigned long long sum(const __u64 *of)
{
	return of[IN_ARM] + of[IN_ENTRY] + of[IN_EXIT] + of[IN_NMI] + of[IN_WARN];
}

/* Whether the old content can be seen at all. */
static bool control_sees;

/* The route that loses PENDING is left out: real hardware would execute stale text. */
static bool no_control;

static void test_route(unsigned int *round, unsigned int rounds)
{
	unsigned int valid = 0, voids = 0, deferred = 0, unchecked = 0, early = 0;
	/* A busy machine has some. With so many something enters all the time. */
	const unsigned int max_voids = 10 * rounds + 100;
	struct tlb_defer_test_stats before, after;
	unsigned long long stale, bad_word, warns;
	const char *missing;
	uint64_t start;

	missing = route->missing ? route->missing() : NULL;
	if (missing) {
		ksft_test_result_skip("%s: %s\n", route->name, missing);
		return;
	}
	if (route->every)
		rounds = (rounds + route->every - 1) / route->every;
	timer_ns = 0;
	if (do_call("WARN", TLB_DEFER_TEST_WARN, route->warns))
		ksft_exit_fail_msg("%s: no WARN\n", route->name);
	get_stats(&before);
	start = monotonic_ns();
	while (valid < rounds && voids <= max_voids) {
		struct tlb_defer_test_stats stats;
		int ret = do_round(++*round, &stats);

		if (ret < 0)
			ksft_exit_fail_msg("%s, round %u: %s\n", route->name, valid,
					   strerror(-ret));
		if (route->timer)
			tune_timer(stats.early);
		if (stats.early && !early_is_fine()) {
			voids++;
			continue;
		}
		valid++;
		deferred += ret;
		early += !!stats.early;
		unchecked += stats.state != DONE;
	}
	get_stats(&after);
	stale = sum(after.stale) - sum(before.stale);
	bad_word = after.bad_word - before.bad_word;
	printf("tlb_defer %s rounds=%u deferred=%u void=%u flushes=%u ",
	       route->name, valid, deferred, voids, after.flushes - before.flushes);
	warns = after.checked[IN_WARN] - before.checked[IN_WARN];
	printf("entry=%llu exit=%llu nmi=%llu warn=%llu iret=%llu stale=%llu bad_word=%llu ms=%llu\n",
	       (unsigned long long)(after.checked[IN_ENTRY] - before.checked[IN_ENTRY]),
	       (unsigned long long)(after.checked[IN_EXIT] - before.checked[IN_EXIT]),
	       (unsigned long long)(after.checked[IN_NMI] - before.checked[IN_NMI]),
	       warns, (unsigned long long)(after.iret - before.iret), stale, bad_word,
	       (unsigned long long)((monotonic_ns() - start) / NSEC_PER_MSEC));

	control_sees |= route->loses && stale;
	if (route->loses && !bad_word)
		ksft_test_result_report(stale ? KSFT_PASS : KSFT_SKIP,
					"%s: %s, in %llu of %u rounds\n",
					route->name, route->what, stale, valid);
	else if (stale || bad_word)
		ksft_test_result_fail("%s: %llu times the old content, %llu times a wrong word\n",
				      route->name, stale, bad_word);
	else if (valid < rounds)
		ksft_test_result_fail("%s: something else enters the kernel, %u rounds void\n",
				      route->name, voids);
	else if (route->warns && warns < valid)
		ksft_test_result_fail("%s: %llu WARNs in %u rounds\n", route->name, warns,
				      valid);
	else if (unchecked)
		ksft_test_result_fail("%s: did not enter the kernel in %u of %u rounds\n",
				      route->name, unchecked, valid);
	else if (route->enter == by_fast32 && fast32_is_illegal)
		ksft_test_result_fail("%s: an illegal instruction on this CPU\n", route->name);
	else if (route->kind && (deferred || early < valid))
		ksft_test_result_fail("%s: must interrupt, but was deferred in %u of %u rounds\n",
				      route->name, deferred, valid);
	/* In a few rounds the CPU may be in the kernel, for an interrupt of its own. */
	else if (!early_is_fine() &&
		 (deferred < valid - valid / 10 || after.flushes - before.flushes < deferred))
		ksft_test_result_fail("%s: not deferred, %u of %u rounds, %u flushes\n",
				      route->name, deferred, valid,
				      after.flushes - before.flushes);
	/* It is in user mode half of the time: by chance this is seen with fewer rounds only. */
	else if (route->race && valid >= 100 && after.flushes == before.flushes)
		ksft_test_result_fail("%s: never deferred in %u rounds\n", route->name, valid);
	else if (!control_sees && !route->kind)
		ksft_test_result_skip("%s: nor is it seen without the flush, try pti=off\n",
				      route->name);
	else
		ksft_test_result_pass("%s: %s\n", route->name, route->what);
}

/* The medians, as some rounds are disturbed. */
static void test_cost(unsigned int rounds)
{
	static const struct route cost = { .name = "cost", .enter = by_two_syscalls,
					   .measures = true };
	static uint64_t pending[1000], clean[1000];
	struct tlb_defer_test_stats stats;
	unsigned int deferred = 0;

	route = &cost;
	if (rounds > ARRAY_SIZE(pending))
		rounds = ARRAY_SIZE(pending);
	for (unsigned int i = 0; i < rounds; i++) {
		int ret = do_round(i + 1, &stats);

		if (ret < 0)
			ksft_exit_fail_msg("cost, round %u: %s\n", i, strerror(-ret));
		if (!ret)
			continue;
		pending[deferred] = pending_ticks;
		clean[deferred++] = clean_ticks;
	}
	qsort(pending, deferred, sizeof(*pending), compare_u64);
	qsort(clean, deferred, sizeof(*clean), compare_u64);
	if (deferred)
		printf("tlb_defer cost rounds=%u pending=%llu clean=%llu\n", deferred,
		       (unsigned long long)pending[deferred / 2],
		       (unsigned long long)clean[deferred / 2]);
	/* Otherwise the medians are those of few rounds that are not like others. */
	ksft_test_result(deferred > rounds / 2, "cost: %u of %u rounds deferred\n",
			 deferred, rounds);
}

static bool known(const char *name)
{
	for (size_t i = 0; i < NR_ROUTES; i++) {
		if (!strcmp(routes[i].name, name))
			return true;
	}
	return false;
}

static bool is_wanted(const struct route *route, char **names)
{
	/* Only addresses have those. */
	if (text && (route->kind || route->cmd == TLB_DEFER_TEST_ALIASES))
		return false;
	return route->loses ? !no_control : wanted(route->name, names);
}

static int nr_wanted(char **names)
{
	int ret = 0;

	for (size_t i = 0; i < NR_ROUTES; i++)
		ret += is_wanted(&routes[i], names);
	return ret;
}

static int list(void)
{
	for (size_t i = 0; i < NR_ROUTES; i++)
		printf("%-16s %s\n", routes[i].name, routes[i].what);
	return 0;
}

static void skip_unless_possible(void)
{
	struct tlb_defer_test_stats stats;

	if (!isol_present())
		ksft_exit_skip(NO_ISOLATION "\n");
	if (!isol_supports(text ? ISOL_F_QUIESCE_DEFER_TEXT_SYNC : ISOL_F_QUIESCE_DEFER_TLB_FLUSH))
		ksft_exit_skip("the kernel does not defer %s\n",
			       text ? "text synchronization" : "flushes");
	if (cpu < 1)
		ksft_exit_skip(NO_CPU "\n");
	if (!cpu_is_nohz_full(cpu))
		ksft_exit_skip(NO_NOHZ_FULL "\n");
	device = open(TLB_DEFER_TEST_DEVICE, O_RDWR | O_CLOEXEC);
	if (device < 0)
		ksft_exit_skip("%s: %s, see CONFIG_TASK_ISOLATION_DEFER_TLB_TEST\n",
			       TLB_DEFER_TEST_DEVICE, strerror(errno));
	if (text && ioctl(device, TLB_DEFER_TEST_TEXT, 1))
		ksft_exit_fail_msg("TEXT: %s\n", strerror(errno));
	get_stats(&stats);
	if (stats.undeferrable)
		ksft_exit_skip("KASAN_VMALLOC or debug_pagealloc: their own flushes interrupt\n");
}

int main(int argc, char **argv)
{
	unsigned int rounds = 100, round = 0;
	/* Ends with NULL. */
	char *names[NR_ROUTES + 1] = { };
	pthread_t thread;
	bool measures = false;
	size_t nr = 0;
	int opt;

	cpu = isolated_cpu();
	while ((opt = getopt(argc, argv, "n:c:r:s:tloxh")) != -1) {
		switch (opt) {
		case 'n':
			rounds = atoi(optarg);
			break;
		case 'c':
			cpu = atoi(optarg);
			break;
		case 'r':
			if (nr < NR_ROUTES && known(optarg)) {
				names[nr++] = optarg;
				break;
			}
			fprintf(stderr, "tlb_defer_test: no route %s\n", optarg);
			return 2;
		case 's':
			seed = strtoul(optarg, NULL, 0) | 1;
			break;
		case 't':
			measures = true;
			break;
		case 'l':
			return list();
		case 'o':
			no_control = true;
			break;
		case 'x':
			text = true;
			break;
		default:
			fputs(usage, opt == 'h' ? stdout : stderr);
			return opt == 'h' ? 0 : 2;
		}
	}
	if (optind < argc || !rounds || (no_control && !text)) {
		fputs(usage, stderr);
		return 2;
	}

	/* What a flush does is only seen against the control, text is counted. */
	control_sees = no_control;
	setvbuf(stdout, NULL, _IOLBF, 0);
	ksft_print_header();
	skip_unless_possible();
	ksft_set_plan(measures ? 1 : nr_wanted(names));
	errno = -prepare();
	if (errno || pin_to(0))
		ksft_exit_fail_msg("prepare: %s\n", strerror(errno));
	/* Asks in a child, and not while the thread is isolated. */
	no_compat();
	route = &routes[0];
	errno = pthread_create(&thread, NULL, isolated, NULL);
	if (errno)
		ksft_exit_fail_msg("pthread_create: %s\n", strerror(errno));
	while (!__atomic_load_n(&sync_.ready, __ATOMIC_ACQUIRE))
		sleep_ms(1);
	if (sync_.error)
		ksft_exit_fail_msg("isolation: %s\n", strerror(sync_.error));
	if (measures)
		test_cost(rounds);
	for (size_t i = 0; i < NR_ROUTES && !measures; i++) {
		if (!is_wanted(&routes[i], names))
			continue;
		route = &routes[i];
		test_route(&round, rounds);
	}
	ksft_finished();
}
#else
int main(void)
{
	ksft_print_header();
	ksft_exit_skip("x86-64 only\n");
}
#endif
