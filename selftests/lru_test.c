// SPDX-License-Identifier: GPL-2.0
/*
 * ISOL_F_QUIESCE_LRU_DRAIN: lru_add_drain_all() finds nothing on a CPU whose thread
 * drained its batches, whatever filled them and whoever calls it.
 */
#include "events.h"
#include "spinner.h"
#include "trace.h"

#include "kselftest_harness.h"

#include <linux/minix_fs.h>
#include <pthread.h>

#define DROP_CACHES	"/proc/sys/vm/drop_caches"
#define THP		"/sys/kernel/mm/transparent_hugepage/"
#define LRU_GEN		"/sys/kernel/mm/lru_gen/enabled"
#define NO_LRU_GEN	"lists that are active or not, see " LRU_GEN
#define RAMDISK		"/dev/ram0"
#define EMPTY_RAMDISK	RAMDISK ", empty, see CONFIG_BLK_DEV_RAM and CONFIG_MINIX_FS"
#define NO_MIGRATION	"CONFIG_NUMA and CONFIG_MIGRATION for move_pages()"
#define NO_BUFFERS	"a nohz_full CPU that is not one of isolcpus=, and " EMPTY_RAMDISK
#define MNT		"/tmp/isolation-lru"
#define FUNCTION	"function=lru_add_drain_per_cpu"
#define ROUNDS		20
#define STACK_SIZE	65536
/* Of the file system on the RAM disk. They have BLOCK_SIZE bytes. */
#define NR_BLOCKS	64
#define HUGE		(2UL << 20)
#define FAULTERS	8
/* What tells of a page that gets from its first batch to an LRU list. */
#define INSERTION	"mm_lru_insertion"
/* Of all rounds of a test, and each has a page of its own. */
#define NR_STEPS	(NR_FILLERS * (ROUNDS + ROUNDS / 10) + ROUNDS / 10 + 1)

#ifndef MADV_COLD
#define MADV_COLD	20
#endif
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE	25
#endif

static const char * const events[] = {
	"workqueue/workqueue_queue_work", "pagemap/" INSERTION, NULL
};

/* What leaves a page in a batch. */
enum filler {
	BY_FAULT,	/* to be added, by the fault */
	BY_SIGNAL,	/* the same by signal delivery, which is work of the exit path */
	BY_WRITE,	/* to be added, by a system call */
	BY_MLOCK,	/* to be locked, by the fault */
	BY_FREE,	/* to be freed lazily */
	BY_READ,	/* to be activated */
	BY_COLD,	/* to be deactivated */
	BY_DROP,	/* to be deactivated, a page of a file that cannot be dropped */
	BY_ROTATE,	/* to be moved to the tail, as its writeback ended */
	BY_BUFFER,	/* no page, but the buffer head of a block of metadata */
	NR_FILLERS
};

/*
 * Grows when a page was on the LRU list already, and has now passed a batch of
 * another kind. Without isolation the page is still in the first batch. For the first
 * batch there is an event instead. For buffer heads there is neither, and what is looked
 * at is that nothing else was in a batch: to look a block up activates its page.
 */
static const char * const moved_by[NR_FILLERS] = {
	[BY_MLOCK] = "unevictable_pgs_culled ",
	[BY_FREE] = "pglazyfree ",
	[BY_READ] = "pgactivate ",
	[BY_COLD] = "pgdeactivate ",
	[BY_DROP] = "pgdeactivate ",
	[BY_ROTATE] = "pgrotated ",
	[BY_BUFFER] = "pgactivate ",
};

/* Shared with the spinner and the witness, which are processes of their own. */
struct shared {
	struct spinner	spinner;
	struct spinner	witness;
	int		filler;
	int		cpu;
	int		witness_cpu;
	int		memfd;
	int		quiesce;
	bool		fifo;
	void		*page;		/* of the last step, in the spinner */
};

FIXTURE(lru)
{
	struct shared	*shared;
	struct trace	trace;
};

