"""Settings, disk and limits of the machine this runs on."""

from __future__ import annotations

import os
import re
import resource
import shutil
from pathlib import Path
from urllib.parse import urlsplit

from inbox.config import Config
from inbox.db import normalise_url
from inbox.operations.doctor.findings import Finding, ok, problem, warning
from inbox.webhooks.journal.journal import Journal

MEGABYTE, GIGABYTE = 1024**2, 1024**3
LOW_DISK, FULL_DISK = GIGABYTE, 100 * MEGABYTE
FULL_JOURNAL = 0.8  # of its limit
_VERSION = re.compile(r"/v[0-9]+\.[0-9]+$")
FEW_CLIENTS = 200  # open connections of clients; browsers and proxies keep several each


def settings(config: Config) -> list[Finding]:
    """What is allowed, but dangerous or surely not meant."""
    found = [*_environment(config), *_doubts(config), *_switches(config), *_addresses(config)]
    if not config.whatsapp_verify_token:
        verify = "WHATSAPP_VERIFY_TOKEN is not set, so Meta cannot save the webhook's address"
        found.append(warning("settings", verify, "Set it to a word of your own and give Meta the same."))
    return found or [ok("settings", "complete")]


def _environment(config: Config) -> list[Finding]:
    if config.production:
        return []
    found = "INBOX_ENV=development: keys are made here, and webhooks pass unsigned while no app secret is set"
    return [warning("settings", found, "Unset INBOX_ENV wherever customers write.")]


def _doubts(config: Config) -> list[Finding]:
    return [warning("settings", found, do) for found, do in config.doubts]


def _switches(config: Config) -> list[Finding]:
    off = [f"RESILIENCE_{name.upper()}" for name, on in config.switches.items() if not on]
    if not off:
        return []
    found = f"{', '.join(off)} off: slower, and nothing protects the inbox while an upstream is away"
    return [warning("settings", found, "Unset it when you have seen what you wanted to see.")]


def _addresses(config: Config) -> list[Finding]:
    urls = {
        "WHATSAPP_API_URL": config.whatsapp_api_url,
        "GEMINI_API_URL": config.gemini_api_url,
        "SUPABASE_URL": config.supabase_url or "",
    }
    said = []
    if not _VERSION.search(config.whatsapp_api_url):
        found = "WHATSAPP_API_URL names no version, so Meta takes the oldest that the app may use"
        said.append(warning("settings", found, f"Put one at its end, as in {Config.whatsapp_api_url}."))
    plain = [name for name, url in urls.items() if urlsplit(url).scheme == "http"]
    if plain:
        are = "is" if len(plain) == 1 else "are"
        found = f"{' and '.join(plain)} {are} plain http: a simulator, or tokens that anybody on the way can read"
        said.append(warning("settings", found, "Use https wherever customers write."))
    return said


def disk(config: Config) -> list[Finding]:
    """Room for the journal, for customers' files, and for the database if it is a file."""
    in_folder = config.media_dir if config.media_s3_url is None else None
    places = {config.instance_path, in_folder or config.instance_path}
    url = normalise_url(config.database_url)
    if url.get_backend_name() == "sqlite" and url.database and url.database != ":memory:":
        places.add(Path(url.database).absolute().parent)
    return [*map(_free, sorted(places)), *_forgotten(config)]


def _forgotten(config: Config) -> list[Finding]:
    if config.platform is None or config.media_s3_url is not None:
        return []
    lost = f"on {config.platform} files are gone after each restart, and customers' files with them"
    return [
        warning("media", lost, "Set MEDIA_S3_URL, or MEDIA_DIR to a disk that stays; WhatsApp keeps files for 7 days.")
    ]


def is_full(place: Path) -> bool:
    """True when nothing more can be stored beside it."""
    try:
        return shutil.disk_usage(_existing(place)).free < FULL_DISK
    except OSError:
        return False


def _free(place: Path) -> Finding:
    what = f"disk {place}"
    try:
        free = shutil.disk_usage(_existing(place)).free
    except OSError as error:
        return problem(what, f"cannot be read ({type(error).__name__})", "Look at its permissions.")
    if not os.access(_existing(place), os.W_OK | os.X_OK):
        return problem(what, "cannot be written to", "Let this process write there, or name another folder.")
    shown = f"{free / GIGABYTE:.1f} GB free"
    if free < FULL_DISK:
        return problem(what, f"nearly full: {shown}", "Make room now: nothing can be stored on a full disk.")
    if free < LOW_DISK:
        return warning(what, f"{shown}", "Make room, or shorten EVENT_RETENTION_DAYS.")
    return ok(what, shown)


def journal(files: Journal, config: Config) -> list[Finding]:
    """Can webhooks be kept while the database is away, and how many are kept now?"""
    if not config.journal_max_bytes:
        none = "switched off (JOURNAL_MAX_BYTES=0): while the database is away only Meta's repeats are left"
        return [warning("journal", none, "Unset JOURNAL_MAX_BYTES.")]
    if (trouble := files.trouble()) is not None:
        found = f"{config.instance_path} {trouble.what}, so no webhook can be kept while the database is away"
        return [problem("journal", found, f"INBOX_INSTANCE_PATH: {trouble.do}.")]
    depth = files.depth()
    shown = (
        f"{depth.events} webhooks wait, {depth.bytes / MEGABYTE:.1f} of {config.journal_max_bytes / MEGABYTE:.0f} MB"
    )
    if depth.bytes > FULL_JOURNAL * config.journal_max_bytes:
        return [problem("journal", f"nearly full: {shown}", "Bring the database back, or raise JOURNAL_MAX_BYTES.")]
    if config.platform:
        lost = f"on {config.platform} files are gone after each restart, and what waits here with them: {shown}"
        return [warning("journal", lost, "Restart nothing while it is not empty; then only Meta's repeats are left.")]
    if depth.events:
        return [
            warning("journal", shown, "They are stored when the database is back, by the processes of this machine.")
        ]
    return [ok("journal", "empty")]


def _existing(place: Path) -> Path:
    """The folder, or the nearest one above it that exists already."""
    return next((each for each in (place, *place.parents) if os.path.exists(each)), place)


def descriptors(config: Config, pool: int) -> list[Finding]:
    """Open files a web process may have, against what it needs: sockets to the database, to upstreams, to clients."""
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    upstreams = config.whatsapp.bulkhead + config.gemini.bulkhead + config.supabase.bulkhead
    ours = pool + upstreams + config.web_threads + 50  # and files, pipes, the poller, LISTEN and NOTIFY
    if limit == resource.RLIM_INFINITY:
        return [ok("open files", "not limited")]
    raised = "Raise it for the service: ulimit -n 65536, or LimitNOFILE= in systemd."
    if limit < ours:
        return [problem("open files", f"limited to {limit}; one process needs {ours} without any client", raised)]
    shown = f"limited to {limit} per process, which leaves room for {limit - ours} clients at once"
    return [warning("open files", shown, raised) if limit - ours < FEW_CLIENTS else ok("open files", shown)]
