"""ClientHellos as networks really deliver them: in pieces, large, fragmented over records."""

from cases import case
from node import ADDRESS, ADDRESS6, Http, counters, tls_context, until
from tls_by_hand import (AES128, AES256, CHANGE_CIPHER_SPEC, P256, POINT, X448, X25519, RawTls, TlsByHand, extension, foreign_ticket,
                         message, numbers, record, vector)

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


@case("a ClientHello in records of one to five bytes")
def _():
    for size in range(1, 6):
        client = Client()
        client.peer.sendall(records(client.hello(), size))
        client.finish()


@case("a ClientHello of 64 KB, in one go and byte by byte at its start")
def _():
    for slow in (0, 20):
        context = tls_context()
        # 253 names of 255 bytes: the most that the library writes.
        context.set_alpn_protocols([f"{i:03d}" + "x" * 252 for i in range(253)] + ["http/1.1"])
        client = Client(context)
        hello = client.hello()
        assert len(hello) > 64000, len(hello)
        for at in range(slow):
            client.peer.sendall(hello[at:at + 1])
        client.peer.sendall(hello[slow:])
        client.finish()


@case("what is no ClientHello is refused with an alert")
def _():
    for bad, alert in ((b"GET / HTTP/1.1\r\n\r\n", 10), (b"\x16\x03\x01\x00\x00" * 100, 10), (b"\x16\x03\x01\x40\x01\x01", 22),
                       (b"\x80\x2e\x01\x03\x01", 10), (b"\x16\x03\x01\x00\x04\x01\xff\xff\xff", 47),
                       (b"\x15\x03\x01\x00\x02\x01\x00", 10), (bytes(512), 10), (b"\x16\x02\x00\x00\x04\x01", 70)):
        client = RawTls()
        client.sendall(bad)
        told = client.until("alert")
        assert told == [f"alert {alert}"], (bad[:10], told)
        assert client.said() == "end"
        client.close()


# ---- what RFC 8446 wants of a server, by hand: the writes of a client, and what it is told in the end --------------------------

OFF_CURVE = POINT[:-1] + bytes((POINT[-1] ^ 1,))
EARLY = record(b"E" * 64, kind=23)
# TLS 1.2: a hello, a ClientKeyExchange with that point.
SUITES12 = (0xC02B, 0xC02F)


def key_exchange(point):
    return record(b"\x10" + vector(vector(point, 1), 3))


def again(**changes):
    return CHANGE_CIPHER_SPEC + record(message(**changes))


def p256(point):
    return message(groups=(P256,), offer=((P256, point),))


