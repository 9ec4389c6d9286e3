// SPDX-License-Identifier: GPL-2.0
/*
 * What may interrupt a thread that spins in user mode on a CPU of its own. None
 * of it is meant for the thread, but for what its name begins with "own" or
 * "sibling". Each proves by a counter that it happened.
 */
#include "loads.h"
#include "trace.h"

#include "kselftest.h"

#include <linux/bpf.h>
#include <linux/loop.h>
#include <linux/membarrier.h>
#include <linux/perf_event.h>
#include <pthread.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/vfs.h>

#define SCRATCH		"/tmp/isolation-noise"
#define IMAGE		SCRATCH "/image"
#define MNT		SCRATCH "/mnt"
#define CGROUP		SCRATCH "/cgroup"
#define PART		CGROUP "/part"
#define MSR_EFER	0xc0000080
#define BIG		(64UL << 20)

int load_cpu;
int load_seconds = 3;
unsigned long *load_count;

static unsigned long moved_count(void)
{
	return *load_count;
}

static void count(unsigned long n)
{
	__atomic_add_fetch(load_count, n, __ATOMIC_RELAXED);
}

/* Tells errno if it was set since. */
static int errno_unless(bool good)
{
	if (!good)
		return errno ? -errno : -EIO;
	count(1);
	return 0;
}

/* The number behind @key in a file of the form "key value". */
static unsigned long value_of(const char *path, const char *key)
{
	static char buf[1 << 16];
	size_t len = strlen(key);
	char *p = buf;

	if (read_file(path, buf, sizeof(buf)) <= 0)
		return 0;
	for (; p; p = strchr(p, '\n'), p = p ? p + 1 : NULL) {
		if (!strncmp(p, key, len) && strchr(" \t:", p[len]))
			return strtoul(p + len + 1, NULL, 10);
	}
	return 0;
}

static unsigned long vm_counter(const char *key)
{
	return value_of("/proc/vmstat", key);
}

/* Writes @text and looks whether it is there then. */
static int set_to(const char *path, const char *text)
{
	char buf[4096];
	int ret = write_file(path, text);

	if (ret)
		return ret;
	if (read_file(path, buf, sizeof(buf)) <= 0 || strncmp(buf, text, strlen(text)))
		return -EIO;
	return 0;
}

static int toggle(const char *path, const char *on, const char *off)
{
	int ret = set_to(path, on);
	int err = set_to(path, off);

	if (!ret && !err)
		count(1);
	return ret ? ret : err;
}

static const char *needs(const char *path, const char *reason)
{
	return access(path, F_OK) ? reason : NULL;
}

static int idle_once(void)
{
	sleep_ms(load_seconds * 1000);
	count(load_seconds);
	return 0;
}

/* Counts if the write itself made the page known, which is new. */
static int stat_refresh_once(void)
{
	char *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	unsigned long before;
	int ret;

	if (page == MAP_FAILED)
		return -errno;
	touch(page);
	before = vm_counter("nr_anon_pages");
	ret = write_file("/proc/sys/vm/stat_refresh", "1");
	if (vm_counter("nr_anon_pages") > before)
		count(1);
	return ret;
}

static int overcommit_once(void)
{
	return toggle("/proc/sys/vm/overcommit_memory", "2", "0");
}

static int drop_caches_once(void)
{
	/* With 4 the next ones are not logged: a kernel thread might print that on the CPU. */
	return write_file("/proc/sys/vm/drop_caches", "4") ?:
	       write_file("/proc/sys/vm/drop_caches", "3");
}

static unsigned long drop_caches_moved(void)
{
	return vm_counter("drop_pagecache");
}

static const char *compact_prepare(void)
{
	return needs("/proc/sys/vm/compact_memory", "needs CONFIG_COMPACTION");
}

static int compact_once(void)
{
	return write_file("/proc/sys/vm/compact_memory", "1");
}

static unsigned long compact_moved(void)
{
	return vm_counter("compact_free_scanned") + vm_counter("compact_migrate_scanned");
}

static pthread_mutex_t storm = PTHREAD_MUTEX_INITIALIZER;

static void *thread_of_storm(void *arg)
{
	pthread_mutex_lock(&storm);
	pthread_mutex_unlock(&storm);
	return arg;
}

#define STORM	200

