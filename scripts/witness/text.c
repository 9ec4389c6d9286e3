// SPDX-License-Identifier: GPL-2.0
/*
 * A plugin of QEMU that watches how a kernel on emulated x86 CPUs patches its text, from
 * outside of it. QEMU never executes stale text, so it is remembered what a CPU could
 * still have: a byte is fresh for a CPU if another CPU has stored it since this CPU has
 * executed an instruction that serializes.
 *
 * The stores are found by their physical address, as text is patched through another
 * mapping. To serialize is IRET to the next instruction, SERIALIZE, CPUID, and MOV to
 * CR0. Others do so as well, but the kernel does not rely on them: MOV to CR3 on entry,
 * or IRET to user mode, which may fault instead. How the CPU gets into the kernel is not
 * looked at, as that does not serialize.
 *
 * Not every execution of a fresh byte is wrong. Between two steps of a patch, who comes
 * by may see the old or the new first byte, if one of them is INT3. A synchronization
 * ends that: a call of smp_call_function_many_cond() for do_sync_core() that has
 * returned. Reported is the execution in the kernel of an instruction which has
 *
 *   missed  a byte that is fresh although a synchronization has ended that was begun
 *	     after the store: this CPU was left out, and has not serialized,
 *   tail    a fresh byte that is not its first one: it may be half of the old and half
 *	     of the new instruction,
 *   first   a fresh first byte, and neither it nor the one before it is INT3.
 *
 * Options: text=FIRST-END call=ADDRESS sync=ADDRESS, of the symbols _text and _etext,
 * smp_call_function_many_cond and do_sync_core, in hexadecimal, and out=FILE.
 * The text must be where it was linked (nokaslr). Modules are not watched. A CPU that
 * translates an instruction while another one is between its first store to it and
 * on_store() is not watched there, until the next store: nothing is reported that is
 * not so, but this may be left out.
 */
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <qemu-plugin.h>

QEMU_PLUGIN_EXPORT int qemu_plugin_version = QEMU_PLUGIN_VERSION;

/* Where the kernel maps its image, whose first byte is at physical address 0. */
#define IMAGE		0xffffffff80000000
#define KERNEL		0x8000000000000000
#define INT3		0xcc
#define MAX_CPUS	64
#define MAX_PLACES	256
#define MAX_TOLD	200

/* A store: when, and by whom. 0 for never. */
struct store {
	uint32_t	time;
	uint8_t		cpu;
	uint8_t		value;
};

/* The last two that were made to this byte, the last one first. */
struct byte {
	struct store	store[2];
	/* since synchronizations end: it will be stored to again */
	bool		live;
};

struct cpu {
	/* Stores until then are not fresh. */
	uint32_t	serialized;
	bool		runs;
	/* The call for a synchronization that it is in: when it began, and its end */
	uint32_t	began;
	uint64_t	end;
	struct qemu_plugin_register *rsi, *rsp;
};

struct place {
	uint64_t	address;
	const char	*what;
	unsigned long	executed[MAX_CPUS];
};

/* For all below. Nothing that is executed often takes it. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static uint64_t text, text_end, call, sync_core;
static FILE *out;
static struct byte *bytes;
static struct cpu cpus[MAX_CPUS];
/* Instructions that serialize, and where calls end */
static struct place places[MAX_PLACES];
static unsigned int nr_places;
static uint64_t ends[MAX_PLACES];
static unsigned int nr_ends;
/* The number of stores; how many of them a synchronization that ended was for */
static uint32_t now, covered;
static unsigned long syncs, met, missed, tail, first;

static void __attribute__((noreturn, format(printf, 1, 2))) fail(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fputs("witness: ", stderr);
	vfprintf(stderr, format, args);
	fputc('\n', stderr);
	va_end(args);
	exit(1);
}

static uint64_t read_register(struct qemu_plugin_register *reg)
{
	GByteArray *data = g_byte_array_new();
	uint64_t value;

	if (qemu_plugin_read_register(reg, data) != sizeof(value))
		fail("no 64-bit register");
	memcpy(&value, data->data, sizeof(value));
	g_byte_array_free(data, TRUE);
	return value;
}

static uint64_t read_memory(uint64_t address)
{
	GByteArray *data = g_byte_array_new();
	uint64_t value;

	if (!qemu_plugin_read_memory_vaddr(address, data, sizeof(value)))
		fail("nothing at %" PRIx64, address);
	memcpy(&value, data->data, sizeof(value));
	g_byte_array_free(data, TRUE);
	return value;
}

