"""What the other cases ask: always runs."""

from cases import case
from node import EXAMPLES, SCRIPTS, deploy


@case("every example and test script deploys")
def _():
    for name in ("hello", "echo", "count", "router", "chain-a", "chain-b", "chain-c", "digest"):
        deploy(f"{EXAMPLES}/{name}")
    for name in ("throw", "silent", "no-response", "slow", "loop", "hoard", "version", "heads", "pack"):
        deploy(f"{SCRIPTS}/{name}")