static int threads_once(void)
{
	pthread_t threads[STORM];
	int i, ret = 0;

	/* All at the same time: a kernel stack that is free would be used again. */
	pthread_mutex_lock(&storm);
	for (i = 0; i < STORM; i++) {
		ret = -pthread_create(&threads[i], NULL, thread_of_storm, NULL);
		if (ret)
			break;
	}
	pthread_mutex_unlock(&storm);
	while (--i >= 0)
		pthread_join(threads[i], NULL);
	return ret;
}

/*
 * A table of so many descriptors takes 8 MB of vmalloc space, in huge pages. The
 * stacks of threads that exited before can be freed at the same time.
 */
#define DESCRIPTOR	1000000
#define TABLE_KB	4000
#define TABLES		20
#define ORDINARY_USER	65534

static const struct rlimit table_limit = { DESCRIPTOR + 1, DESCRIPTOR + 1 };

static const char *table_prepare(void)
{
	char nr_open[32];
	int status;
	pid_t pid;

	if (read_file("/proc/sys/fs/nr_open", nr_open, sizeof(nr_open)) <= 0 ||
	    strtoul(nr_open, NULL, 10) <= DESCRIPTOR)
		return "needs fs.nr_open above 1000000";
	if (!value_of("/proc/meminfo", "VmallocUsed"))
		return "needs VmallocUsed in /proc/meminfo";
	pid = fork();
	if (!pid)
		_exit(!!setrlimit(RLIMIT_NOFILE, &table_limit));
	if (pid < 0 || waitpid(pid, &status, 0) != pid || status)
		return "needs RLIMIT_NOFILE above 1000000";
	return NULL;
}

/* Returns an error number. */
static int grow_table(void)
{
	unsigned long before;

	if (setrlimit(RLIMIT_NOFILE, &table_limit))
		return errno;
	if (!geteuid() && (setresgid(ORDINARY_USER, ORDINARY_USER, ORDINARY_USER) ||
			   setresuid(ORDINARY_USER, ORDINARY_USER, ORDINARY_USER)))
		return errno;
	before = value_of("/proc/meminfo", "VmallocUsed");
	if (dup2(0, DESCRIPTOR) < 0)
		return errno;
	return value_of("/proc/meminfo", "VmallocUsed") < before + TABLE_KB ? EIO : 0;
}

/* An ordinary user's process grows its table of descriptors, and exits. */
static int table_once(void)
{
	int status;
	pid_t pid;

	pid = fork();
	if (!pid)
		_exit(grow_table());
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return -errno;
	errno = WIFEXITED(status) ? WEXITSTATUS(status) : EIO;
	return errno_unless(!errno);
}

static int tables_once(void)
{
	int ret = 0;

	for (int i = 0; i < TABLES && !ret; i++)
		ret = table_once();
	return ret;
}

/* One area that cannot wait among many that can. */
static int table_and_threads_once(void)
{
	int ret = table_once();

	for (int i = 0; i < 10 && !ret; i++)
		ret = threads_once();
	return ret;
}

static int forks_once(void)
{
	for (int i = 0; i < 10; i++) {
		pid_t pid = fork();

		if (!pid)
			_exit(0);
		if (pid < 0 || waitpid(pid, NULL, 0) != pid)
			return -errno;
	}
	return 0;
}

static unsigned long forks_moved(void)
{
	return value_of("/proc/stat", "processes");
}

/* Beside the tool, where a test environment puts it, or that of the kernel. */
static int open_module(const char *name)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "./%s.ko", name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		snprintf(path, sizeof(path), "/isolation/%s.ko", name);
		fd = open(path, O_RDONLY | O_CLOEXEC);
	}
	return fd;
}

static int insert_module(const char *name, const char *args)
{
	int fd = open_module(name), ret;

	if (fd < 0)
		return -errno;
	ret = syscall(SYS_finit_module, fd, args, 0) ? -errno : 0;
	close(fd);
	return ret;
}

static const char *have_module(const char *name, const char *reason)
{
	int fd = open_module(name);

	if (fd < 0)
		return reason;
	close(fd);
	return NULL;
}

static const char *vmalloc_prepare(void)
{
	return have_module("test_vmalloc", "needs test_vmalloc.ko beside the tool");
}

/* How often @text is in the kernel's log. */
static unsigned long said(const char *text)
{
	int fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK);
	unsigned long n = 0;
	char buf[8192];
	ssize_t len;

	while ((len = read(fd, buf, sizeof(buf) - 1)) > 0 || (len < 0 && errno == EPIPE)) {
		buf[len > 0 ? len : 0] = '\0';
		n += !!strstr(buf, text);
	}
	close(fd);
	return n;
}

