# SPDX-License-Identifier: GPL-2.0
"""The matrix: what interrupts the thread, and what becomes of it."""
import re
import sys

from report.common import fields, lines, table

STYLES = {"isolcpus": "nohz_full + isolcpus", "nohz": "nohz_full only"}
SIDES = {"stock": "stock", "off": "ours, off", "on": "ours, isolated", "blocked": "ours, claimed"}

# What becomes of each kind, see "Remaining interruptions" and "Guarantees and limits" in
# the documentation. "quiesced" and "deferred": zero if the thread is isolated. "refused": it
# interrupts, and fails under a claim, which is zero then. "open" is the to-do list.
VERDICTS = {
    "idle": ("quiesced", "vmstat, the tick"),
    "stat_refresh": ("quiesced", "nothing to fold, so no work is queued"),
    "overcommit": ("quiesced", "committed memory is folded, so no work is queued"),
    "drop_caches": ("quiesced", "the batches are empty, lru_add_drain_all() queues no work"),
    "compact_memory": ("refused", "migrates pages of the thread, if it finds any (zero is luck): TLB flushes, waits for a page"),
    "threads": ("open", "purges are deferred, but for one with what boot freed of devices or huge pages"),
    "kvmalloc": ("open", "areas in huge pages are flushed at once"),
    "kvmalloc_threads": ("open", "only the area in huge pages is flushed at once"),
    "forks": ("quiesced", "as idle: their stacks are used again, nothing is purged"),
    "vmalloc": ("refused", "its purges are deferred; its module is loaded: page attributes"),
    "module": ("refused", "page attributes of its text and data"),
    "bpf": ("configuration", "page attributes of a new pack of programs: keep one program loaded"),
    "ftrace": ("refused", "text patching is deferred; page attributes of the trampoline"),
    "kprobe": ("refused", "text patching is deferred; page attributes of the trampoline (a kprobe at the entry of a function is one of ftrace)"),
    "kprobe_text": ("deferred", "text patching, of the probe and of the jump"),
    "tracepoint": ("deferred", "text patching"),
    "schedstats": ("deferred", "text patching"),
    "rseq_debug": ("refused", "patches text on the way into the kernel, which is never deferred"),
    "hotplug": ("refused", "stop_machine()"),
    "settimeofday": ("quiesced", "no timer of the CPU depends on the clock"),
    "clocksource": ("refused", "stop_machine(); its text patching is deferred"),
    "cpuset": ("configuration", "of other CPUs; unbound workers, which isolcpus=domain keeps away"),
    "cpuset_own": ("refused", "of the thread, which is moved"),
    "perf_event": ("refused", "of this CPU, by others"),
    "msr": ("refused", "of this CPU, by others"),
    "slab_shrink": ("quiesced", "leaves isolated and nohz_full CPUs alone"),
    "netns": ("configuration", "rps_cpus; workqueues keep to housekeeping CPUs"),
    "mount": ("quiesced", "the batches are drained on return"),
    "reclaim": ("must be delivered", "if its own pages are unmapped"),
    "membarrier": ("must be delivered", "if it registered"),
    "sysrq_l": ("must be delivered", "somebody wants to know"),
    "sibling_membarrier": ("must be delivered", "own process"),
    "sibling_munmap": ("must be delivered", "own address space"),
    "own_timers": ("must be delivered", "own signals"),
    "own_memory": ("quiesced", "the batches are drained on return"),
    "memfd_seal": ("quiesced", "the batches are drained on return"),
    "fadvise": ("quiesced", "the batches are drained on return"),
    "collapse": ("quiesced", "the batches are drained on return; barriers leave out CPUs in user mode"),
    "move_pages": ("quiesced", "the batches are drained on return"),
    "cache_destroy": ("quiesced", "a CPU that freed nothing of the cache gets no work item"),
    "kvfree_barrier": ("refused", "a module is unloaded: page attributes; the barrier queues one work item at most"),
}

# Whether these interrupt depends on where the kernel finds what it looks for: zero is luck.
PLACEMENT = ("compact_memory",)

# These test nothing where stock is not interrupted.
CONTROLLED = ("stat_refresh", "overcommit", "kprobe_text", "tracepoint", "schedstats", "slab_shrink", "mount",
              "own_memory", "memfd_seal", "fadvise", "collapse", "move_pages", "cache_destroy")

