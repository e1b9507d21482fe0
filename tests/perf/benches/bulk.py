"""HTTPS in large pieces: a kind of transfer, how fast, and what it takes of the server.

    answers    1 MB each, over and over, on 4 kept connections (wrk)
    download   100 MB in one answer that is made as it goes (hearth) or lies in a file (nginx), one connection (curl)
    upload     100 MB in one request, and the server says how many bytes it was given (curl)
"""

import os
import re
import statistics

from benches.lab import (ADDRESS, CA, LAB, PERF, ROOT, WORK, Server, cpu_seconds, fail, family, in_client, note, result, rows_of, run,
                         softirq_seconds, wait_until_it_answers)
from benches.peers import peers

TEXTS = {
    "bulk": """HTTPS in large pieces: answers of 1 MB on 4 connections, and one of 100 MB, beside nginx, which has them in files and
the kernel cut its segments; and an upload of 100 MB beside node: MB/s, and CPU time of the server's processes for one MB, without and with all
softirq time of the machine""",
}
GOALS = {"bulk download, CPU": "<= 1 x nginx", "bulk answers, CPU": "<= 1 x nginx", "bulk upload": ">= 1 x node", "bulk upload, CPU": "<= 1 x node"}

KINDS = {"answers": ("nginx", "/bulk/1m"), "download": ("nginx", "/bulk/100m"), "upload": ("node", "/")}  # the peer, and what it is asked for
FILES = os.path.join(WORK, "bulk")
MEGABYTE = 1 << 20
BODY_BYTES = 100 * MEGABYTE
SECONDS_MAX = 120


def write_files():
    """What nginx serves, and what is sent up."""
    os.makedirs(FILES, exist_ok=True)
    for name, size in (("1m", MEGABYTE), ("100m", BODY_BYTES)):
        path = os.path.join(FILES, name)
        if not os.path.exists(path) or os.path.getsize(path) != size:
            with open(path, "wb") as file:
                for at in range(0, size, MEGABYTE):
                    file.write(os.urandom(min(MEGABYTE, size - at)))


def transfer(kind, url, address, seconds):
    """Megabytes, and the seconds that they took."""
    if kind == "answers":
        seen = run(*in_client("wrk", "-t1", "-c4", f"-d{seconds}s", url))
        if "Socket errors" in seen or "Non-2xx" in seen:
            fail(f"{url}:\n{seen}")
        count, took = re.search(r"(\d+) requests in ([\d.]+)s", seen).groups()
        return int(count), float(took)
    curl = ("curl", "-sS", "--fail", "--tlsv1.3", "--cacert", CA, "--connect-to", f"::{address}:", "--max-time", str(SECONDS_MAX),
            "-w", "\n%{size_download} %{time_total}")
    if kind == "download":
        size, took = run(*in_client(*curl, "-o", "/dev/null", url)).split()
    else:
        size, _, took = run(*in_client(*curl, "-X", "POST", "-T", os.path.join(FILES, "100m"), url)).split()
    if int(size) != BODY_BYTES:
        fail(f"{url}: {size} bytes of {BODY_BYTES}")
    return BODY_BYTES / MEGABYTE, float(took)


def measure_bulk(server, kind, url, address, seconds):
    cpu, softirq = cpu_seconds(family(server.pid)), softirq_seconds()
    megabytes, took = transfer(kind, url, address, seconds)
    cpu, softirq = cpu_seconds(family(server.pid)) - cpu, softirq_seconds() - softirq
    return megabytes / took, cpu / megabytes * 1e6, (cpu + softirq) / megabytes * 1e6


def bench(names, options):
    write_files()
    seen = {}
    run(LAB, "up", "--config-extra", os.path.join(PERF, "hearth.yaml"))
    try:
        run(LAB, "deploy", os.path.join(PERF, "hello"), os.path.join(PERF, "bulk"))
        with open(os.path.join(ROOT, "build", "lab", "n1", "pid")) as file:
            hearth = Server("hearth", "https://bench.hearth.test/", int(file.read()))
        wait_until_it_answers(hearth)
        with peers({peer for peer, _ in KINDS.values()}) as others:
            for number in range(options.rounds + 1):
                note(f"round {number} of {options.rounds}" if number else "warming up")
                for kind, (peer, path) in KINDS.items():
                    other = next(one for one in others if one.name == peer)
                    for server, url, address in ((hearth, f"https://bulk.hearth.test{path}", "10.77.0.1"), (other, other.url + path[1:], ADDRESS)):
                        figures = measure_bulk(server, kind, url, address, options.seconds)
                        if number:
                            seen.setdefault((kind, server.name), []).append(figures)
    finally:
        run(LAB, "down")
    results = []
    for kind, (peer, _) in KINDS.items():
        for at, (title, unit) in enumerate((("", "MB/s"), (", CPU", "us/MB"), (", CPU with softirq", "us/MB"))):
            mine, theirs = (statistics.median(figures[at] for figures in seen[kind, name]) for name in ("hearth", peer))
            results.append(result(f"bulk {kind}{title}", mine, unit, peer, theirs, options.rounds))
    return results, rows_of(results)