CASES = [
    ("a plain hello", [record(message())], "ServerHello 1301 1d"),
    ("a point of P-256", [record(p256(POINT))], "ServerHello 1301 17"),
    ("a point that is not on P-256", [record(p256(OFF_CURVE))], "alert 47"),
    ("the point 0, 0", [record(p256(b"\4" + bytes(64)))], "alert 47"),
    ("a compressed point", [record(p256(b"\3" + POINT[1:33]))], "alert 47"),
    ("a short share", [record(message(offer=((X25519, bytes(range(31))),)))], "alert 47"),
    ("a share of zeros", [record(message(offer=((X25519, bytes(32)),)))], "alert 47"),
    ("a share with the top bit set", [record(message(offer=((X25519, bytes(range(31)) + b"\x9f"),)))], "ServerHello 1301 1d"),
    ("a share from the prime on", [record(message(offer=((X25519, b"\xf6" + b"\xff" * 31),)))], "ServerHello 1301 1d"),
    ("a bad share beside a good one", [record(message(offer=((X25519, bytes(range(32))), (P256, OFF_CURVE))))], "alert 47"),
    ("a share for a group that was not asked for", [record(message(groups=(X25519,), offer=((P256, POINT),)))], "alert 47"),
    ("two shares for a group", [record(message(offer=((X25519, bytes(range(32))),) * 2))], "alert 47"),
    ("no share", [record(message(offer=()))], "HelloRetryRequest 1301 1d"),
    ("a share of a stranger's group only", [record(message(groups=(X448, P256), offer=((X448, bytes(range(56))),)))],
     "HelloRetryRequest 1301 17"),
    ("no group in common", [record(message(groups=(X448,), offer=((X448, bytes(range(56))),)))], "alert 40"),
    ("no group in common, no share", [record(message(groups=(X448,), offer=()))], "alert 40"),
    ("no suite in common", [record(message(suites=(0x1304,)))], "alert 40"),
    ("a share after a retry", [record(message(offer=())), again()], "ServerHello 1301 1d"),
    ("no share after a retry", [record(message(offer=())), again(offer=())], "alert 47"),
    ("another share than was asked for", [record(message(offer=())), again(offer=((P256, POINT),))], "alert 47"),
    ("a ticket that is gone after a retry", [record(message(offer=(), more=foreign_ticket())), again(more=extension(45, b"\1\1"))],
     "ServerHello 1301 1d"),
    ("an unsound share after a retry", [record(message(offer=())), again(offer=((X25519, bytes(32)),))], "alert 47"),
    ("another suite after a retry", [record(message(offer=(), suites=(AES256,))), again(suites=(AES128,))], "alert 47"),
    ("another name after a retry", [record(message(offer=())), again(name=b"echo.hearth.test")], "alert 47"),
    ("a hello in pieces after a retry", [record(message(offer=())), records(record(message()), 3)], "ServerHello 1301 1d"),
    ("early data before a retry", [record(message(offer=(), more=extension(42) + foreign_ticket())) + EARLY,
                                   EARLY + again(more=foreign_ticket())], "ServerHello 1301 1d"),
    ("too much early data before a retry", [record(message(offer=(), more=extension(42) + foreign_ticket())),
                                            record(b"E" * 16384, kind=23)], "alert 10"),
    ("a foreign ticket", [record(message(more=foreign_ticket()))], "ServerHello 1301 1d"),
    ("an empty record in a hello", [record(message()[:9]) + record(b"")], "alert 10"),
    ("an alert in a hello", [record(message()[:9]) + record(b"\1\0", kind=21)], "alert 10"),
    ("a change_cipher_spec in a hello", [record(message()[:9]) + CHANGE_CIPHER_SPEC], "alert 10"),
    ("a change_cipher_spec before a hello", [CHANGE_CIPHER_SPEC + record(message())], "alert 10"),
    ("something behind a hello in its record", [record(message() + b"\x14\0\0\0")], "alert 10"),
    ("versions of the future and the past", [record(message(versions=b"\3\5\3\1"))], "alert 70"),
    ("no signature algorithms", [record(message().replace(extension(13, vector(numbers((0x0403, 0x0804, 0x0401)))),
                                                          extension(21, bytes(8))))], "alert 109"),
    ("an IPv4 address as name", [record(message(name=b"10.77.0.1"))], "ServerHello 1301 1d"),
    ("an IPv6 address as name", [record(message(name=b"fd77::1"))], "ServerHello 1301 1d"),
    ("a name with a space", [record(message(name=b"hello hearth.test"))], "alert 47"),
    ("a name with a zero byte", [record(message(name=b"hello\0.hearth.test"))], "alert 47"),
    ("an empty name", [record(message(name=b""))], "alert 50"),
    ("TLS 1.2, a point of P-256", [record(message(versions=b"", suites=SUITES12, groups=(P256,))), key_exchange(OFF_CURVE)],
     "alert 47"),
    ("TLS 1.2, X25519's zero", [record(message(versions=b"", suites=SUITES12)), key_exchange(bytes(32))], "alert 47"),
    ("TLS 1.2, no group in common", [record(message(versions=b"", suites=SUITES12, groups=(X448,)))], "alert 40"),
    ("TLS 1.2, no suite in common", [record(message(versions=b"", suites=(0x0005,)))], "alert 40"),
    ("TLS 1.2, a Finished too early", [record(message(versions=b"", suites=SUITES12)), record(b"\x14\0\0\x0c" + bytes(12))],
     "alert 10"),
]