/* The module runs its test and does not stay. Each call frees 256 MB. */
static int vmalloc_once(void)
{
	int ret = insert_module("test_vmalloc",
				"run_test_mask=1 nr_threads=1 nr_pages=16 test_loop_count=4096");

	return ret == -EAGAIN ? 0 : ret ? ret : -EIO;
}

static unsigned long vmalloc_moved(void)
{
	return said("Summary: fix_size_alloc_test passed: 1");
}

static const char *module_prepare(void)
{
	return have_module("test_module", "needs test_module.ko beside the tool");
}

static int module_once(void)
{
	int ret = insert_module("test_module", "");

	return ret ? ret : errno_unless(!syscall(SYS_delete_module, "test_module", 0));
}

static int bpf(int cmd, union bpf_attr *attr)
{
	return syscall(SYS_bpf, cmd, attr, sizeof(*attr));
}

static const char *bpf_prepare(void)
{
	write_file("/proc/sys/net/core/bpf_jit_enable", "1");
	return needs("/proc/sys/net/core/bpf_jit_enable", "needs CONFIG_BPF_JIT");
}

/* Counts if the program was compiled: an interpreted one changes no text. */
static int bpf_once(void)
{
	static const struct bpf_insn insns[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0 },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	struct bpf_prog_info info = { };
	union bpf_attr attr = {
		.prog_type = BPF_PROG_TYPE_SOCKET_FILTER,
		.insns = (uintptr_t)insns,
		.insn_cnt = ARRAY_SIZE(insns),
		.license = (uintptr_t)"GPL",
	};
	int fd = bpf(BPF_PROG_LOAD, &attr), ret;

	if (fd < 0)
		return -errno;
	memset(&attr, 0, sizeof(attr));
	attr.info.bpf_fd = fd;
	attr.info.info_len = sizeof(info);
	attr.info.info = (uintptr_t)&info;
	ret = bpf(BPF_OBJ_GET_INFO_BY_FD, &attr) ? -errno : 0;
	close(fd);
	return ret ? ret : errno_unless(info.jited_prog_len);
}

static void tracing_prepare(void)
{
	mount("tracefs", TRACING, "tracefs", 0, NULL);
	/* The buffer grows to its size when it is used first, by a work item on each CPU. */
	write_file(TRACING "/buffer_size_kb", "1024");
}

static const char *ftrace_prepare(void)
{
	tracing_prepare();
	return needs(TRACING "/set_ftrace_filter", "needs CONFIG_FUNCTION_TRACER");
}

/* What the tracer or an event of the kernel's own instance counted on CPU 0. */
static unsigned long traced(void)
{
	return value_of(TRACING "/per_cpu/cpu0/stats", "entries") +
	       value_of(TRACING "/per_cpu/cpu0/stats", "overrun");
}

static int ftrace_once(void)
{
	int ret = write_file(TRACING "/set_ftrace_filter", "vfs_*");
	char c;
	int fd;

	if (!ret)
		ret = set_to(TRACING "/current_tracer", "function");
	fd = open("/proc/self/stat", O_RDONLY);
	if (!ret && read(fd, &c, 1) != 1)
		ret = -EIO;
	close(fd);
	count(traced());
	write_file(TRACING "/current_tracer", "nop");
	return ret;
}

static void ftrace_finish(void)
{
	write_file(TRACING "/current_tracer", "nop");
	write_file(TRACING "/set_ftrace_filter", "");
}

static const char *kprobe_prepare(void)
{
	tracing_prepare();
	return needs(TRACING "/kprobe_events", "needs CONFIG_KPROBE_EVENTS");
}

#define KPROBE	"p:isolation/noise __x64_sys_getppid+%d"

/* With @ms to let the kernel change the probe into a jump, and back. */
static int kprobe_at(int offset, int ms)
{
	char probe[64];
	int ret;

	snprintf(probe, sizeof(probe), KPROBE, offset);
	ret = write_file(TRACING "/kprobe_events", probe);
	if (!ret)
		ret = write_file(TRACING "/events/isolation/noise/enable", "1");
	usleep(ms * 1000);
	for (int i = 0; i < 10 && !ret; i++)
		syscall(SYS_getppid);
	if (!ret) {
		count(value_of(TRACING "/kprobe_profile", "  noise"));
		ret = write_file(TRACING "/events/isolation/noise/enable", "0");
	}
	usleep(ms * 1000);
	write_file(TRACING "/kprobe_events", "-:isolation/noise");
	return ret;
}

