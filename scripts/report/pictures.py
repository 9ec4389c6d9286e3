# SPDX-License-Identifier: GPL-2.0
"""The pictures: a map of the matrix, and one run on a time line."""
import math
import re

from report.matrix import SIDES, STYLES, VERDICTS, cell_text


def heat_map(cells, out):
    import matplotlib
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    names = list(cells)
    columns = [(st, si) for st in STYLES for si in SIDES]
    fig, ax = plt.subplots(figsize=(14, 0.32 * len(names) + 2.2))
    ax.set_xlim(0, len(columns))
    ax.set_ylim(len(names), 0)
    for y, name in enumerate(names):
        for x, column in enumerate(columns):
            cell = cells[name].get(column)
            if cell is None and column[1] == "blocked":
                continue
            if cell is None or "not_run" in cell:
                ax.add_patch(plt.Rectangle((x, y), 1, 1, fill=False, hatch="///", ec="0.6", lw=0))
                ax.text(x + .5, y + .5, "not run", ha="center", va="center", fontsize=7,
                        bbox={"fc": "white", "ec": "none", "pad": 1})
                continue
            n = max(cell["entries"], cell["interrupts"])
            shade = 1 - min(math.log10(n + 1) / 3, 1) * .85 if n else 1
            ax.add_patch(plt.Rectangle((x, y), 1, 1, fc=str(shade), ec="0.8", lw=.5))
            ax.text(x + .5, y + .5, cell_text(cell).replace(", ", "\n"), ha="center", va="center", fontsize=7,
                    color="white" if shade < .5 else "black",
                    fontweight="bold" if n else "normal")
    ax.axvline(len(SIDES), color="black", lw=1.5)
    ax.set_xticks([x + .5 for x in range(len(columns))], [SIDES[si] for _, si in columns])
    ax.set_yticks([y + .5 for y in range(len(names))],
                  [f"{n}  ({VERDICTS[n][0]})" for n in names], fontsize=8)
    ax.xaxis.tick_top()
    ax.tick_params(length=0)
    for i, style in enumerate(STYLES):
        ax.text((i + .5) * len(SIDES), -1.4, STYLES[style], ha="center", fontweight="bold")
    ax.text(0, len(names) + .9, "interrupts / forced context switches / entries from user mode "
            "of the CPU on which a thread spins; darker is worse", fontsize=8)
    for ext in ("svg", "png"):
        fig.savefig(f"{out}/matrix.{ext}", bbox_inches="tight", dpi=130)


MARKS = ["o", "s", "^", "D", "v", "x", "+", "*", "p", "<"]


def time_line(events, cells, out):
    import matplotlib
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    style = "isolcpus"
    done = [n for n in cells if (style, "stock") in cells[n] and
            "not_run" not in cells[n][style, "stock"]]
    name = "stat_refresh" if "stat_refresh" in done else (done or [None])[0]
    if not name:
        return None
    runs = [(SIDES[s], events.get((style, s, name), [])) for s in ("stock", "on")]
    kinds = sorted({re.sub(r"[/:]\d.*", "", k) for _, r in runs for _, k in r})
    fig, axes = plt.subplots(2, 1, sharex=True, figsize=(10, 1.6 + .5 * max(len(kinds), 2)))
    for ax, (side, run) in zip(axes, runs):
        for y, kind in enumerate(kinds):
            times = [t for t, k in run if re.sub(r"[/:]\d.*", "", k) == kind]
            ax.plot(times, [y] * len(times), MARKS[y % len(MARKS)], color="black", ms=5, mfc="none")
        ax.set_yticks(range(len(kinds)), kinds, fontsize=8)
        ax.set_ylim(-.7, max(len(kinds), 1) - .3)
        ax.grid(axis="y", color="0.9")
        ax.set_title(f"{side}: {len(run)} events", loc="left", fontsize=9)
    axes[1].set_xlabel(f"seconds since the first of {cells[name][style, 'stock']['times']} "
                       f"x {name}, {STYLES[style]}")
    fig.tight_layout()
    for ext in ("svg", "png"):
        fig.savefig(f"{out}/timeline.{ext}", dpi=130)
    return name
