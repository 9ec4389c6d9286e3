# SPDX-License-Identifier: GPL-2.0
"""The bill: what a system call, a fault, a signal and more cost."""
import glob
import os
import re

from report.common import fields, lines, table

COST_LEGEND = [
    "Instructions (QEMU, -icount shift=0). Two runs agree to 0.1, but for figures with a ±, which",
    "depend on which list an allocator or a timer queue uses. A fault makes the vmstat counters dirty,",
    "a system call does not. \"tick restarted\" is a CPU time timer armed and disarmed, which leaves it",
    "running. Counting begins when PR_ISOL_QUIESCE_LEFT says that nothing is left. \"all\" are the",
    "actions that the machine supports.", "",
    "A test fails if a figure grows by more than 3: that of a signal by more than 25 and that of a tick",
    "restarted by more than 200, and each by twice what it varies. The tick itself is not compared.", ""]
# Costs that are not the same each time, and how much more is a growth if that is not 3.
VARIES = ("signal", "restart", "tick")
# CPUs as syscall_cost names them.
CPUS = {"no_nohz_full": "housekeeping, no nohz_full=", "isolcpus": "isolcpus, no nohz_full="}
GROWTH = {"signal": 25, "tick restarted": 200}


def read_bill(raw):
    """Rows of the bill. A run that does not agree with itself is none."""
    bill, invalid = [], []
    for path in sorted(glob.glob(f"{raw}/cost-*-*.log")):
        kernel, pti = os.path.basename(path)[5:-4].split("-")
        runs = {}
        for line in lines(path):
            if line.startswith("cost "):
                f = fields(line)
                runs.setdefault((f["kind"], f["mode"]), []).append(f)
        for (cpu, mode), both in runs.items():
            row = {"pti": pti, "cpu": cpu, "kernel": kernel, "mode": mode}
            for what in ("syscall", "fault", "signal", "restart", "tick"):
                values = [float(r[what]) for r in both]
                good = len(values) == 2 and abs(values[0] - values[1]) < 0.11
                row[what] = values[0] if good else None
                # What a tick has to do is not the same each time, nor which lists
                # the allocator of a signal and the queue of a timer use.
                if what in VARIES:
                    row[what] = sum(values) / len(values)
                    row[f"{what}_spread"] = max(values) - min(values)
                elif not good:
                    invalid.append(f"{kernel} pti={pti} {cpu} {mode} {what}: {values}")
            bill.append(row)
    return bill, invalid


def read_pending(raw):
    """What a system call costs more that finds a flush to do."""
    out, invalid = {}, []
    for pti in ("off", "on"):
        values = [int(f["pending"]) - int(f["clean"])
                  for f in map(fields, lines(f"{raw}/cost-series-{pti}.log")) if "pending" in f]
        if len(values) == 2 and values[0] == values[1]:
            out[pti] = values[0]
        elif os.path.exists(f"{raw}/cost-series-{pti}.log"):
            invalid.append(f"pti={pti}, a deferred flush to do: {values}")
    return out, invalid


def clean_difference(bill):
    """Of a clean return, all actions against none, on a nohz_full CPU: what the functions come to together."""
    cost = {r["mode"]: r["syscall"] for r in bill
            if (r["pti"], r["cpu"], r["kernel"]) == ("off", "nohz_full", "series")}
    return cost["all"] - cost["plain"] if cost.get("all") and cost.get("plain") else None


def varying_text(row, what):
    half = row[f"{what}_spread"] / 2
    if half > row[what] / 20:
        return f"{row[what] - half:.0f} or {row[what] + half:.0f}"
    return f"{row[what]:.0f} (±{half:.0f})"


def number_text(row, what):
    if what in VARIES:
        return varying_text(row, what)
    return "invalid" if row[what] is None else f"{row[what]:.1f}"