static void on_store(unsigned int cpu, qemu_plugin_meminfo_t info, uint64_t address, void *unused)
{
	unsigned int size = 1 << qemu_plugin_mem_size_shift(info);
	struct qemu_plugin_hwaddr *where = qemu_plugin_get_hwaddr(info, address);
	qemu_plugin_mem_value value;
	uint64_t to;

	if (!where || qemu_plugin_hwaddr_is_io(where))
		return;
	to = qemu_plugin_hwaddr_phys_addr(where) + IMAGE;
	if (to + size <= text || to >= text_end)
		return;
	/* The same for all sizes: the host is little-endian as the guest. */
	value = qemu_plugin_mem_get_value(info);
	pthread_mutex_lock(&lock);
	now++;
	for (unsigned int i = 0; i < size; i++) {
		struct byte *byte = &bytes[to + i - text];

		if (to + i < text || to + i >= text_end)
			continue;
		byte->store[1] = byte->store[0];
		byte->store[0] = (struct store) { now, cpu, ((uint8_t *)&value.data)[i] };
		byte->live = syncs;
	}
	pthread_mutex_unlock(&lock);
}

static bool is_fresh(const struct store *store, unsigned int cpu)
{
	return store->cpu != cpu && store->time > cpus[cpu].serialized;
}

/* It is about to execute the instruction at @what >> 8, of so many bytes. */
static void on_text(unsigned int cpu, void *what)
{
	uint64_t at = (uintptr_t)what >> 8;
	unsigned int length = (uintptr_t)what & 0xff;

	pthread_mutex_lock(&lock);
	for (unsigned int i = 0; i < length; i++) {
		const struct store *store = bytes[at + i].store;
		const char *why = NULL;

		for (int j = 0; j < 2; j++) {
			if (is_fresh(&store[j], cpu) && store[j].time <= covered)
				why = "missed";
		}
		if (why) {
			missed++;
		} else if (is_fresh(store, cpu) && i) {
			why = "tail";
			tail++;
		} else if (is_fresh(store, cpu) && store[0].value != INT3 && store[1].value != INT3) {
			why = "first";
			first++;
		}
		if (!why) {
			met += is_fresh(store, cpu);
			continue;
		}
		if (missed + tail + first <= MAX_TOLD)
			fprintf(out, "witness %s cpu=%u at=%" PRIx64 " byte=%u stores=%u:%02x,%u:%02x by=%u serialized=%u covered=%u\n",
				why, cpu, text + at, i, store[1].time, store[1].value, store[0].time,
				store[0].value, store[0].cpu, cpus[cpu].serialized, covered);
		break;
	}
	pthread_mutex_unlock(&lock);
}

static void on_serialize(unsigned int cpu, void *place)
{
	pthread_mutex_lock(&lock);
	cpus[cpu].serialized = now;
	cpus[cpu].runs = true;
	((struct place *)place)->executed[cpu]++;
	pthread_mutex_unlock(&lock);
}

/* Where each of these calls ends is not translated before the first of them begins. */
static void on_call(unsigned int cpu, void *unused)
{
	uint64_t end = read_memory(read_register(cpus[cpu].rsp));
	bool is_sync = read_register(cpus[cpu].rsi) == sync_core;
	unsigned int i = 0;

	pthread_mutex_lock(&lock);
	while (i < nr_ends && ends[i] != end)
		i++;
	if (i == MAX_PLACES)
		fail("too many calls of smp_call_function_many_cond()");
	if (i == nr_ends)
		ends[nr_ends++] = end;
	if (is_sync) {
		cpus[cpu].began = now;
		cpus[cpu].end = end;
	}
	pthread_mutex_unlock(&lock);
}

static void on_end(unsigned int cpu, void *address)
{
	pthread_mutex_lock(&lock);
	if (cpus[cpu].end == (uintptr_t)address) {
		cpus[cpu].end = 0;
		syncs++;
		if (cpus[cpu].began > covered)
			covered = cpus[cpu].began;
	}
	pthread_mutex_unlock(&lock);
}

/* In which way the instruction @code at @address serializes, with the one before it, or NULL. */
static const char *serializes(const uint8_t *code, size_t length, uint64_t address,
			      const uint8_t *before, size_t before_length)
{
	bool rex = length && (code[0] & 0xf0) == 0x40;
	int32_t pushed;

	if (length == 3 && !memcmp(code, "\x0f\x01\xe8", 3))
		return "serialize";
	if (length == 2 && !memcmp(code, "\x0f\xa2", 2))
		return "cpuid";
	/* CR8 has the bit of REX. */
	if (length == 3u + rex && !memcmp(code + rex, "\x0f\x22", 2) &&
	    !(code[rex + 2] & 0x38) && !(rex && code[0] & 4))
		return "cr0";
	if (length != 2 || memcmp(code, "\x48\xcf", 2) || before_length != 5 || before[0] != 0x68)
		return NULL;
	memcpy(&pushed, before + 1, sizeof(pushed));
	return (uint64_t)(int64_t)pushed == address + length ? "iret" : NULL;
}

static struct place *place_of(uint64_t address, const char *what)
{
	unsigned int i = 0;

	while (i < nr_places && places[i].address != address)
		i++;
	if (i == MAX_PLACES)
		fail("too many instructions that serialize");
	if (i == nr_places)
		places[nr_places++] = (struct place) { .address = address, .what = what };
	return &places[i];
}

