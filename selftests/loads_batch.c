// SPDX-License-Identifier: GPL-2.0
/*
 * Loads that collect what CPUs keep in batches of their own. Included by loads.c. The
 * spinner fills the batches of its CPU before each of them, else there is nothing
 * to collect.
 */
#include <dirent.h>
#include <linux/dm-ioctl.h>
#include <linux/mempolicy.h>

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE	25
#endif
#define THP		"/sys/kernel/mm/transparent_hugepage/"
#define HUGE		(2UL << 20)
#define SLOTS		512

/*
 * Leaves pages in the batches: one to be freed lazily, one to be added by a fault, one to
 * be locked, one to be added by a write. In this order, as the first call drains.
 */
static int fill_batches(void)
{
	static char *plain, *locked, *freed;
	static int fd = -1, slot;
	char c = 1, *p;

	if (!plain) {
		plain = mmap(NULL, 3 * SLOTS * 4096, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		if (plain == MAP_FAILED)
			return -errno;
		/* Fails where there are no huge pages, which is just as well. */
		madvise(plain, 3 * SLOTS * 4096, MADV_NOHUGEPAGE);
		locked = plain + SLOTS * 4096;
		freed = locked + SLOTS * 4096;
		if (mlock2(locked, SLOTS * 4096, MLOCK_ONFAULT))
			return -errno;
		fd = syscall(SYS_memfd_create, "batches", 0);
	}
	if (fd < 0 || slot == SLOTS)
		return -ENOSPC;
	p = freed + 4096 * slot;
	touch(p);
	if (madvise(p, 4096, MADV_FREE))
		return -errno;
	touch(plain + 4096 * slot);
	touch(locked + 4096 * slot);
	if (pwrite(fd, &c, 1, 4096L * slot) != 1)
		return -errno;
	slot++;
	return 0;
}

/* Leaves objects of the cache that is shrunk in a sheaf. */
static int fill_sheaves(void)
{
	int fd[4], i, ret = 0;

	for (i = 0; i < 4; i++) {
		fd[i] = open("/dev/null", O_RDONLY | O_CLOEXEC);
		if (fd[i] < 0)
			ret = -errno;
	}
	while (--i >= 0)
		close(fd[i]);
	return ret;
}

static int writer_cpu;

static const char *memfd_seal_prepare(void)
{
	char path[64];

	for (writer_cpu = 1; writer_cpu < CPU_SETSIZE; writer_cpu++) {
		snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%d", writer_cpu);
		if (writer_cpu != load_cpu && !access(path, F_OK))
			return NULL;
	}
	return "needs a third CPU";
}

/*
 * The page that was written is in a batch of another CPU, which looks as if somebody
 * used it: a reason to drain all. What is in batches of this CPU is drained before.
 */
static int memfd_seal_once(void)
{
	int fd = syscall(SYS_memfd_create, "noise", MFD_ALLOW_SEALING | MFD_CLOEXEC);
	char c = 1;
	int ret;

	if (fd < 0)
		return -errno;
	ret = pin_to(writer_cpu) || pwrite(fd, &c, 1, 0) != 1 || pin_to(0) ? -errno : 0;
	if (!ret)
		ret = errno_unless(!fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE));
	close(fd);
	return ret;
}

static const char *fadvise_prepare(void)
{
	const char *reason = loop_prepare();

	if (reason)
		return reason;
	if (mount(loop_dev, MNT, "ext4", 0, NULL) || write_big(MNT "/file", 1 << 20)) {
		loop_finish();
		return "needs a file on a disk";
	}
	return NULL;
}

/*
 * Cannot be dropped as it is mapped, so all are drained, and it is tried again. Of the
 * whole file: a part of a large folio is not even tried.
 */
static int fadvise_once(void)
{
	int fd = open(MNT "/file", O_RDWR | O_CLOEXEC), ret;
	unsigned char resident = 0;
	char *p;

	if (fd < 0)
		return -errno;
	p = mmap(NULL, 4096, PROT_READ, MAP_SHARED | MAP_POPULATE, fd, 0);
	if (p == MAP_FAILED) {
		ret = -errno;
		close(fd);
		return ret;
	}
	ret = -posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	if (!ret)
		ret = errno_unless(!mincore(p, 4096, &resident) && resident & 1);
	munmap(p, 4096);
	close(fd);
	return ret;
}

static const char *collapse_prepare(void)
{
	return needs(THP "enabled", "needs CONFIG_TRANSPARENT_HUGEPAGE");
}

static unsigned long collapse_moved(void)
{
	return vm_counter("thp_collapse_alloc");
}

