"""HTTP/1.1 as written: pipelines, HEAD, 100-continue, chunks; and what must be refused."""

import contextlib

from cases import case
from cluster import make_script
from node import Http, connect, counter, deploy, get, https

HOST = "Host: hello.hearth.test\r\n"


@case("ten pipelined requests are answered in their order")
def _():
    with https() as client:
        client.send(b"".join(f"GET /?name={i} HTTP/1.1\r\n{HOST}\r\n".encode() for i in range(10)))
        for i in range(10):
            answer = client.response()
            assert answer.body == f"Hello, {i}!\n".encode(), answer


@case("a pipeline with bodies between the heads keeps its order")
def _():
    with https("echo.hearth.test") as client:
        one = b"POST /%d HTTP/1.1\r\nHost: echo.hearth.test\r\nContent-Length: 5\r\n\r\nbody%d"
        client.send(b"".join(one % (i, i) for i in range(5)))
        for i in range(5):
            answer = client.response()
            assert answer.body == b"body%d" % i and answer.headers["x-echo-url"].endswith(f"/{i}"), answer


@case("a request byte by byte")
def _():
    with https() as client:
        for byte in f"GET /?name=slow HTTP/1.1\r\n{HOST}\r\n".encode():
            client.send(bytes([byte]))
        assert client.response().body == b"Hello, slow!\n"


@case("HEAD gives the head of GET, and the connection goes on")
def _():
    with https() as client:
        head = client.request("HEAD / HTTP/1.1")
        assert head.status == 200 and head.headers["content-type"].startswith("text/plain"), head.headers
        assert client.request("GET / HTTP/1.1").body == b"Hello, world!\n"


@case("Expect: 100-continue is answered before the body is sent")
def _():
    with https("echo.hearth.test") as client:
        client.send(b"POST / HTTP/1.1\r\nHost: echo.hearth.test\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n")
        assert client.response().status == 100
        client.send(b"wait")
        answer = client.response()
        assert (answer.status, answer.body) == (200, b"wait"), answer


@case("a chunked request with an extension and a trailer reaches the script as plain bytes")
def _():
    with https("echo.hearth.test") as client:
        client.send(b"POST / HTTP/1.1\r\nHost: echo.hearth.test\r\nTransfer-Encoding: chunked\r\n\r\n"
                    b"4\r\nwiki\r\n5;name=value\r\npedia\r\n0\r\nX-Trailer: yes\r\n\r\n")
        assert client.response().body == b"wikipedia"
        assert client.request("GET / HTTP/1.1", "echo.hearth.test").status == 200


@case("a chunked request cut into single bytes is the same")
def _():
    with https("echo.hearth.test") as client:
        for byte in (b"POST / HTTP/1.1\r\nHost: echo.hearth.test\r\nTransfer-Encoding: chunked\r\n\r\n"
                     b"1\r\na\r\n02\r\nbc\r\n0\r\n\r\n"):
            client.send(bytes([byte]))
        assert client.response().body == b"abc"


@case("Connection: close is kept to, and so is HTTP/1.0")
def _():
    with https() as client:
        client.send(f"GET / HTTP/1.1\r\n{HOST}Connection: close\r\n\r\n".encode())
        assert client.response().body == b"Hello, world!\n" and client.is_closed()
    with https() as client:
        client.send(f"GET / HTTP/1.0\r\n{HOST}\r\n".encode())
        assert client.rest().endswith(b"\r\n\r\nHello, world!\n")


@case("OPTIONS * is answered by hearth itself, and the connection goes on")
def _():
    with https() as client:
        answer = client.request("OPTIONS * HTTP/1.1")
        assert answer.status == 204 and "GET" in answer.headers["allow"] and "content-length" not in answer.headers, answer.headers
        assert client.request("GET / HTTP/1.1").status == 200


@case("HTTP/1.2 is read as HTTP/1.1")
def _():
    with https() as client:
        assert client.request("GET /?name=later HTTP/1.2").body == b"Hello, later!\n"
        assert client.request("GET / HTTP/1.1").status == 200


@case("an absolute target with a query and no path")
def _():
    with https("echo.hearth.test") as client:
        for target, path in (("?x=1", "/?x=1"), ("", "/"), ("/?", "/?"), ("?", "/?")):
            answer = client.request(f"GET https://echo.hearth.test{target} HTTP/1.1", "echo.hearth.test")
            assert answer.status == 200 and answer.headers["x-echo-url"] == f"https://echo.hearth.test{path}", (answer, answer.headers)


