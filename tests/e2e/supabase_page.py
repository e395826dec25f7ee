"""A page that signs in and asks as the predecessor's does, with the same library, on an origin of its own."""

from __future__ import annotations

import json
import shutil
import subprocess
import tarfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

NPM = shutil.which("npm")
#: What the page is built with; npm checks the file against the registry's hash.
LIBRARY = "@supabase/supabase-js@2.109.0"

#: `desk.ask` does what the page does before each request; `desk.pass` lets seconds pass on the page's clock.
_PAGE = """<!doctype html><meta charset="utf-8"><link rel="icon" href="data:,">
<script src="supabase.js"></script><script>
const told = %s, now = Date.now.bind(Date);
let ahead = told.ahead;
Date.now = () => now() + ahead * 1000;
const client = supabase.createClient(told.supabase, told.key);
const desk = {
  polled: [],
  pass: seconds => { ahead += seconds; },
  signIn: async (email, password) => (await client.auth.signInWithPassword({email, password})).error?.message ?? "",
  renew: async () => (await client.auth.refreshSession()).error?.message ?? "",
  ask: async (method, path, body) => {
    const {data: {session}} = await client.auth.getSession();
    const headers = session ? {Authorization: `Bearer ${session.access_token}`} : {};
    if (body) headers["Content-Type"] = "application/json";
    const answer = await fetch(told.api + path, {method, headers, body: body && JSON.stringify(body)});
    return {status: answer.status, body: await answer.json()};
  },
  poll: path => setInterval(async () => {
    desk.polled.push(await desk.ask("GET", path).then(answer => answer.status, String));
  }, told.every),
};
client.channel("messages").subscribe();  // it lives without
</script>
"""


def script(folder: Path) -> Path:
    """The library as browsers load it, from its npm package."""
    assert NPM is not None
    command = [NPM, "pack", "--silent", "--pack-destination", str(folder), LIBRARY]
    subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=120)
    (package,) = folder.glob("*.tgz")
    with tarfile.open(package) as archive:
        archive.extract("package/dist/umd/supabase.js", folder, filter="data")
    return folder / "package/dist/umd/supabase.js"


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


@contextmanager
def origin(folder: Path) -> Iterator[str]:
    """Serve `folder`; its address, on an origin of its own."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def write(folder: Path, *, api: str, supabase: str, ahead: float) -> None:
    """The page, for Inbox at `api`; its clock is `ahead` of this machine's by so many seconds."""
    told = {"api": api, "supabase": supabase, "key": "sb_publishable_test", "ahead": ahead, "every": 200}
    (folder / "index.html").write_text(_PAGE % json.dumps(told))