/* At the entry of a function, where ftrace does it. */
static int kprobe_once(void)
{
	return kprobe_at(0, 0);
}

static int kprobe_offset;

/* The first instruction that is not ftrace's: the kernel refuses what is none. */
static const char *kprobe_text_prepare(void)
{
	const char *reason = kprobe_prepare();
	char probe[64];

	for (kprobe_offset = 5; !reason && kprobe_offset < 32; kprobe_offset++) {
		snprintf(probe, sizeof(probe), KPROBE, kprobe_offset);
		if (!write_file(TRACING "/kprobe_events", probe)) {
			write_file(TRACING "/kprobe_events", "-:isolation/noise");
			return NULL;
		}
	}
	return reason ?: "found no instruction for a kprobe";
}

static int kprobe_text_once(void)
{
	return kprobe_at(kprobe_offset, 150);
}

static const char *tracepoint_prepare(void)
{
	tracing_prepare();
	return needs(TRACING "/events/raw_syscalls/sys_enter", "needs CONFIG_FTRACE");
}

static int tracepoint_once(void)
{
	int ret = write_file(TRACING "/events/raw_syscalls/sys_exit/enable", "1");

	syscall(SYS_getppid);
	return ret ? ret : write_file(TRACING "/events/raw_syscalls/sys_exit/enable", "0");
}

static const char *schedstats_prepare(void)
{
	return needs("/proc/sys/kernel/sched_schedstats", "needs CONFIG_SCHEDSTATS");
}

static int schedstats_once(void)
{
	return toggle("/proc/sys/kernel/sched_schedstats", "1", "0");
}

#define RSEQ_DEBUG	"/sys/kernel/debug/rseq/debug"

static const char *rseq_debug_prepare(void)
{
	mount("debugfs", "/sys/kernel/debug", "debugfs", 0, NULL);
	return needs(RSEQ_DEBUG, "needs CONFIG_RSEQ and CONFIG_DEBUG_FS");
}

/* A static key of code on the way into the kernel, which cannot be deferred. */
static int rseq_debug_once(void)
{
	return toggle(RSEQ_DEBUG, "1", "0");
}

static char hotplug_path[64];

static const char *hotplug_prepare(void)
{
	int cpu = load_cpu + 1;

	snprintf(hotplug_path, sizeof(hotplug_path), "/sys/devices/system/cpu/cpu%d/online", cpu);
	return needs(hotplug_path, "needs a third CPU behind that of the spinner");
}

static int hotplug_once(void)
{
	return toggle(hotplug_path, "0", "1");
}

/* A second ahead and back. */
static int settime_once(void)
{
	struct timespec then, now;

	if (clock_gettime(CLOCK_REALTIME, &then))
		return -errno;
	then.tv_sec += 1000;
	if (clock_settime(CLOCK_REALTIME, &then))
		return -errno;
	clock_gettime(CLOCK_REALTIME, &now);
	count(now.tv_sec >= then.tv_sec);
	now.tv_sec -= 1000;
	return clock_settime(CLOCK_REALTIME, &now) ? -errno : 0;
}

#define CLOCKSOURCE	"/sys/devices/system/clocksource/clocksource0/"

static char clocksource_now[32], clocksource_other[32];

static const char *clocksource_prepare(void)
{
	char buf[256], *word, *save;

	if (read_file(CLOCKSOURCE "current_clocksource", buf, sizeof(buf)) <= 0)
		return "needs sysfs";
	snprintf(clocksource_now, sizeof(clocksource_now), "%s", strtok(buf, "\n"));
	if (read_file(CLOCKSOURCE "available_clocksource", buf, sizeof(buf)) <= 0)
		return "needs sysfs";
	for (word = strtok_r(buf, "\n ", &save); word; word = strtok_r(NULL, "\n ", &save)) {
		if (!strcmp(word, clocksource_now))
			continue;
		snprintf(clocksource_other, sizeof(clocksource_other), "%s", word);
		return NULL;
	}
	return "needs two clock sources";
}

static int clocksource_once(void)
{
	return toggle(CLOCKSOURCE "current_clocksource", clocksource_other, clocksource_now);
}

