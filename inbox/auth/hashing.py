"""What is stored of a token: tokens are random enough that a plain hash cannot be guessed backwards."""

from __future__ import annotations

import hashlib


def token_hash(token: str) -> str:
    """SHA-256, hex. For tokens of 256 random bits; passwords need a slow hash instead."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
