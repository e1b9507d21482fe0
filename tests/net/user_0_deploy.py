"""What the other cases of a node with `user:` ask: always runs."""

from cases import case
from node import EXAMPLES, deploy


@case("a node with a user of its own: the examples deploy")
def _():
    for name in ("hello", "echo"):
        deploy(f"{EXAMPLES}/{name}")
