"""One warm script, or several, asked over kept connections, beside other servers."""

import os
import statistics

from benches.lab import LAB, PERF, ROOT, Server, deploy_hellos, first_requests, in_client, measure, note, result, rows_of, run, wait_until_it_answers
from benches.peers import attach_peer, peers, workerd_with, workers

TEXTS = {
    "rps": """HTTPS "Hello, world!" on kept connections, wrk -t1 -c64, TLS 1.3, one certificate for all: requests per second; with --scripts, each
request to the next one of so many scripts that are warm, beside workerd with as many services behind a worker that passes requests on""",
    "cpu": """CPU time of the server's processes per request, in the same runs; and the same plus all softirq time of the machine,
for a kernel's TCP works partly in softirq, where no process is charged""",
}


def hello_runs(rounds, seconds):
    """Measures all servers in turn, `rounds` times; hearth comes first in the list that is returned."""
    run(LAB, "up", "--config-extra", os.path.join(PERF, "hearth.yaml"))
    try:
        run(LAB, "deploy", os.path.join(PERF, "hello"))
        with open(os.path.join(ROOT, "build", "lab", "n1", "pid")) as file:
            hearth = Server("hearth", "https://bench.hearth.test/", int(file.read()))
        wait_until_it_answers(hearth)
        with peers() as others:
            servers = [hearth, *others]
            for server in servers:  # warm up: just-in-time compilers, caches
                run(*in_client("wrk", "-t1", "-c64", "-d2s", server.url))
            for number in range(rounds):
                note(f"round {number + 1} of {rounds}")
                for server in servers:
                    measure(server, seconds)
            return servers
    finally:
        run(LAB, "down")


HELLO_FIGURES = {
    "rps": [("rps", "requests/s", lambda server: server.rps)],
    "cpu": [("cpu", "us/request", lambda server: server.cpu_us),
            ("cpu_with_softirq", "us/request", lambda server: server.cpu_softirq_us)],
}


def bench(names, options):
    if options.scripts:
        return bench_scripts([int(count) for count in options.scripts.split(",")], options)
    servers = hello_runs(options.rounds, options.seconds)
    figures = [figure for name in names for figure in HELLO_FIGURES[name]]
    hearth, *others = servers
    results = [result(title, statistics.median(values(hearth)), unit, peer.name, statistics.median(values(peer)), len(values(peer)))
               for title, unit, values in figures for peer in others]
    rows = [["server"] + [f"{title} ({unit})" for title, unit, _ in figures] + ["lowest - highest " + figures[0][0]]]
    for server in servers:
        first = figures[0][2](server)
        rows.append([server.name] + [f"{statistics.median(values(server)):,.1f}" for _, _, values in figures] +
                    [f"{min(first):,.0f} - {max(first):,.0f}"])
    return results, rows


def bench_scripts(counts, options):
    """Requests per second over so many scripts."""
    results, way = [], ("-s", os.path.join(PERF, "scripts.lua"))
    names = [f"s{number:03d}" for number in range(max(counts))]
    run(LAB, "up", "--config-extra", os.path.join(PERF, "hearth.yaml"))
    try:
        attach_peer()
        deploy_hellos(names)
        with open(os.path.join(ROOT, "build", "lab", "n1", "pid")) as file:
            pid = int(file.read())
        for count in counts:
            hearth = Server("hearth", "https://s000.hearth.test/", pid)
            first_requests(0, [f"{name}.hearth.test" for name in names[:count]], 2)
            with workerd_with(workers(count), "000") as workerd:
                for number in range(options.rounds):
                    note(f"{count} scripts, round {number + 1} of {options.rounds}")
                    measure(hearth, options.seconds, *way, "host", str(count))
                    measure(workerd, options.seconds, *way, "path", str(count))
            results.append(result(f"rps {count} scripts", statistics.median(hearth.rps), "requests/s", "workerd",
                                  statistics.median(workerd.rps), options.rounds))
            results.append(result(f"cpu {count} scripts", statistics.median(hearth.cpu_us), "us/request", "workerd",
                                  statistics.median(workerd.cpu_us), options.rounds))
    finally:
        run(LAB, "down")
    return results, rows_of(results)
