"""Deploys each of the one-liners (one_liners.py), asks it once, and takes it away."""

import collections

import one_liners
import target
from bystander import NAME as BYSTANDER

SIDE_BY_SIDE = {"memory": 2}  # of a class; else
SIDE_BY_SIDE_ELSE = 4
LIMITS = {"memory": {"cpu_ms": 1000}}  # of a class: time enough to reach the other limit


def attack(name, source, limits, outcomes):
    def one():
        services = [{"binding": "SELF", "service": name}, {"binding": "BYSTANDER", "service": f"{target.BYSTANDERS}/{BYSTANDER}"}]
        refusal = target.deploy(name, one_liners.module(source), services=services, limits=limits)
        if refusal:  # a handler that hearth will not have is contained; a body that does not parse attacks nobody
            return None if source.startswith("export") else refusal
        try:
            outcomes[target.ask(name)[0]] += 1
        finally:
            target.delete(name)
        return None
    return one


def run(suite):
    assert one_liners.total() >= 150
    for title, rows in one_liners.CLASSES.items():
        outcomes = collections.Counter()
        attacks = [(what, attack(f"one-{title}-{i}", source, LIMITS.get(title, {}), outcomes)) for i, (what, source) in enumerate(rows)]
        suite.run(f"one-liners: {title}", attacks, SIDE_BY_SIDE.get(title, SIDE_BY_SIDE_ELSE))
        print("#     " + ", ".join(f"{count} x {status or 'closed'}" for status, count in sorted(outcomes.items())), flush=True)
