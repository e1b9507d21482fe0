"""Packets of strangers by the hundred thousand, over memif: what was sent = what was answered + what was dropped by a name, exactly."""

import itertools
import os
import sys

from cases import case
from node import ROOT, ctl_json

sys.path.insert(0, os.path.join(ROOT, "tools", "gen"))
import books  # noqa: E402

SECONDS = 2
RATE = 60000  # a second: no machine is too slow for it, and there is enough to lose


def stats():
    return ctl_json("stats")


seeds = itertools.count(1)  # one for each case: no SYN of it meets a half-open connection of one before


def flood(*options):
    """The books of a run; they balance."""
    with books.Generator(*books.LAB, "--seconds", SECONDS, "--seed", next(seeds), *options) as generator:
        before = books.Entry(generator, stats)
        generator.go()
        kept = books.settled(generator, stats, before)
    assert not kept.faults, kept.text()
    return kept


def said(kept):
    return f"{sum(kept.sent.values())} frames"


@case("flood: each kind of garbage ends in its own counter, without an answer")
def _():
    kept = flood("--mix", "garbage", "--rate", RATE)
    garbage = {kind: ends for kind, ends in kept.ends.items() if kind in kept.sent and kind != "arp"}
    assert len(garbage) == 15, garbage
    for kind, counter in garbage.items():
        assert kept.sent[kind] == kept.counters[counter], (kind, kept.text())
    assert not set(kept.answers) - {"arp", "ip6"}, kept.answers
    return said(kept)


@case("flood: noise is dropped, by some name or other")
def _():
    kept = flood("--mix", "noise", "--rate", RATE)
    assert kept.sent["noise"] == kept.count(*(name for name in kept.counters if name.startswith("drop_"))), kept.text()
    return said(kept)


@case("flood: a ClientHello without a connection gets a reset, whatever its shape and name")
def _():
    kept = flood("--mix", "hello", "--names", 500, "--shapes", "plain,grease,hybrid", "--rate", RATE)
    assert kept.sent["hello"] == kept.counters["drop_tcp_no_conn"] == kept.answers["rst_hello"] + kept.unsaid(), kept.text()
    return said(kept)


@case("flood: a SYN to a port that is closed gets a reset")
def _():
    kept = flood("--mix", "no_port", "--rate", RATE)
    assert kept.sent["no_port"] == kept.counters["drop_tcp_no_port"] == kept.answers["rst_no_port"] + kept.unsaid(), kept.text()
    return said(kept)


@case("flood: every SYN gets a SYN-ACK: the first ones a place, the others a cookie")
def _():
    kept = flood("--mix", "syn", "--rate", RATE)
    assert kept.sent["syn"] == kept.counters["rx_tcp"] and kept.counters["tcp_syn_cookies"] > RATE, kept.text()
    # Who has a place hears it again after a second, or at once if its SYN comes again: by chance some do.
    said_once = kept.sent["syn"] - kept.count("tcp_duplicate")
    assert kept.answers["syn_ack"] + kept.unsaid() == said_once + kept.count("tcp_retransmits"), kept.text()
    return said(kept)


@case("flood: who answers its cookie with a ClientHello has a connection")
def _():
    kept = flood("--mix", "handshake", "--rate", 2000, "--shapes", "plain,grease,hybrid")
    assert kept.answers["flight"] > 0 and kept.counters["sni_ok"] > 0, kept.text()
    return f"{said(kept)}, {kept.counters['sni_ok']} ClientHellos read"


@case("flood: a cookie made with a known secret opens nothing: a node has a secret of its own")
def _():
    kept = flood("--mix", "syn,replay,replay_http", "--cookie-secret", "00" * 16, "--rate", RATE)
    assert kept.sent["replay"] + kept.sent["replay_http"] == kept.count("drop_tcp_no_conn", "drop_tcp_cookie_early"), kept.text()
    assert not kept.count("tcp_accepted") and kept.count("tcp_syn_cookies_bad"), kept.text()  # they were out, and looked for
    return said(kept)


@case("flood: good clients are served beside all of it")
def _():
    kept = flood("--mix", "syn=4,hello=4,garbage=1", "--rate", RATE, "--clients", 16, "--client-rate", 400)
    clients = kept.clients
    assert clients["answered"] == clients["asked"] > 0 and not clients["bad"] and not clients["ended"], kept.text()
    return f"{said(kept)}, {clients['answered']} answers"