static void make_scratch(void)
{
	mkdir("/tmp", 01777);
	mkdir(SCRATCH, 0700);
}

static const char *cpuset_prepare(void)
{
	char cpu[16];

	make_scratch();
	mkdir(CGROUP, 0700);
	if (mount("cgroup2", CGROUP, "cgroup2", 0, NULL))
		return "needs cgroup2";
	if (write_file(CGROUP "/cgroup.subtree_control", "+cpuset") ||
	    mkdir(PART, 0700))
		return "needs CONFIG_CPUSETS";
	snprintf(cpu, sizeof(cpu), "%d", load_cpu + 1);
	if (write_file(PART "/cpuset.cpus", cpu))
		return "needs a third CPU behind that of the spinner";
	return NULL;
}

static int cpuset_once(void)
{
	return toggle(PART "/cpuset.cpus.partition", "isolated\n", "member\n");
}

static char own_cpu[16], other_cpu[16];

/* A cpuset with the CPU of the spinner and the spinner. */
static const char *cpuset_own_prepare(void)
{
	const char *reason = cpuset_prepare();

	snprintf(own_cpu, sizeof(own_cpu), "%d\n", load_cpu);
	snprintf(other_cpu, sizeof(other_cpu), "%d\n", load_cpu + 1);
	if (!reason && write_file(PART "/cpuset.cpus", own_cpu))
		reason = "needs a CPU for a cpuset";
	return reason;
}

static int cpuset_own(void)
{
	return write_file(PART "/cgroup.procs", "0");
}

/* Moves the spinner to the other CPU, and back. */
static int cpuset_own_once(void)
{
	return toggle(PART "/cpuset.cpus", other_cpu, own_cpu);
}

static void cpuset_finish(void)
{
	rmdir(PART);
	umount2(CGROUP, MNT_DETACH);
	rmdir(CGROUP);
}

static int perf_open(void)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_SOFTWARE,
		.size = sizeof(attr),
		.config = PERF_COUNT_SW_CPU_CLOCK,
	};

	return syscall(SYS_perf_event_open, &attr, -1, load_cpu, -1, PERF_FLAG_FD_CLOEXEC);
}

static const char *perf_prepare(void)
{
	int fd = perf_open();

	if (fd < 0)
		return "needs CONFIG_PERF_EVENTS";
	close(fd);
	return NULL;
}

static int perf_once(void)
{
	uint64_t ns = 0;
	int fd = perf_open();

	if (fd < 0)
		return -errno;
	sleep_ms(2);
	if (read(fd, &ns, sizeof(ns)) != sizeof(ns))
		ns = 0;
	close(fd);
	return errno_unless(ns);
}

static int msr_fd = -1;

static const char *msr_prepare(void)
{
	char path[64];

	snprintf(path, sizeof(path), "/dev/cpu/%d/msr", load_cpu);
	msr_fd = open(path, O_RDONLY | O_CLOEXEC);
	return msr_fd < 0 ? "needs CONFIG_X86_MSR" : NULL;
}

static int msr_once(void)
{
	uint64_t value = 0;

	return errno_unless(pread(msr_fd, &value, sizeof(value), MSR_EFER) == sizeof(value) &&
			    value);
}

static void msr_finish(void)
{
	close(msr_fd);
}

#define SLAB	"/sys/kernel/slab/filp/"

static const char *slab_prepare(void)
{
	return needs(SLAB "shrink", "needs the slab allocator in sysfs");
}

static unsigned long slab_size(void)
{
	char buf[64];

	return read_file(SLAB "slabs", buf, sizeof(buf)) > 0 ? strtoul(buf, NULL, 10) : 0;
}

/* Files that are closed again leave slabs that are empty. */
static int slab_once(void)
{
	unsigned long before;
	int i, fd[600], ret;

	for (i = 0; i < 600; i++) {
		fd[i] = open("/dev/null", O_RDONLY);
		if (fd[i] < 0)
			break;
	}
	while (--i >= 0)
		close(fd[i]);
	sleep_ms(20);
	before = slab_size();
	ret = write_file(SLAB "shrink", "1");
	if (slab_size() < before)
		count(1);
	return ret;
}

static const char *netns_prepare(void)
{
	return needs("/proc/self/ns/net", "needs CONFIG_NET_NS");
}

