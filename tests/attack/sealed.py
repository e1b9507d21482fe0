"""Rows of a hostile sealed process (sealed.c): each is ordered by a request to a script of its own, for three dead processes hold a script back."""

import target

SOURCE = """const MAGIC = [0xa7, ...new TextEncoder().encode("hostile")];
export default {
  fetch(request) {
    const [, op, row] = new URL(request.url).pathname.split("/");
    const order = new Uint8Array(64);
    order.set([...MAGIC, Number(op), Number(row)]);
    crypto.getRandomValues(order);
    return new Response(order.slice(10));
  },
};
"""
OP_NAME, OP_ATTACK = 0, 1
SIDE_BY_SIDE = 4


def text_of(name, op, row):
    status, body = target.ask(name, f"/{op}/{row}")
    return status, body.rstrip(b"\0").decode("latin-1")


def names():
    """What the rows are called, in their order."""
    found, name = [], "sealed-names"
    assert target.deploy(name, SOURCE) is None
    while (row := text_of(name, OP_NAME, len(found)))[1]:
        assert row[0] == 200, row
        found.append(row[1])
    target.delete(name)
    return found


def attack(row):
    name = f"sealed-{row}"

    def order():
        refusal = target.deploy(name, SOURCE, services=[{"binding": "SELF", "service": name}])
        if refusal:
            return refusal
        try:
            status, text = text_of(name, OP_ATTACK, row)
        finally:
            target.delete(name)
        if status == 200 and text.startswith("WORKED"):
            return "it worked"
        return None
    return order


def run(suite):
    rows = names()
    assert len(rows) >= 50, f"the runtime's program has no hostile half: {rows}"
    suite.run("a hostile sealed process", [(what, attack(row)) for row, what in enumerate(rows)], SIDE_BY_SIDE)
