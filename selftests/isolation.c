// SPDX-License-Identifier: GPL-2.0
/* What the task isolation tests share. */
#include "isolation.h"

#include "kselftest.h"

int isol_call(int option, unsigned long arg2, unsigned long arg3, unsigned long arg4,
	      unsigned long arg5)
{
	long ret = syscall(SYS_prctl, option, arg2, arg3, arg4, arg5);

	return ret < 0 ? -errno : ret;
}

int isol_get(unsigned long cmd)
{
	return isol_call(PR_ISOL_GET, cmd, 0, 0, 0);
}

int isol_set(unsigned long cmd, unsigned long value)
{
	return isol_call(PR_ISOL_SET, cmd, value, 0, 0);
}

int isol_enable(unsigned long mask)
{
	return isol_call(PR_ISOL_ENABLE, mask, 0, 0, 0);
}

int isol_quiesce(unsigned long quiesce)
{
	int ret = isol_enable(0);

	if (ret || !quiesce)
		return ret;
	ret = isol_set(PR_ISOL_QUIESCE_CFG, quiesce);
	return ret ? ret : isol_enable(ISOL_F_QUIESCE_ON_URET);
}

int isol_claim(unsigned long classes)
{
	int ret = isol_set(PR_ISOL_BLOCK_CFG, classes);

	return ret ? ret : isol_enable(ISOL_F_BLOCK_INTERRUPTORS);
}

const char *class_name(unsigned int classes)
{
	static const char * const names[NR_CLASSES] = {
		"hotplug", "stop_machine", "cpu_access", "cpuset", "module", "trace", "knob",
	};
	int bit = ffs(classes) - 1;

	return bit < 0 || bit >= NR_CLASSES ? "unknown" : names[bit];
}

bool isol_present(void)
{
	return isol_get(ISOL_SUP_FEATURES) >= 0;
}

bool isol_supports(int quiesce)
{
	int ret = isol_get(PR_ISOL_SUP_QUIESCE_CFG);

	return ret >= 0 && (ret & quiesce) == quiesce;
}

#ifdef __x86_64__
int compat_prctl(int option, unsigned long arg2, unsigned long arg3, unsigned long arg4,
		 unsigned long arg5)
{
	long ret;

	asm volatile("int $0x80"
		     : "=a" (ret)
		     : "0" (172L), "b" ((long)option), "c" (arg2), "d" (arg3),
		       "S" (arg4), "D" (arg5)
		     : "memory", "r8", "r9", "r10", "r11");
	return ret;
}

bool have_compat(void)
{
	int status;
	pid_t pid;

	pid = fork();
	if (!pid) {
		signal(SIGSEGV, SIG_DFL);
		_exit(compat_prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) < 0);
	}
	return pid > 0 && waitpid(pid, &status, 0) == pid && !status;
}
#else
int compat_prctl(int option __maybe_unused, unsigned long arg2 __maybe_unused,
		 unsigned long arg3 __maybe_unused, unsigned long arg4 __maybe_unused,
		 unsigned long arg5 __maybe_unused)
{
	return -EOPNOTSUPP;
}

bool have_compat(void)
{
	return false;
}
#endif

int pin_to(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	return sched_setaffinity(0, sizeof(set), &set);
}

/* The lowest CPU of the list that is between @low and @high, -1 if there is none. */
static int cpu_between(const char *path, long low, long high)
{
	char buf[4096], *p = buf;

	if (read_file(path, buf, sizeof(buf)) <= 0)
		return -1;
	/* "(null)" if no CPU was ever nohz_full. */
	while (*p >= '0' && *p <= '9') {
		long first = strtol(p, &p, 10), last = first;

		if (*p == '-')
			last = strtol(p + 1, &p, 10);
		if (first < low)
			first = low;
		if (last > high)
			last = high;
		if (first <= last)
			return first;
		if (*p == ',')
			p++;
	}
	return -1;
}

int first_cpu_of(const char *path)
{
	return cpu_between(path, 1, INT32_MAX);
}

bool cpu_is_in(int cpu, const char *path)
{
	return cpu_between(path, cpu, cpu) == cpu;
}