FIXTURE_VARIANT(lru)
{
	bool	drain;
	bool	fifo;
};

FIXTURE_VARIANT_ADD(lru, isolated)
{
	.drain = true,
};

/* A kworker could not even preempt it: whoever waits for one would wait for long. */
FIXTURE_VARIANT_ADD(lru, isolated_fifo)
{
	.drain = true,
	.fifo = true,
};

/* The control: isolated, without the action. */
FIXTURE_VARIANT_ADD(lru, without_the_action)
{
	.drain = false,
};

/* Of the spinner: the step that it is at. */
static struct spinner *spinner_self;
static int spinner_at;

static void step_is_done(int ret)
{
	spinner_done(spinner_self, spinner_at, ret);
	spinner_at = spinner_next(spinner_self, spinner_at);
}

/* The signal frame is on a fresh stack. */
static void handler(int sig __maybe_unused)
{
	step_is_done(0);
}

static char *fresh_memory(size_t size)
{
	char *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED)
		_exit(1);
	/* Fails where there are no huge pages, which is just as well. */
	madvise(p, size, MADV_NOHUGEPAGE);
	return p;
}

/* With 4 the next ones are not logged: a kernel thread might print that on the CPU. */
static int drop_caches(void)
{
	return write_file(DROP_CACHES, "4") ?: write_file(DROP_CACHES, "1");
}

/* Of the spinner: the pages of the memfd. */
static char *mapped;

/*
 * A page that is dirty when it is dropped stays, and is marked when the batch is drained.
 * The end of its writeback moves it, on this CPU, as the disk is memory.
 */
static int write_back(char *page)
{
	static const char block[4096] = "written";
	static int file = -1;

	if (file < 0)
		file = open(MNT "/file", O_WRONLY | O_CLOEXEC);
	if (file < 0 || pwrite(file, block, sizeof(block), 0) != sizeof(block) || drop_caches())
		return -1;
	/* Only to drain: @page was not touched. */
	if (madvise(page, 4096, MADV_COLD))
		return -1;
	/* The page alone, as to write the inode leaves a buffer head. */
	return sync_file_range(file, 0, sizeof(block), SYNC_FILE_RANGE_WAIT_BEFORE |
			       SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER);
}

