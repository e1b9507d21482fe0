"""What scripts fetch from the world, which is the client here: servers of HTTP and TLS, and a DNS server that lies as it is told."""

import gzip
import hashlib
import http.server
import json
import os
import shutil
import socket
import socketserver
import ssl
import struct
import subprocess
import tempfile
import threading
import time

from cases import case
from node import ADDRESS, EXAMPLES, ROOT, SCRIPTS, counter, counters, ctl, ctl_json, deploy, https, run, unaccounted, until

ORIGIN, ORIGIN6 = "10.77.0.100", "fd77::100"
LAB = os.path.join(ROOT, "build", "lab")
HOST = "fetcher.hearth.test"
HEARTHCTL = os.path.join(ROOT, "build", "control", "hearthctl")


# ---- servers ---------------------------------------------------------------------------------------------------------


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    connections = 0

    def setup(self):
        super().setup()
        Handler.connections += 1

    def answer(self, body, status=200, **fields):
        self.send_response(status)
        for name, value in fields.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def read_body(self):
        if self.headers.get("transfer-encoding") == "chunked":
            body = b""
            while size := int(self.rfile.readline(), 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return body
        return self.rfile.read(int(self.headers.get("content-length", 0)))

    def handle_any(self):
        body = self.read_body()
        path = self.path
        if path == "/seen":
            seen = {"method": self.command, "path": path, "fields": {k.lower(): v for k, v in self.headers.items()},
                    "bytes": len(body), "sha": hashlib.sha256(body).hexdigest()}
            return self.answer(json.dumps(seen).encode())
        if path.startswith("/big/"):
            return self.answer(bytes(int(path[5:])))
        if path.startswith("/to?"):
            _, status, target = path.split("?", 2)
            return self.answer(b"", int(status), location=target)
        if path.startswith("/loop/"):
            return self.answer(b"", 302, location=f"/loop/{int(path[6:]) + 1}")
        if path == "/chunked":
            self.send_response(200)
            self.send_header("transfer-encoding", "chunked")
            self.end_headers()
            for _ in range(100):
                self.wfile.write(b"3e8;x=y\r\n" + bytes(1000) + b"\r\n")
            return self.wfile.write(b"0\r\nx-trailer: 1\r\n\r\n")
        if path == "/close":
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"until the end")
            self.close_connection = True
            return None
        if path == "/hints":
            self.wfile.write(b"HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n")
            return self.answer(b"after hints")
        if path == "/leave":  # answers, and has gone when the next request comes
            self.answer(b"left")
            self.close_connection = True
            return None
        if path == "/never":
            time.sleep(20)
            return None
        if path == "/drip":
            self.send_response(200)
            self.send_header("content-length", "100")
            self.end_headers()
            self.wfile.write(b"some")
            time.sleep(20)
            return None
        if path == "/packed":
            return self.answer(gzip.compress(b"text " * 1000), content_encoding="gzip", content_type="text/plain")
        if path == "/cookies":
            self.send_response(200)
            for i in range(2):
                self.send_header("set-cookie", f"c{i}=v")
            self.send_header("content-length", "0")
            return self.end_headers()
        if path in ("/empty/204", "/empty/304"):
            self.send_response(int(path[7:]))
            return self.end_headers()
        return self.answer(f"{self.command} {path}".encode())

    do_GET = do_POST = do_PUT = do_HEAD = do_DELETE = handle_any

    def log_message(self, *_):
        pass


class Server(http.server.ThreadingHTTPServer):
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, *_):
        pass


class Server6(Server):
    address_family = socket.AF_INET6


class Raw(socketserver.ThreadingTCPServer):
    """Answers every connection with the bytes that the request's path names in hex."""
    allow_reuse_address = True
    daemon_threads = True

    class RequestHandlerClass(socketserver.StreamRequestHandler):
        def handle(self):
            line = self.rfile.readline().split()
            while self.rfile.readline().strip():
                pass
            self.wfile.write(bytes.fromhex(line[1][1:].decode()))

    def __init__(self, address):
        super().__init__(address, self.RequestHandlerClass)

    def handle_error(self, *_):
        pass