bool cpu_is_nohz_full(int cpu)
{
	return cpu_is_in(cpu, NOHZ_FULL_CPUS);
}

bool tick_can_stop(void)
{
	struct text text = { };
	bool can;

	can = read_text("/proc/timer_list", &text) < 0 || !strstr(text.buf, ".hres_active    : 0");
	free(text.buf);
	return can;
}

int isolated_cpu(void)
{
	int cpu = first_cpu_of(NOHZ_FULL_CPUS);

	if (cpu < 0)
		cpu = first_cpu_of(ISOLATED_CPUS);
	if (cpu < 0)
		cpu = first_cpu_of(ONLINE_CPUS);
	return cpu;
}

uint64_t monotonic_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * NSEC_PER_SEC + ts.tv_nsec;
}

void sleep_ms(unsigned int ms)
{
	struct timespec ts = { ms / 1000, (ms % 1000) * 1000000L };

	while (nanosleep(&ts, &ts) && errno == EINTR)
		;
}

void spin_ms(unsigned int ms)
{
	uint64_t end = monotonic_ns() + ms * NSEC_PER_MSEC;

	while (monotonic_ns() < end)
		;
}

void doze_ms(int ms)
{
	int cpu = 0;

	for (; ms > 0; ms -= 10) {
		do {
			cpu++;
		} while (cpu_is_nohz_full(cpu));
		if (pin_to(cpu)) {
			cpu = 0;
			pin_to(cpu);
		}
		sleep_ms(10);
	}
	pin_to(0);
}

int write_file(const char *path, const char *text)
{
	int fd, ret = 0;

	fd = open(path, O_WRONLY);
	if (fd < 0)
		return -errno;
	if (write(fd, text, strlen(text)) < 0)
		ret = -errno;
	close(fd);
	return ret;
}

ssize_t read_file(const char *path, char *buf, size_t size)
{
	size_t have = 0;
	ssize_t len = 0;
	int fd, ret;

	fd = open(path, O_RDONLY);
	if (fd < 0)
		return -errno;
	while (have < size - 1) {
		len = read(fd, buf + have, size - 1 - have);
		if (len <= 0)
			break;
		have += len;
	}
	ret = len < 0 ? -errno : 0;
	close(fd);
	buf[have] = '\0';
	return ret ? ret : (ssize_t)have;
}

ssize_t read_text(const char *path, struct text *text)
{
	size_t have = 0;
	ssize_t len;
	int fd;

	fd = open(path, O_RDONLY);
	if (fd < 0)
		return -errno;
	for (;;) {
		if (text->size < have + 2) {
			size_t size = text->size ? 2 * text->size : 1 << 16;
			char *buf = realloc(text->buf, size);

			if (!buf) {
				len = -ENOMEM;
				break;
			}
			text->buf = buf;
			text->size = size;
		}
		len = read(fd, text->buf + have, text->size - 1 - have);
		if (len < 0)
			len = -errno;
		if (len <= 0)
			break;
		have += len;
	}
	close(fd);
	if (len)
		return len;
	text->buf[have] = '\0';
	return have;
}

void *alloc_shared(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

void die_with_parent(void)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
}

void end_child(pid_t *pid)
{
	if (*pid > 0) {
		kill(*pid, SIGKILL);
		waitpid(*pid, NULL, 0);
	}
	*pid = 0;
}

