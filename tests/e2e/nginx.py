"""nginx in front of gunicorn, as the README says to set it up: TLS ends there, one hop is trusted."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.faults.certificates import Authority
from tests.waiting import free_port, wait_until

CONFIG = """
daemon off;
{user}
pid {folder}/nginx.pid;
error_log {folder}/error.log;
worker_processes 1;
events {{ worker_connections 256; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        listen 127.0.0.1:{port} ssl;
        ssl_certificate {certificate};
        ssl_certificate_key {certificate};
        client_max_body_size 5m;
        location / {{
            proxy_pass {upstream};
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header Host $http_host;
            proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
            proxy_set_header X-Forwarded-Proto $scheme;
        }}
    }}
}}
"""


@contextlib.contextmanager
def nginx(folder: Path, upstream: str) -> Iterator[tuple[str, Path]]:
    """The address of nginx before `upstream`, and the file of the authority to trust."""
    program = shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin")
    if program is None:
        pytest.skip("nginx is not installed: apt-get install nginx-light")
    folder.mkdir()
    authority, port = Authority(folder), free_port()
    config = folder / "nginx.conf"
    user = "user root;" if os.geteuid() == 0 else ""  # or its worker could not write into our folder
    certificate = authority.certificate("localhost")
    config.write_text(CONFIG.format(user=user, folder=folder, port=port, upstream=upstream, certificate=certificate))
    with subprocess.Popen([program, "-c", str(config)], stderr=subprocess.DEVNULL) as child:
        try:
            url = f"https://localhost:{port}"
            wait_until(lambda: _answers(url, authority.file), "nginx", 20)
            yield url, authority.file
        finally:
            child.terminate()


def _answers(url: str, trusted: Path) -> bool:
    with contextlib.suppress(requests.ConnectionError):
        return requests.get(f"{url}/health/live", verify=str(trusted), timeout=5).status_code == 200
    return False
