/* SPDX-License-Identifier: GPL-2.0 */
/* What may interrupt a thread that spins in user mode on a CPU of its own. */
#ifndef SELFTEST_ISOLATION_LOADS_H
#define SELFTEST_ISOLATION_LOADS_H

#include "isolation.h"

struct load {
	const char	*name;
	const char	*what;
	/* How often to do it, by default. */
	int		times;
	/* On a housekeeping CPU, before the spinner starts. Why it cannot be run, or NULL. */
	const char	*(*prepare)(void);
	void		(*finish)(void);
	/* In the spinner, before it is isolated. */
	int		(*own)(void);
	/* In the spinner, isolated, before each interference. 0 or -errno. */
	int		(*again)(void);
	/* The interference, on a housekeeping CPU. 0 or -errno. */
	int		(*once)(void);
	/* The same in a thread of the spinner's process, on a housekeeping CPU. */
	int		(*sibling)(void);
	/* Grows with each time that it really happened. */
	unsigned long	(*moved)(void);
	/* It is about purges of vmalloc space: count these as well. */
	bool		purges;
	/* ISOL_BLOCK_* class by which a claim of the CPU refuses @once, or 0. */
	int		class;
};

extern const struct load loads[];
extern const size_t nr_loads;

/* The CPU of the spinner. */
extern int load_cpu;
/* How long "idle" takes. */
extern int load_seconds;
/* What the loads count themselves, shared by all processes of the tool. */
extern unsigned long *load_count;

#endif /* SELFTEST_ISOLATION_LOADS_H */