int exit_status(pid_t pid)
{
	int status;

	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return -1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

uint64_t next_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

int compare_u64(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

bool wanted(const char *name, char **names)
{
	if (!*names)
		return true;
	for (; *names; names++) {
		if (!strcmp(*names, name))
			return true;
	}
	return false;
}

/*
 * Lines of /proc/interrupts which count what another line counts already, or
 * what is no interrupt.
 */
static bool no_interrupt(const char *name)
{
	return !strcmp(name, "TLB") || !strcmp(name, "PMI") || !strcmp(name, "MCP");
}

/*
 * The kind of a line, in the names of x86. Other architectures number their lines, but
 * describe the common ones in the same words.
 */
static const char *kind_of(const char *name, const char *text __maybe_unused)
{
#ifndef __x86_64__
	static const struct {
		const char *text, *name;
	} kinds[] = {
		{ "Rescheduling interrupts", "RES" },
		{ "Function call interrupts", "CAL" },
		{ "IRQ work interrupts", "IWI" },
		{ "timer", "LOC" },	/* arch_timer, riscv-timer */
	};

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		if (strstr(text, kinds[i].text))
			return kinds[i].name;
	}
#endif
	return name;
}

static void add_kind(struct noise *noise, const char *name, unsigned long count)
{
	int i = noise->nr_kinds;

	noise->interrupts += count;
	if (!strcmp(name, "LOC"))
		noise->ticks += count;
	/* Several lines can be of one kind. */
	for (int j = 0; j < i; j++) {
		if (!strcmp(noise->kinds[j].name, name)) {
			noise->kinds[j].count += count;
			return;
		}
	}
	/* What has no place here is still counted above. */
	if (i == ARRAY_SIZE(noise->kinds))
		return;
	snprintf(noise->kinds[i].name, sizeof(noise->kinds[i].name), "%s", name);
	noise->kinds[i].count = count;
	noise->nr_kinds++;
}

/* The number in @column of a line, if it has that many. */
static bool number_in(const char *p, int column, unsigned long *number)
{
	for (; column >= 0; column--) {
		char *end;

		*number = strtoul(p, &end, 10);
		if (end == p)
			return false;
		p = end;
	}
	return true;
}

/* Which of the columns below the header is the one of @cpu, -1 if none is. */
static int column_of(int cpu, char *header)
{
	char name[16], *p, *save;
	int column = 0;

	snprintf(name, sizeof(name), "CPU%d", cpu);
	for (p = strtok_r(header, " ", &save); p; p = strtok_r(NULL, " ", &save), column++) {
		if (!strcmp(p, name))
			return column;
	}
	return -1;
}

static int read_interrupts(int cpu, struct noise *noise)
{
	static struct text text;
	char *line, *save;
	int column;

	if (read_text("/proc/interrupts", &text) <= 0)
		return -1;
	line = strtok_r(text.buf, "\n", &save);
	column = line ? column_of(cpu, line) : -1;
	if (column < 0)
		return -1;
	while ((line = strtok_r(NULL, "\n", &save))) {
		char *name = line + strspn(line, " "), *p = strchr(name, ':');
		unsigned long count;

		if (!p)
			continue;
		*p++ = '\0';
		/* Lines with a single, global column are no CPU's. */
		if (number_in(p, column, &count) && !no_interrupt(name))
			add_kind(noise, kind_of(name, p), count);
	}
	return noise->nr_kinds ? 0 : -1;
}

int read_noise(int cpu, pid_t tid, struct noise *noise)
{
	char path[64], status[4096], *p;

	memset(noise, 0, sizeof(*noise));
	if (read_interrupts(cpu, noise))
		return -1;
	snprintf(path, sizeof(path), "/proc/%d/status", tid);
	if (read_file(path, status, sizeof(status)) <= 0)
		return -1;
	p = strstr(status, "nonvoluntary_ctxt_switches:");
	if (!p)
		return -1;
	noise->switches = strtoul(strchr(p, ':') + 1, NULL, 10);
	return 0;
}

void noise_since(struct noise *now, const struct noise *then)
{
	now->interrupts -= then->interrupts;
	now->ticks -= then->ticks;
	now->switches -= then->switches;
	for (int i = 0; i < now->nr_kinds; i++)
		now->kinds[i].count -= noise_of_kind(then, now->kinds[i].name);
}

unsigned long noise_of_kind(const struct noise *noise, const char *kind)
{
	for (int i = 0; i < noise->nr_kinds; i++) {
		if (!strcmp(noise->kinds[i].name, kind))
			return noise->kinds[i].count;
	}
	return 0;
}

void noise_print_kinds(const struct noise *noise)
{
	const char *comma = "";

	for (int i = 0; i < noise->nr_kinds; i++) {
		if (!noise->kinds[i].count)
			continue;
		printf("%s%s:%lu", comma, noise->kinds[i].name, noise->kinds[i].count);
		comma = ",";
	}
	if (!*comma)
		printf("-");
}

void noise_log_kinds(const struct noise *noise)
{
	printf("# kinds ");
	noise_print_kinds(noise);
	printf("\n");
}
