"""Large bodies stream through a script in both directions, whole and in order."""

import hashlib
import os
import tempfile
import zlib

from cases import case
from node import ADDRESS, ADDRESS6, Http, connect, connect_tls, ctl_json, curl, get, https, until

BYTES = 100_000_000
PATTERN = bytes((x * 31 + (x >> 8)) & 255 for x in range(65536))  # what examples/count makes; it repeats every 64 KiB


def sha256(file):
    with open(file, "rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


@case("100 MB up and down through a streaming script: equal SHA-256")
def _():
    with tempfile.TemporaryDirectory() as directory:
        sent, received = f"{directory}/sent", f"{directory}/received"
        with open(sent, "wb") as file:
            for _ in range(BYTES // 1_000_000):
                file.write(os.urandom(1_000_000))
        curl("-T", sent, "-o", received, "https://echo.hearth.test/")
        assert os.path.getsize(received) == BYTES
        assert sha256(sent) == sha256(received)


@case("100 MB through a chain of three scripts of one node, and back: equal SHA-256")
def _():
    with tempfile.TemporaryDirectory() as directory:
        sent, received = f"{directory}/sent", f"{directory}/received"
        with open(sent, "wb") as file:
            file.write(os.urandom(1_000_000) * (BYTES // 1_000_000))
        curl("--fail", "--data-binary", f"@{sent}", "-o", received, "https://chain-a.hearth.test/echo")
        assert sha256(sent) == sha256(received)


def pack(query, file, received):
    curl("--fail", "-T", file, "-o", received, f"https://pack.hearth.test/?{query}")


@case("20 MB are compressed and decompressed on their way through a script, in all formats, as zlib does it")
def _():
    with tempfile.TemporaryDirectory() as directory:
        sent, packed, received = f"{directory}/sent", f"{directory}/packed", f"{directory}/received"
        with open(sent, "wb") as file:
            file.write((os.urandom(1_000_000) + b"some text\n" * 100_000) * 10)
        for name, bits in (("gzip", 31), ("deflate", 15), ("deflate-raw", -15), ("brotli", None), ("zstd", None)):
            pack(f"to={name}", sent, packed)
            assert os.path.getsize(packed) < 14_000_000, name
            pack(f"from={name}", packed, received)
            assert sha256(sent) == sha256(received), name
            if bits:
                with open(packed, "rb") as file:
                    assert hashlib.sha256(zlib.decompress(file.read(), bits)).hexdigest() == sha256(sent), name


@case("a gzip bomb of 2 GB unpacks as far as the client reads")
def _():
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    bomb = b"".join(packer.compress(bytes(1_000_000)) for _ in range(2000)) + packer.flush()
    with connect_tls("pack.hearth.test") as client:
        client.sendall(b"POST /?from=gzip HTTP/1.1\r\nHost: pack.hearth.test\r\nContent-Length: %d\r\n\r\n" % len(bomb) + bomb[:60000])
        assert client.recv(100).startswith(b"HTTP/1.1 200 ")
    with https("pack.hearth.test") as client:
        answer = client.request("POST /?from=deflate-raw HTTP/1.1", "pack.hearth.test", b"\x03\0")
        assert answer.status == 200 and answer.body == b"", answer


@case("100 MB made by a script arrive whole")
def _():
    with tempfile.NamedTemporaryFile() as received:
        curl("-o", received.name, f"https://count.hearth.test/?bytes={BYTES}")
        expected = hashlib.sha256()
        for at in range(0, BYTES, len(PATTERN)):
            expected.update(PATTERN[:BYTES - at])
        assert sha256(received.name) == expected.hexdigest()


@case("a large answer leaves in frames of many segments, for the kernel to cut, over IPv4 and IPv6")
def _():
    def port():
        return ctl_json("stats")["cores"][0]["port"]

    for address in (ADDRESS, ADDRESS6):
        before = port()
        curl("--fail", "-o", "/dev/null", "https://count.hearth.test/?bytes=20000000", address=address)
        until(lambda: port()["tx_bytes"] - before["tx_bytes"] > 20000000, "20 MB to be sent")
        grown = {name: value - before[name] for name, value in port().items()}
        assert grown["tx_large"] > 0 and grown["tx_cut"] == 0, grown
        assert grown["tx_frames"] > 20000000 / 1460, grown  # counted as they leave


@case("a script reads 100 MB, chunked, and sees every byte")
def _():
    with tempfile.NamedTemporaryFile() as sent:
        data = os.urandom(1_000_000) * (BYTES // 1_000_000)
        sent.write(data)
        sent.flush()
        answer = curl("-X", "POST", "-H", "Transfer-Encoding: chunked", "-H", "Expect:", "-T", sent.name,
                      "https://count.hearth.test/")
        assert f'"bytes":{BYTES}' in answer.stdout, answer.stdout
        assert f'"adler32":"{zlib.adler32(data):08x}"' in answer.stdout, answer.stdout


@case("bodies at the edges of chunks and windows come back as they were")
def _():
    with https("echo.hearth.test") as client:
        for size in (0, 1, 2047, 2048, 2049, 4095, 4096, 4097, 16384, 32768, 65535, 65536, 65537, 262144, 262145):
            body = os.urandom(size)
            # Never more than what the connection holds without reading the answer meanwhile: the node may wait for its reader.
            answer = client.request("POST / HTTP/1.1", "echo.hearth.test", body) if size else \
                client.request("POST / HTTP/1.1\r\nContent-Length: 0", "echo.hearth.test")
            assert answer.body == body, (size, len(answer.body))


@case("a reader that stops for a while holds the script back and loses nothing")
def _():
    with Http(connect_tls("count.hearth.test")) as client:
        client.send(b"GET /?bytes=5000000 HTTP/1.1\r\nHost: count.hearth.test\r\n\r\n")
        client._fill()  # the answer has begun; while nobody reads, others must be served
        for _ in range(20):
            assert get().status == 200
        body = client.response().body
        assert body == (PATTERN * (5_000_000 // 65536 + 1))[:5_000_000]


@case("clients that leave in the middle of a body, 50 of each direction, take nothing with them")
def _():
    for _ in range(50):
        with Http(connect(port=80)) as client:
            client.send(b"POST / HTTP/1.1\r\nHost: echo.hearth.test\r\nContent-Length: 1000000\r\n\r\n" + bytes(1000))
        with Http(connect(port=80)) as client:
            client.send(b"GET /?bytes=50000000 HTTP/1.1\r\nHost: count.hearth.test\r\n\r\n")
            client._fill()
    assert get().status == 200