PATH_OF = "export default { fetch(r) { return new Response(`NAME ${new URL(r.url).pathname} ${r.url}`); } };"


@case("what a wildcard route lets in has a URL that its script can parse; other hosts get 400 before it")
def _():
    deploy(make_script("odd", "export default { fetch(r) { return new Response(new URL(r.url).hostname); } };", routes=["*.odd.test/*"]))
    rows = [("xn--bcher-kva", True), ("XN--Bcher-KVA", True), ("xn--ls8h", True), ("a_b", True), ("_dmarc", True), ("ab--cd", True),
            ("ab--c_d.xn--4ca0bs", True), ("1a", True), ("1.2", True), ("a" * 63, True), ("xn--", False), ("xn---", False), ("xn--0", False),
            ("xn--a", False), ("xn--abc-", False), ("xn--99999999", False), ("a.xn--0.b", False), ("xn--xn--a--gua", False)]
    before = counter("http_bad_host")
    for label, is_one in rows:
        with Http(connect(port=80)) as client:
            answer = client.request("GET / HTTP/1.1", f"{label}.odd.test")
        expected = (200, f"{label.lower()}.odd.test".encode()) if is_one else (400, answer.body)
        assert (answer.status, answer.body) == expected, (label, answer)
    # A label that ends with a hyphen is none anyway.
    assert counter("http_bad_host") - before == len([label for label, is_one in rows if not is_one and label[-1] != "-"])


@case("a route sees the path that its script sees")
def _():
    deploy(make_script("pub", PATH_OF.replace("NAME", "pub"), routes=["www.hearth.test/public/*"]),
           make_script("adm", PATH_OF.replace("NAME", "adm"), routes=["www.hearth.test/admin/*"]))
    rows = [("/public/../admin/x", "adm /admin/x"), ("/public/%2e%2E/admin/x", "adm /admin/x"),
            ("/public/.%2e/admin/x", "adm /admin/x"), ("/public//../../admin/secret", "adm /admin/secret"),
            ("/./public/./x", "pub /public/x"), ("/admin/../public/", "pub /public/"), ("/public//x", "pub /public//x"),
            ("/public/..%2fadmin/x", "pub /public/..%2fadmin/x"), ("/public/a%2e%2e", "pub /public/a%2e%2e"),
            ("/public/%61\"{x}", "pub /public/%61%22%7Bx%7D"), ("/../../public/x/..", "pub /public/")]
    with https("www.hearth.test") as client:
        for target, seen in rows:
            for query in ("", "?a=/../b"):
                answer = client.request(f"GET {target}{query} HTTP/1.1", "www.hearth.test")
                path = seen.split(" ")[1]
                assert answer.body.decode() == f"{seen} https://www.hearth.test{path}{query}", (target, answer)
        assert client.request("GET /public/.. HTTP/1.1", "www.hearth.test").status == 404
        assert client.request("GET /public/x HTTP/1.1", "WWW.Hearth.Test.:443").body == b"pub /public/x https://www.hearth.test/public/x"


EARLY = """const sizes = { '/small': 10, '/large': 200000 };
export default { async fetch(request) {
  const { pathname } = new URL(request.url);
  if (pathname == '/stream')
    return new Response(new ReadableStream({ async start(c) { for (let i = 0; i < 5; i++) c.enqueue(new Uint8Array(20000)); c.close(); } }));
  if (pathname == '/late') await new Promise((go) => setTimeout(go, 20));
  return new Response('e'.repeat(sizes[pathname] ?? 10), { status: 403 });
} };"""


