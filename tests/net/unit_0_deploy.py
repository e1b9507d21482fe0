"""What the other cases of the unit ask: always runs."""

from cases import case
from cluster import NODES, all_serving, make_script, unmake_scripts
from node import EXAMPLES, deploy, hearthd_pid, until


def status_of(pid):
    with open(f"/proc/{pid}/status") as file:
        return dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)


@case("three nodes with the unit's capabilities: each takes the others for serving, and scripts deploy")
def _():
    for node in NODES:
        status = status_of(hearthd_pid(node))
        assert status["CapEff"] == status["CapBnd"] and int(status["CapEff"], 16) & (1 << 5), status["CapEff"]  # CAP_KILL
        assert not int(status["CapEff"], 16) & (1 << 19), status["CapEff"]  # no CAP_SYS_PTRACE: these are not all
        assert status["NoNewPrivs"] == "1"
    until(all_serving, "all nodes to be serving")
    unmake_scripts()
    deploy(make_script("spin", "export default { fetch() { for (;;); } };\n"),
           f"{EXAMPLES}/hello")
