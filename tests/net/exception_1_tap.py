"""The host's kernel on the port's tap: its own address, one that it shares with hearth, and BGP that announces where hearth is."""

import contextlib
import os
import socket
import subprocess
import threading

import bird
from cases import case
from frames import ether, ipv4, raw_socket, tcp
from node import ADDRESS, ADDRESS6, CA, LAB, NODE_MAC, ROOT, counter, counters, ctl, get, run, unaccounted, until

CONFIG = os.path.join(ROOT, "build", "lab", "n1", "hearth.yaml")
HOST, HOST6, ANYCAST = "10.77.0.11", "fd77::11", "10.99.0.1"
IN_NODE = ["ip", "netns", "exec", "hearth-n1"]
# Accepts, says what it has heard, ends.
LISTENER = """
import socket, sys
family = socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET
with socket.create_server((sys.argv[1], int(sys.argv[2])), family=family) as listener:
    print("ready", flush=True)
    while True:
        peer, _ = listener.accept()
        with peer:
            while data := peer.recv(65536):
                peer.sendall(data)
"""


@contextlib.contextmanager
def listening(address, port):
    """A program of the host that says back what it hears."""
    program = subprocess.Popen([*IN_NODE, "python3", "-c", LISTENER, address, str(port)], stdout=subprocess.PIPE, text=True)
    try:
        assert program.stdout.readline() == "ready\n"
        yield
    finally:
        program.kill()
        program.wait()


def talk(address, port, data, family=socket.AF_INET):
    """Says it, and returns what comes back."""
    back = b""
    with socket.socket(family) as peer:
        peer.settimeout(20)
        peer.connect((address, port))
        thread = threading.Thread(target=peer.sendall, args=(data,))
        thread.start()
        while len(back) < len(data) and (part := peer.recv(65536)):
            back += part
        thread.join()
    return back


@case("exception path: the tap has the port's address and MTU, and the host's addresses")
def _():
    said = run(*IN_NODE, "ip", "addr", "show", "dev", "hearth0").stdout
    assert NODE_MAC.hex(":") in said and "mtu 1500" in said, said
    for address in ("10.77.0.11/24", "10.77.0.1/24", "fd77::11/64"):
        assert f" {address} " in said, said


@case("exception path: a program of the host is reached at its address, over IPv4 and IPv6, with 200 KB each way")
def _():
    data = bytes(range(256)) * 800
    for address, family in ((HOST, socket.AF_INET), (HOST6, socket.AF_INET6)):
        with listening(address, 2022):
            assert talk(address, 2022, data, family) == data, address
    assert unaccounted() == 0


@case("exception path: of a shared address the host has what is listed, and hearth the rest")
def _():
    with listening(ADDRESS, 2222), listening(ADDRESS, 2223):
        assert talk(ADDRESS, 2222, b"hello") == b"hello"
        refused = counter("drop_tcp_no_port")
        with contextlib.suppress(ConnectionRefusedError):
            talk(ADDRESS, 2223, b"hello")
            raise AssertionError("the host has answered at a port that is not listed")
        assert counter("drop_tcp_no_port") > refused
    for address in (ADDRESS, ADDRESS6):
        assert get(address=address).status == 200
    # Its own port is the stranger's choice: hearth's ports stay hearth's.
    with socket.socket() as peer:
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        peer.bind(("10.77.0.100", 2222))
        peer.settimeout(10)
        peer.connect((ADDRESS, 80))
        peer.sendall(b"GET / HTTP/1.1\r\nHost: hello.hearth.test\r\nConnection: close\r\n\r\n")
        assert peer.recv(4096).startswith(b"HTTP/1.1 200 ")


@case("exception path: the host reaches others by the tap")
def _():
    taken = counter("tap_rx")
    with socket.create_server(("10.77.0.100", 3000)) as listener:
        client = subprocess.Popen([*IN_NODE, "python3", "-c", "import socket; socket.create_connection(('10.77.0.100', 3000), 10).sendall(b'from the host')"])
        listener.settimeout(10)
        peer, source = listener.accept()
        with peer:
            assert peer.recv(100) == b"from the host" and source[0] in (HOST, ADDRESS), source
        assert client.wait(20) == 0
    assert counter("tap_rx") > taken


