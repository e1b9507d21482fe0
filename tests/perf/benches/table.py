"""The table of docs/benchmarks.md that tools/bench writes: a row for each result, with what it should be. A run puts its rows in the place of those of the
same benches; rows of another machine, or of benches that are no more, go."""

import os
import platform
import re
import time

from benches.lab import ROOT, fail

PAGE = os.path.join(ROOT, "docs", "benchmarks.md")
BEGIN, END = "<!-- tools/bench all: begin -->", "<!-- tools/bench all: end -->"
HEAD = ["bench", "what", "hearth", "unit", "beside", "its figure", "ratio", "goal", "n", "date"]

# What was set as a goal (a target of the project, not a claim): the name of a result, whole or its beginning.
GOALS = {"rps": ">= 1 x deno, njs, node, workerd", "cpu": "<= 0.5 x the best", "forward": "<= 100", "handshake ": ">= 1 x nginx", "cold": "<= 0.33 x workerd",
         "memory of a script": "<= 0.6 x workerd", "memory of": "<= 16,000", "flood": ">= its figure", "goodput": ">= 0.9 x alone", "classify, warm": "<= 100",
         "classify, cold": "<= 250", "ring": "<= 10", "bulk": ">= 1 x nginx"}


def machine():
    with open("/proc/cpuinfo") as file:
        model = re.search(r"^model name\s*:\s*(.*)$", file.read(), re.M)
    with open("/proc/meminfo") as file:
        gigabytes = int(re.search(r"^MemTotal:\s+(\d+)", file.read(), re.M)[1]) / 1e6
    return f"{os.cpu_count()} CPUs ({model[1] if model else platform.machine()}), {gigabytes:.0f} GB, Linux {platform.release()}"


def goal_of(name, goals):
    """The longest beginning that has one."""
    fitting = [key for key in goals if name == key or name.startswith(key)]
    return goals[max(fitting, key=len)] if fitting else ""


def row(bench, one, goals, date):
    ratio = "" if one["ratio"] is None else f"{one['ratio']:.3f}"
    return [bench, one["name"], f"{one['value']:,.2f}", one["unit"], one["peer"], f"{one['peer_value']:,.2f}", ratio, goal_of(one["name"], goals),
            str(one["n"]), date]


def read(text):
    """The rows of the section, if they are of this machine."""
    section = text[text.index(BEGIN):text.index(END)]
    if f"Machine: {machine()}." not in section:
        return []
    return [cells for line in section.splitlines() if line.startswith("| ")
            and len(cells := [cell.strip() for cell in line.strip("|").split("|")]) == len(HEAD) and cells != HEAD]


def write(order, seen, goals, command, page=PAGE):
    """order: all names; seen: a name's results, or a word why there are none."""
    with open(page) as file:
        text = file.read()
    if BEGIN not in text or END not in text:
        fail(f"{page} has no place for the table: {BEGIN} and {END}")
    date, rows = time.strftime("%Y-%m-%d"), {}
    for cells in read(text):
        if cells[0] in order and cells[0] not in seen:
            rows.setdefault(cells[0], []).append(cells)
    for name, results in seen.items():
        made = [[name, results, *[""] * (len(HEAD) - 3), date]] if isinstance(results, str) else [row(name, one, {**GOALS, **goals}, date) for one in results]
        rows[name] = made
    load = " ".join(f"{one:.1f}" for one in os.getloadavg())
    lines = [BEGIN, f"Machine: {machine()}. The last run: `{command}`, {time.strftime('%Y-%m-%d %H:%M')}, load {load} at its end.", "",
             "| " + " | ".join(HEAD) + " |", "|" + "---|" * len(HEAD)]
    lines += ["| " + " | ".join(cells) + " |" for name in order for cells in rows.get(name, [[name, "not run on this machine", *[""] * (len(HEAD) - 2)]])]
    with open(page + ".new", "w") as file:
        file.write(text[:text.index(BEGIN)] + "\n".join(lines) + "\n" + text[text.index(END):])
    os.replace(page + ".new", page)
