"""members.py CA RATE SECONDS-MAX SCRIPTS NODE... - asks scripts s000.hearth.test and on, one request after the other in turn, RATE a second in all, over
one kept connection to each NODE's address for each of CLIENTS threads, until a line comes on stdin. A request waits from when it should have begun: one that
is held up makes those behind it late. Prints JSON, a list of [when it should have begun on the monotonic clock, us it took, status or 0 for a broken
connection, "cold" or another word, home, number of the script]."""

import http.client
import json
import random
import socket
import ssl
import sys
import threading
import time

CLIENTS = 4
TIMEOUT_S = 5


def connect(context, address):
    client = http.client.HTTPConnection("nobody.hearth.test")
    peer = socket.create_connection((address, 443), timeout=TIMEOUT_S)
    peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    client.sock = context.wrap_socket(peer, server_hostname="nobody.hearth.test")  # names no script, so it starts none
    return client


class Asker:
    def __init__(self, ca, interval_s, scripts, addresses, number, stop):
        self.context, self.interval_s, self.scripts, self.addresses = ssl.create_default_context(cafile=ca), interval_s, scripts, addresses
        self.choose, self.stop, self.seen, self.connections = random.Random(number), stop, [], {}
        self.thread = threading.Thread(target=self.run)

    def ask(self, address, host):
        try:
            client = self.connections.pop(address, None) or connect(self.context, address)
            client.request("GET", "/", headers={"Host": host})
            answer = client.getresponse()
            answer.read()
            if not answer.will_close:
                self.connections[address] = client
            return answer.status, answer.headers.get("x-hearth-start", ""), answer.headers.get("x-hearth-home", "")
        except (OSError, http.client.HTTPException):
            return 0, "", ""

    def run(self):
        due = time.monotonic() + self.choose.random() * self.interval_s
        while not self.stop.is_set():
            time.sleep(max(0.0, due - time.monotonic()))
            script = self.choose.randrange(self.scripts)
            status, start, home = self.ask(self.choose.choice(self.addresses), f"s{script:03d}.hearth.test")
            self.seen.append([due, (time.monotonic() - due) * 1e6, status, start, home, script])
            due += self.interval_s


def main(ca, rate, seconds_max, scripts, *addresses):
    stop = threading.Event()
    askers = [Asker(ca, CLIENTS / float(rate), int(scripts), addresses, number, stop) for number in range(CLIENTS)]
    timer = threading.Timer(float(seconds_max), stop.set)
    timer.daemon = True
    for thread in [timer, *(asker.thread for asker in askers)]:
        thread.start()
    sys.stdin.readline()
    stop.set()
    for asker in askers:
        asker.thread.join()
    print(json.dumps(sorted(row for asker in askers for row in asker.seen)))


if __name__ == "__main__":
    main(*sys.argv[1:])