# What is never deferred interrupts this often each time: three times for a switch, on and off.
AT_LEAST = {"rseq_debug": 6}

# These are told by function as well: the numbers alone do not say what they are of.
ATTRIBUTED = ("compact_memory", "mount", "cache_destroy", "kvfree_barrier")

# Rows whose numbers are of something else, and the functions that are what they are about.
SUBJECTS = {"kvfree_barrier": ("flush_rcu_sheaf", "rcu_sheaf_removed")}


def path_of(raw, style, side):
    return f"{raw}/matrix-{style}-{side}.log"


def read_matrix(raw):
    cells, events, causes = {}, {}, {}
    for style in STYLES:
        for side in SIDES:
            for line in lines(path_of(raw, style, side)):
                if m := re.match(r"noise (\w+) not run: (.*)", line):
                    cells.setdefault(m[1], {})[style, side] = {"not_run": m[2]}
                elif m := re.match(r"noise (\w+) (actions=.*)", line):
                    f = fields(m[2])
                    cell = {k: int(f[k]) for k in
                            ("times", "moved", "interrupts", "ticks", "switches", "entries")}
                    cell["kinds"] = f["kinds"]
                    cell["left"] = int(f.get("left", "0"), 0)
                    cell["actions"] = int(f["actions"])
                    if (cell["actions"] == 0) != (side not in ("on", "blocked")):
                        sys.exit(f"{path_of(raw, style, side)}: {m[1]} ran with actions={f['actions']}")
                    if ("classes" in f) != (side == "blocked"):
                        sys.exit(f"{path_of(raw, style, side)}: {m[1]} ran with classes={f.get('classes')}")
                    if side == "blocked":
                        cell |= {k: int(f[k], 0) for k in ("classes", "refused", "after")}
                    cells.setdefault(m[1], {})[style, side] = cell
                elif m := re.match(r"cause (\w+) (.*)", line):
                    causes.setdefault((style, side, m[1]), []).append(m[2])
                elif m := re.match(r"event (\w+) ([\d.]+) (\S+)", line):
                    events.setdefault((style, side, m[1]), []).append([float(m[2]), m[3]])
    unknown = set(cells) - set(VERDICTS)
    if unknown:
        sys.exit(f"no verdict for: {' '.join(sorted(unknown))}")
    for (style, side, row), text in causes.items():
        if (style, side) in cells.get(row, {}):
            cells[row][style, side]["causes"] = text
    return {k: cells[k] for k in VERDICTS if k in cells}, events


def read_witness(raw):
    rows = []
    for side in ("off", "on"):
        inside = {}
        text = lines(f"{raw}/witness-{side}.log")
        # SYSCALL is no interrupt, sigreturn() for example.
        syscalls = [l.split()[1] for l in text if re.match(r"event \w+ [\d.]+ sys_enter$", l)]
        for line in text:
            if m := re.match(r"noise (\w+) (actions=.*)", line):
                inside[m[1]] = int(fields(m[2])["entries"]) - syscalls.count(m[1])
        for line in lines(f"{raw}/witness-{side}.txt"):
            f = fields(line)
            name = line.split()[1]
            if name in inside:
                rows.append({"row": name, "side": side, "inside": inside[name],
                             "outside": int(f["events"]), "vectors": f["vectors"]})
    return rows


def cell_text(cell):
    if cell is None:
        return "-"
    if "not_run" in cell:
        return "not run"
    text = f"{cell['interrupts']} / {cell['switches']} / {cell['entries']}"
    if "refused" in cell:
        text += f", {cell['refused']} of {cell['times']} refused"
    return text


def kinds_text(cell):
    return cell.get("kinds", "not run") + (f" (left: {cell['left']:#x})" if cell.get("left") else "")


def matrix_table(cells):
    head = ["row"] + [f"{STYLES[st]}: {SIDES[si]}" for st in STYLES for si in SIDES]
    head += ["verdict", "why"]
    rows, wrong = [], []
    for name, row in cells.items():
        rows.append([f"`{name}`"] + [cell_text(row.get((st, si))) for st in STYLES for si in SIDES]
                    + list(VERDICTS[name]))
        wrong += wrong_verdict(name, row)
    return table(head, rows), wrong


def disturbed(cell):
    return any(cell.get(k, 0) for k in ("entries", "interrupts", "switches"))