/* The inode is written, and for that its block is looked up. */
static int write_inode(int index)
{
	static int root = -1;

	if (root < 0)
		root = open(MNT, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return root < 0 || fchmod(root, index % 2 ? 0700 : 0755) || fsync(root) ? -1 : 0;
}

/*
 * Leaves @page, or page @index of @memfd, in a batch. Each call drains first, without
 * the action as well: only what its last step is about is in a batch then.
 */
static int fill(enum filler filler, char *page, int memfd, int index)
{
	off_t offset = index * 4096L;
	char c = 1;

	switch (filler) {
	case BY_MLOCK:
		/* What it finds it drains. */
		if (mlock2(page, 4096, MLOCK_ONFAULT))
			return -1;
		touch(page);
		return 0;
	case BY_FREE:
		touch(page);
		return madvise(page, 4096, MADV_FREE);
	case BY_WRITE:
		return pwrite(memfd, &c, 1, offset) == 1 ? 0 : -1;
	case BY_READ:
	case BY_COLD:
	case BY_DROP:
		/* The first access is noted, the second activates. */
		if (pwrite(memfd, &c, 1, offset) != 1 || pread(memfd, &c, 1, offset) != 1 ||
		    pread(memfd, &c, 1, offset) != 1)
			return -1;
		if (filler == BY_READ)
			return 0;
		if (filler == BY_DROP)
			return drop_caches() ? -1 : 0;
		/* A page that is mapped is left alone by whoever drops caches. */
		touch(mapped + offset);
		return madvise(mapped + offset, 4096, MADV_COLD);
	case BY_ROTATE:
		return write_back(page);
	case BY_BUFFER:
		return write_inode(index);
	default:
		touch(page);
		return 0;
	}
}

static void spinner(void *arg)
{
	const struct sched_param param = { .sched_priority = 1 };
	struct sigaction action = { .sa_handler = handler, .sa_flags = SA_ONSTACK };
	stack_t stack = { .ss_size = STACK_SIZE };
	struct shared *shared = arg;
	char *pages, *stacks;

	spinner_self = &shared->spinner;
	pages = fresh_memory(NR_STEPS * 4096L);
	stacks = fresh_memory(NR_STEPS * (size_t)STACK_SIZE);
	mapped = mmap(NULL, NR_STEPS * 4096L, PROT_READ | PROT_WRITE, MAP_SHARED,
		      shared->memfd, 0);
	if (mapped == MAP_FAILED || pin_to(shared->cpu) || sigaction(SIGUSR1, &action, NULL))
		_exit(1);
	if (shared->fifo && sched_setscheduler(0, SCHED_FIFO, &param))
		_exit(1);
	spinner_ready(spinner_self, isol_quiesce(shared->quiesce));

	spinner_at = spinner_next(spinner_self, 0);
	for (;;) {
		if (shared->filler == BY_SIGNAL) {
			stack.ss_sp = stacks + spinner_at * (size_t)STACK_SIZE;
			sigaltstack(&stack, NULL);
			/* The handler says it is done, and waits. */
			raise(SIGUSR1);
			continue;
		}
		shared->page = pages + spinner_at * 4096L;
		step_is_done(fill(shared->filler, shared->page, shared->memfd, spinner_at) ?
			     -errno : 0);
	}
}

/* Has something in a batch all the time, so that each drain is seen. */
static void witness(void *arg)
{
	struct shared *shared = arg;
	char *pages = fresh_memory(NR_STEPS * 4096L);
	int step = 0;

	spinner_ready(&shared->witness, pin_to(shared->witness_cpu) ? -errno : 0);
	for (;;) {
		step = spinner_next(&shared->witness, step);
		touch(pages + step * 4096L);
		spinner_done(&shared->witness, step, 0);
	}
}

static int other_cpu(int cpu)
{
	char path[64];

	for (int i = 1; i < 1024; i++) {
		snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%d", i);
		if (i != cpu && !access(path, F_OK))
			return i;
	}
	return -1;
}

static unsigned long vm_event(const char *key)
{
	static struct text text;
	char *p;

	if (read_text("/proc/vmstat", &text) < 0)
		return 0;
	p = strstr(text.buf, key);
	return p ? strtoul(p + strlen(key), NULL, 10) : 0;
}

/* How many work items were queued on @cpu by CPU 0, which is us, since the trace was cleared. */
static int works_for(const struct trace *trace, int cpu)
{
	static struct text text;
	char what[96];

	if (trace_text(trace, 0, &text))
		return -1;
	snprintf(what, sizeof(what), FUNCTION " workqueue=mm_percpu_wq req_cpu=%d cpu=%d",
		 cpu, cpu);
	return events_count(text.buf, "workqueue_queue_work", 0, what);
}

/* A CPU that is neither ours nor the isolated one. */
static int writer_cpu;

FIXTURE_SETUP(lru)
{
	int quiesce = isol_get(PR_ISOL_SUP_QUIESCE_CFG);
	const char *failed;
	int cpu;

	if (!isol_present())
		SKIP(return, NO_ISOLATION);
	ASSERT_TRUE(isol_supports(ISOL_F_QUIESCE_LRU_DRAIN));
	if (geteuid())
		SKIP(return, NO_ROOT " for tracefs");
	cpu = isolated_cpu();
	if (cpu < 0)
		SKIP(return, NO_CPU);
	if (!cpu_is_nohz_full(cpu))
		SKIP(return, NO_NOHZ_FULL);
	if (other_cpu(cpu) < 0)
		SKIP(return, "needs a third CPU, to see the drains");
	if (!trace_possible(events))
		SKIP(return, "needs tracefs with events of workqueues");
	ASSERT_EQ(0, pin_to(0));
	failed = trace_start(&self->trace, "isolation_lru", events);
	ASSERT_EQ(NULL, failed);

	if (!variant->drain)
		quiesce &= ~ISOL_F_QUIESCE_LRU_DRAIN;
	self->shared = alloc_shared(sizeof(*self->shared));
	ASSERT_NE(NULL, self->shared);
	self->shared->cpu = cpu;
	self->shared->witness_cpu = other_cpu(cpu);
	self->shared->quiesce = quiesce;
	self->shared->fifo = variant->fifo;
	self->shared->memfd = syscall(SYS_memfd_create, "lru_test", 0);
	ASSERT_LE(0, self->shared->memfd);
	ASSERT_EQ(0, spinner_start(&self->shared->spinner, spinner, self->shared));
	ASSERT_EQ(0, spinner_start(&self->shared->witness, witness, self->shared));
	writer_cpu = self->shared->witness_cpu;
}

/* A file system on the RAM disk. */
static bool mounted;

/* Writes @blocks if the disk is not in use, and has @before in their place. */
static int write_ramdisk(const void *blocks, const void *before, size_t size)
{
	int fd = open(RAMDISK, O_RDWR | O_EXCL | O_CLOEXEC), ret = -1;
	char *have = malloc(size);

	if (fd >= 0 && have && (!before || (pread(fd, have, size, 0) == (ssize_t)size &&
					    !memcmp(have, before, size))) &&
	    pwrite(fd, blocks, size, 0) == (ssize_t)size && !fsync(fd))
		ret = 0;
	free(have);
	if (fd >= 0)
		close(fd);
	return ret;
}

static void umount_ramdisk(void)
{
	static const char zeros[NR_BLOCKS][BLOCK_SIZE];

	if (!mounted)
		return;
	if (umount(MNT))
		umount2(MNT, MNT_DETACH);
	rmdir(MNT);
	write_ramdisk(zeros, NULL, sizeof(zeros));
	mounted = false;
}

FIXTURE_TEARDOWN(lru)
{
	trace_stop(&self->trace);
	if (!self->shared)
		return;
	spinner_stop(&self->shared->spinner);
	spinner_stop(&self->shared->witness);
	umount_ramdisk();
}

/*
 * The page that was written is in a batch of another CPU, which looks as if somebody
 * used it: a reason to drain all. What is in batches of this CPU is drained before.
 */
static int memfd_seal(void)
{
	int fd = syscall(SYS_memfd_create, "lru_test_seal", MFD_ALLOW_SEALING);
	char c = 1;
	int ret;

	if (fd < 0)
		return -errno;
	ret = pin_to(writer_cpu) || pwrite(fd, &c, 1, 0) != 1 || pin_to(0) ||
	      fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE) ? -errno : 0;
	close(fd);
	return ret;
}

