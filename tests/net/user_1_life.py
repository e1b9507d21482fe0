"""`user:`: hearthd holds no capability, and everything that comes after its start works all the same."""

import os
import pwd
import signal

import privileges
from cases import case
from cluster import make_script
from node import LAB, ROOT, counter, ctl, ctl_json, deploy, family, get, good_answers, hearthd_pid, https, run, until, zygote_pid

USER = pwd.getpwnam("daemon")
HOME = os.path.join(ROOT, "build", "lab", "n1")
KEY = os.path.join(ROOT, "build", "lab", "certs", "hearth.test.key")
HELLO = "export default { fetch: () => new Response('%s') };"


def log():
    with open(os.path.join(HOME, "hearthd.log")) as file:
        return file.read()


@case("with user: hearthd is that user and holds nothing, in all threads")
def _():
    assert "step=privileges user=daemon" in log()
    assert f"rights    uid {USER.pw_uid}  capabilities none  seccomp yes" in ctl("status").stdout
    return privileges.check(USER.pw_uid, USER.pw_gid, 0)


@case("with user: the cells are confined, by a user namespace")
def _():
    good_answers(1)
    privileges.check_cells([pid for pid in family() if pid != zygote_pid()], USER.pw_uid)


@case("with user: kill -9 of the zygote and all cells, SIGSTOP of the next: each is replaced")
def _():
    for blow in (signal.SIGKILL, signal.SIGSTOP):
        before = family()
        for pid in before:
            os.kill(pid, blow)
        until(lambda: get(timeout=60).status == 200, "good answers again", 60)
        until(lambda: zygote_pid() not in before, "a new zygote", 60)


@case("with user: reload, by hearthctl and by SIGHUP")
def _():
    ctl("reload")
    before = log().count("reload certificates=")
    os.kill(hearthd_pid(), signal.SIGHUP)
    until(lambda: log().count("reload certificates=") > before, "the reload")
    good_answers(3)


@case("with user: a key that only root reads is refused by a reload and by hearthctl check, and harms nothing")
def _():
    config = os.path.join(HOME, "hearth.yaml")
    hearthctl = os.path.join(ROOT, "build", "control", "hearthctl")
    assert run(hearthctl, "check", config).stdout.endswith(": good\n")
    os.chown(KEY, 0, 0)
    os.chmod(KEY, 0o600)
    try:
        refused = ctl("reload", check=False)
        assert refused.returncode and "Permission denied" in refused.stderr, refused
        judged = run(hearthctl, "check", config, check=False)
        assert judged.returncode and f"{KEY}: user daemon, who reads it at a reload, cannot: Permission denied" in judged.stderr + judged.stdout
        good_answers(3)
    finally:
        os.chown(KEY, USER.pw_uid, USER.pw_gid)
    ctl("reload")


@case("with user: deploys are kept across a stop and a start, whoever owned the store before")
def _():
    deploy(make_script("mine", HELLO % "first"))
    deploy(make_script("mine", HELLO % "second"))
    assert os.stat(os.path.join(HOME, "scripts", "scripts")).st_uid == USER.pw_uid
    run(LAB, "kill", "n1", "TERM")
    assert log().rstrip().endswith("stop done"), log()[-400:]
    for folder, _, files in os.walk(os.path.join(HOME, "scripts")):  # as if root had run it until now
        for name in [folder] + [os.path.join(folder, file) for file in files]:
            os.chown(name, 0, 0)
    run(LAB, "start", "n1")
    until(lambda: get("mine.hearth.test").body == b"second", "the script of before")
    deploy(make_script("mine", HELLO % "third"))
    assert get("mine.hearth.test").body == b"third"


@case("with user: a stop drains: what runs is finished")
def _():
    deploy(make_script("slowly", "export default { fetch: () => new Promise((r) => setTimeout(() => r(new Response('whole')), 700)) };"))
    begun = counter("job_started")
    with https("slowly.hearth.test") as client:
        client.send(b"GET / HTTP/1.1\r\nHost: slowly.hearth.test\r\n\r\n")
        until(lambda: counter("job_started") > begun, "the job to start")
        os.kill(hearthd_pid(), signal.SIGTERM)
        assert client.response().body == b"whole"
    run(LAB, "kill", "n1", "TERM")
    assert log().rstrip().endswith("stop done"), log()[-400:]
    run(LAB, "start", "n1")


@case("with user: hearthd killed takes its zygote and cells with it")
def _():
    pids = family()
    os.kill(hearthd_pid(), signal.SIGKILL)
    until(lambda: not any(is_alive(pid) for pid in pids), "the end of its cells")
    run(LAB, "kill", "n1")
    run(LAB, "start", "n1")
    good_answers(1)
    assert ctl_json("status")["ready"]


def is_alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def refusal(user):
    """Why a node with that user does not start."""
    extra = os.path.join(ROOT, "build", "lab", "config-extra")
    run(LAB, "kill", "n1", "TERM")
    began = len(log())
    try:
        with open(extra, "w") as file:
            file.write(f"user: {user}\n")
        assert run(LAB, "start", "n1", check=False).returncode
        return log()[began:]
    finally:
        with open(extra, "w") as file:
            file.write("user: daemon\n")
        run(LAB, "start", "n1")


@case("with user: a name that nobody has, and root's, are a sentence and no start")
def _():
    assert 'start failed: user: there is no user "no-such-one"' in refusal("no-such-one")
    assert 'start failed: user: "root" is root' in refusal("root")