static int netns_once(void)
{
	int status = 0;
	pid_t pid;

	pid = fork();
	if (!pid)
		_exit(!!unshare(CLONE_NEWNET));
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return -errno;
	/* It is taken down later, by a worker. */
	sleep_ms(100);
	return errno_unless(!status);
}

static int loop_fd = -1;
static char loop_dev[32];

static void loop_finish(void)
{
	umount2(MNT, MNT_DETACH);
	ioctl(loop_fd, LOOP_CLR_FD, 0);
	close(loop_fd);
	loop_fd = -1;
	unlink(IMAGE);
	rmdir(MNT);
}

static const char *loop_prepare(void)
{
	int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC), image, nr;

	if (control < 0)
		return "needs CONFIG_BLK_DEV_LOOP";
	nr = ioctl(control, LOOP_CTL_GET_FREE);
	close(control);
	snprintf(loop_dev, sizeof(loop_dev), "/dev/loop%d", nr);
	loop_fd = open(loop_dev, O_RDWR | O_CLOEXEC);
	make_scratch();
	mkdir(MNT, 0700);
	image = open(IMAGE, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (loop_fd < 0 || image < 0 || ftruncate(image, BIG + BIG / 2))
		return "needs a loop device and room in /tmp";
	if (system("mke2fs -q -F " IMAGE " > /dev/null 2>&1")) {
		close(image);
		return "needs mke2fs";
	}
	nr = ioctl(loop_fd, LOOP_SET_FD, image);
	close(image);
	if (nr)
		return "needs CONFIG_BLK_DEV_LOOP";
	if (mount(loop_dev, MNT, "ext4", 0, NULL)) {
		loop_finish();
		return "needs CONFIG_EXT4_FS";
	}
	umount(MNT);
	return NULL;
}

/* Writes @size bytes and has them go to the disk. */
static int write_big(const char *path, size_t size)
{
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	static char buf[1 << 16];
	int ret = 0;

	if (fd < 0)
		return -errno;
	for (; size && !ret; size -= sizeof(buf)) {
		if (write(fd, buf, sizeof(buf)) != sizeof(buf))
			ret = errno ? -errno : -ENOSPC;
	}
	if (fsync(fd))
		ret = -errno;
	close(fd);
	return ret;
}

/* Pages of the device are dropped at the end, for which all batches are drained. */
static int mount_once(void)
{
	struct statfs fs = { };
	int ret;

	if (mount(loop_dev, MNT, "ext4", 0, NULL))
		return -errno;
	ret = write_big(MNT "/file", 1 << 20);
	if (statfs(MNT, &fs) || umount(MNT))
		return -errno;
	return ret ? ret : errno_unless(fs.f_type == 0xef53);
}

static const char *reclaim_prepare(void)
{
	const char *reason = loop_prepare();

	if (reason)
		return reason;
	if (mount(loop_dev, MNT, "ext4", 0, NULL) || write_big(MNT "/file", BIG)) {
		loop_finish();
		return "needs a file of 64 MB";
	}
	return NULL;
}

static unsigned long reclaim_moved(void)
{
	return vm_counter("pgscan_kswapd") + vm_counter("pgscan_direct");
}

/* Takes memory until the kernel has looked for some, which has files to give. */
static int reclaim_once(void)
{
	unsigned long scanned = reclaim_moved();
	int status;
	pid_t pid;

	pid = fork();
	if (!pid) {
		char *p;

		/* Rather this one than the others. */
		write_file("/proc/self/oom_score_adj", "1000");
		while (reclaim_moved() < scanned + 2000) {
			p = mmap(NULL, 4 << 20, PROT_READ | PROT_WRITE,
				 MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
			if (p == MAP_FAILED)
				break;
		}
		_exit(0);
	}
	return pid > 0 && waitpid(pid, &status, 0) == pid ? 0 : -errno;
}

static int membarrier(int cmd)
{
	return syscall(SYS_membarrier, cmd, 0, 0);
}

static const char *membarrier_prepare(void)
{
	return membarrier(MEMBARRIER_CMD_QUERY) < 0 ? "needs CONFIG_MEMBARRIER" : NULL;
}

static int membarrier_once(void)
{
	return errno_unless(!membarrier(MEMBARRIER_CMD_GLOBAL_EXPEDITED));
}

static int membarrier_own_global(void)
{
	return membarrier(MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED) ? -errno : 0;
}

static int membarrier_own(void)
{
	return membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED) ? -errno : 0;
}