def wrong_verdict(name, row):
    """Why the verdict of a row is not what was counted: a list, empty if it is."""
    verdict = VERDICTS[name][0]
    wrong = []
    if verdict in ("quiesced", "deferred"):
        left = [c for (_, si), c in row.items() if si == "on" and disturbed(c)]
        if left:
            wrong.append(f"{name} is said to be {verdict}: {[cell_text(c) for c in left]}")
    # What a claim refuses is refused each time, whatever the verdict of the row.
    for (style, side), cell in row.items():
        if side == "blocked" and "not_run" not in cell and (
                disturbed(cell) or cell["refused"] != cell["times"] or cell["moved"] or cell["after"] != 1):
            wrong.append(f"{name}, {STYLES[style]}, claimed: {cell_text(cell)}, moved {cell['moved']}, "
                         f"{'works' if cell['after'] == 1 else 'does not work'} afterwards")
    stock = [c for (_, si), c in row.items() if si == "stock" and "not_run" not in c]
    if name in CONTROLLED and not all(disturbed(c) for c in stock):
        wrong.append(f"{name} does not interrupt on stock, so it tests nothing: {[cell_text(c) for c in stock]}")
    for (style, side), cell in row.items():
        if side == "on" and "not_run" not in cell and cell["interrupts"] < AT_LEAST.get(name, 0) * cell["times"]:
            wrong.append(f"{name}, {STYLES[style]}: {cell_text(cell)}, which is less than {AT_LEAST[name]} each time")
    if name in PLACEMENT and row and not any(disturbed(c) for c in row.values()):
        wrong.append(f"{name} interrupts nobody, so it tests nothing")
    if stock and name in SUBJECTS:
        before, after = (subject(name, row, side) for side in ("stock", "on"))
        if before < 10 or after > before / 10:
            wrong.append(f"{name}: {' and '.join(SUBJECTS[name])}: {before} on stock, {after} isolated")
    if verdict == "refused":
        claimed = [c for (_, si), c in row.items() if si == "blocked" and "not_run" not in c]
        if not claimed:
            wrong.append(f"{name} is said to be refused, and did not run against a claim")
        elif name not in PLACEMENT and not any(si == "on" and disturbed(c) for (_, si), c in row.items()):
            wrong.append(f"{name} is said to be refused, and does not interrupt without a claim")
    return wrong


def subject(name, row, side):
    """How often functions that the row is about were sent to the CPU, in both styles."""
    return sum(int(cause.split()[0]) for (_, si), c in row.items() if si == side
               for cause in c.get("causes", []) if cause.split()[2] in SUBJECTS[name])


def causes_text(row, style):
    """By function: isolated, or where that is zero, why there was something without."""
    for side in ("on", "stock", "off"):
        cell = row.get((style, side), {})
        if disturbed(cell):
            return (f"{SIDES[side]}: " if side != "on" else "") + "<br>".join(cell.get("causes", ["unknown"]))
    return ""


def cause_table(cells):
    return table(["row", *STYLES.values()], [[f"`{n}`", *[causes_text(r, st) for st in STYLES]]
                                            for n, r in cells.items() if any(causes_text(r, st) for st in STYLES)])


def attribution(cells):
    """For the table that is kept: the rows that are told by function, most frequent first."""
    out = []
    for name in ATTRIBUTED:
        row = cells.get(name, {})
        for side in ("stock", "on"):
            counts = {}
            for (_, si), cell in row.items():
                for cause in cell.get("causes", []) if si == side and disturbed(cell) else []:
                    count, _, function, *_ = cause.split()
                    # A task that wakes up is told by the function that woke it.
                    if not cause.split()[1].startswith("sched_"):
                        counts[function] = counts.get(function, 0) + int(count)
            if counts:
                functions = sorted(counts.items(), key=lambda c: -c[1])
                out.append(f"- `{name}`, {SIDES[side]}: " + ", ".join(f"{n} `{f}`" for f, n in functions))
            elif any(si == side and "not_run" not in c for (_, si), c in row.items()):
                out.append(f"- `{name}`, {SIDES[side]}: nothing")
    for name, functions in SUBJECTS.items():
        if name in cells:
            out.append(f"- `{name}` is about {' and '.join(f'`{f}`' for f in functions)}: "
                       f"{subject(name, cells[name], 'stock')} on stock, {subject(name, cells[name], 'on')} isolated. "
                       "The rest is the module.")
    return ["By function, both styles of isolation together:", "", *out, ""] if out else []
