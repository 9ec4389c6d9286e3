# SPDX-License-Identifier: GPL-2.0
"""How the bill grows with CPUs, nodes, zones and threads, and where instructions go."""
import re

from report.common import lines

HEAD = "## How it grows"
WHERE = "## Where it goes"
LARGE_NODES, LARGE_ZONES = 8, 4
# Cache lines that a clean return reads, from the layout of "bench", not measured: of a node
# the list entry and 65 differentials of one byte with their threshold, of a zone the entry
# and 10 differentials.
NODE_LINES, ZONE_LINES = 3, 2


def growth_rows(text):
    """The figures of each machine, and of each number of threads, by name."""
    rows = {}
    for line in text:
        if m := re.match(r"((?:cpus|nodes|zones)-\d+|\d+ +0(?:x[0-9a-f]+)?) +([\d. ]+)$", line):
            rows[" ".join(m[1].split())] = [float(n) for n in m[2].split()]
    return rows


def extra(numbers):
    """What all actions add to a clean and to a faulting return."""
    half = len(numbers) // 2
    return numbers[half - 1] - numbers[half - 2], numbers[-1] - numbers[-2]


def prices(rows, i):
    """What all actions add to a return for itself, for each node, and for each zone."""
    both, two = ((extra(rows[f"{kind}-8"])[i] - extra(rows[f"{kind}-4"])[i]) / 4 for kind in ("nodes", "zones"))
    return extra(rows["nodes-8"])[i] - 8 * both, 2 * both - two, two - both


def total(rows, i, nodes, zones):
    base, node, zone = prices(rows, i)
    return base + nodes * node + zones * zone


def larger_machine(text):
    """A machine that nobody has here, from the steps between those that were measured.

    nodes-N has one zone on each node, zones-N has two. What a return does for each node
    and for each zone is the same loop each time, and there is none over CPUs.
    """
    rows = growth_rows(text)
    if not {"nodes-4", "nodes-8", "zones-4", "zones-8"} <= rows.keys():
        return []
    out = [f"At {LARGE_NODES} nodes with {LARGE_ZONES} populated zones each, computed: the loops of a return are over nodes and over",
           "populated zones. `nodes-N` has one zone on each node and `zones-N` two, so the steps between these machines",
           "give the price of a node and of a zone:", ""]
    for i, what in enumerate(("`getppid()`", "page fault")):
        base, node, zone = prices(rows, i)
        cost = total(rows, i, LARGE_NODES, LARGE_NODES * LARGE_ZONES)
        out.append(f"- {what}: all actions add {base:.0f} + {node:.0f} for each node + {zone:.0f} for each zone, "
                   f"here {cost:.0f} instructions")
    # DMA and DMA32 on the first node, and one zone on each.
    few = [total(rows, i, LARGE_NODES, LARGE_NODES + 2) for i in range(2)]
    out += [f"- With {LARGE_NODES + 2} zones, as most x86 machines of {LARGE_NODES} nodes have: {few[0]:.0f} and {few[1]:.0f}."]
    cpus = {extra(v) for k, v in rows.items() if k.startswith("cpus-")}
    if len(cpus) == 1:
        out += ["- CPUs: no term, as a return reads only data of its own CPU. The figures with 2, 8 and 16 CPUs are equal,",
                "  so with 512 CPUs they are the same."]
    out += [f"- Cache lines, counted from the layout of the structures: a clean return reads {NODE_LINES} for each node and "
            f"{ZONE_LINES} for each zone,",
            f"  here {LARGE_NODES * NODE_LINES + LARGE_NODES * LARGE_ZONES * ZONE_LINES}. "
            "The differentials are of its own CPU. The list entries are written by memory hotplug only,",
            "  but that of a node shares its line with the first counters of the node, which all CPUs write. That is a miss",
            "  for each node where others reclaim, which is not in the figures."]
    return out + [""]


def thread_text(text):
    """What the figures of threads that fault at once do not say."""
    if not any(line.startswith("threads ") for line in text):
        return []
    return ["`-icount` runs one vCPU at a time. Waiting for a lock or for a cache line of another CPU is therefore not in these",
            "figures, and threads that fault at once show only that none executes more instructions. \"counters\" tells of the",
            "contention: a fault changes that many counters, and folding adds each of them to its zone or node and to the",
            "global counter. These are two atomic operations for each counter, on lines that all CPUs share.", ""]


def growth_section(raw):
    """The cost with more CPUs, nodes and threads, as the lane reports it."""
    text = lines(f"{raw}/growth.txt")
    if not text:
        return []
    return [HEAD, "", "```", *text, "```", "", *larger_machine(text), *thread_text(text)]


def compare_growth(kept, raw):
    """How many figures of RAW were compared with the table that is kept, and which are wrong."""
    text = lines(f"{raw}/growth.txt")
    if not text:
        return 0, []
    now, was = growth_rows(text), growth_rows(section(kept, HEAD))
    bad = [f"growth, {name}: not measured" for name in was if name not in now]
    bad += [f"growth, {name}: not in the table" for name in now if name not in was]
    checked = 0
    # Numbers of counters are small, and have to be the same.
    for name in now.keys() & was.keys():
        checked += max(len(now[name]), len(was[name]))
        if len(now[name]) != len(was[name]) or any(abs(a - b) > (3 if a > 100 else .5) for a, b in zip(now[name], was[name])):
            bad.append(f"growth, {name}: {now[name]}, was {was[name]}")
    return checked, sorted(bad)


def section(path, head):
    """A section of a document, with its head, or nothing."""
    out = []
    for line in lines(path) if path else []:
        if line.startswith("## ") and out:
            break
        if line == head or out:
            out.append(line)
    return out + [""] if out and out[-1] else out


def where_section(raw):
    """The functions of a return, as "make where" counts them."""
    text = lines(f"{raw}/where.txt")
    if not text:
        return []
    return [WHERE, "", "Instructions that an isolated thread with all actions executes more than one that is not isolated,",
            "on a nohz_full CPU, pti=off. Clean: a return from `getppid()`. Fault: a page fault.", "", *text, ""]


def where_sum(raw):
    """The sum of a clean return, or None."""
    for line in lines(f"{raw}/where.txt"):
        if m := re.match(r"\| together \| (-?[\d.]+) ", line):
            return float(m[1])
    return None