static int membarrier_sibling(void)
{
	return errno_unless(!membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED));
}

static int munmap_sibling(void)
{
	char *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (page == MAP_FAILED)
		return -errno;
	touch(page);
	return errno_unless(!munmap(page, 4096));
}

static const char *sysrq_prepare(void)
{
	return needs("/proc/sysrq-trigger", "needs CONFIG_MAGIC_SYSRQ");
}

static int sysrq_once(void)
{
	int ret = write_file("/proc/sysrq-trigger", "l");

	/* The others are asked by a worker. */
	sleep_ms(300);
	return ret;
}

static unsigned long sysrq_moved(void)
{
	char text[48];

	snprintf(text, sizeof(text), "NMI backtrace for cpu %d", load_cpu);
	return said(text);
}

static void own_timer(int sig __maybe_unused)
{
	count(1);
}

/* One every 100 ms, for a second. */
static int own_timers_own(void)
{
	struct sigaction action = { .sa_handler = own_timer, .sa_flags = SA_RESTART };

	if (sigaction(SIGUSR2, &action, NULL))
		return -errno;
	for (int i = 5; i < 15; i++) {
		struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR2 };
		struct itimerspec spec = {
			.it_value = { .tv_sec = i / 10, .tv_nsec = i % 10 * 100000000L },
		};
		timer_t timer;

		if (timer_create(CLOCK_MONOTONIC, &event, &timer) ||
		    timer_settime(timer, 0, &spec, NULL))
			return -errno;
	}
	return 0;
}

static int own_timers_once(void)
{
	sleep_ms(1500);
	return 0;
}

