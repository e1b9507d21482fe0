#!/usr/bin/env python3
"""Does every #include run downwards?  tests/floors/floors.py [ROOT]

Reads the map FLOORS and the includes of all C and C++ files below it, and names each include that leaves its room for one that is not on a lower
floor, each file that has no room, and each circle of files that the map does not allow. Tests and tools may include what they like."""

import os
import re
import sys

SOURCES = (".c", ".h", ".cc", ".hh")
INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.MULTILINE)


class Floors:
    """The map: for each section (a folder) its rooms and how high they are."""

    def __init__(self, text):
        self.rank, self.rooms, self.circles = {}, {}, []
        section, row = None, 0
        for number, line in enumerate(text.splitlines(), 1):
            line = line.split("#", 1)[0].strip()
            if not line:
                continue
            if line.startswith("["):
                section = line.strip("[]")
                continue
            names, colon, reason = line.partition(":")
            if section is None or not colon or not reason.strip():
                raise ValueError(f"FLOORS:{number}: not `ROOM, ROOM : what is in it`")
            row += 1
            rooms = [tuple(room.split()) for room in names.split(",")]
            if section == "circles":
                self.circles.append({name for room in rooms for name in room})
                continue
            for room in rooms:
                self.rank.setdefault(section, {})[room[0]] = -row
                for name in room:
                    self.rooms.setdefault(section, {})[name] = room[0]

    def sections(self):
        return sorted(self.rank, key=len)

    def room(self, section, path):
        """The room of a file in a section: None if it is not below it, "" if it has no room there."""
        below = path if section == "." else path[len(section) + 1:] if path.startswith(section + "/") else None
        if below is None:
            return None
        first = below.split("/")[0]
        stem = os.path.splitext(first)[0]
        rooms = self.rooms[section]
        return rooms.get(first) or rooms.get(stem + ".h") or ""

    def complaint(self, source, target):
        for section in self.sections():
            of, at = self.room(section, source), self.room(section, target)
            if of is None or at is None or of in ("tests", "tools"):
                continue
            if of == "" or at == "":
                return f"{source if of == '' else target}: no room in [{section}] of FLOORS"
            if of != at and self.rank[section][at] >= self.rank[section][of]:
                return f"{source} includes {target}: {of} does not stand above {at}"
        return None


def includes(root):
    """Pairs of paths below the root: who includes whom."""
    found = []
    for folder, folders, files in os.walk(root):
        folders[:] = [name for name in folders if not name.startswith((".", "build")) and name != "node_modules"]
        for name in files:
            if not name.endswith(SOURCES):
                continue
            path = os.path.join(folder, name)
            with open(path, encoding="utf-8") as file:
                text = file.read()
            for target in INCLUDE.findall(text):
                for base in (root, folder):
                    if os.path.exists(os.path.join(base, target)):
                        found.append((os.path.relpath(path, root), os.path.relpath(os.path.join(base, target), root)))
                        break
    return found


def circles(pairs):
    """Sets of stems (a file without its ending) each of which leads to every other one."""
    graph = {}
    for source, target in pairs:
        graph.setdefault(os.path.splitext(source)[0], set()).add(os.path.splitext(target)[0])
    order, low, stack, found = {}, {}, [], []

    def visit(node):  # Tarjan 1972
        order[node] = low[node] = len(order)
        stack.append(node)
        for other in sorted(graph.get(node, ())):
            if other not in order:
                visit(other)
                low[node] = min(low[node], low[other])
            elif other in stack:
                low[node] = min(low[node], order[other])
        if low[node] == order[node]:
            at = stack.index(node)
            members = set(stack[at:])
            del stack[at:]
            if len(members) > 1:
                found.append(members)

    sys.setrecursionlimit(10000)
    for node in sorted(graph):
        if node not in order:
            visit(node)
    return found


def complaints(root):
    with open(os.path.join(root, "FLOORS"), encoding="utf-8") as file:
        floors = Floors(file.read())
    pairs = [pair for pair in includes(root) if not pair[0].startswith(("tests/", "tools/"))]
    found = {floors.complaint(*pair) for pair in pairs} - {None}
    for members in circles(pairs):
        if not any(members <= allowed for allowed in floors.circles):
            found.add("a circle that FLOORS does not allow: " + ", ".join(sorted(members)))
    return sorted(found)


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    found = complaints(sys.argv[1] if len(sys.argv) > 1 else os.path.join(here, "..", ".."))
    print("\n".join(found) or "every include runs downwards")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
