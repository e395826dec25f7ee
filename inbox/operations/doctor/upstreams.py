"""Are Gemini, Supabase, Redis and the bucket there, and do they take our credentials? WhatsApp has its own module.

Every question is one GET that changes nothing, but of a bucket, whose rights only a file can show; it has limits of its
own and no breaker that others share: looking disturbs nobody.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import time
from collections.abc import Mapping
from dataclasses import replace
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import quote

from inbox.clock import new_id
from inbox.config import Config, Policy
from inbox.errors import UpstreamError, UpstreamMisconfigured
from inbox.gateways import http
from inbox.gateways.bucket import Bucket
from inbox.operations.doctor.findings import Clocks, Finding, Level, ok, problem, silent, warning
from inbox.resilience import Upstream

#: Less than a check's own limit, so that it can say what went wrong.
_CALL = Policy(total=4.0, connect=2.0, read=4.0, minimum=0.1)
_REDIS_TIMEOUT = 2.0  # seconds

_MODELS_PAGE = "https://ai.google.dev/gemini-api/docs/models"


def _ask(name: str, url: str, headers: Mapping[str, str], clocks: Clocks) -> http.Answer:
    """One GET; notes the time of the answer. Raises UpstreamError."""
    upstream = Upstream(name, _CALL)
    answer = upstream.deadline(http.exchange)(upstream, "GET", url, headers=headers)
    with contextlib.suppress(ValueError, TypeError):  # without a readable Date there is nothing to compare
        clocks.saw(name, parsedate_to_datetime(answer.headers.get("Date", "")))
    return answer


def _error_of(answer: http.Answer) -> dict[str, Any]:
    error = answer.data.get("error") if isinstance(answer.data, dict) else None
    return error if isinstance(error, dict) else {}


# --- the bucket --------------------------------------------------------------------------------------------------

_BUCKET_MEANS = {
    "NoSuchBucket": "the bucket does not exist",
    "InvalidAccessKeyId": "the key is not known there",
    "SignatureDoesNotMatch": "the secret is wrong",
    "RequestTimeTooSkewed": "this machine's clock is wrong",
    "AccessDenied": "the key may not write, read and delete there",
    "AuthorizationHeaderMalformed": "the region is wrong",
    "PermanentRedirect": "the region or the host is wrong",
}


def bucket(config: Config) -> list[Finding]:
    """Can a file be put, read and deleted? It is five bytes under a name of its own."""
    if config.media_s3_url is None:
        return []
    what, words = "bucket", b"inbox"
    asking = Bucket(config.media_s3_url, Upstream("media_store", replace(_CALL, patience=0.1)))
    name = f"doctor/{new_id().hex}"
    try:
        asking.put(name, io.BytesIO(words), len(words), hashlib.sha256(words).hexdigest())
        with contextlib.closing(asking.open(name)) as file:
            same = file.read(len(words) + 1) == words
        asking.delete(name)
    except UpstreamMisconfigured as error:
        told = _BUCKET_MEANS.get(str(error.code), "it refuses us")
        return [problem(what, f"{told} ({error.reason})", "Correct MEDIA_S3_URL, or the key's rights in the bucket.")]
    except UpstreamError as error:
        return [silent(what, error, _CALL.total)]
    if not same:
        return [problem(what, "a file comes back other than it was put", "Look at what stands before the store.")]
    return [ok(what, "a file can be put, read and deleted")]


# --- Gemini ------------------------------------------------------------------------------------------------------


def gemini(base_url: str, api_key: str | None, model: str, setting: str, clocks: Clocks) -> list[Finding]:
    """Does the model exist, and is the key accepted? `setting` is where the model is named."""
    what = f"Gemini {model}"
    if not api_key:
        return [
            warning(
                "Gemini",
                "GEMINI_API_KEY is not set: the bot answers nobody and asks for people",
                "Make a key at https://aistudio.google.com/apikey and set GEMINI_API_KEY.",
            )
        ]
    try:
        url = f"{base_url}/models/{quote(model, safe='')}"
        answer = _ask("Gemini", url, {"x-goog-api-key": api_key}, clocks)
    except UpstreamError as error:
        return [silent(what, error, _CALL.total)]
    return [_model(what, answer, setting)]


def _model(what: str, answer: http.Answer, setting: str) -> Finding:
    if answer.status == 200 and isinstance(answer.data, dict) and answer.data.get("name"):
        methods = answer.data.get("supportedGenerationMethods")
        if isinstance(methods, list) and "generateContent" not in methods:
            return problem(what, "the model does not write texts", f"Set {setting} to one of {_MODELS_PAGE}")
        return ok(what, "the key is accepted and the model is there")
    if answer.status == 404:
        return problem(what, "the model does not exist, or not any more", f"Set {setting} to a model of {_MODELS_PAGE}")
    if answer.status == 429:
        return warning(what, "the quota is used up at the moment", "Wait, or raise the limits of the project.")
    reasons = {detail.get("reason") for detail in _error_of(answer).get("details") or [] if isinstance(detail, dict)}
    if "API_KEY_INVALID" in reasons or answer.status in (401, 403):
        return problem(
            what,
            f"Google does not accept the API key (HTTP {answer.status})",
            "Make a new key at https://aistudio.google.com/apikey, allow it the Generative Language API from this "
            "host's address, and set GEMINI_API_KEY.",
        )
    if answer.status >= 500:
        return warning(
            what,
            f"Google answers HTTP {answer.status}",
            "It is not working; questions wait.",
        )
    status = _error_of(answer).get("status")
    return problem(
        what,
        f"Google answers HTTP {answer.status} {status if isinstance(status, str) else ''}".rstrip(),
        "Look at GEMINI_API_URL, and at billing and country of the Google project.",
    )


# --- Supabase and Redis ------------------------------------------------------------------------------------------


def supabase(config: Config, clocks: Clocks) -> list[Finding]:
    """Are the public keys there, by which tokens are checked, and may we ask who somebody is?"""
    if config.supabase_url is None and config.supabase_jwt_secret:
        found = "tokens are checked with SUPABASE_JWT_SECRET alone; new users have to be invited in app_metadata"
        return [ok("Supabase", found)]
    if config.supabase_url is None:
        return [ok("Supabase", "not configured")]
    try:
        # Both questions within the time of one.
        return Upstream("Supabase", _CALL).deadline(_auth)(config, f"{config.supabase_url}/auth/v1", clocks)
    except UpstreamError as error:
        return [silent("Supabase", error, _CALL.total)]


def _auth(config: Config, base: str, clocks: Clocks) -> list[Finding]:
    published = _ask("Supabase", f"{base}/.well-known/jwks.json", {}, clocks)
    finding = _published(published, has_secret=bool(config.supabase_jwt_secret))
    if finding.level is Level.PROBLEM:
        return [finding]
    headers = {"apikey": config.supabase_key} if config.supabase_key else {}
    return [finding, _apikey(_ask("Supabase", f"{base}/user", headers, clocks), config.supabase_key)]


def _published(answer: http.Answer, *, has_secret: bool) -> Finding:
    if answer.status >= 500:
        return warning(
            "Supabase", f"answers HTTP {answer.status}", "Supabase is not working. See https://status.supabase.com"
        )
    keys = answer.data.get("keys") if isinstance(answer.data, dict) else None
    if answer.status != 200 or not isinstance(keys, list):
        return problem(
            "Supabase",
            f"the address does not answer as Supabase Auth does (HTTP {answer.status})",
            "Set SUPABASE_URL to the project's URL, such as https://<project>.supabase.co",
        )
    if not keys and has_secret:
        return ok("Supabase", "reachable; it signs with a shared secret, which SUPABASE_JWT_SECRET has to be")
    if not keys:
        return warning(
            "Supabase",
            "publishes no signing keys: it signs with a shared secret, so every token has to be asked about",
            "Move the project to signing keys (Project settings, JWT keys).",
        )
    return ok("Supabase", f"reachable, {len(keys)} signing key{'s' if len(keys) > 1 else ''}")


def _apikey(answer: http.Answer, key: str | None) -> Finding:
    """What a question without a token was answered: Auth misses the token, the gateway before it the key."""
    what = "Supabase key"
    if "x-sb-error-code" not in answer.headers and answer.status in (401, 403):
        found = "SUPABASE_KEY is not accepted" if key else "SUPABASE_KEY is not set"
        return (problem if key else warning)(
            what,
            f"{found}: users who are not members yet cannot sign in, because Supabase does not tell us who they are",
            "Set SUPABASE_KEY to the project's publishable key (Project settings, API keys).",
        )
    if key and key.startswith("sb_secret_"):
        return warning(
            what,
            "SUPABASE_KEY is a secret key, which may do everything in the project",
            "Set it to the publishable key: nothing more is needed.",
        )
    if answer.status >= 500:
        return warning(
            what, f"answers HTTP {answer.status}", "Supabase is not working. See https://status.supabase.com"
        )
    return ok(what, "accepted")


def redis(url: str | None) -> list[Finding]:
    """Does it answer a PING?"""
    if url is None:
        return [ok("Redis", "not configured; each process caches for itself")]
    import redis as client  # only where it is used: it would cost every start 50 ms

    began = time.monotonic()
    try:
        with client.Redis.from_url(
            url, socket_timeout=_REDIS_TIMEOUT, socket_connect_timeout=_REDIS_TIMEOUT
        ) as connection:
            connection.ping()
    except (client.RedisError, ValueError) as error:
        return [
            warning(
                "Redis",
                f"does not answer ({type(error).__name__}); each process caches for itself meanwhile",
                "Start it or correct REDIS_URL; without REDIS_URL it is not used at all.",
            )
        ]
    return [ok("Redis", f"answers in {(time.monotonic() - began) * 1000:.0f} ms")]