/* Leaves pages in the per-CPU batches of the LRU lists and of mlock(). */
static int own_memory_own(void)
{
	static char buf[1 << 16];
	char *p;
	int fd;

	make_scratch();
	fd = open(SCRATCH "/file", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	unlink(SCRATCH "/file");
	for (int i = 0; fd >= 0 && i < 32; i++) {
		if (write(fd, buf, sizeof(buf)) != sizeof(buf))
			return -errno;
	}
	p = mmap(NULL, 32 * sizeof(buf), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, 0);
	if (p == MAP_FAILED || mlock(p, 7 * 4096) || pread(fd, buf, sizeof(buf), 0) < 0)
		return -errno;
	for (int i = 0; i < 5; i++) {
		p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (p == MAP_FAILED)
			return -errno;
		touch(p);
	}
	return 0;
}

#include "loads_batch.c"

const struct load loads[] = {
	{ "idle", "nothing", 1, .once = idle_once, .moved = moved_count },
	{ "stat_refresh", "vm.stat_refresh", 20,
	  .once = stat_refresh_once, .moved = moved_count },
	{ "overcommit", "vm.overcommit_memory 2, 0", 20,
	  .once = overcommit_once, .moved = moved_count, .class = ISOL_BLOCK_KNOB },
	{ "drop_caches", "vm.drop_caches", 20,
	  .once = drop_caches_once, .moved = drop_caches_moved },
	{ "compact_memory", "vm.compact_memory", 5, compact_prepare,
	  .once = compact_once, .moved = compact_moved, .class = ISOL_BLOCK_KNOB },
	{ "threads", "200 threads live and exit", 20,
	  .once = threads_once, .moved = forks_moved },
	{ "kvmalloc", "20 tables of 1,000,000 descriptors grown and freed", 20, table_prepare,
	  .once = tables_once, .moved = moved_count, .purges = true },
	{ "kvmalloc_threads", "one such table, and 10 times 200 threads", 20, table_prepare,
	  .once = table_and_threads_once, .moved = moved_count, .purges = true },
	{ "forks", "10 processes forked", 20,
	  .once = forks_once, .moved = forks_moved },
	{ "vmalloc", "256 MB allocated and freed by test_vmalloc", 5, vmalloc_prepare,
	  .once = vmalloc_once, .moved = vmalloc_moved, .class = ISOL_BLOCK_MODULE },
	{ "module", "a module loaded and unloaded", 5, module_prepare,
	  .once = module_once, .moved = moved_count, .class = ISOL_BLOCK_MODULE },
	{ "bpf", "a BPF program loaded and freed", 20, bpf_prepare,
	  .once = bpf_once, .moved = moved_count },
	{ "ftrace", "function tracer on and off", 5, ftrace_prepare, ftrace_finish,
	  .once = ftrace_once, .moved = moved_count, .class = ISOL_BLOCK_TRACE },
	{ "kprobe", "a kprobe on and off, by ftrace", 5, kprobe_prepare,
	  .once = kprobe_once, .moved = moved_count, .class = ISOL_BLOCK_TRACE },
	{ "kprobe_text", "a kprobe on and off, by INT3 and by a jump", 5, kprobe_text_prepare,
	  .once = kprobe_text_once, .moved = moved_count, .class = ISOL_BLOCK_TRACE },
	{ "tracepoint", "a tracepoint on and off (static key)", 20, tracepoint_prepare,
	  .once = tracepoint_once, .moved = traced, .class = ISOL_BLOCK_TRACE },
	{ "schedstats", "kernel.sched_schedstats 1, 0 (static key)", 20, schedstats_prepare,
	  .once = schedstats_once, .moved = moved_count, .class = ISOL_BLOCK_KNOB },
	{ "rseq_debug", "rseq/debug 1, 0 (static key before the hook)", 20, rseq_debug_prepare,
	  .once = rseq_debug_once, .moved = moved_count, .class = ISOL_BLOCK_KNOB },
	{ "hotplug", "another CPU off and on", 3, hotplug_prepare,
	  .once = hotplug_once, .moved = moved_count, .class = ISOL_BLOCK_HOTPLUG },
	{ "settimeofday", "the time set twice", 20,
	  .once = settime_once, .moved = moved_count },
	{ "clocksource", "the clock source switched twice", 5, clocksource_prepare,
	  .once = clocksource_once, .moved = moved_count, .class = ISOL_BLOCK_STOP_MACHINE },
	{ "cpuset", "an isolated partition made and unmade", 5, cpuset_prepare, cpuset_finish,
	  .once = cpuset_once, .moved = moved_count },
	{ "cpuset_own", "the CPU taken out of the cpuset of the thread and put back", 5,
	  cpuset_own_prepare, cpuset_finish,
	  .own = cpuset_own, .once = cpuset_own_once, .moved = moved_count,
	  .class = ISOL_BLOCK_CPUSET },
	{ "perf_event", "a perf event of the CPU opened, read and closed", 20, perf_prepare,
	  .once = perf_once, .moved = moved_count, .class = ISOL_BLOCK_CPU_ACCESS },
	{ "msr", "an MSR of the CPU read", 20, msr_prepare, msr_finish,
	  .once = msr_once, .moved = moved_count, .class = ISOL_BLOCK_CPU_ACCESS },
	{ "slab_shrink", "a slab cache shrunk", 20, slab_prepare,
	  .again = fill_sheaves, .once = slab_once, .moved = moved_count,
	  .class = ISOL_BLOCK_KNOB },
	{ "netns", "a network namespace made and unmade", 5, netns_prepare,
	  .once = netns_once, .moved = moved_count },
	{ "mount", "ext4 on a loop device mounted, written and unmounted", 5,
	  loop_prepare, loop_finish, .again = fill_batches, .once = mount_once,
	  .moved = moved_count },
	{ "reclaim", "memory taken until the kernel reclaims", 2, reclaim_prepare, loop_finish,
	  .once = reclaim_once, .moved = reclaim_moved },
	{ "membarrier", "membarrier() of another process", 20, membarrier_prepare,
	  .own = membarrier_own_global, .once = membarrier_once, .moved = moved_count },
	{ "sysrq_l", "a backtrace of all CPUs", 2, sysrq_prepare,
	  .once = sysrq_once, .moved = sysrq_moved },
	{ "sibling_membarrier", "membarrier() of another thread", 20, membarrier_prepare,
	  .own = membarrier_own, .sibling = membarrier_sibling, .moved = moved_count },
	{ "sibling_munmap", "munmap() of another thread", 20,
	  .sibling = munmap_sibling, .moved = moved_count },
	{ "own_timers", "ten timers of the thread itself", 1,
	  .own = own_timers_own, .once = own_timers_once, .moved = moved_count },
	{ "own_memory", "vm.drop_caches, the thread used page cache and mlock() before", 5,
	  .own = own_memory_own, .again = fill_batches, .once = drop_caches_once,
	  .moved = drop_caches_moved },
	BATCH_LOADS
};

const size_t nr_loads = ARRAY_SIZE(loads);