def bill_table(bill):
    order = {"stock": 0, "off": 1, "series": 2}
    rows = []
    for r in sorted(bill, key=lambda r: (r["pti"], r["cpu"], order[r["kernel"]])):
        number = [number_text(r, w) for w in ("syscall", "fault", "signal", "restart", "tick")]
        rows.append([r["pti"], CPUS.get(r["cpu"], r["cpu"]), {"off": "ours, =n", "series": "ours, =y"}.get(
            r["kernel"], r["kernel"]), r["mode"], *number])
    return table(["pti", "CPU", "kernel", "actions", "getppid()", "page fault",
                  "signal round trip", "tick restarted", "tick"], rows)


def overhead_table(bill):
    """What isolation adds, against both kernels it can be compared with."""
    cost = {(r["pti"], r["cpu"], r["kernel"], r["mode"]): r for r in bill}
    rows = []
    for pti, cpu in dict.fromkeys((r["pti"], r["cpu"]) for r in bill):
        plain = [cost.get((pti, cpu, k, "plain"), {}) for k in ("stock", "series")]
        for mode, what, name in (("plain", "syscall", "getppid()"), ("plain", "fault", "page fault"),
                                 ("three", "syscall", "getppid()"), ("all", "syscall", "getppid()"),
                                 ("vmstat", "fault", "page fault"), ("all", "fault", "page fault")):
            value = cost.get((pti, cpu, "series", mode), {}).get(what)
            if value is None:
                continue
            more = ["-" if p.get(what) is None else f"{value - p[what]:+.0f}" for p in plain]
            rows.append([name, mode, pti, CPUS.get(cpu, cpu), more[0], "" if mode == "plain" else more[1]])
    order = ("housekeeping", "nohz_full", "no_nohz_full", "isolcpus")
    order = [CPUS.get(c, c) for c in order]
    rows.sort(key=lambda r: (r[2], order.index(r[3]) if r[3] in order else len(order)))
    return ["The series makes direct access to the state of context tracking cheaper, for every thread. A thread that is not",
            "isolated pays less than on stock for that reason, so the price of isolation is given against both:", "",
            *table(["of a", "actions", "pti", "CPU", "more than on stock", "more than not isolated, same kernel"], rows)]


def bill_section(bill, pending, purge):
    return ["## What it costs", "", *COST_LEGEND, *bill_table(bill), "", *overhead_table(bill), "", *pending, *purge, ""]


def read_purge(raw):
    """What a purge costs where nobody is isolated: each area, and the flush."""
    out = {}
    for kernel in ("bench-stock", "bench"):
        runs = [fields(l) for l in lines(f"{raw}/purge-{kernel}.log") if l.startswith("cost of purge ")]
        if runs:
            out[kernel] = {k: min(float(f[k]) for f in runs) for k in ("areas", "each", "flush")}
    return out if len(out) == 2 else None


def purge_growth(purge):
    stock, ours = purge["bench-stock"], purge["bench"]
    areas = stock["areas"]
    return (areas * ours["each"] + ours["flush"]) / (areas * stock["each"] + stock["flush"]) - 1


def purge_text(purge):
    if not purge:
        return []
    stock, ours = purge["bench-stock"], purge["bench"]
    return [f"- A purge of vmalloc space, nobody isolated, pti=off, under function probes: for each area "
            f"{stock['each']:.1f} on stock, {ours['each']:.1f} on ours; the flush {stock['flush']:.0f} and "
            f"{ours['flush']:.0f}; {100 * purge_growth(purge):+.1f}% for {stock['areas']:.0f} areas"]


def pending_text(pending):
    return [f"- A system call that finds a deferred flush to do, without the TLB misses behind it, pti={k}: +{v}"
            for k, v in pending.items()]


def sizes(raw):
    out = []
    for kernel in ("stock", "series"):
        text = "\n".join(lines(f"{raw}/size-{kernel}.txt"))
        if m := re.findall(r"size: (\d+), cachelines", text):
            out.append(f"`task_struct`, {kernel}: {m[-1]} bytes")
    out += [f"vmlinux, with the test device of the deferral: {l}"
            for l in lines(f"{raw}/bloat.txt") if l.startswith("Total")]
    return out
