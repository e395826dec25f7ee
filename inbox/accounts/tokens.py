"""Access tokens at rest: encrypted with the first of ENCRYPTION_KEYS, readable with any of them."""

from __future__ import annotations

from collections.abc import Sequence

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from inbox.errors import ConfigError


class TokenCipher:
    """Encrypts with the first key, decrypts with all: a key is rotated by putting a new one in front."""

    def __init__(self, keys: Sequence[str]) -> None:
        self._fernet = MultiFernet([Fernet(key) for key in keys])

    def encrypt(self, token: str) -> str:
        return self._fernet.encrypt(token.encode()).decode()

    def decrypt(self, stored: str) -> str:
        """The token. Raises ConfigError when none of the keys made `stored`."""
        try:
            return self._fernet.decrypt(stored).decode()
        except InvalidToken:
            raise ConfigError("ENCRYPTION_KEYS", "none of the keys can read a stored access token") from None
