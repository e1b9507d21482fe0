"""Memory of a script, beside workerd; and what idle cells compute."""

import os
import time

from benches.lab import CA, LAB, PERF, ROOT, deploy_hellos, exact_cpu_ns, fail, family, first_requests, in_client, make_cold, memory_bytes, result, rows_of, run, scripts
from benches.peers import attach_peer, workerd_with, workers

TEXTS = {
    "density": """memory of one more warm script, "Hello, world!": growth of all of hearth's processes (hearthd with the cell's region and link, zygote, cells; their
proportional set and page tables) with 200 of them, after 2 and after 50 requests each; the peer is workerd with as many services in one process.
N is how many scripts. And the CPU time of 1,000 idle cells: of all of hearth's processes, beside what they take without a cell""",
}

DENSITY_SCRIPTS = 200
DENSITY_REQUESTS = (2, 50)  # of each script, in all


def density_of_hearth():
    names = [f"d{number:03d}" for number in range(DENSITY_SCRIPTS)]
    run(LAB, "up", "--config-extra", os.path.join(PERF, "warming.yaml"))
    try:
        with open(os.path.join(ROOT, "build", "lab", "n1", "pid")) as file:
            pid = int(file.read())
        deploy_hellos(names)
        make_cold()
        before, grown, asked = memory_bytes(pid), [], 0
        for requests in DENSITY_REQUESTS:
            first_requests(0, [f"{name}.hearth.test" for name in names], requests - asked)
            asked = requests
            if sum(script["cells"] for script in scripts()) != DENSITY_SCRIPTS:
                fail("not one cell for each script")
            grown.append((memory_bytes(pid) - before) / DENSITY_SCRIPTS)
        return grown
    finally:
        run(LAB, "down")


def memory_of_workerd(count):
    """Of workerd with so many services, after each number of requests."""
    asked, seen = 0, []
    with workerd_with(workers(count), "000") as server:
        for requests in DENSITY_REQUESTS:
            for _ in range(requests - asked):
                run(*in_client("curl", "-sS", "--fail", "--cacert", CA, f"{server.url}[000-{count - 1:03d}]"))
            asked = requests
            seen.append(memory_bytes(server.pid))
    return seen


def density_of_workerd():
    run(LAB, "up")
    try:
        attach_peer()
        return [(many - one) / (DENSITY_SCRIPTS - 1) for many, one in zip(memory_of_workerd(DENSITY_SCRIPTS), memory_of_workerd(1))]
    finally:
        run(LAB, "down")


IDLE_CELLS = 1000
IDLE_SECONDS = 30
IDLE_SETTLED_SECONDS = 10  # what started or ended last has been looked at


def idle_cpu():
    """Milliseconds of CPU time a second of all of hearth's processes while nobody asks anything."""
    with open(os.path.join(ROOT, "build", "lab", "n1", "pid")) as file:
        pids = family(int(file.read()))
    time.sleep(IDLE_SETTLED_SECONDS)
    before, began = exact_cpu_ns(pids), time.monotonic()
    time.sleep(IDLE_SECONDS)
    return (exact_cpu_ns(pids) - before) / (time.monotonic() - began) / 1e6


def idle_of_hearth():
    names = [f"i{number:03d}" for number in range(IDLE_CELLS)]
    run(LAB, "up", "--config-extra", os.path.join(PERF, "idle.yaml"))
    try:
        deploy_hellos(names)
        make_cold()
        empty = idle_cpu()
        run(*in_client("curl", "-sS", "--fail", "--retry", "5", "--cacert", CA, "-o", "/dev/null", f"https://i[000-{IDLE_CELLS - 1}].hearth.test/"))
        full = idle_cpu()
        if (cells := sum(script["cells"] for script in scripts())) != IDLE_CELLS:
            fail(f"{cells} cells and not {IDLE_CELLS}")
        return full - empty, empty
    finally:
        run(LAB, "down")


def bench(names, options):
    results = [result(f"memory of a script after {requests} requests", mine / 1000, "KB", "workerd", other / 1000, DENSITY_SCRIPTS)
               for requests, mine, other in zip(DENSITY_REQUESTS, density_of_hearth(), density_of_workerd())]
    more, empty = idle_of_hearth()
    results.append(result(f"CPU of {IDLE_CELLS} idle cells", more, "ms/s", "without a cell", empty, 1))
    return results, rows_of(results)
