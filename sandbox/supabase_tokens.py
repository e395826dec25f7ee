"""JSON Web Tokens as Supabase Auth makes them: ES256 with a published key, or HS256 with the project's secret.

Source: RFC 7515 (JWS), RFC 7517 (JWK), RFC 7518 section 3.4 (the ES256 signature is R and S, 32 bytes each). The
`cryptography` package is imported when the first key is made, so that a sandbox without Supabase does not need it.
"""

import base64
import hashlib
import hmac
import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


class TokenError(Exception):
    """The token is not one of ours, or its time is over."""


@dataclass(frozen=True, slots=True)
class SigningKey:
    """An ES256 key pair. `private` is cryptography's EllipticCurvePrivateKey."""

    kid: str
    private: Any

    @classmethod
    def new(cls) -> "SigningKey":
        from cryptography.hazmat.primitives.asymmetric import ec

        return cls(str(uuid.uuid4()), ec.generate_private_key(ec.SECP256R1()))

    def as_jwk(self) -> dict[str, Any]:
        numbers = self.private.public_key().public_numbers()
        return {
            "alg": "ES256",
            "crv": "P-256",
            "ext": True,
            "key_ops": ["verify"],
            "kid": self.kid,
            "kty": "EC",
            "use": "sig",
            "x": _encoded(numbers.x.to_bytes(32, "big")),
            "y": _encoded(numbers.y.to_bytes(32, "big")),
        }

    def sign(self, data: bytes) -> bytes:
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric import ec
        from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

        r, s = decode_dss_signature(self.private.sign(data, ec.ECDSA(hashes.SHA256())))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")

    def signed(self, data: bytes, signature: bytes) -> bool:
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric import ec
        from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

        if len(signature) != 64:
            return False
        der = encode_dss_signature(int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big"))
        try:
            self.private.public_key().verify(der, data, ec.ECDSA(hashes.SHA256()))
        except InvalidSignature:
            return False
        return True


def make_token(claims: Mapping[str, Any], key: SigningKey | str, kid: str | None = None) -> str:
    """A compact JWS: ES256 with a SigningKey, HS256 with a secret. kid replaces the key's own in the header."""
    if isinstance(key, SigningKey):
        header = {"alg": "ES256", "kid": kid or key.kid, "typ": "JWT"}
    else:
        header = {"alg": "HS256", "typ": "JWT"} | ({"kid": kid} if kid else {})
    data = f"{_encoded(_dump(header))}.{_encoded(_dump(claims))}".encode()
    signature = key.sign(data) if isinstance(key, SigningKey) else _hs256(data, key)
    return f"{data.decode()}.{_encoded(signature)}"


def read_token(token: str, keys: Sequence[SigningKey], secret: str, now: float) -> dict[str, Any]:
    """The claims of a genuine token; raises TokenError. now is in Unix seconds."""
    try:
        data, _, signature = token.rpartition(".")
        header, claims = (json.loads(_decoded(part)) for part in data.split("."))
        signed = _decoded(signature)
    except ValueError:
        raise TokenError("token is malformed") from None
    if not isinstance(header, dict) or not isinstance(claims, dict):
        raise TokenError("token is malformed")
    if header.get("alg") == "HS256":
        genuine = hmac.compare_digest(_hs256(data.encode(), secret), signed)
    else:
        key = next((key for key in keys if key.kid == header.get("kid")), None)
        genuine = header.get("alg") == "ES256" and key is not None and key.signed(data.encode(), signed)
    if not genuine:
        raise TokenError("token signature is invalid: signature is invalid")
    if not isinstance(claims.get("exp"), int | float) or claims["exp"] <= now:
        raise TokenError("token has invalid claims: token is expired")
    return claims


def _hs256(data: bytes, secret: str) -> bytes:
    return hmac.new(secret.encode(), data, hashlib.sha256).digest()


def _dump(content: Mapping[str, Any]) -> bytes:
    return json.dumps(content, separators=(",", ":")).encode()


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _decoded(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
