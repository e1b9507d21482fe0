"""A client that closes its half while its request is executing: what the script sees of that, and that it is answered."""

from node import ADDRESS, Http, connect
from tls_by_hand import TlsByHand

# What comes first is that the client has closed its half, or that nobody has said so for a long time.
SCRIPT = """const sleep = (ms) => new Promise((r) => setTimeout(r, ms));
export default { async fetch(request) {
  const [, path] = new URL(request.url).pathname.split('/');
  if (path == 'quick') return new Response('quick');
  const body = request.method == 'POST' ? await request.text() : '';
  const told = new Promise((r) => { request.signal.onabort = (e) => r(`${e.type} ${request.signal.reason.name}`); });
  if (path == 'bare') return new Response(`${await told}`);
  if (path == 'late') { await sleep(1000); return new Response(`${request.signal.aborted} ${request.signal.reason?.name}`); }
  const word = () => Promise.race([told, sleep(8000).then(() => 'nobody says so')]);
  if (path == 'head') return new Response(`${body}${await word()}`);
  const bytes = new TextEncoder();
  return new Response(new ReadableStream({ async start(c) {
    c.enqueue(bytes.encode('begun '));
    c.enqueue(bytes.encode(await word()));
    c.close();
  } }));
} };"""
ABORTED = b"abort AbortError"

# (what, request line, fields and body, the answer, by which it is under way before the client closes its half)
PHASES = [
    ("before the head", "GET /head", b"\r\n", ABORTED, b""),
    ("before the head, and nothing else is under way", "GET /bare", b"\r\n", ABORTED, b""),
    ("before the script asks", "GET /late", b"\r\n", b"true AbortError", b""),
    ("behind a whole body", "POST /head", b"Content-Length: 5\r\n\r\nbody ", b"body " + ABORTED, b""),
    ("behind a whole chunked body", "POST /head", b"Transfer-Encoding: chunked\r\n\r\n5\r\nbody \r\n0\r\n\r\n", b"body " + ABORTED, b""),
    ("while the answer streams", "GET /stream", b"\r\n", b"begun " + ABORTED, b"begun "),
]


class Plain:
    def __init__(self, address):
        self.peer = connect(address, 80)
        self.sendall, self.recv, self.close = self.peer.sendall, self.peer.recv, self.peer.close


def client_of(way, host, address):
    if way == "plain":
        return Plain(address)
    tls = TlsByHand(host, address=address)
    tls.peer.sendall(tls.hello())
    tls.handshake()
    return tls


def close_half(way, client):
    if way == "close_notify":
        client.finish()
    else:
        client.peer.shutdown(1)


WAYS = ("plain", "close_notify", "FIN without close_notify")


def ask(host, way, line, rest, until=b"", address=ADDRESS, ahead=b"", begun=lambda: None):
    """The request's answer, and what is answered to requests that it sent ahead; begun() awaits that it executes."""
    with Http(client_of(way, host, address)) as client:
        client.send(f"{line} HTTP/1.1\r\nHost: {host}\r\n".encode() + rest + ahead)
        while until not in client.buffer:
            client._fill()
        if not until:
            begun()
        close_half(way, client.peer)
        return [client.response() for _ in range(1 + ahead.count(b"GET "))]
