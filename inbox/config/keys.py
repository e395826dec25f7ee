"""The keys that development makes for itself and keeps."""

from __future__ import annotations

import base64
import os
import secrets
from pathlib import Path

from inbox.errors import ConfigError


def development_secrets(instance: Path) -> dict[str, str]:
    """SECRET_KEY and ENCRYPTION_KEYS kept in files under `instance`, made on first use (mode 0600).

    Raises ConfigError when they cannot be kept there.
    """
    made = {
        "SECRET_KEY": secrets.token_urlsafe(48),
        "ENCRYPTION_KEYS": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
    }
    try:
        instance.mkdir(mode=0o700, parents=True, exist_ok=True)
        return {name: _kept(instance / name.lower(), value) for name, value in made.items()}
    except OSError as error:
        reason = f"must be a folder that can be written to ({error.strerror})"
        raise ConfigError("INBOX_INSTANCE_PATH", reason) from None


def _kept(path: Path, value: str) -> str:
    """What `path` holds; `value` is linked there first if nothing is. Two processes starting at once agree on one."""
    if not path.exists():
        fresh = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
        fresh.touch(mode=0o600)
        fresh.write_text(value)
        try:
            os.link(fresh, path)
        except FileExistsError:
            pass
        finally:
            fresh.unlink()
    return path.read_text().strip()
