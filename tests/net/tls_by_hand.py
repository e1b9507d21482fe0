"""A TLS client whose bytes the case sends itself."""

import contextlib
import ssl

from node import ADDRESS, connect, tls_context


class TlsByHand:
    """Bytes come out of the library, and the case decides how and when they travel."""

    def __init__(self, host, context=None, address=ADDRESS):
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = (context or tls_context()).wrap_bio(self.incoming, self.outgoing, server_hostname=host)
        self.peer = connect(address)

    def hello(self):
        """The ClientHello: not sent."""
        try:
            self.tls.do_handshake()
        except ssl.SSLWantReadError:
            pass
        return self.outgoing.read()

    def handshake(self):
        """The rest of it."""
        self._drive(self.tls.do_handshake)

    def sendall(self, data):
        self._drive(lambda: self.tls.write(data))

    def recv(self, count):
        return self._drive(lambda: self.tls.read(count))

    def finish(self):
        """close_notify: nothing more will be sent. What comes can still be read."""
        with contextlib.suppress(ssl.SSLWantReadError):
            self.tls.unwrap()
        self._send()

    def close(self):
        self.peer.close()

    def _send(self):
        if data := self.outgoing.read():
            self.peer.sendall(data)

    def _drive(self, step):
        while True:
            try:
                result = step()
                self._send()
                return result
            except ssl.SSLWantReadError:
                self._send()
                data = self.peer.recv(65536)
                assert data, "closed during the handshake"
                self.incoming.write(data)


# ---- ClientHellos that no library would write ------------------------------------------------------------------------

X25519, P256, P384, X448 = 0x1D, 0x17, 0x18, 0x1E
AES128, AES256 = 0x1301, 0x1302
POINT = bytes.fromhex("046b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296"
                      "4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5")  # P-256's generator
RETRY_RANDOM = bytes.fromhex("cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c")
CHANGE_CIPHER_SPEC = b"\x14\3\3\0\1\1"
SEALED_ALERT = 2 + 1 + 16  # an alert, its type, the tag


def vector(data, size=2):
    return len(data).to_bytes(size, "big") + data


def numbers(values):
    return b"".join(value.to_bytes(2, "big") for value in values)


def extension(kind, data=b""):
    return kind.to_bytes(2, "big") + vector(data)


def shares(*pairs):
    return extension(51, vector(b"".join(group.to_bytes(2, "big") + vector(key) for group, key in pairs)))


def record(data, kind=22, version=3):
    return bytes((kind, 3, version)) + vector(data)


def message(name=b"hello.hearth.test", groups=(X25519, P256), offer=((X25519, bytes(range(32))),), suites=(AES128, AES256),
            more=b"", versions=b"\3\4"):
    """A ClientHello without its record; with versions of b"", TLS 1.2's."""
    extensions = extension(0, vector(b"\0" + vector(name))) + extension(10, vector(numbers(groups)))
    extensions += extension(13, vector(numbers((0x0403, 0x0804, 0x0401))))
    if versions:
        extensions += extension(43, vector(versions, 1)) + shares(*offer)
    body = b"\3\3" + b"\1" * 32 + vector(b"\3" * 32, 1) + vector(numbers(suites)) + b"\1\0" + vector(extensions + more)
    return b"\1" + vector(body, 3)


def foreign_ticket():
    """A PSK of somebody else: modes, then the last extension."""
    return extension(45, b"\1\1") + extension(41, vector(vector(b"T" * 64) + bytes(4)) + vector(vector(b"B" * 32, 1)))


class RawTls:
    """Sends records and tells what comes back: "ServerHello 1301 1d", "HelloRetryRequest ...", "alert 47", "sealed", "sealed alert", "end", "reset"."""

    def __init__(self, address=ADDRESS):
        self.peer, self.unread = connect(address), b""

    def close(self):
        self.peer.close()

    def sendall(self, data):
        self.peer.sendall(data)

    def _exactly(self, count):
        while len(self.unread) < count:
            data = self.peer.recv(65536)
            if not data:
                return None
            self.unread += data
        part, self.unread = self.unread[:count], self.unread[count:]
        return part

    def record(self):
        """Its kind and content; None: the end."""
        header = self._exactly(5)
        if header is None:
            assert not self.unread, "cut inside a record"
            return None
        return header[0], self._exactly(int.from_bytes(header[3:], "big"))

    def said(self):
        try:
            got = self.record()
        except ConnectionResetError:
            return "reset"
        if got is None:
            return "end"
        kind, content = got
        if kind == 21 and len(content) == 2:
            return f"alert {content[1]}"
        if kind == 22 and content[0] == 2:
            return self._hello(content)
        if kind == 23 and len(content) == SEALED_ALERT:
            return "sealed alert"
        return {20: "change_cipher_spec", 22: "handshake", 23: "sealed"}.get(kind, f"record {kind}")

    @staticmethod
    def _hello(content):
        at = 39 + content[38]
        suite, at, found = content[at:at + 2].hex(), at + 5, {}
        while at + 4 <= len(content):
            kind, size = int.from_bytes(content[at:at + 2], "big"), int.from_bytes(content[at + 2:at + 4], "big")
            found[kind], at = content[at + 4:at + 4 + size], at + 4 + size
        name = "HelloRetryRequest" if content[6:38] == RETRY_RANDOM else "ServerHello"
        return f"{name} {suite} {found[51][1]:x}" if 51 in found else f"{name} {suite}"

    def until(self, *words):
        """What is said up to the first of the words, both included."""
        told = []
        while not told or (told[-1].split()[0] not in words and told[-1] not in ("end", "reset")):
            told.append(self.said())
        return told