@case("an early answer says close, or the connection goes on: every size of body, every size of answer")
def _():
    deploy(make_script("early", EARLY))
    host = "early.hearth.test"
    kept = 0
    for path in ("/small", "/large", "/stream", "/late"):
        for length in (1, 60000, 70000, 300000, 2000000):
            for coding in ("length", "chunked"):
                body = b"x" * length
                head = f"POST {path} HTTP/1.1\r\nHost: {host}\r\n".encode()
                if coding == "length":
                    head += b"Content-Length: %d\r\n\r\n" % length
                else:
                    head += b"Transfer-Encoding: chunked\r\n\r\n"
                    body = b"%x\r\n" % length + body + b"\r\n0\r\n\r\n"
                with https(host) as client:
                    client.send(head)
                    answer = client.response()
                    is_closing = answer.headers.get("connection") == "close"
                    with contextlib.suppress(OSError):
                        client.send(body + f"GET /small HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
                    if is_closing:
                        assert client.is_closed(), (path, length, coding)
                    else:
                        assert client.response().status == 403, (path, length, coding)
                        kept += 1
    assert kept, "no connection was kept"


KINDS = """const text = (path) => new Response(path);
export default { fetch(request) {
  const { pathname } = new URL(request.url);
  switch (pathname) {
  case '/204': return new Response(null, { status: 204 });
  case '/304': return new Response(null, { status: 304 });
  case '/throw': throw new Error('thrown');
  case '/stream': return new Response(new ReadableStream({ start(c) { c.enqueue(new TextEncoder().encode(pathname)); c.close(); } }));
  }
  return text(pathname);
} };"""
BEFORE = [("HEAD", b"HEAD /x HTTP/1.1\r\n@\r\n", [200]), ("HEAD of a stream", b"HEAD /stream HTTP/1.1\r\n@\r\n", [200]),
          ("204", b"GET /204 HTTP/1.1\r\n@\r\n", [204]), ("304", b"GET /304 HTTP/1.1\r\n@\r\n", [304]),
          ("500", b"GET /throw HTTP/1.1\r\n@\r\n", [500]), ("a stream", b"GET /stream HTTP/1.1\r\n@\r\n", [200]),
          ("405", b"TRACE / HTTP/1.1\r\n@\r\n", [405]), ("OPTIONS *", b"OPTIONS * HTTP/1.1\r\n@\r\n", [204]),
          ("404", b"GET / HTTP/1.1\r\nHost: none.hearth.test\r\n\r\n", [404]),
          ("100 and its body", b"POST /x HTTP/1.1\r\n@Content-Length: 4\r\nExpect: 100-continue\r\n\r\nbody", [100, 200]),
          ("404 to a body that waits for 100", b"POST / HTTP/1.1\r\nHost: none.hearth.test\r\nContent-Length: 4\r\n"
           b"Expect: 100-continue\r\n\r\nbody", [404]),
          ("404 to a body", b"POST / HTTP/1.1\r\nHost: none.hearth.test\r\nContent-Length: 4\r\n\r\nbody", [404]),
          ("400", b"GET / HTTP/1.1\r\n@: x\r\n\r\n", [400]), ("417", b"GET / HTTP/1.1\r\n@Expect: x\r\n\r\n", [417])]


def pipelined(what, first, statuses):
    @case(f"what is pipelined behind it is answered, or the connection says close: {what}")
    def _():
        host = "kinds.hearth.test"
        field = f"Host: {host}\r\n".encode()
        with https(host) as client:
            client.send(first.replace(b"@", field) + b"GET /behind HTTP/1.1\r\n" + field + b"\r\n" + b"GET /last HTTP/1.1\r\n" + field + b"\r\n")
            for status in statuses:
                answer = client.response(first.startswith(b"HEAD"))
                assert answer.status == status, answer
            if answer.headers.get("connection") == "close":
                assert client.is_closed()
            else:
                assert client.response().body == b"/behind" and client.response().body == b"/last"


@case("the script for pipelines deploys")
def _():
    deploy(make_script("kinds", KINDS))


for row in BEFORE:
    pipelined(*row)


@case("a client that sends its request and half-closes is answered")
def _():
    with Http(connect(port=80)) as client:
        client.send(f"GET / HTTP/1.1\r\n{HOST}Connection: close\r\n\r\n".encode())
        client.peer.shutdown(1)
        assert client.response().body == b"Hello, world!\n"


# Each is one request, and what it would smuggle; none of it may be answered with 2xx.
SMUGGLED = b"GET /?name=smuggled HTTP/1.1\r\nHost: hello.hearth.test\r\n\r\n"
PROBES = [
    ("both Content-Length and Transfer-Encoding",
     b"POST / HTTP/1.1\r\nHost: hello.hearth.test\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + SMUGGLED),
    ("two Content-Lengths that differ",
     b"POST / HTTP/1.1\r\nHost: hello.hearth.test\r\nContent-Length: 0\r\nContent-Length: 5\r\n\r\n" + SMUGGLED),
    ("a list of Content-Lengths that differ",
     b"POST / HTTP/1.1\r\nHost: hello.hearth.test\r\nContent-Length: 0, 5\r\n\r\n" + SMUGGLED),
    ("a signed Content-Length", b"POST / HTTP/1.1\r\nHost: hello.hearth.test\r\nContent-Length: +0\r\n\r\n" + SMUGGLED),
    ("a hexadecimal Content-Length", b"POST / HTTP/1.1\r\nHost: hello.hearth.test\r\nContent-Length: 0x0\r\n\r\n" + SMUGGLED),
    ("a Content-Length beyond 64 bits",
     b"POST / HTTP/1.1\r\nHost: hello.hearth.test\r\nContent-Length: 18446744073709551616\r\n\r\n" + SMUGGLED),
    ("a Transfer-Encoding with a trick in it",
     b"POST / HTTP/1.1\r\nHost: hello.hearth.test\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" + SMUGGLED),
    ("a Transfer-Encoding whose last coding is not chunked",
     b"POST / HTTP/1.1\r\nHost: hello.hearth.test\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n" + SMUGGLED),
    ("two Transfer-Encodings",
     b"POST / HTTP/1.1\r\nHost: hello.hearth.test\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" +
     SMUGGLED),
    ("Transfer-Encoding in HTTP/1.0",
     b"POST / HTTP/1.0\r\nHost: hello.hearth.test\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + SMUGGLED),
    ("white space before a colon",
     b"POST / HTTP/1.1\r\nHost: hello.hearth.test\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n" + SMUGGLED),
    ("a folded field", b"GET / HTTP/1.1\r\nHost: hello.hearth.test\r\nX: a\r\n b\r\n\r\n"),
    ("a bare CR in a field", b"GET / HTTP/1.1\r\nHost: hello.hearth.test\r\nX: a\rContent-Length: 5\r\n\r\n"),
    ("bare LFs as line ends", b"GET / HTTP/1.1\nHost: hello.hearth.test\n\n"),
    ("a NUL in a field", b"GET / HTTP/1.1\r\nHost: hello.hearth.test\r\nX: a\0b\r\n\r\n"),
    ("a chunk size with a sign",
     b"POST / HTTP/1.1\r\nHost: hello.hearth.test\r\nTransfer-Encoding: chunked\r\n\r\n+0\r\n\r\n" + SMUGGLED),
    ("a chunk size beyond 64 bits",
     b"POST / HTTP/1.1\r\nHost: hello.hearth.test\r\nTransfer-Encoding: chunked\r\n\r\n10000000000000000\r\n\r\n" + SMUGGLED),
    ("a chunk that does not end where it says",
     b"POST / HTTP/1.1\r\nHost: hello.hearth.test\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n0\r\n\r\n" + SMUGGLED),
    ("no Host", b"GET / HTTP/1.1\r\n\r\n"),
    ("two Hosts", b"GET / HTTP/1.1\r\nHost: hello.hearth.test\r\nHost: echo.hearth.test\r\n\r\n"),
    ("an unknown version", b"GET / HTTP/9.9\r\nHost: hello.hearth.test\r\n\r\n"),
    ("a space in the target", b"GET /a b HTTP/1.1\r\nHost: hello.hearth.test\r\n\r\n"),
    ("a method that is no token", b"G(T / HTTP/1.1\r\nHost: hello.hearth.test\r\n\r\n"),
    ("a method in lower case", b"get / HTTP/1.1\r\nHost: hello.hearth.test\r\n\r\n"),
    ("a method behind the rest of a body", b"12" + SMUGGLED),
    ("a field name that is no token", b"GET / HTTP/1.1\r\nHost: hello.hearth.test\r\nX[]: a\r\n\r\n"),
    ("TLS on the plain port", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(64)),
]


def probe(description, data):
    @case(f"refused, and nothing after it is answered: {description}")
    def _():
        with Http(connect(port=80)) as client:
            client.send(data)
            answer = client.rest()
            # A body that breaks the framing may come after an answer; then the connection just ends.
            assert b"smuggled" not in answer, answer
            statuses = [int(line.split()[1]) for line in answer.split(b"\r\n") if line.startswith(b"HTTP/1.1 ")]
            assert len(statuses) <= 1, answer
            if not description.startswith("a chunk"):
                assert statuses and 400 <= statuses[0] <= 505, answer


for row in PROBES:
    probe(*row)


@case("a head that is too large is 431, a target that is too long is 414")
def _():
    with https() as client:
        client.send(f"GET / HTTP/1.1\r\n{HOST}X: {'x' * 30000}\r\n\r\n".encode())
        assert client.response().status == 431
    with https() as client:
        client.send(f"GET /{'x' * 20000} HTTP/1.1\r\n{HOST}\r\n".encode())
        assert client.response().status == 414


@case("1,000 connections one after another, a request on each")
def _():
    before = counter("tls_handshakes")
    for _ in range(1000):
        assert get().status == 200
    assert counter("tls_handshakes") - before >= 1000