static int move_pages(void)
{
	static char page[4096] __attribute__((aligned(4096)));
	void *pages[] = { page };
	int nodes[] = { 0 }, status[1];

	touch(page);
	return syscall(SYS_move_pages, 0, 1UL, pages, nodes, status, 2) ? -errno : 0;
}

static int collapse(void)
{
	char *p = mmap(NULL, 2 * HUGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *huge = (char *)(((uintptr_t)p + HUGE - 1) & ~(HUGE - 1));
	int ret;

	if (p == MAP_FAILED)
		return -errno;
	madvise(huge, HUGE, MADV_NOHUGEPAGE);
	touch(huge);
	madvise(huge, HUGE, MADV_HUGEPAGE);
	ret = madvise(huge, HUGE, MADV_COLLAPSE) ? -errno : 0;
	munmap(p, 2 * HUGE);
	return ret;
}

static int mbind(void)
{
	static char page[4096] __attribute__((aligned(4096)));
	unsigned long nodes = 1;

	touch(page);
	/* MPOL_BIND, and MPOL_MF_MOVE. */
	return syscall(SYS_mbind, page, 4096UL, 2, &nodes, 64UL, 2) ? -errno : 0;
}

static bool have_always(void)
{
	return true;
}

static bool have_move_pages(void)
{
	return move_pages() != -ENOSYS;
}

static bool have_collapse(void)
{
	return !access(THP "enabled", F_OK);
}

/* In how many rounds there was how much. */
struct result {
	int		rounds;
	int		with_work;
	int		moved;		/* a page passed its batch before */
	int		witnessed;
	int		switches;
};

/* Has the spinner do its next step. 1 if that took a page through its batch, or -1. */
static int fill_batch(FIXTURE_DATA(lru) *self, enum filler filler, int step)
{
	struct shared *shared = self->shared;
	const char *key = moved_by[filler];
	unsigned long before = key ? vm_event(key) : 0;
	static struct text text;

	trace_clear(&self->trace);
	if (trace_on(&self->trace, true))
		return -1;
	shared->filler = filler;
	if (spinner_step(&shared->spinner, step) || trace_on(&self->trace, false))
		return -1;
	if (key)
		return vm_event(key) > before;
	if (trace_text(&self->trace, shared->cpu, &text))
		return -1;
	return events_count(text.buf, INSERTION, shared->spinner.pid, "") > 0;
}

/* @rounds times: have a batch filled, call lru_add_drain_all(), see who is woken up. */
static int run_rounds(FIXTURE_DATA(lru) *self, enum filler filler, int (*call)(void),
		      int rounds, struct result *result)
{
	struct shared *shared = self->shared;
	bool drain = shared->quiesce & ISOL_F_QUIESCE_LRU_DRAIN;
	struct noise then, now;
	int again = 0;

	for (int i = 0; i < rounds; i++) {
		int step = shared->spinner.step + 1, works, seen, moved;

		moved = fill_batch(self, filler, step);
		if (moved < 0 || spinner_step(&shared->witness, step))
			return -1;
		if (read_noise(shared->cpu, shared->spinner.pid, &then))
			return -1;
		trace_clear(&self->trace);
		if (trace_on(&self->trace, true) || call() || trace_on(&self->trace, false))
			return -1;
		if (read_noise(shared->cpu, shared->spinner.pid, &now))
			return -1;
		noise_since(&now, &then);
		works = works_for(&self->trace, shared->cpu);
		seen = works_for(&self->trace, shared->witness_cpu);
		if (works < 0 || seen < 0)
			return -1;
		/*
		 * Whoever drops caches fills the batch, and it is emptied when it is full.
		 * Writeback empties it as well, and a task that exits, if they run there.
		 */
		if (!drain && !works && again++ < rounds / 10) {
			i--;
			continue;
		}
		result->rounds++;
		result->moved += moved;
		result->with_work += works > 0;
		result->witnessed += seen > 0;
		result->switches += now.switches;
	}
	return 0;
}

#define CHECK(result)							\
do {									\
	/* It happened, and would have been noticed, see above for the rest. */ \
	EXPECT_LE((result).rounds - (result).rounds / 10, (result).witnessed); \
	if (variant->drain) {						\
		EXPECT_EQ(0, (result).with_work);			\
		/* Another task has other reasons, and comes in few rounds. */ \
		EXPECT_GE((result).rounds / 4, (result).switches);	\
	} else {							\
		EXPECT_EQ((result).rounds, (result).with_work);		\
		EXPECT_LE((result).rounds, (result).switches);		\
	}								\
} while (0)

/*
 * False if there were no rounds. To be called behind the rounds of all: whoever prints
 * what is logged is a task that may run on the isolated CPU.
 */
static bool log_result(struct __test_metadata *_metadata, const char *name, const char *needs,
		       const struct result *result)
{
	if (!result->rounds) {
		TH_LOG("%s: not here, needs %s", name, needs);
		return false;
	}
	TH_LOG("%s: work in %d of %d rounds, %d forced switches", name, result->with_work,
	       result->rounds, result->switches);
	return true;
}

/* With generations a page need not be moved. */
static bool have_active(void)
{
	char buf[16];

	return read_file(LRU_GEN, buf, sizeof(buf)) <= 0 || !strtoul(buf, NULL, 0);
}

/* An empty file system of a few blocks, with a file of a page. */
static bool have_file_system(void)
{
	/* The boot block, the super block, two bitmaps, the inodes, and the root. */
	static char blocks[NR_BLOCKS][BLOCK_SIZE];
	static const char zeros[NR_BLOCKS][BLOCK_SIZE];
	struct minix_super_block *super = (void *)blocks[1];
	struct minix_inode *inode = (void *)blocks[4];
	char page[4096] = { };
	int fd;

	if (mounted)
		return true;
	*super = (struct minix_super_block){
		.s_ninodes = 32, .s_nzones = NR_BLOCKS, .s_imap_blocks = 1, .s_zmap_blocks = 1,
		.s_firstdatazone = 5, .s_max_size = (7 + 512 + 512 * 512) * BLOCK_SIZE,
		.s_magic = MINIX_SUPER_MAGIC, .s_state = MINIX_VALID_FS,
	};
	blocks[2][0] = 3;
	blocks[3][0] = 3;
	*inode = (struct minix_inode){
		.i_mode = S_IFDIR | 0755, .i_size = 32, .i_nlinks = 2, .i_zone = { 5 },
	};
	/* An entry has the number of the inode and the name. */
	memcpy(blocks[5], "\1\0.", 4);
	memcpy(blocks[5] + 16, "\1\0..", 5);
	/* Nothing that somebody left there is overwritten. */
	if (write_ramdisk(blocks, zeros, sizeof(blocks)))
		return false;
	mkdir("/tmp", 01777);
	mkdir(MNT, 0700);
	mounted = true;
	if (mount(RAMDISK, MNT, "minix", MS_NOATIME, NULL)) {
		umount_ramdisk();
		return false;
	}
	fd = open(MNT "/file", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0 || write(fd, page, sizeof(page)) != sizeof(page) || fsync(fd))
		return false;
	close(fd);
	return true;
}

static bool have_file(void)
{
	return have_active() && have_file_system();
}

/* A CPU of isolcpus= does not cache any. */
static bool have_buffers(void)
{
	return !cpu_is_in(isolated_cpu(), ISOLATED_CPUS) && have_file_system();
}

/* Whatever has filled a batch. */
TEST_F_TIMEOUT(lru, fillers, 240)
{
	static const struct {
		const char	*name;
		bool		(*have)(void);
		const char	*needs;
	} fillers[NR_FILLERS] = {
		[BY_FAULT] = { .name = "fault" },
		[BY_SIGNAL] = { .name = "signal" },
		[BY_WRITE] = { .name = "write" },
		[BY_MLOCK] = { .name = "mlock" },
		[BY_FREE] = { .name = "free" },
		[BY_READ] = { .name = "read", .have = have_active, .needs = NO_LRU_GEN },
		[BY_COLD] = { .name = "cold", .have = have_active, .needs = NO_LRU_GEN },
		[BY_DROP] = { .name = "drop", .have = have_active, .needs = NO_LRU_GEN },
		[BY_ROTATE] = { .name = "rotate", .have = have_file, .needs = EMPTY_RAMDISK },
		[BY_BUFFER] = { .name = "buffer", .have = have_buffers,
				.needs = NO_BUFFERS },
	};
	struct result results[NR_FILLERS] = { };

	for (int filler = 0; filler < NR_FILLERS; filler++) {
		int (*call)(void) = drop_caches;

		if (fillers[filler].have && !fillers[filler].have())
			continue;
		if (filler == BY_BUFFER) {
			struct result first = { };

			/* Whoever drops caches deactivates the page of the block. */
			call = memfd_seal;
			ASSERT_EQ(0, run_rounds(self, filler, call, ROUNDS / 10, &first));
		}
		ASSERT_EQ(0, run_rounds(self, filler, call, ROUNDS, &results[filler]));
	}
	for (int filler = 0; filler < NR_FILLERS; filler++) {
		if (!log_result(_metadata, fillers[filler].name, fillers[filler].needs,
				&results[filler]))
			continue;
		CHECK(results[filler]);
		if (variant->drain)
			EXPECT_EQ(filler == BY_BUFFER ? 0 : ROUNDS, results[filler].moved);
	}
}

/* A page that is in a batch of another CPU cannot be dropped at once. */
static int fadvise(void)
{
	int fd = open(MNT "/file", O_RDONLY | O_CLOEXEC), ret;
	char page[4096];

	if (fd < 0)
		return -errno;
	ret = pin_to(writer_cpu) || pread(fd, page, sizeof(page), 0) < 0 || pin_to(0) ||
	      posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED) ? -EIO : 0;
	close(fd);
	return ret;
}

