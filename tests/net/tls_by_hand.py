"""A TLS client whose bytes the case sends itself."""

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

    def close(self):
        self.peer.close()

    def _drive(self, step):
        while True:
            try:
                result = step()
                self.peer.sendall(self.outgoing.read())
                return result
            except ssl.SSLWantReadError:
                self.peer.sendall(self.outgoing.read())
                data = self.peer.recv(65536)
                assert data, "closed during the handshake"
                self.incoming.write(data)
