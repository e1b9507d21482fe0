"""cold.py CA PAUSE-MS ADDRESS PEER-ADDRESS NAME... - the first request of each script, which does not run yet, and its second; by turns of
hearth, where NAME is NAME.hearth.test, and of a peer, where it is https://peer.hearth.test:8445/NAME. Each of the two has one connection, open
from the beginning, and PAUSE-MS of peace before every request. Prints JSON: pairs of nanoseconds of both."""

import json
import sys
import time

from warming import Client


def main(ca, pause_ms, address, peer_address, *names):
    hearth = Client(ca, address, "nobody.hearth.test")  # the hello names no script, so it starts none
    peer = Client(ca, peer_address, "peer.hearth.test", 8445)
    seen = {"hearth": [], "peer": []}

    def ask(client, **what):
        time.sleep(float(pause_ms) / 1000)
        return client.ask(**what)[0]

    for client in (hearth, peer):
        client.shake()
    for name in names:
        seen["hearth"].append([ask(hearth, host=f"{name}.hearth.test") for _ in range(2)])
        seen["peer"].append([ask(peer, path=f"/{name}") for _ in range(2)])
    print(json.dumps(seen))


if __name__ == "__main__":
    main(*sys.argv[1:])
