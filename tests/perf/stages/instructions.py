#!/usr/bin/env python3
"""instructions.py STAGES HELLOS CERTS BUDGET [--write] - counts the instructions of each stage of STAGES (stages.h) under callgrind, and compares
them with BUDGET: lines of a name and instructions of one operation. A stage that needs over 3 % more fails; one that needs over 3 % less is told to
lower its budget. --write makes the file anew.

Counted are functions of this tree's dataplane/, drivers/ and runtime/, by the file where they stand, with what is inlined into them. Not libraries
below them and not the C library, which choose code by the CPU; not what is compiled for several CPUs here (CHOSEN_BY_CPU); not the tests' own ends.
So the number is the same on every x86-64 machine with the same compiler and options. It says nothing of caches, branches and how long an instruction
takes; but it is the same on a busy machine, and a loop that came to a path is in it."""

import contextlib
import glob
import re
import subprocess
import sys
import tempfile

TOLERANCE = 0.03
LITTLE = 2  # instructions: what a stage of a few may differ by
OURS = re.compile(r"(dataplane|drivers|runtime)/")
CHOSEN_BY_CPU = re.compile(r"^add_long\b")  # drivers/csum.c: target_clones
SKIPPED = 77


def in_tree(path):
    """The compiler names files from the build directory: "/somewhere/build/../dataplane/x.c"."""
    return path.rsplit("../", 1)[-1]


def is_ours(path, function):
    return bool(OURS.match(in_tree(path))) and not CHOSEN_BY_CPU.match(function)


def named(names, text):
    """callgrind writes a name once, "(7) name", and then "(7)"."""
    number, _, name = text.partition(" ")
    if not number.startswith("("):
        return text
    if name:
        names[number] = name
    return names[number]


def read_dump(path):
    """The stage's name, and the instructions of its own functions: {(file, function): count}."""
    stage, counts, files, functions = None, {}, {}, {}
    file_now, function, skips = "", ("", ""), 0
    with open(path) as lines:
        for line in lines:
            line = line.rstrip("\n")
            key, has, value = line.partition("=")
            if line.startswith("desc: Trigger: Client Request: "):
                stage = line.rsplit(": ", 1)[1]
            elif has and key in ("fl", "fi", "fe"):
                file_now = named(files, value)
            elif has and key == "fn":
                function = file_now, named(functions, value)
            elif has and key in ("cfl", "cfi"):
                named(files, value)
            elif has and key == "cfn":
                named(functions, value)
            elif has and key == "calls":
                skips = 1  # the next line is the cost of what is called
            elif line[:1].isdigit() or line[:1] in "+-*" and line:
                if skips:
                    skips = 0
                    continue
                counts[function] = counts.get(function, 0) + int((line.split() + ["0"])[1])
    return stage, counts


def measure(program, hellos, certs):
    """name -> instructions of an operation, and of which functions."""
    with tempfile.TemporaryDirectory(prefix="hearth-stages-") as directory:
        done = subprocess.run(["valgrind", "--tool=callgrind", "--instr-atstart=no", "--collect-atstart=no", f"--callgrind-out-file={directory}/out",
                               program, hellos, certs], capture_output=True, text=True)
        if done.returncode:
            sys.exit(f"{program}: exit {done.returncode}\n{done.stdout}{done.stderr}")
        operations = {name: int(count) for name, count in (line.split() for line in done.stdout.splitlines())}
        seen = {}
        for path in glob.glob(f"{directory}/out*"):
            stage, counts = read_dump(path)
            if stage in operations:
                seen[stage] = {key: count / operations[stage] for key, count in counts.items() if is_ours(*key)}
    if missing := sorted(set(operations) - set(seen)):
        sys.exit(f"no dump of {', '.join(missing)}")
    return {name: seen[name] for name in operations}


def read_budget(path):
    with open(path) as file:
        rows = [line.split() for line in file if line.strip() and not line.startswith("#")]
    return {name: float(count) for name, count in rows}


HEAD = """# Instructions of one operation of each stage (tests/perf/stages/instructions.py), within 3 %.
# Made by: ninja -C build instructions-budget
"""


def write_budget(path, sums):
    width = max(map(len, sums))
    with open(path, "w") as file:
        file.write(HEAD + "".join(f"{name:{width}} {count:8.1f}\n" for name, count in sums.items()))


def judge(name, count, budget):
    """"good", "more", "less" or "new"."""
    if budget is None:
        return "new"
    if abs(count - budget) <= max(budget * TOLERANCE, LITTLE):
        return "good"
    return "more" if count > budget else "less"


def main(program, hellos, certs, budget_path, *options):
    with contextlib.suppress(FileNotFoundError):
        subprocess.run(["valgrind", "--version"], capture_output=True, check=True)
        stages = measure(program, hellos, certs)
        sums = {name: sum(counts.values()) for name, counts in stages.items()}
        if "--write" in options:
            write_budget(budget_path, sums)
            return 0
        return compare(stages, sums, read_budget(budget_path))
    print("skip - no valgrind")
    return SKIPPED


WORDS = {"more": "needs more: {count:.1f} instructions, budget {budget:.1f} ({percent:+.1f} %)",
         "less": "needs less: lower the budget to {count:.1f} from {budget:.1f} ({percent:+.1f} %)",
         "good": "{count:.1f} instructions, budget {budget:.1f} ({percent:+.1f} %)",
         "new": "{count:.1f} instructions, and no budget: ninja -C build instructions-budget"}


def compare(stages, sums, budgets):
    is_bad = False
    for name, count in sums.items():
        budget = budgets.pop(name, None)
        verdict = judge(name, count, budget)
        percent = (count / budget - 1) * 100 if budget else 0
        is_bad |= verdict in ("more", "new")
        print(f"{'not ok' if verdict in ('more', 'new') else 'ok'} - {name} " + WORDS[verdict].format(count=count, budget=budget or 0, percent=percent))
        if verdict == "more":
            for (path, function), part in sorted(stages[name].items(), key=lambda item: -item[1])[:8]:
                print(f"#   {part:8.1f}  {function}  {in_tree(path)}")
    for name in budgets:
        is_bad = True
        print(f"not ok - {name} has a budget and is no stage")
    return int(is_bad)


if __name__ == "__main__":
    if len(sys.argv) < 5:
        sys.exit(__doc__)
    sys.exit(main(*sys.argv[1:]))
