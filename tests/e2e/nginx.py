"""nginx in front of gunicorn, with the site of deploy/: TLS ends there, one hop is trusted."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

import requests

from tests.faults.certificates import Authority
from tests.servers import program
from tests.waiting import free_port, wait_until

SITE = Path(__file__).parents[2] / "deploy/nginx/inbox.conf"
CONFIG = """
daemon off;
{user}
pid {folder}/nginx.pid;
error_log {folder}/error.log;
worker_processes 1;
events {{ worker_connections 256; }}
http {{
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/inbox.conf;
}}
"""


def _site(folder: Path, port: int, upstreams: Sequence[str], certificate: Path) -> str:
    """The site of deploy/, with this machine's paths, ports and name."""
    servers = [f"server {each.removeprefix('http://')} max_fails=0;" for each in upstreams]
    text = SITE.read_text()
    certificates = "/etc/letsencrypt/live/inbox.example.com"
    for ours, theirs in (
        ("server 127.0.0.1:8000 max_fails=0;", "\n    ".join(servers)),
        ("listen 80;", f"listen 127.0.0.1:{free_port()};"),
        ("listen [::]:80;", ""),
        ("listen 443 ssl http2;", f"listen 127.0.0.1:{port} ssl http2;"),
        ("listen [::]:443 ssl http2;", ""),
        (f"{certificates}/fullchain.pem", str(certificate)),
        (f"{certificates}/privkey.pem", str(certificate)),
        ("/var/cache/nginx/inbox", f"{folder}/cache"),
        ("/var/log/nginx/inbox.log", f"{folder}/access.log"),
        ("inbox.example.com", "localhost"),
    ):
        assert ours in text, ours
        text = text.replace(ours, theirs)
    return text


@contextlib.contextmanager
def nginx(folder: Path, *upstreams: str) -> Iterator[tuple[str, Path]]:
    """The address of nginx before `upstreams`, and the file of the authority to trust."""
    command = program("nginx")
    folder.mkdir()
    authority, port = Authority(folder), free_port()
    config = folder / "nginx.conf"
    user = "user root;" if os.geteuid() == 0 else ""  # or its worker could not write into our folder
    certificate = authority.certificate("localhost")
    config.write_text(CONFIG.format(user=user, folder=folder))
    (folder / "inbox.conf").write_text(_site(folder, port, upstreams, certificate))
    with subprocess.Popen([command, "-c", str(config)], stderr=subprocess.DEVNULL) as child:
        try:
            url = f"https://localhost:{port}"
            wait_until(lambda: _answers(url, authority.file), "nginx")
            yield url, authority.file
        finally:
            child.terminate()


def _answers(url: str, trusted: Path) -> bool:
    with contextlib.suppress(requests.ConnectionError):
        return requests.get(f"{url}/health/live", verify=str(trusted), timeout=5).status_code == 200
    return False