/* In the first round the page has to be read again. */
static bool have_fadvise(void)
{
	return have_file_system() && !drop_caches();
}

static const struct {
	const char	*name;
	bool		(*have)(void);
	int		(*call)(void);
	const char	*needs;
} callers[] = {
	{ "memfd_seal", have_always, memfd_seal },
	{ "drop_caches", have_always, drop_caches },
	{ "fadvise", have_fadvise, fadvise, EMPTY_RAMDISK },
	{ "move_pages", have_move_pages, move_pages, NO_MIGRATION },
	{ "mbind", have_move_pages, mbind, NO_MIGRATION },
	{ "collapse", have_collapse, collapse, "CONFIG_TRANSPARENT_HUGEPAGE" },
};

/* Whoever drains. */
TEST_F_TIMEOUT(lru, callers, 120)
{
	struct result results[ARRAY_SIZE(callers)] = { };

	for (size_t i = 0; i < ARRAY_SIZE(callers); i++) {
		if (callers[i].have())
			ASSERT_EQ(0, run_rounds(self, BY_FAULT, callers[i].call, ROUNDS,
						&results[i]));
	}
	for (size_t i = 0; i < ARRAY_SIZE(callers); i++) {
		if (log_result(_metadata, callers[i].name, callers[i].needs, &results[i]))
			CHECK(results[i]);
	}
}