static int collapse_once(void)
{
	char *p = mmap(NULL, 2 * HUGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *huge = (char *)(((uintptr_t)p + HUGE - 1) & ~(HUGE - 1));
	int ret;

	if (p == MAP_FAILED)
		return -errno;
	madvise(huge, HUGE, MADV_NOHUGEPAGE);
	for (unsigned long i = 0; i < HUGE; i += 4096)
		touch(huge + i);
	madvise(huge, HUGE, MADV_HUGEPAGE);
	ret = madvise(huge, HUGE, MADV_COLLAPSE) ? -errno : 0;
	munmap(p, 2 * HUGE);
	return ret;
}

static int move_page(int node, int *status)
{
	static char *page;
	void *pages[1];

	if (!page) {
		page = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (page == MAP_FAILED)
			return -errno;
	}
	touch(page);
	pages[0] = page;
	return syscall(SYS_move_pages, 0, 1UL, pages, &node, status, MPOL_MF_MOVE) ? -errno : 0;
}

static const char *move_pages_prepare(void)
{
	int status;

	return move_page(0, &status) ? "needs CONFIG_NUMA and CONFIG_MIGRATION" : NULL;
}

/* To another node if there is one. The batches are drained in either case. */
static int move_pages_once(void)
{
	int ret = -EIO, status = -EIO;

	for (int node = 1; node >= 0; node--) {
		ret = move_page(node, &status);
		if (!ret && status == node)
			count(1);
	}
	return ret;
}

static int dm_fd = -1;

/* A device with a table has caches of its own, which go with the table. */
static int dm_ioctl(unsigned long cmd)
{
	struct {
		struct dm_ioctl		head;
		struct dm_target_spec	target;
		char			end[8];
	} arg = {
		.head = {
			.version = { DM_VERSION_MAJOR },
			.data_size = sizeof(arg),
			.data_start = sizeof(arg.head),
			.target_count = 1,
			.name = "isolation-noise",
		},
		.target = {
			.length = 8,
			.next = sizeof(arg.target) + sizeof(arg.end),
			.target_type = "error",
		},
	};

	return ioctl(dm_fd, cmd, &arg) ? -errno : 0;
}

static void dm_finish(void)
{
	dm_ioctl(DM_DEV_REMOVE);
	close(dm_fd);
}

/* How many caches for block I/O there are. */
static int bio_caches(void)
{
	DIR *dir = opendir("/sys/kernel/slab");
	struct dirent *entry;
	int nr = 0;

	while (dir && (entry = readdir(dir)))
		nr += !strncmp(entry->d_name, "bio-", 4);
	if (dir)
		closedir(dir);
	return nr;
}

/* Counts the caches that were destroyed. */
static int cache_destroy_once(void)
{
	int ret = dm_ioctl(DM_DEV_CREATE), caches;

	if (ret)
		return ret;
	ret = dm_ioctl(DM_TABLE_LOAD);
	caches = bio_caches();
	if (!ret)
		ret = dm_ioctl(DM_DEV_REMOVE);
	caches -= bio_caches();
	if (caches > 0)
		count(caches);
	return ret;
}

static const char *dm_prepare(void)
{
	if (!bio_caches())
		return "needs the slab allocator in sysfs";
	dm_fd = open("/dev/mapper/control", O_RDWR | O_CLOEXEC);
	return dm_fd < 0 ? "needs CONFIG_BLK_DEV_DM" : NULL;
}

static const char *kvfree_prepare(void)
{
	if (access("/proc/allocinfo", F_OK))
		return "needs CONFIG_MEM_ALLOC_PROFILING, for unloading to wait for kvfree_rcu()";
	return module_prepare();
}

#define BATCH_LOADS							\
	{ "memfd_seal", "a memfd sealed", 20, memfd_seal_prepare,	\
	  .again = fill_batches, .once = memfd_seal_once, .moved = moved_count }, \
	{ "fadvise", "POSIX_FADV_DONTNEED for a page that stays", 20,	\
	  fadvise_prepare, loop_finish, .again = fill_batches,		\
	  .once = fadvise_once, .moved = moved_count },			\
	{ "collapse", "MADV_COLLAPSE", 20, collapse_prepare,		\
	  .again = fill_batches, .once = collapse_once, .moved = collapse_moved }, \
	{ "move_pages", "move_pages()", 20, move_pages_prepare,		\
	  .again = fill_batches, .once = move_pages_once, .moved = moved_count }, \
	{ "cache_destroy", "slab caches destroyed, those of a dm table", 20, dm_prepare, \
	  dm_finish, .once = cache_destroy_once, .moved = moved_count },	\
	{ "kvfree_barrier", "a module unloaded, and kvfree_rcu_barrier()", 5, kvfree_prepare, \
	  .once = module_once, .moved = moved_count,			\
	  .class = ISOL_BLOCK_MODULE },