/* Whether it may be executed before all have serialized. A store has it translated anew. */
static bool is_watched(uint64_t at, size_t length)
{
	for (size_t i = 0; i < length; i++) {
		const struct byte *byte = &bytes[at + i];

		if (byte->live)
			return true;
		for (int cpu = 0; cpu < MAX_CPUS; cpu++) {
			if (cpus[cpu].runs && byte->store[0].time > cpus[cpu].serialized)
				return true;
		}
	}
	return false;
}

static void on_translation(qemu_plugin_id_t id, struct qemu_plugin_tb *block)
{
	uint8_t code[16], before[16];
	size_t length = 0, before_length = 0;

	/* Stores of user space and of the firmware are not to text. */
	if (qemu_plugin_tb_vaddr(block) < KERNEL)
		return;
	pthread_mutex_lock(&lock);
	for (size_t i = 0; i < qemu_plugin_tb_n_insns(block); i++) {
		struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(block, i);
		uint64_t address = qemu_plugin_insn_vaddr(insn);
		const char *how;

		memcpy(before, code, length);
		before_length = length;
		length = qemu_plugin_insn_data(insn, code, sizeof(code));
		how = serializes(code, length, address, before, before_length);
		for (unsigned int j = 0; j < nr_ends; j++) {
			if (ends[j] == address)
				qemu_plugin_register_vcpu_insn_exec_cb(insn, on_end, QEMU_PLUGIN_CB_NO_REGS,
								       (void *)(uintptr_t)address);
		}
		if (address == call)
			qemu_plugin_register_vcpu_insn_exec_cb(insn, on_call, QEMU_PLUGIN_CB_R_REGS, NULL);
		if (address >= text && address + length <= text_end && is_watched(address - text, length))
			qemu_plugin_register_vcpu_insn_exec_cb(insn, on_text, QEMU_PLUGIN_CB_NO_REGS,
							       (void *)(uintptr_t)((address - text) << 8 | length));
		if (how)
			qemu_plugin_register_vcpu_insn_exec_cb(insn, on_serialize, QEMU_PLUGIN_CB_NO_REGS,
							       place_of(address, how));
		qemu_plugin_register_vcpu_mem_cb(insn, on_store, QEMU_PLUGIN_CB_NO_REGS,
						 QEMU_PLUGIN_MEM_W, NULL);
	}
	pthread_mutex_unlock(&lock);
}

static void on_cpu(qemu_plugin_id_t id, unsigned int cpu)
{
	GArray *regs = qemu_plugin_get_registers();

	if (cpu >= MAX_CPUS)
		fail("more than %d CPUs", MAX_CPUS);
	for (unsigned int i = 0; i < regs->len; i++) {
		qemu_plugin_reg_descriptor *reg = &g_array_index(regs, qemu_plugin_reg_descriptor, i);

		if (!strcmp(reg->name, "rsi"))
			cpus[cpu].rsi = reg->handle;
		if (!strcmp(reg->name, "rsp"))
			cpus[cpu].rsp = reg->handle;
	}
	g_array_free(regs, TRUE);
	if (!cpus[cpu].rsi || !cpus[cpu].rsp)
		fail("no registers");
}

static void on_exit_of_qemu(qemu_plugin_id_t id, void *unused)
{
	pthread_mutex_lock(&lock);
	for (unsigned int i = 0; i < nr_places; i++) {
		for (int cpu = 0; cpu < MAX_CPUS; cpu++) {
			if (places[i].executed[cpu])
				fprintf(out, "witness serialized at=%" PRIx64 " by=%s cpu=%d times=%lu\n",
					places[i].address, places[i].what, cpu, places[i].executed[cpu]);
		}
	}
	fprintf(out, "witness end stores=%u syncs=%lu covered=%u met=%lu missed=%lu tail=%lu first=%lu\n",
		now, syncs, covered, met, missed, tail, first);
	fflush(out);
	pthread_mutex_unlock(&lock);
}

QEMU_PLUGIN_EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t *info,
					   int argc, char **argv)
{
	for (int i = 0; i < argc; i++) {
		if (sscanf(argv[i], "text=%" SCNx64 "-%" SCNx64, &text, &text_end) == 2 ||
		    sscanf(argv[i], "call=%" SCNx64, &call) == 1 ||
		    sscanf(argv[i], "sync=%" SCNx64, &sync_core) == 1)
			continue;
		if (strncmp(argv[i], "out=", 4) || !(out = fopen(argv[i] + 4, "w")))
			fail("cannot use option %s", argv[i]);
	}
	if (strcmp(info->target_name, "x86_64") || !info->system_emulation)
		fail("not for %s", info->target_name);
	if (!out || !call || !sync_core || text < IMAGE || text >= text_end)
		fail("options: text=FIRST-END call=ADDRESS sync=ADDRESS out=FILE");
	setvbuf(out, NULL, _IOLBF, 0);
	bytes = calloc(text_end - text, sizeof(*bytes));
	if (!bytes)
		fail("no memory");
	qemu_plugin_register_vcpu_init_cb(id, on_cpu);
	qemu_plugin_register_vcpu_tb_trans_cb(id, on_translation);
	qemu_plugin_register_atexit_cb(id, on_exit_of_qemu, NULL);
	return 0;
}