/* Where @page of the spinner is, or where it is after it was moved to @node. */
static int node_of(const struct spinner *spinner, void *page, int node)
{
	int status = -1;

	if (syscall(SYS_move_pages, spinner->pid, 1UL, &page, node < 0 ? NULL : &node, &status, 2))
		return -errno;
	return status;
}

/*
 * A page that is in a batch cannot be moved. lru_cache_disable() is there so that it is
 * in none: it must look at CPUs that are isolated as well.
 */
TEST_F(lru, pages_can_be_moved)
{
	struct shared *shared = self->shared;
	int moved = 0;

	shared->filler = BY_FAULT;
	for (int i = 0; i < ROUNDS; i++) {
		int node, other;

		ASSERT_EQ(0, spinner_step(&shared->spinner, shared->spinner.step + 1));
		node = node_of(&shared->spinner, shared->page, -1);
		if (node == -ENOSYS)
			SKIP(return, "needs " NO_MIGRATION);
		ASSERT_LE(0, node);
		other = node_of(&shared->spinner, shared->page, !node);
		if (other == -ENODEV)
			SKIP(return, "needs a second NUMA node, see numa=fake=2");
		moved += other == !node;
	}
	EXPECT_EQ(ROUNDS, moved);
}

struct faulters {
	int		cpus[FAULTERS];
	int		nr_cpus;
	int		quiesce;
	int		stop;
	int		running;
	int		failed;
	long		faults;
};

