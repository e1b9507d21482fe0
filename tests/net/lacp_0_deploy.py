"""What the other case of LACP asks: always runs."""

from cases import case
from node import EXAMPLES, deploy


@case("lacp: the examples deploy")
def _():
    deploy(f"{EXAMPLES}/hello")
