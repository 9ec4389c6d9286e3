# SPDX-License-Identifier: GPL-2.0
"""Counts where returns go: where.py MAP LOG NAMES COLUMNS

MAP has the functions, LOG their instructions as QEMU executed them, one a line. The guest
has marked two runs for each of NAMES, one of system calls and one of page faults. The
first of NAMES is not isolated. A run is cut into its entries, and the one that is seen
most often counts: an interrupt in between is no part of it.
"""
import bisect
import collections
import re
import sys

MARK = "__x64_sys_getpriority"
BODIES = {"clean": "entry_SYSCALL_64", "fault": "asm_exc_page_fault"}
CPU = 1


def read_map(path):
    with open(path) as f:
        return sorted((int(a, 16), n) for n, a, _ in (l.split() for l in f))


def instructions(path):
    """Addresses that the CPU executed."""
    with open(path, errors="replace") as f:
        for line in f:
            if m := re.match(r"Trace (\d+): .*?\[[0-9a-f]+/([0-9a-f]+)/", line):
                if int(m[1]) == CPU:
                    yield int(m[2], 16)


def runs(functions, log):
    """The instructions between two marks, each time."""
    starts = [a for a, _ in functions]
    mark = dict((n, a) for a, n in functions)[MARK]
    inside, run = False, []
    for pc in instructions(log):
        if pc == mark:
            if inside:
                yield run
            inside, run = not inside, []
        elif inside:
            run.append((pc, functions[bisect.bisect(starts, pc) - 1][1]))


def most_frequent(run, entry, what):
    """How often each function executes an instruction, from one entry to the next."""
    entries, counts = collections.Counter(), None
    for pc, name in run:
        if pc == entry:
            if counts:
                entries[frozenset(counts.items())] += 1
            counts = collections.Counter()
        if counts is not None:
            counts[name] += 1
    if not entries:
        sys.exit(f"{what}: no entry was seen")
    counts, times = entries.most_common(1)[0]
    if times < sum(entries.values()) / 10:
        sys.exit(f"{what}: {times} of {sum(entries.values())} entries are alike")
    return dict(counts)


def main(map_path, log, names, columns):
    functions = read_map(map_path)
    address = dict((n, a) for a, n in functions)
    lacking = {MARK, *BODIES.values()} - address.keys()
    if lacking:
        sys.exit(f"no such function: {' '.join(sorted(lacking))}")
    wanted = [(n, b) for n in names.split(",") for b in BODIES]
    found = list(runs(functions, log))
    if len(found) != len(wanted):
        sys.exit(f"{len(found)} runs are marked, not {len(wanted)}")
    count = {w: most_frequent(r, address[BODIES[w[1]]], " ".join(w)) for w, r in zip(wanted, found)}
    plain = names.split(",")[0]
    heads = [(c, b) for c in columns.split(",") for b in BODIES]
    rows = {}
    for c, b in heads:
        for name in count[c, b].keys() | count[plain, b].keys():
            rows.setdefault(name, {})[c, b] = count[c, b].get(name, 0) - count[plain, b].get(name, 0)
    rows = {n: r for n, r in rows.items() if any(r.values())}
    one = "," not in columns
    print("| function | " + " | ".join(b if one else f"{c}, {b}" for c, b in heads) + " |")
    print("|" + "---|" * (len(heads) + 1))
    for name, row in sorted(rows.items(), key=lambda r: [-r[1].get(h, 0) for h in heads]):
        print(f"| {name} | " + " | ".join(str(row.get(h, 0)) for h in heads) + " |")
    print("| together | " + " | ".join(str(sum(r.get(h, 0) for r in rows.values())) for h in heads) + " |")


main(*sys.argv[1:])
