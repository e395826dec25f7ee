"""Access tokens at rest: encrypted with the first of ENCRYPTION_KEYS, readable with any of them."""

from __future__ import annotations

import hmac
import logging
from collections.abc import Sequence

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from pydantic import SecretStr

from inbox.errors import ConfigError

log = logging.getLogger(__name__)


def plain(secret: SecretStr | None) -> str | None:
    """What a request's field holds."""
    return None if secret is None else secret.get_secret_value()


class TokenCipher:
    """Encrypts with the first key, decrypts with all: a key is rotated by putting a new one in front."""

    def __init__(self, keys: Sequence[str]) -> None:
        each = [Fernet(key) for key in keys]
        self._first = each[0]
        self._all = MultiFernet(each)

    def encrypt(self, token: str) -> str:
        return self._first.encrypt(token.encode()).decode()

    def decrypt(self, stored: str) -> str:
        """The token. Raises ConfigError when none of the keys made `stored`."""
        try:
            return self._all.decrypt(stored).decode()
        except InvalidToken:
            raise ConfigError("ENCRYPTION_KEYS", "none of the keys can read a stored access token") from None

    def read(self, stored: str | None) -> str | None:
        """The token. None: there is none, or none of the keys made it, which is logged."""
        try:
            return None if stored is None else self.decrypt(stored)
        except ConfigError as error:
            log.error("an access token cannot be read", extra={"reason": str(error)})
            return None

    def is_current(self, stored: str) -> bool:
        """True when the first key made `stored`."""
        try:
            self._first.decrypt(stored)
        except InvalidToken:
            return False
        return True

    def holds(self, stored: str | None, token: str | None) -> bool:
        """True when `stored` is this token, or neither is there. Compared in constant time."""
        if stored is None or token is None:
            return stored is None and token is None
        try:
            return hmac.compare_digest(self.decrypt(stored).encode(), token.encode())
        except ConfigError:
            return False
