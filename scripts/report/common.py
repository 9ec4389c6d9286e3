# SPDX-License-Identifier: GPL-2.0
"""Common to the parts of the report: how logs are read and tables are written."""
import os


def lines(path):
    if not os.path.exists(path):
        return []
    with open(path, errors="replace") as f:
        return f.read().splitlines()


def fields(line):
    return dict(w.split("=", 1) for w in line.split() if "=" in w)


def table(head, rows):
    out = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return out + ["| " + " | ".join(str(c) for c in r) + " |" for r in rows]