@case("exception path: ping, to the host's address and to the shared one, is the kernel's to answer")
def _():
    for address in (HOST, HOST6, ADDRESS):
        before = counters()
        run("ping", "-c", "3", "-i", "0.2", "-W", "10", address)
        after = counters()
        assert after["tap_tx"] >= before["tap_tx"] + 3, address


@case("exception path: a stranger's flood is limited, by name, and neighbours are heard beside it")
def _():
    before = counters()
    with listening(HOST, 2022), raw_socket() as raw:
        for number in range(6000):  # from another network
            source = f"203.0.113.{number % 250 + 1}"
            raw.send(ether(ipv4(tcp(sport=1024 + number, port=2022, source=source), source=source, to=HOST)))
        assert talk(HOST, 2022, b"hello") == b"hello"
        until(lambda: unaccounted() == 0, "every frame to be accounted for")
    after = counters()
    limited, given = (after[name] - before[name] for name in ("tap_limited", "tap_tx"))
    assert limited > 0 and after["tap_dropped"] == before["tap_dropped"], (limited, given)
    return f"{limited} of 6,000 limited, {given} given"


@case("exception path: a reload names what only a restart takes up")
def _():
    with open(CONFIG) as file:
        config = file.read()
    try:
        with open(CONFIG, "w") as file:
            file.write(config.replace("rate: 500", "rate: 501").replace("10.88.0.0/24", "10.88.0.0/25"))
        said = ctl("reload").stdout
        assert "exception" in said and "decapsulate" in said, said
    finally:
        with open(CONFIG, "w") as file:
            file.write(config)
    ctl("reload")


NODE_BIRD = f"""
router id {HOST};
protocol device {{ scan time 1; }}
protocol direct {{ ipv4; interface "hearth0"; }}
protocol static anycast {{ ipv4; route {ANYCAST}/32 blackhole; }}
protocol bgp upstream {{
    local {HOST} as 65001;
    neighbor 10.77.0.100 as 65000;
    connect retry time 1; connect delay time 1; error wait time 1, 2;
    ipv4 {{ import none; export where proto = "anycast"; next hop self; }};
}}
"""
ROUTER_BIRD = f"""
router id 10.77.0.100;
protocol device {{ scan time 1; }}
protocol kernel {{ ipv4 {{ export all; }}; }}
protocol bgp node {{
    local 10.77.0.100 as 65000;
    neighbor {HOST} as 65001;
    connect retry time 1; connect delay time 1; error wait time 1, 2;
    ipv4 {{ import all; export none; }};
}}
"""


def route():
    return run("ip", "route", "show", f"{ANYCAST}/32").stdout.strip()


def ask_anycast():
    return run("curl", "-sSf", "-m", "10", "--cacert", CA, "--resolve", f"hello.hearth.test:443:{ANYCAST}", "https://hello.hearth.test/",
               check=False)


@case("exception path: bird announces hearth's address over the tap; the script is reached by that route, and not without it")
def _():
    assert not route()
    with bird.running("client", ROUTER_BIRD) as router:
        with bird.running("n1", NODE_BIRD):
            until(lambda: router.has_established("node"), "BGP to be established", 60)
            until(route, "the route", 30)
            found = route()
            assert f"via {HOST} dev eth0" in found, found
            answer = ask_anycast()
            assert answer.returncode == 0 and "Hello" in answer.stdout, answer
        until(lambda: not route(), "the route to be withdrawn")
        assert ask_anycast().returncode
    return found


@case("exception path: a node that dies takes its tap along, and its route with it; a new start brings both back")
def _():
    with bird.running("client", ROUTER_BIRD) as router, bird.running("n1", NODE_BIRD):
        until(lambda: router.has_established("node"), "BGP to be established", 60)
        until(route, "the route", 30)
        run(LAB, "kill", "n1")
        assert run(*IN_NODE, "ip", "link", "show", "dev", "hearth0", check=False).returncode
        run(LAB, "start", "n1")
        until(lambda: router.has_established("node"), "BGP to be established again", 120)
        until(lambda: route() and not ask_anycast().returncode, "an answer by the route", 30)
