"""bulk.py - what tools/bench bulk has a client do: a kind of transfer, over HTTPS, and how much it was.

    answers    1 MB each, over and over, on 4 kept connections (wrk)
    download   100 MB in one answer that is made as it goes (hearth) or lies in a file (nginx), one connection (curl)
    upload     100 MB in one request, and the server says how many bytes it was given (curl)
"""

import os
import re

KINDS = {"answers": ("nginx", "/bulk/1m"), "download": ("nginx", "/bulk/100m"), "upload": ("node", "/")}  # the peer, and what it is asked for
MEGABYTE = 1 << 20
BODY_BYTES = 100 * MEGABYTE
SECONDS_MAX = 120


def write_files(directory):
    """What nginx serves, and what is sent up."""
    os.makedirs(directory, exist_ok=True)
    for name, size in (("1m", MEGABYTE), ("100m", BODY_BYTES)):
        path = os.path.join(directory, name)
        if not os.path.exists(path) or os.path.getsize(path) != size:
            with open(path, "wb") as file:
                for at in range(0, size, MEGABYTE):
                    file.write(os.urandom(min(MEGABYTE, size - at)))


def transfer(client, kind, url, address, directory, ca, seconds):
    """client runs a command where the clients are, and returns what it prints. Returns megabytes, and the seconds that they took."""
    if kind == "answers":
        seen = client("wrk", "-t1", "-c4", f"-d{seconds}s", url)
        if "Socket errors" in seen or "Non-2xx" in seen:
            raise SystemExit(f"bench: {url}:\n{seen}")
        count, took = re.search(r"(\d+) requests in ([\d.]+)s", seen).groups()
        return int(count), float(took)
    curl = ("curl", "-sS", "--fail", "--tlsv1.3", "--cacert", ca, "--connect-to", f"::{address}:", "--max-time", str(SECONDS_MAX),
            "-w", "\n%{size_download} %{time_total}")
    if kind == "download":
        size, took = client(*curl, "-o", "/dev/null", url).split()
    else:
        size, _, took = client(*curl, "-X", "POST", "-T", os.path.join(directory, "100m"), url).split()
    if int(size) != BODY_BYTES:
        raise SystemExit(f"bench: {url}: {size} bytes of {BODY_BYTES}")
    return BODY_BYTES / MEGABYTE, float(took)
