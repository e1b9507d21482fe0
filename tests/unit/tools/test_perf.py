#!/usr/bin/env python3
"""test_perf.py ROOT: what the measuring programs do with what they have measured: the table of tools/bench, and the budget of instructions."""

import os
import sys
import tempfile

ROOT = sys.argv[1]
sys.path[:0] = [os.path.join(ROOT, "tests", "perf"), os.path.join(ROOT, "tests", "perf", "stages")]
from benches import table  # noqa: E402
from benches.lab import result  # noqa: E402
import instructions  # noqa: E402

ORDER = ["rps", "cold", "init"]


def rows(page):
    with open(page) as file:
        return table.read(file.read())


def a_run_replaces_the_rows_of_its_own_benches(directory):
    page = os.path.join(directory, "page.md")
    with open(page, "w") as file:
        file.write(f"# Title\n\n{table.BEGIN}\nold\n{table.END}\nwhat follows\n")
    table.write(ORDER, {"rps": [result("rps", 30000, "requests/s", "nginx", 20000, 3)], "cold": "broke off: no lab"}, {}, "tools/bench rps", page)
    table.write(ORDER, {"cold": [result("cold", 1, "ms", "workerd", 4, 9), result("cold_p99", 2, "ms", "workerd", 0, 9)]}, {"cold_p99": "< 3"},
                "tools/bench cold", page)
    seen = [[row[0], row[1], row[2], row[6], row[7]] for row in rows(page)]
    assert seen == [["rps", "rps", "30,000.00", "1.500", ">= 1 x deno, njs, node, workerd"], ["cold", "cold", "1.00", "0.250", "<= 0.33 x workerd"],
                    ["cold", "cold_p99", "2.00", "", "< 3"], ["init", "not run on this machine", "", "", ""]], seen
    with open(page) as file:
        text = file.read()
    assert text.startswith("# Title\n\n") and text.endswith(f"{table.END}\nwhat follows\n") and "tools/bench cold" in text and "tools/bench rps" not in text, text


def rows_of_another_machine_go(directory):
    page = os.path.join(directory, "page.md")
    with open(page, "w") as file:
        file.write(f"{table.BEGIN}\n{table.END}\n")
    table.write(ORDER, {"rps": [result("rps", 1, "requests/s", "nginx", 2, 3)]}, {}, "tools/bench rps", page)
    assert rows(page)[0][1] == "rps"
    with open(page) as file:
        text = file.read()
    assert table.read(text.replace(f"Machine: {table.machine()}", "Machine: another")) == []


DUMP = """# callgrind format
version: 1
desc: Trigger: Client Request: a_stage
positions: line
events: Ir
ob=(1) stages
fl=(1) ../dataplane/tls/tls.c
fn=(1) tls_write
10 5
fi=(2) ../dataplane/base/chunk.h
+3 7
fe=(1)
cfi=(3) /usr/src/libfoo/../foo.c
cfn=(2) seal
calls=2 40
* 1000
+1 1
fl=(3)
fn=(2)
40 1000
fl=(4) ../drivers/csum.c
fn=(3) add_long.avx2.0
5 50
fn=(4) csum_verify
6 2
fl=(5) ../tests/unit/dataplane/tls/tls_pair.c
fn=(5) server_send
7 9
fi=(2)
8 4
fn=(6) chunk_put
9 3

totals: 1081
"""


def own_instructions_are_those_of_functions_of_this_tree(directory):
    path = os.path.join(directory, "out.1")
    with open(path, "w") as file:
        file.write(DUMP)
    stage, counts = instructions.read_dump(path)
    ours = {function: count for (file, function), count in counts.items() if instructions.is_ours(file, function)}
    # What is inlined counts where it runs; a function that stands in our header is ours whoever came before it.
    assert stage == "a_stage" and ours == {"tls_write": 13, "csum_verify": 2, "chunk_put": 3}, (stage, ours)
    assert counts["../tests/unit/dataplane/tls/tls_pair.c", "server_send"] == 13, counts


def a_stage_is_judged_by_its_budget(directory):
    for count, budget, verdict in ((100, 100, "good"), (103, 100, "good"), (103.5, 100, "more"), (96.5, 100, "less"), (4, 2.5, "good"), (6, 2.5, "more"),
                                   (5, None, "new")):
        assert instructions.judge("x", count, budget) == verdict, (count, budget)


for test in (a_run_replaces_the_rows_of_its_own_benches, rows_of_another_machine_go, own_instructions_are_those_of_functions_of_this_tree,
             a_stage_is_judged_by_its_budget):
    with tempfile.TemporaryDirectory(prefix="hearth-test-perf-") as directory:
        test(directory)
        print(f"ok - {test.__name__.replace('_', ' ')}")