@case("ClientHellos by hand get the answer that the RFC names")
def _():
    wrong = []
    for what, writes, wanted in CASES:
        client = RawTls()
        told = []
        for i, data in enumerate(writes):
            if i > 0 and not writes[i - 1].endswith(EARLY):
                told = client.until("HelloRetryRequest", "ServerHello", "alert")
            if not told or told[-1] not in ("end", "reset"):
                client.sendall(data)
        told += client.until(wanted.split()[0], "alert")
        if told[-1] != wanted:
            wrong.append(f"{what}: {told}")
        if "alert" in wanted and told[-1] == wanted and client.said() != "end":
            wrong.append(f"{what}: no end behind the alert")
        client.close()
    assert not wrong, "\n".join(wrong)
    return f"{len(CASES)} kinds"


@case("what may not follow a ServerHello ends with an alert under its keys")
def _():
    wrong = []
    for what, data in (("a Finished in clear", record(b"\x14" + vector(bytes(32), 3))), ("a second hello", record(message())),
                       ("a change_cipher_spec of 2", record(b"\2", kind=20)), ("a long change_cipher_spec", record(b"\1\1", kind=20)),
                       ("what no key opens", record(bytes(60), kind=23)), ("a sealed record that is too short", record(bytes(9), kind=23)),
                       ("an empty sealed record", record(b"", kind=23)), ("a record that is too long", b"\x17\3\3\x48\0"),
                       ("an unknown kind of record", record(b"x", kind=99)),
                       ("change_cipher_specs without end", CHANGE_CIPHER_SPEC * 3000)):
        client = RawTls()
        client.sendall(record(message()) + CHANGE_CIPHER_SPEC)
        client.until("sealed")
        client.sendall(data)
        told = client.until("alert")
        if told[-2:] != ["sealed alert", "end"]:
            wrong.append(f"{what}: {told}")
        client.close()
    assert not wrong, "\n".join(wrong)


@case("a handshake that takes too long is told so")
def _():
    half = message()[:40]
    for writes, wanted in (([record(half)], ["alert 90", "alert 0"]),
                           ([record(message(offer=())), record(half)], ["HelloRetryRequest 1301 1d", "alert 90", "alert 0"])):
        client, told = RawTls(), []
        for data in writes:
            client.sendall(data)
        client.peer.settimeout(30)
        while not told or told[-1] not in ("end", "reset"):
            told.append(client.said())
        assert [word for word in told if word != "change_cipher_spec"] == [*wanted, "end"], told
        client.close()


@case("each way in which a hello can go is counted by its name")
def _():
    early = extension(42) + foreign_ticket()
    for name, writes in (("sni_ok", [record(message())]), ("sni_address", [record(message(name=b"10.77.0.1"))]),
                         ("sni_bad", [record(message(name=b"a b"))]), ("hello_bad", [b"GET / HTTP/1.1\r\n"]),
                         ("hello_bad", [record(message(name=b""))]), ("hello_refused", [record(p256(OFF_CURVE))]),
                         ("hello_refused", [record(message(groups=(X448,), offer=()))]),
                         ("hello_retried", [record(message(offer=())), again(offer=())]),
                         ("hello_changed", [record(message(offer=())), again(name=b"echo.hearth.test")]),
                         ("tls_dropped_records", [record(message(offer=(), more=early)) + EARLY, again(offer=())])):
        before, client = counters(), RawTls()
        for data in writes:
            client.sendall(data)
        client.until("ServerHello", "alert")
        client.close()
        until(lambda: counters()[name] > before[name], f"{name} to grow")