struct faulter {
	struct faulters	*all;
	int		cpu;
};

static void *fault_all_the_time(void *arg)
{
	struct faulter *me = arg;
	struct faulters *all = me->all;
	char *p = fresh_memory(64 * 4096);
	long n = 0;

	if (pin_to(me->cpu) || isol_quiesce(all->quiesce))
		__atomic_store_n(&all->failed, 1, __ATOMIC_RELAXED);
	__atomic_add_fetch(&all->running, 1, __ATOMIC_RELEASE);
	while (!__atomic_load_n(&all->stop, __ATOMIC_ACQUIRE)) {
		touch(p + 4096 * (n++ % 64));
		if (n % 64 == 0)
			madvise(p, 64 * 4096, MADV_DONTNEED);
	}
	__atomic_add_fetch(&all->faults, n, __ATOMIC_RELAXED);
	return NULL;
}

/* One CPU for each thread, if that many are nohz_full. Else the two of the other tests. */
static void choose_cpus(struct faulters *all, const struct shared *shared)
{
	for (int cpu = 1; cpu < CPU_SETSIZE && all->nr_cpus < FAULTERS; cpu++) {
		if (cpu_is_in(cpu, ONLINE_CPUS) && cpu_is_nohz_full(cpu))
			all->cpus[all->nr_cpus++] = cpu;
	}
	if (all->nr_cpus == FAULTERS)
		return;
	all->cpus[0] = shared->cpu;
	all->cpus[1] = shared->witness_cpu;
	all->nr_cpus = 2;
}

