"""nginx.py - Debian's nginx beside the node, in the namespace hearth-peer: the same attack on both, in the same run.

  nginx.py install        outside of the lab: unpacks it into build/net/, unless it is there or installed

It has one worker with as many connections as the node's core, and its own defaults otherwise.
"""

import contextlib
import glob
import os
import shutil
import subprocess
import sys

from node import ROOT, Skip, connect, until

WORK = os.path.join(ROOT, "build", "net")
CERTS = os.path.join(ROOT, "build", "lab", "certs")
ADDRESS = "10.77.0.200"
CONNECTIONS = 4096
CONFIG = """
worker_processes 1;
daemon off;
pid {work}/nginx.pid;
error_log {work}/nginx-error.log;
user root;
worker_rlimit_nofile 16384;
events {{ worker_connections {connections}; }}
http {{
    access_log off;
    client_body_temp_path {work}/body;
    proxy_temp_path {work}/proxy;
    fastcgi_temp_path {work}/fastcgi;
    uwsgi_temp_path {work}/uwsgi;
    scgi_temp_path {work}/scgi;
    default_type text/plain;
    ssl_certificate {certs}/hearth.test.pem;
    ssl_certificate_key {certs}/hearth.test.key;
    server {{
        listen {address}:80;
        listen {address}:443 ssl;
        location / {{ return 200 "Hello, world!\\n"; }}
        location /post {{ proxy_pass http://127.0.0.1:8090; }}
    }}
    server {{
        listen 127.0.0.1:8090;
        location / {{ return 200 "taken\\n"; }}
    }}
}}
"""


def find():
    places = ["/usr/sbin/nginx", *(os.path.join(ROOT, "build", part, "debian", "usr", "sbin", "nginx") for part in ("net", "bench"))]
    return next((path for path in places if os.access(path, os.X_OK)), None)


def install():
    if find():
        return
    debian = os.path.join(WORK, "debian")
    shutil.rmtree(debian, ignore_errors=True)
    os.makedirs(debian)
    subprocess.run(["apt-get", "-q", "download", "nginx"], cwd=debian, check=True, stdout=subprocess.DEVNULL)
    for package in glob.glob(os.path.join(debian, "*.deb")):
        subprocess.run(["dpkg", "-x", package, debian], check=True)


@contextlib.contextmanager
def running():
    binary = find()
    if not binary:
        raise Skip("no nginx: apt-get could not fetch it")
    os.makedirs(WORK, exist_ok=True)
    config = os.path.join(WORK, "nginx.conf")
    with open(config, "w") as file:
        file.write(CONFIG.format(work=WORK, certs=CERTS, address=ADDRESS, connections=CONNECTIONS))
    with open(os.path.join(WORK, "nginx.log"), "w") as log:
        server = subprocess.Popen(["ip", "netns", "exec", "hearth-peer", binary, "-c", config, "-p", WORK, "-e",
                                   os.path.join(WORK, "nginx-error.log")], stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def answers():
        assert server.poll() is None, f"nginx ended: {open(os.path.join(WORK, 'nginx.log')).read().strip()[-200:]}"
        with contextlib.suppress(OSError):
            connect(ADDRESS, 80).close()
            return True

    try:
        until(answers, "nginx to answer")
        yield ADDRESS
    finally:
        server.terminate()
        server.wait(20)


if __name__ == "__main__":
    if sys.argv[1:] != ["install"]:
        sys.exit(__doc__)
    install()
