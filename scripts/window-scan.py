#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""What can be patched at run time, of what a CPU executes before it can serialize.

Between user mode and the hook a CPU executes .noinstr.text and .entry.text. The kernel
does not leave a CPU out when it patches these, so nothing there is wrong; but each
static key and static call there that is switched interrupts all CPUs. Those that are
known are in a list. Something new fails, so that it is looked at.

Usage: window-scan.py VMLINUX LIST
LIST has lines "key NAME" and "call NAME", with a comment behind "#".
Needs nm and readelf.
"""
import bisect
import collections
import re
import struct
import subprocess
import sys


class Image:
    """Symbols and contents of a vmlinux."""

    def __init__(self, path):
        self.symbols = {}
        self.sorted = []
        for line in run('nm', '-n', path):
            words = line.split()
            if len(words) < 3:
                continue
            address, kind, name = int(words[0], 16), words[1], words[2]
            self.symbols.setdefault(name, address)
            # Markers and padding are not what an address belongs to.
            if not name.startswith(('__pfx_', '$', '.')):
                self.sorted.append((address, kind, name))
        self.addresses = [entry[0] for entry in self.sorted]
        self.sections = []
        for line in run('readelf', '-SW', path):
            found = re.match(r'\s*\[\s*\d+\]\s+(\S+)\s+(\S+)\s+([0-9a-f]+)\s+([0-9a-f]+)\s+([0-9a-f]+)', line)
            if found and found[2] != 'NOBITS' and int(found[3], 16):
                self.sections.append([int(found[i], 16) for i in (3, 4, 5)])
        with open(path, 'rb') as file:
            self.data = file.read()

    def read(self, address, form):
        """Unpacks what is at an address."""
        for start, offset, size in self.sections:
            if start <= address < start + size:
                return struct.unpack_from(form, self.data, offset + address - start)
        raise KeyError(f'nothing at {address:#x}')

    def table(self, start, stop, form):
        """The entries between two symbols, with their addresses."""
        if start not in self.symbols or stop not in self.symbols:
            return None
        size = struct.calcsize(form)
        return [(a, *self.read(a, form)) for a in range(self.symbols[start], self.symbols[stop], size)]

    def name(self, address, kinds):
        """The symbol that an address belongs to, of some kinds."""
        i = bisect.bisect_right(self.addresses, address) - 1
        while i > 0 and self.sorted[i][1] not in kinds:
            i -= 1
        return self.sorted[i][2]

    def between(self, address, start, stop):
        """Whether an address is between two symbols, which are there."""
        return self.symbols[start] <= address < self.symbols[stop]


def run(*command):
    """The lines that a command prints."""
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()


def main():
    """Prints what is found, and fails if it is not known or if nothing can be found."""
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    image = Image(sys.argv[1])
    known = set()
    with open(sys.argv[2], encoding='ascii') as file:
        for line in file:
            words = line.split('#')[0].split()
            if words:
                known.add(tuple(words))

    def window(address):
        return (image.between(address, '__noinstr_text_start', '__noinstr_text_end') or
                image.between(address, '__entry_text_start', '__entry_text_end'))

    bad = []
    found = collections.defaultdict(set)
    constant = set()
    # struct jump_entry: code and target relative to themselves, the key as well
    entries = image.table('__start___jump_table', '__stop___jump_table', '<iiq')
    if not entries:
        sys.exit('no jump table: not what this understands')
    for address, code, _, key in entries:
        if not window(address + code):
            continue
        key = (address + 8 + key) & ~3
        name = image.name(key, 'bBdDrR')
        if image.between(key, '__start_ro_after_init', '__end_ro_after_init'):
            constant.add(name)
        else:
            found['key', name].add(image.name(address + code, 'tT'))
    calls = image.table('__start_static_call_sites', '__stop_static_call_sites', '<ii') or []
    for address, code, key in calls:
        if window(address + code):
            name = image.name((address + 4 + key) & ~3, 'bBdDrR')
            found['call', name.removeprefix('__SCK__')].add(image.name(address + code, 'tT'))
    traced = image.table('__start_mcount_loc', '__stop_mcount_loc', '<Q') or []
    for _, location in traced:
        if window(location):
            bad.append(f'ftrace can patch {image.name(location, "tT")}')

    for what, where in sorted(found.items()):
        print(*what, 'in', ', '.join(sorted(where)))
        if what not in known:
            bad.append(f'{" ".join(what)} is not in the list')
    print(f'{len(entries)} jump labels, {len(calls)} static calls, {len(traced)} traced functions; before the hook:',
          f'{sum(1 for kind, _ in found if kind == "key")} keys,',
          f'{sum(1 for kind, _ in found if kind == "call")} static calls, and',
          f'{len(constant)} keys that are read-only after boot')
    for message in bad:
        print('BAD', message)
    sys.exit(1 if bad else 0)


main()