/* lru_cache_disable() returns while isolated threads fault all the time. */
TEST_F_TIMEOUT(lru, cache_disable, 120)
{
	struct faulters all = {
		.quiesce = isol_get(PR_ISOL_SUP_QUIESCE_CFG),
	};
	struct faulter faulters[FAULTERS];
	pthread_t threads[FAULTERS];
	int sum = 0;
	long slowest = 0;

	if (variant->fifo)
		SKIP(return, "no difference, and the threads would starve each other");
	if (!have_move_pages())
		SKIP(return, "needs " NO_MIGRATION);
	if (!variant->drain)
		all.quiesce &= ~ISOL_F_QUIESCE_LRU_DRAIN;
	choose_cpus(&all, self->shared);
	/* The CPUs are for the threads now. */
	spinner_stop(&self->shared->spinner);
	spinner_stop(&self->shared->witness);
	for (int i = 0; i < FAULTERS; i++) {
		faulters[i] = (struct faulter){ .all = &all, .cpu = all.cpus[i % all.nr_cpus] };
		ASSERT_EQ(0, pthread_create(&threads[i], NULL, fault_all_the_time, &faulters[i]));
	}
	ASSERT_EQ(0, wait_for(&all.running, FAULTERS, SPINNER_MS));
	ASSERT_EQ(0, all.failed);

	for (int i = 0; i < ROUNDS; i++) {
		long ms;
		uint64_t start;

		trace_clear(&self->trace);
		ASSERT_EQ(0, trace_on(&self->trace, true));
		start = monotonic_ns();
		ASSERT_EQ(0, move_pages());
		ms = (monotonic_ns() - start) / NSEC_PER_MSEC;
		ASSERT_EQ(0, trace_on(&self->trace, false));
		if (ms > slowest)
			slowest = ms;
		for (int j = 0; j < all.nr_cpus; j++) {
			int works = works_for(&self->trace, all.cpus[j]);

			ASSERT_LE(0, works);
			sum += works;
		}
	}
	__atomic_store_n(&all.stop, 1, __ATOMIC_RELEASE);
	for (int i = 0; i < FAULTERS; i++)
		pthread_join(threads[i], NULL);
	TH_LOG("%d threads on %d CPUs, %d calls, %ld faults: %d work items, slowest call %ld ms",
	       FAULTERS, all.nr_cpus, ROUNDS, all.faults, sum, slowest);
	EXPECT_LT(1000, all.faults);
	/* With the action, a CPU has something while its thread is in the kernel only. */
	if (variant->drain) {
		EXPECT_GT(ROUNDS * all.nr_cpus, sum);
	} else {
		EXPECT_LT(0, sum);
	}
	/* The work waits for its turn on the CPU at most. */
	EXPECT_GT(10000, slowest);
}

TEST_HARNESS_MAIN