def serve(server):
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def secure(server, name, host, ca=None, days=30):
    """TLS for a server, by a certificate for that host of the lab's authority, or one of its own."""
    base = os.path.join("/tmp", f"egress-{os.getpid()}-{name}")
    def ssl_tool(*arguments):
        subprocess.run(["openssl", *arguments], check=True, capture_output=True)
    ssl_tool("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", base + ".key", "-out", base + ".csr",
             "-subj", f"/CN={name}")
    with open(base + ".ext", "w") as file:
        file.write(f"subjectAltName=DNS:{host}\n")
    sign = ["-CA", os.path.join(LAB, "ca.pem"), "-CAkey", os.path.join(LAB, "certs", "ca.key"), "-CAcreateserial"] if ca else ["-key", base + ".key"]
    ssl_tool("x509", "-req", "-in", base + ".csr", *sign, "-days", str(days), "-extfile", base + ".ext", "-out", base + ".pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(base + ".pem", base + ".key")
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    return server


class Dns:
    """A DNS server by UDP and TCP. names: name -> list of addresses, or a function of how often it was asked."""

    def __init__(self):
        self.names, self.asked, self.silent, self.cut, self.lies = {}, {}, 0, set(), []
        udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        udp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        udp.bind((ORIGIN, 53))
        tcp = socket.create_server((ORIGIN, 53), reuse_port=False)
        threading.Thread(target=self.run_udp, args=(udp,), daemon=True).start()
        threading.Thread(target=self.run_tcp, args=(tcp,), daemon=True).start()

    def run_udp(self, udp):
        while True:
            question, peer = udp.recvfrom(4096)
            if self.silent:
                self.silent -= 1
                continue
            for lie in self.lies:
                udp.sendto(lie(question), peer)
            answer = self.answer(question, True)
            if answer:
                udp.sendto(answer, peer)

    def run_tcp(self, tcp):
        while True:
            peer, _ = tcp.accept()
            with peer:
                size = struct.unpack("!H", peer.recv(2))[0]
                answer = self.answer(peer.recv(size), False)
                peer.sendall(struct.pack("!H", len(answer)) + answer)

    def answer(self, question, is_udp):
        at, labels = 12, []
        while question[at]:
            labels.append(question[at + 1:at + 1 + question[at]].decode())
            at += 1 + question[at]
        kind = struct.unpack("!H", question[at + 1:at + 3])[0]
        asked = question[12:at + 5]
        name = ".".join(labels).lower()
        self.asked[name, kind] = self.asked.get((name, kind), 0) + 1
        found = self.names.get(name)
        if callable(found):
            found = found(self.asked[name, kind])
        if found is None:
            return question[:2] + b"\x81\x83" + struct.pack("!HHHH", 1, 0, 0, 0) + asked
        if name in self.cut and is_udp:
            return question[:2] + b"\x83\x80" + struct.pack("!HHHH", 1, 0, 0, 0) + asked
        records, count = b"", 0
        owner = b"\xc0\x0c"
        for value in found:
            if value.startswith("cname "):
                target = b"".join(bytes([len(x)]) + x.encode() for x in value[6:].split(".")) + b"\0"
                records += owner + struct.pack("!HHIH", 5, 1, 1, len(target)) + target
                owner, count = target, count + 1
            elif (":" in value) == (kind == 28):
                data = socket.inet_pton(socket.AF_INET6 if ":" in value else socket.AF_INET, value)
                records += owner + struct.pack("!HHIH", kind, 1, 1, len(data)) + data
                count += 1
        return question[:2] + b"\x81\x80" + struct.pack("!HHHH", 1, count, 0, 0) + asked + records


class World:
    """Made by the first case that asks: servers live as long as the run."""
    made = None

    def __init__(self):
        self.dns = Dns()
        self.dns.names.update({"origin.test": [ORIGIN], "six.test": [ORIGIN6], "both.test": [ORIGIN, ORIGIN6], "alias.test":
                               ["cname deep.test", "cname origin.test", ORIGIN], "secure.test": [ORIGIN], "other.test": [ORIGIN]})
        serve(Server((ORIGIN, 8080), Handler))
        serve(Server6((ORIGIN6, 8080), Handler))
        serve(Server((ORIGIN, 8081), Handler))
        serve(Raw((ORIGIN, 8082)))
        serve(secure(Server((ORIGIN, 8443), Handler), "good", "secure.test", ca=True))
        serve(secure(Server((ORIGIN, 8444), Handler), "own", "secure.test"))
        serve(secure(Server((ORIGIN, 8446), Handler), "late", "secure.test", ca=True, days=-1))


def world():
    World.made = World.made or World()
    return World.made


def ask(*asked, host=HOST):
    """What the script tells of these fetches, all made in one request."""
    world()
    with https(host, timeout=30) as client:
        answer = client.request("POST / HTTP/1.1", host, json.dumps(list(asked)).encode())
        assert answer.status == 200, answer
        return json.loads(answer.body)


def fetch(url, **init):
    return ask({"url": url, "init": init})[0]


def refused(told, sentence):
    assert told.get("error") == f"TypeError: fetch: {sentence}", told


FORBIDDEN = "scripts may not reach that address"


# ---- cases -----------------------------------------------------------------------------------------------------------


@case("egress: a script fetches by address and by name, over IPv4 and IPv6")
def _():
    for url in (f"http://{ORIGIN}:8080/a?b", f"http://[{ORIGIN6}]:8080/a?b", "http://origin.test:8080/a?b", "http://six.test:8080/a?b",
                "http://both.test:8080/a?b", "http://alias.test:8080/a?b", "http://ORIGIN.test.:8080/a?b#c"):
        told = fetch(url)
        assert told.get("status") == 200 and told["body"] == "GET /a?b", (url, told)
    assert told["url"] == "http://origin.test.:8080/a?b", told


@case("egress: what the server sees is the script's, but for what is one connection's")
def _():
    told = fetch("http://origin.test:8080/seen", method="PUT", body="x" * 1000,
                 headers={"x-own": "1", "connection": "close", "te": "x", "expect": "100-continue", "x-hearth-caller": "me"})
    seen = json.loads(told["body"])
    assert seen["method"] == "PUT" and seen["bytes"] == 1000, seen
    assert seen["fields"] == {"host": "origin.test:8080", "x-own": "1", "content-type": "text/plain;charset=UTF-8", "accept": "*/*",
                              "accept-encoding": "gzip, br", "content-length": "1000"}, seen
    seen = json.loads(fetch("http://origin.test:8080/seen", method="POST")["body"])
    assert seen["fields"]["content-length"] == "0", seen


@case("egress: bodies of 20 MB stream both ways, chunked and not")
def _():
    world()
    with https(HOST, timeout=60) as client:
        got = client.request(f"GET /pass?url=http://origin.test:8080/big/{20 << 20} HTTP/1.1", HOST)
        assert got.status == 200 and len(got.body) == 20 << 20, got
        body = os.urandom(20 << 20)
        sent = client.request("PUT /up?url=http://origin.test:8080/seen HTTP/1.1", HOST, body)
        assert json.loads(sent.body)["sha"] == hashlib.sha256(body).hexdigest(), sent
        got = client.request("GET /pass?url=http://origin.test:8080/chunked HTTP/1.1", HOST)
        assert got.body == bytes(100000), len(got.body)
        got = client.request("GET /pass?url=http://origin.test:8080/close HTTP/1.1", HOST)
        assert got.body == b"until the end", got


@case("egress: HEAD, 204, 304, 1xx before the answer, two fields of one name")
def _():
    assert fetch("http://origin.test:8080/a", method="HEAD")["headers"]["content-length"] == "7"
    for status in (204, 304):
        assert fetch(f"http://origin.test:8080/empty/{status}")["status"] == status
    assert fetch("http://origin.test:8080/hints")["body"] == "after hints"
    assert fetch("http://origin.test:8080/cookies")["headers"]["set-cookie"] in ("c0=v, c1=v", "c1=v"), "cookies"


@case("egress: connections are kept for the next request, and one that has gone costs nobody anything")
def _():
    world()
    before, reused = Handler.connections, counter("egress_reused")
    for _ in range(40):
        assert fetch("http://origin.test:8080/a")["status"] == 200
    assert Handler.connections - before <= 8, Handler.connections - before
    assert counter("egress_reused") - reused >= 32
    for _ in range(10):
        assert fetch("http://origin.test:8081/leave")["body"] == "left"


@case("egress: TLS with servers that have a certificate for the name, of a known authority; with no other")
def _():
    assert fetch("https://secure.test:8443/a")["body"] == "GET /a"
    tls = "the server's certificate is not for that name or not trusted, or its TLS is not ours"
    before = counter("egress_tls_failed")
    for url in ("https://other.test:8443/", f"https://{ORIGIN}:8443/", "https://secure.test:8444/", "https://secure.test:8446/",
                "https://secure.test:8080/"):
        refused(fetch(url), tls)
    assert counter("egress_tls_failed") - before == 5
    # Without a kept connection the session goes on: without the certificate, too.
    resumed = counter("egress_resumed")
    for _ in range(20):
        assert fetch("https://secure.test:8443/leave")["body"] == "left"
    assert counter("egress_resumed") - resumed >= 10, counter("egress_resumed") - resumed


@case("egress: redirects are followed as the standard says")
def _():
    base = "http://origin.test:8080"
    told = fetch(f"{base}/to?302?/seen", method="POST", body="x", headers={"authorization": "secret"})
    seen = json.loads(told["body"])
    assert told["redirected"] and told["url"] == f"{base}/seen", told
    assert seen["method"] == "GET" and "content-type" not in seen["fields"] and seen["fields"]["authorization"] == "secret", seen
    seen = json.loads(fetch(f"{base}/to?307?/seen", method="POST", body="x")["body"])
    assert seen["method"] == "POST" and seen["bytes"] == 1, seen
    seen = json.loads(fetch(f"{base}/to?302?http://other.test:8080/seen", headers={"authorization": "secret", "cookie": "c", "x": "y"})["body"])
    assert "authorization" not in seen["fields"] and "cookie" not in seen["fields"] and seen["fields"]["x"] == "y", seen
    told = fetch(f"{base}/to?302?/seen", redirect="manual")
    assert told["status"] == 302 and told["headers"]["location"] == "/seen", told
    assert "redirect is" in fetch(f"{base}/to?302?/seen", redirect="error")["error"]
    refused(fetch(f"{base}/to?302?data:,x"), "a redirect leads to data:, which is not fetched")
    assert fetch("data:text/plain;base64,aGVsbG8=")["body"] == "hello"
    refused(fetch(f"{base}/loop/0"), "more than 20 redirects")


@case("egress: a name that has no address, a server that is silent, truncated answers, forged ones")
def _():
    dns = world().dns
    refused(fetch("http://nobody.test/"), "the name has no address")
    dns.names["late.test"] = [ORIGIN]
    dns.silent = 2
    assert fetch("http://late.test:8080/a")["status"] == 200
    dns.names["cut.test"] = [ORIGIN]
    dns.cut.add("cut.test")
    assert fetch("http://cut.test:8080/a")["status"] == 200
    evil = bytes([10, 77, 0, 77])

    def forged(question, change):
        end = question.index(b"\0", 12) + 5
        answer = bytearray(question[:2] + b"\x81\x80" + struct.pack("!HHHH", 1, 1, 0, 0) + question[12:end] + b"\xc0\x0c" +
                           struct.pack("!HHIH", 1, 1, 60, 4) + evil)
        return bytes(change(answer))

    def other_id(answer):
        answer[0] ^= 1
        return answer

    def other_case(answer):
        at = next(i for i in range(13, 20) if chr(answer[i]).isalpha())
        answer[at] ^= 0x20
        return answer

    dns.names["true.test"] = [ORIGIN]
    dns.lies = [lambda q: forged(q, other_id), lambda q: forged(q, other_case), lambda q: b"", lambda q: q]
    before = counter("dns_bad")
    try:
        assert fetch("http://true.test:8080/a")["status"] == 200
    finally:
        dns.lies = []
    assert counter("dns_bad") - before >= 4


@case("egress: a name with a dead address first is reached by the next")
def _():
    dns = world().dns
    dns.names["race.test"] = ["fd77::100", ORIGIN]
    # Nothing listens on 8081 of IPv6: refused, and the next one answers.
    assert fetch("http://race.test:8081/a")["status"] == 200


def hexed(text):
    return f"http://origin.test:8082/{text.encode('latin-1').hex()}"


@case("egress: answers that break HTTP/1.1, or are cut, are errors; nothing of them passes for an answer")
def _():
    cut = "the server's answer is not HTTP/1.1, or was cut off"
    for text in ("", "nonsense", "HTTP/1.1 200 OK\r\n", "HTTP/2 200 OK\r\n\r\n", "HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
                 "HTTP/1.1 200 OK\r\na : b\r\n\r\n", "HTTP/1.1 200 OK\r\ncontent-length: 3\r\ncontent-length: 3\r\n\r\nabc",
                 "HTTP/1.1 200 OK\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\nabc", "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc",
                 "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip\r\n\r\nabc", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc",
                 "HTTP/1.1 200 OK\r\ncontent-length: -3\r\n\r\nabc", "HTTP/1.1 200 OK\r\nx: a\r\n b\r\n\r\n", "HTTP/1.1 99 OK\r\n\r\n",
                 "HTTP/1.1 101 Switching\r\n\r\n", "HTTP/1.1 200 OK\nx: y\n\nabc", "HTTP/1.1 103 x\r\n\r\n" * 9 + "HTTP/1.1 200 OK\r\n\r\n",
                 "HTTP/1.1 200 OK\r\n" + "x: y\r\n" * 101 + "\r\n", "HTTP/1.1 200 OK\r\nx: a\0b\r\n\r\n"):
        refused(fetch(hexed(text)), cut)
    assert fetch(hexed("HTTP/1.0 200\r\n\r\nold"))["body"] == "old"


@case("egress: no connection, no head, no body in time; a signal ends it")
def _():
    refused(fetch("http://origin.test:8099/"), "there is no connection to the server, or it was lost")
    late = "the server took too long"
    told = ask(*({"url": f"http://origin.test:8080/{path}", "init": {}} for path in ("never", "drip")))
    for one in told:
        refused(one, late)
    with https(HOST, timeout=30) as client:
        assert client.request("GET /abort?url=http://origin.test:8080/never HTTP/1.1", HOST).body == b"TimeoutError"


def ways():
    """(what it is, url): each leads to an address that scripts may not reach, or to none."""
    private = ["10.0.0.1", "10.77.0.2", "172.16.0.1", "172.31.255.255", "192.168.1.1", "127.0.0.1", "127.8.8.8", "169.254.169.254", "0.0.0.0",
               "0.1.2.3", "100.64.0.1", "100.127.255.254", "192.0.0.8", "192.0.2.1", "198.18.0.1", "198.51.100.7", "203.0.113.9", "224.0.0.1",
               "239.255.255.250", "240.0.0.1", "255.255.255.255", "192.88.99.1", ADDRESS, "10.77.0.255"]
    six = ["::1", "::", "fe80::1", "fc00::1", "fd77::1", "fd00:ec2::254", "ff02::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:a9fe:a9fe",
           "::127.0.0.1", "::10.0.0.1", "64:ff9b::7f00:1", "64:ff9b::a00:1", "64:ff9b:1::a00:1", "2002:7f00:1::", "2002:a00:1::1",
           "2001:0:a00:1::1", "2001:db8::1", "2001:10::1", "2001:2::1", "100::1", "3fff::1", "fec0::1", "5f00::1", "4000::1",
           "::ffff:0:127.0.0.1", "fd77::2"]
    spelled = ["2130706433", "0x7f000001", "017700000001", "127.1", "127.0.1", "0x7f.1", "0177.0.0.1", "127.0.0.1.", "%31%32%37.0.0.1",
               "１２７.0.0.1", "0", "0xa9fea9fe", "2852039166", "10.1", "localhost", "LOCALHOST.", "a.localhost", "0x0a4d0002", "[::ffff:7f00:1]",
               "[0:0:0:0:0:0:0:1]"]
    for ip in private:
        yield f"address {ip}", f"http://{ip}/"
    for ip in six:
        yield f"address {ip}", f"http://[{ip}]/"
    for host in spelled:
        yield f"spelled {host}", f"http://{host}/"
    for ip in private + six:
        yield f"redirect to {ip}", f"http://origin.test:8080/to?302?http://{f'[{ip}]' if ':' in ip else ip}/"
    yield "https too", "https://127.0.0.1/"
    yield "the control port of the node's neighbour", "http://10.77.0.2:8080/"


@case("egress: of more than 60 ways to a forbidden address, none gets through")
def _():
    dns = world().dns
    before = counters()
    tried = 0

    def try_all(rows):
        nonlocal tried
        rows = list(rows)
        for at in range(0, len(rows), 20):
            part = rows[at:at + 20]
            for (what, _), told in zip(part, ask(*({"url": url, "init": {}} for _, url in part))):
                assert "error" in told, (what, told)
                assert FORBIDDEN in told["error"] or "is not a" in told["error"] or "Invalid URL" in told["error"] or "URL" in told["error"], \
                    (what, told)
                tried += 1

    try_all(ways())
    # By name, in each family; and an answer of both kinds, of which only the good one may be used.
    lying = ["127.0.0.1", "10.77.0.2", "169.254.169.254", "::1", "fe80::1", "::ffff:10.77.0.2", "64:ff9b::7f00:1", "2002:7f00:1::", ADDRESS, "fd77::1",
             "0.0.0.0", "::", "224.0.0.1", "100.64.0.1"]
    for i, ip in enumerate(lying):
        dns.names[f"lie{i}.test"] = [ip]
        dns.names[f"alias{i}.test"] = [f"cname lie{i}.test", ip]
    try_all((f"name of {ip}", f"http://lie{i}.test/") for i, ip in enumerate(lying))
    try_all((f"alias of {ip}", f"http://alias{i}.test/") for i, ip in enumerate(lying))
    try_all((f"redirect to a name of {ip}", f"http://origin.test:8080/to?307?http://lie{i}.test/") for i, ip in enumerate(lying))
    # Rebinding: the first answer is good, each later one is not. What is connected to is what was judged.
    dns.names["rebind.test"] = lambda times: [ORIGIN] if times == 1 else ["10.77.0.2"]
    assert fetch("http://rebind.test:8081/leave")["status"] == 200
    until(lambda: fetch("http://rebind.test:8081/leave").get("error", "").endswith(FORBIDDEN), "the second answer", 15)
    tried += 1
    after = counters()
    assert after["egress_forbidden"] - before["egress_forbidden"] >= 100
    return f"{tried} ways"


@case("egress: ports of other protocols are refused, whatever the address")
def _():
    ports = (1, 22, 25, 53, 110, 143, 465, 587, 993, 2049, 5060, 6000, 6667, 10080)
    for port, told in zip(ports, ask(*({"url": f"http://{ORIGIN}:{port}/", "init": {}} for port in ports))):
        refused(told, "no request may go to that port")


@case("egress: an answer that comes packed: unpacked for a script that reads it, as it is through examples/proxy")
def _():
    told = fetch("http://origin.test:8080/packed")
    assert told["body"] == "text " * 1000, told
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(f"{EXAMPLES}/proxy", folder, dirs_exist_ok=True)
        with open(f"{folder}/wrangler.jsonc", "w") as file:
            json.dump({"name": "proxy", "main": "src/index.js", "vars": {"ORIGIN": "http://origin.test:8080"}}, file)
        deploy(folder)
    with https("proxy.hearth.test", timeout=30) as client:
        answer = client.request("GET /packed HTTP/1.1", "proxy.hearth.test")
        assert answer.headers["content-encoding"] == "gzip" and answer.headers["x-served-by"] == "proxy", answer
        assert gzip.decompress(answer.body) == b"text " * 1000, answer
        answer = client.request("POST /seen HTTP/1.1", "proxy.hearth.test", b"up")
        seen = json.loads(answer.body)
        assert seen["method"] == "POST" and seen["path"] == "/seen" and seen["bytes"] == 2 and "x-real-ip" not in seen["fields"], seen
        answer = client.request("GET /never HTTP/1.1", "proxy.hearth.test")
        assert answer.status == 502 and answer.body.startswith(b"the origin can not be asked: fetch: the server took too long"), answer


@case("egress: 100 fetches side by side, and every frame is accounted for")
def _():
    for told in ask(*({"url": f"http://origin.test:8080/{i}", "init": {}} for i in range(100))):
        assert told["status"] == 200, told
    assert unaccounted() == 0


@case("egress: an account's outbound script has all that its scripts fetch, and nothing goes past it")
def _():
    world().dns.names["secret.test"] = [ORIGIN]
    ctl("account", "add", "acme", "outbound=default/broker")
    token = ctl("account", "token", "acme").stdout.strip()
    deploy(f"{SCRIPTS}/broker")
    run(HEARTHCTL, "--socket", "/run/hearth-lab/n1/accounts.sock", "deploy", f"{SCRIPTS}/fetcher",
        env={"PATH": os.environ["PATH"], "HEARTH_TOKEN": token})
    host = "fetcher.acme.hearth.test"

    def tell(url, **init):
        return ask({"url": url, "init": init}, host=host)[0]

    def acme():
        return next(a for a in ctl_json("account", "list")["accounts"] if a["name"] == "acme")["fetches"]

    seen = json.loads(tell("http://origin.test:8080/seen", method="POST", body="x")["body"])
    assert seen["fields"]["x-by"] == "acme/fetcher" and seen["bytes"] == 1, seen
    assert tell("http://secret.test:8080/a")["status"] == 403
    told = tell("http://origin.test:8080/to?302?http://secret.test:8080/")
    assert told["status"] == 403 and told["redirected"], told
    assert fetch("http://secret.test:8080/a")["status"] == 200  # another account's script has no such guard
    refused(tell("http://127.0.0.1/"), "the called script threw an exception")
    # Without its guard it reaches nobody.
    ctl("delete", "broker")
    until(lambda: "error" in tell("http://origin.test:8080/a"), "the guard to be gone")
    refused(tell("http://origin.test:8080/a"), "there is no such script")
    ctl("account", "limit", "acme", "outbound=")
    begun = acme()
    assert tell("http://origin.test:8080/a", method="POST", body="four")["status"] == 200
    refused(tell("http://127.0.0.1/"), FORBIDDEN)
    counted = {name: n - begun[name] for name, n in acme().items()}
    assert counted == {"begun": 2, "failed": 1, "in_bytes": len("POST /a"), "out_bytes": 4}, counted
