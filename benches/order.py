#!/usr/bin/env python3
"""Writes `.cargo/order.ld`: which functions a check runs, so that the linker lays them side by side.

    benches/order.py MAP CALLGRIND... > .cargo/order.ld

MAP is lld's map of a program with its symbols, CALLGRIND what valgrind wrote of that program's runs, the most usual one
first; docs/BENCHMARKS.md has the commands. What differs from one compiler to the next (the hashes in names) is left open, so
a name can stand for more than the function that was meant. What the first run calls comes first, and of that the names that
stand for little else.
"""

import collections
import re
import sys

# A name that stands for more bytes than this, and of which less than a tenth ran, is not worth its place.
TOO_MUCH = 60_000

# By hand: SHA-2, since valgrind plays a processor without instructions for it, and what a static program does before all else.
HEAD = """\
/* What a check runs, side by side, so that a tenth of the program is met and not all of it: benches/order.py wrote this, and
   docs/BENCHMARKS.md says how. A name that no longer exists does no harm. */
SECTIONS {
  .text.hot : {
    *rcrt1.o(.text)
    *libc.a:*reloc*.o(.text)
    *libc.a:cacheinfo.o(.text)
    *(.text._ZN4sha2*)
"""
TAIL = """\
  }
} INSERT BEFORE .text;
"""


def any_build(section):
    """The section's name without what another compiler, or another build, would call differently."""
    section = re.sub(r"17h[0-9a-f]{16}E", "17h*E", section)
    section = re.sub(r"\.llvm\.\d+", ".llvm.*", section)
    section = re.sub(r"Cs[0-9A-Za-z]+_", "Cs*_", section)
    return re.sub(r"\.(constprop|isra|part)\.[0-9.a-z]*", ".*", section)


def pattern(file, section):
    """How the linker script calls a section, None if it has no name of its own."""
    member = re.search(r"libc\.a\((.*)\)$", file)
    if member:
        # Of what is there for several processors, another one may take another.
        other = re.sub(r"-(avx|sse|evex).*", "-*.o", member[1])
        return f"*libc.a:{other}({section if other == member[1] else '.text .text.*'})"
    if section == ".text":
        return None
    return f"*({any_build(section)})"


def called(files):
    """The names of all functions that ran."""
    names = set()
    for file in files:
        with open(file, encoding="utf-8", errors="replace") as lines:
            for line in lines:
                name = re.match(r"c?fn=\(\d+\) (\S+?)('\d+)?$", line.rstrip())
                if name:
                    names.add(name[1])
    return names


def main():
    """Reads the map, and prints the script."""
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    names, first = called(sys.argv[2:]), called(sys.argv[2:3])
    total, hot, usual = collections.Counter(), collections.Counter(), set()
    at, size, counted = None, 0, False
    with open(sys.argv[1], encoding="utf-8", errors="replace") as lines:
        for line in lines:
            row = re.match(r"\s*[0-9a-f]+\s+[0-9a-f]+\s+([0-9a-f]+)\s+\d+ (.*)$", line)
            if not row:
                continue
            section = re.match(r"(.*):\((.*)\)$", row[2].strip())
            if section:
                at = pattern(section[1], section[2]) if section[2].startswith(".text") else None
                size, counted = int(row[1], 16), False
                if at:
                    total[at] += size
            elif at and row[2].strip() in names:
                hot[at] += 0 if counted else size
                counted = True
                if row[2].strip() in first:
                    usual.add(at)
    worth = [name for name in hot if hot[name] * 10 >= total[name] or total[name] < TOO_MUCH]
    worth.sort(key=lambda name: (name not in usual, -round(hot[name] / total[name], 1), name))
    print(HEAD, *(f"    {name}\n" for name in worth), TAIL, sep="", end="")


main()
