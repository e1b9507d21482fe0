"""ClientHellos as networks really deliver them: in pieces, large, fragmented over records."""

from cases import case
from node import ADDRESS, ADDRESS6, Http, connect, tls_context
from tls_by_hand import TlsByHand

HOST = "hello.hearth.test"


class Client(TlsByHand):
    def __init__(self, context=None, address=ADDRESS):
        super().__init__(HOST, context=context, address=address)

    def finish(self):
        """The rest of the handshake and one request."""
        self.handshake()
        answer = Http(self).request("GET / HTTP/1.1")
        self.peer.close()
        assert (answer.status, answer.body) == (200, b"Hello, world!\n"), answer


def large_context():
    """A ClientHello of more than 6 KB: an ALPN list far longer than any browser's."""
    context = tls_context()
    context.set_alpn_protocols([f"no-such-protocol-{i:03d}-" + "x" * 80 for i in range(60)] + ["http/1.1"])
    return context


def records(hello, size):
    """The same handshake message in TLS records of at most size bytes."""
    kind, version, body = hello[:1], hello[1:3], hello[5:]
    pieces = [body[i:i + size] for i in range(0, len(body), size)]
    return b"".join(kind + version + len(piece).to_bytes(2, "big") + piece for piece in pieces)


@case("a ClientHello in two segments, cut at 40 places")
def _():
    for part in range(1, 41):
        client = Client()
        hello = client.hello()
        cut = part * len(hello) // 41
        client.peer.sendall(hello[:cut])
        client.peer.sendall(hello[cut:])
        client.finish()


@case("a ClientHello byte by byte, over IPv4 and IPv6")
def _():
    for address in (ADDRESS, ADDRESS6):
        client = Client(address=address)
        for byte in client.hello():
            client.peer.sendall(bytes([byte]))
        client.finish()


@case("a ClientHello of more than four segments")
def _():
    client = Client(large_context())
    hello = client.hello()
    assert len(hello) > 4 * 1460
    client.peer.sendall(hello)
    client.finish()


@case("a large ClientHello over 61 records, at once and in pieces of 97 bytes")
def _():
    for step in (1 << 16, 97):
        client = Client(large_context())
        hello = records(client.hello(), 100)
        for at in range(0, len(hello), step):
            client.peer.sendall(hello[at:at + step])
        client.finish()


@case("a ClientHello in records of four bytes")
def _():
    # wolfSSL 5.5 wants the four bytes of a handshake header in one record.
    client = Client()
    client.peer.sendall(records(client.hello(), 4))
    client.finish()


@case("what is no ClientHello is refused, and the connection ends")
def _():
    for bad in (b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x00\x00" * 100, b"\x16\x03\x01\x40\x01\x01", b"\x80\x2e\x01\x03\x01",
                b"\x16\x03\x01\x00\x04\x01\xff\xff\xff", b"\x15\x03\x01\x00\x02\x01\x00", bytes(512)):
        with Http(connect()) as client:
            client.send(bad)
            client.rest()
