"""What the other cases of the exception path ask: always runs."""

from cases import case
from node import EXAMPLES, deploy


@case("exception path: the examples deploy")
def _():
    for name in ("hello", "echo"):
        deploy(f"{EXAMPLES}/{name}")
