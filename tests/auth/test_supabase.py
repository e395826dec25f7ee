"""Access tokens of Supabase: which are taken, which are refused, and which cannot be told."""

from __future__ import annotations

import base64
import json
import time
import uuid
from collections.abc import Iterator
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from inbox.auth.supabase.tokens import Claims, SupabaseTokens
from inbox.config import Config
from inbox.errors import IdentityUnavailable, InvalidCredentials
from sandbox.supabase_tokens import make_token
from tests.auth.supabase_stage import SECRET, Stage, staged

ISSUER = "https://project.example/auth/v1"


@pytest.fixture
def stage() -> Iterator[Stage]:
    with staged() as made:
        yield made


@pytest.fixture
def legacy() -> Iterator[Stage]:
    """A project that signs with a secret, which we do not have."""
    with staged(signing="hs256") as made:
        yield made


def refused(tokens: SupabaseTokens, token: str) -> bool:
    try:
        tokens.verify(token)
    except InvalidCredentials:
        return True
    return False


# --- published keys ----------------------------------------------------------------------------------------------


def test_a_token_is_checked_here_with_the_published_key(stage: Stage) -> None:
    for _ in range(3):
        claims = stage.tokens.verify(stage.mint())
        assert (claims.subject, claims.name) == (stage.user.id, "Anna")
        assert claims.expires_at == int(stage.times.wall) + 3600
    assert (stage.asked("jwks"), stage.asked("user")) == (1, 0)


def test_a_thousand_requests_with_one_token_ask_for_the_keys_once(stage: Stage) -> None:
    token = stage.mint()
    assert {stage.tokens.verify(token).subject for _ in range(1000)} == {stage.user.id}
    assert len(stage.sandbox.requests("supabase")) == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"foreign": True},
        {"kid": "unknown"},
        {"iss": "https://another.supabase.co/auth/v1"},
        {"iss": None},
        {"iss": ["x"]},
        {"aud": "other"},
        {"aud": ["other"]},
        {"aud": None},
        {"aud": {"authenticated": 1}},
        {"aud": [["authenticated"]]},
        {"sub": None},
        {"sub": "anna"},
        {"sub": 7},
        {"sub": "{00000000-0000-0000-0000-000000000000}"},
        {"sub": "00000000-0000-0000-0000-00000000000\ud800"},
        {"exp": None},
        {"exp": "4102444800"},
        {"exp": True},
        {"exp": float("nan")},
        {"exp": [1]},
        {"nbf": 4_102_444_800},
        {"nbf": "now"},
        {"role": "service_role"},
        {"role": "anon"},
        {"role": None},
        {"role": ["authenticated"]},
        {"is_anonymous": True},
        {"is_anonymous": "true"},
        {"client_id": "an-app"},
        {"client_id": ""},
        {"expires_in": -11},
        {"exp": -(10**300)},
    ],
)
def test_what_is_not_of_a_person_who_is_signed_in_is_refused(stage: Stage, changes: dict[str, Any]) -> None:
    assert refused(stage.tokens, stage.mint(**changes))
    assert refused(stage.tokens, stage.mint(**changes))


@pytest.mark.parametrize(
    "changes",
    [
        {"aud": ["other", "authenticated"]},
        {"exp": 4_102_444_800.5},
        {"exp": 10**300},
        {"exp": float("inf")},
        {"expires_in": -9},
        {"nbf": 0},
        {"iat": 4_102_444_800},
        {"session_id": str(uuid.uuid4())},
        {"email": None, "user_metadata": None, "app_metadata": None, "is_anonymous": None},
        {"user_metadata": ["x"], "app_metadata": "x"},
        {"user_metadata": {"name": "\ud800\x00" * 5000}},
    ],
)
def test_what_a_hook_or_another_clock_may_change_is_taken(stage: Stage, changes: dict[str, Any]) -> None:
    assert stage.tokens.verify(stage.mint(**changes)).subject == stage.user.id


def test_the_subject_has_one_spelling(stage: Stage) -> None:
    stage.user.id = stage.user.id.upper()
    assert stage.tokens.verify(stage.mint()).subject == stage.user.id.lower()


def test_an_expired_token_of_another_issuer_is_not_taken_for_merely_expired(stage: Stage) -> None:
    """PyJWT says "expired" before it looks at the issuer; the grace must not let such a token in."""
    token = stage.mint(expires_in=-60, iss="https://another.supabase.co/auth/v1")
    stage.tokens.verify(stage.mint())
    stage.sandbox.fault("supabase", "status", code=503)
    assert refused(stage.tokens, token)


def test_the_issuer_can_be_set(stage: Stage) -> None:
    other = stage.anew(supabase_issuer=ISSUER)
    assert other.verify(stage.mint(iss=ISSUER)).subject == stage.user.id
    assert refused(other, stage.mint())


def test_a_token_signed_with_the_public_key_as_a_secret_is_refused(stage: Stage) -> None:
    claims = jwt.decode(stage.mint(), options={"verify_signature": False})
    kid = jwt.get_unverified_header(stage.mint())["kid"]
    public = stage.sandbox.supabase._current_keys()[0].private.public_key()
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    jwk = json.dumps(stage.sandbox.supabase._current_keys()[0].as_jwk())
    for secret in (pem, jwk, ""):
        forged = make_token(claims, secret, kid)
        assert refused(stage.tokens, forged)
        assert refused(stage.anew(supabase_jwt_secret=SECRET), forged)


def test_rs256_is_taken_with_its_own_key_and_no_other(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    jwk = jwt.algorithms.RSAAlgorithm.to_jwk(private.public_key(), as_dict=True) | {"kid": "rsa", "alg": "RS256"}
    stage.sandbox.supabase._keys = [stage.sandbox.supabase._current_keys()[0], _Published("rsa", jwk)]
    claims = jwt.decode(stage.mint(), options={"verify_signature": False})
    assert stage.tokens.verify(jwt.encode(claims, private, "RS256", {"kid": "rsa"})).subject == stage.user.id
    for algorithm in ("PS256", "RS512"):  # another kind than its key's: only Supabase can tell, and it says no
        assert refused(stage.tokens, jwt.encode(claims, private, algorithm, {"kid": "rsa"}))
    es_kid = stage.sandbox.supabase._current_keys()[0].kid
    assert refused(stage.tokens, jwt.encode(claims, private, "RS256", {"kid": es_kid}))


class _Published:
    """A key that the simulator lists, but does not sign with."""

    def __init__(self, kid: str, jwk: dict[str, Any]) -> None:
        self.kid = kid
        self.as_jwk = lambda: jwk

    def signed(self, _data: bytes, _signature: bytes) -> bool:
        return False


def test_published_keys_that_are_none_are_left_out(stage: Stage) -> None:
    es = stage.sandbox.supabase._current_keys()[0]
    small = rsa.generate_private_key(public_exponent=65537, key_size=1024).public_key()
    odd: list[dict[str, Any]] = [
        {},
        {"kid": 7, "kty": "EC"},
        {"kid": "oct", "kty": "oct", "alg": "HS256", "k": "c2VjcmV0"},
        {"kid": "crv", "kty": "EC", "crv": "P-256", "x": "AAAA", "y": "AAAA"},
        {"kid": "alg", "kty": "EC", "alg": "none", "crv": "P-256"},
        {"kid": "list", "kty": ["EC"], "crv": {}},
        es.as_jwk() | {"kid": "enc", "use": "enc"},
        jwt.algorithms.RSAAlgorithm.to_jwk(small, as_dict=True) | {"kid": "small", "alg": "RS256"},
    ]
    stage.sandbox.supabase._keys = [es, *(_Published(str(jwk.get("kid")), jwk) for jwk in odd)]
    assert stage.tokens.verify(stage.mint()).subject == stage.user.id
    for jwk in odd:
        assert refused(stage.tokens, stage.mint(kid=str(jwk.get("kid"))))
    claims = jwt.decode(stage.mint(), options={"verify_signature": False})
    assert refused(stage.tokens, make_token(claims, "secret", "oct"))


# --- the secret --------------------------------------------------------------------------------------------------


def test_with_the_secret_alone_tokens_are_checked_here_and_nobody_is_asked(legacy: Stage) -> None:
    alone = legacy.anew(supabase_url=None, supabase_jwt_secret=SECRET)
    assert alone.verify(legacy.mint(iss="whoever")).subject == legacy.user.id
    for changes in ({"foreign": True}, {"aud": "x"}, {"expires_in": -11}, {"signing": "es256"}, {"sub": None}):
        assert refused(alone, legacy.mint(**changes))
    assert legacy.sandbox.requests("supabase") == []


def test_with_the_secret_and_an_issuer_the_issuer_is_checked(legacy: Stage) -> None:
    alone = legacy.anew(supabase_url=None, supabase_jwt_secret=SECRET, supabase_issuer=ISSUER)
    assert alone.verify(legacy.mint(iss=ISSUER)).subject == legacy.user.id
    assert refused(alone, legacy.mint())
    assert refused(alone, legacy.mint(iss=None))


def test_while_a_project_moves_to_keys_both_kinds_are_checked_here(stage: Stage) -> None:
    both = stage.anew(supabase_jwt_secret=SECRET)
    for signing in ("hs256", "es256", "hs256"):
        assert both.verify(stage.mint(signing=signing)).subject == stage.user.id
        assert refused(both, stage.mint(signing=signing, foreign=True))
    assert (stage.asked("jwks"), stage.asked("user")) == (1, 0)


def test_anon_and_service_keys_are_no_tokens_of_people(legacy: Stage) -> None:
    both = legacy.anew(supabase_jwt_secret=SECRET)
    for role in ("anon", "service_role"):
        key = make_token({"iss": "supabase", "ref": "abc", "role": role, "exp": 4_102_444_800}, SECRET)
        assert refused(both, key)
        assert refused(legacy.tokens, key)
    assert legacy.sandbox.requests("supabase") == []


# --- asking ------------------------------------------------------------------------------------------------------


def test_without_the_secret_supabase_is_asked(legacy: Stage) -> None:
    token = legacy.mint()
    assert {legacy.tokens.verify(token).subject for _ in range(100)} == {legacy.user.id}
    assert (legacy.asked("user"), legacy.asked("jwks")) == (1, 0)
    assert refused(legacy.tokens, legacy.mint(foreign=True))


def test_a_project_that_publishes_no_keys_is_asked_about_every_kind_of_token(legacy: Stage) -> None:
    token = legacy.mint(signing="es256")
    assert refused(legacy.tokens, token)
    assert refused(legacy.tokens, token)
    assert (legacy.asked("jwks"), legacy.asked("user")) == (1, 1)


def test_with_nothing_configured_every_token_is_refused() -> None:
    tokens = SupabaseTokens(Config())
    token = make_token({"sub": str(uuid.uuid4()), "aud": "authenticated", "exp": time.time() + 60}, SECRET)
    for text in (token, "", "x", "a.b.c"):
        assert refused(tokens, text)


# --- whatever anybody sends --------------------------------------------------------------------------------------


def part(content: Any) -> str:
    raw = content if isinstance(content, bytes) else json.dumps(content).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def unsigned(header: Any, payload: Any, signature: str = "x") -> str:
    return f"{part(header)}.{part(payload)}.{signature}"


GOOD = {
    "sub": "0b9f3a62-9d0c-4b8e-8f0e-3f3f3c1d2a10",
    "aud": "authenticated",
    "role": "authenticated",
    "exp": 4_102_444_800,
}


@pytest.mark.parametrize(
    "token",
    [
        "",
        ".",
        "..",
        "a.b",
        "a.b.c.d",
        "a.b.c",
        " e30.e30.e30",
        "e30.e30.e30\n",
        "é.é.é",
        "\ud800.\ud800.\ud800",
        "e30=.e30=.e30=",
        "W10.e30.e30",
        "e30.e30.e30",
        unsigned({"alg": "none"}, GOOD),
        unsigned({"alg": "None"}, GOOD, ""),
        unsigned({"alg": ""}, GOOD),
        unsigned({"alg": ["HS256"]}, GOOD),
        unsigned({"alg": None}, GOOD),
        unsigned({"alg": "ES256", "kid": 7}, GOOD),
        unsigned({"alg": "ES256", "kid": ["a"]}, GOOD),
        unsigned({"alg": "HS256", "kid": {}}, GOOD),
        unsigned({"alg": "HS256"}, []),
        unsigned({"alg": "HS256"}, b"[" * 5000),
        unsigned(b"[" * 100_000, GOOD),
        unsigned({"alg": "HS256"}, b"{" + b'"a":{' * 3000),
        unsigned({"alg": "HS256"}, b'{"exp":' + b"9" * 6000 + b"}"),
        unsigned({"alg": "HS256"}, b"\xff\xfe"),
        unsigned({"alg": "HS256"}, GOOD | {"role": "anon"}),
        unsigned({"alg": "HS256"}, GOOD | {"sub": "x"}),
    ],
    ids=lambda token: ascii(token[:40]),
)
def test_what_supabase_cannot_have_made_costs_no_call(stage: Stage, token: str) -> None:
    assert refused(stage.tokens, token)
    assert refused(stage.anew(supabase_jwt_secret=SECRET), token)
    assert stage.sandbox.requests("supabase") == []


@pytest.mark.parametrize("kid", ["x" * 4000, "../../etc/passwd", "\ud800", "' OR 1=1 --"])
def test_a_strange_kid_is_an_unknown_one(stage: Stage, kid: str) -> None:
    assert refused(stage.tokens, stage.mint(kid=kid))


def test_a_token_without_a_kid_is_refused_where_keys_have_one(stage: Stage) -> None:
    stage.tokens.verify(stage.mint())
    assert refused(stage.tokens, unsigned({"alg": "ES256"}, GOOD))
    assert stage.asked("jwks") == 1


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
headers = st.fixed_dictionaries(
    {},
    optional={
        "alg": st.sampled_from(["HS256", "ES256", "RS256", "EdDSA", "none"]) | json_values,
        "kid": json_values,
        "typ": json_values,
        "crit": json_values,
        "b64": json_values,
    },
)
bodies = st.fixed_dictionaries(
    {},
    optional={name: st.just(value) | json_values for name, value in GOOD.items()}
    | {"iss": json_values, "nbf": json_values, "is_anonymous": json_values, "user_metadata": json_values},
)
tokens = st.builds(unsigned, headers, bodies, st.text("AZaz-_"))


@pytest.fixture(scope="module")
def crowd() -> Iterator[Stage]:
    with staged() as made:
        yield made


def outcome(tokens: SupabaseTokens, token: str) -> str:
    """Anything but these three is a bug and passes."""
    try:
        assert isinstance(tokens.verify(token), Claims)
    except InvalidCredentials:
        return "invalid"
    except IdentityUnavailable:
        return "cannot tell"
    return "claims"


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(text=st.text() | st.from_regex(r"[\w.=-]{0,40}\.[\w-]*\.[\w-]*"))
def test_any_text_is_refused_without_a_call(crowd: Stage, text: str) -> None:
    calls = len(crowd.sandbox.requests("supabase"))
    assert outcome(crowd.tokens, text) == "invalid"
    assert len(crowd.sandbox.requests("supabase")) == calls


@settings(max_examples=150, deadline=None)
@given(token=tokens)
def test_anything_that_looks_like_a_token_but_is_none_is_refused(crowd: Stage, token: str) -> None:
    assert outcome(crowd.tokens, token) == "invalid"


@settings(max_examples=100, deadline=None)
@given(claims=bodies, signing=st.sampled_from(["es256", "hs256"]))
def test_anything_that_is_signed_has_one_of_three_outcomes(crowd: Stage, claims: dict[str, Any], signing: str) -> None:
    assert outcome(crowd.tokens, crowd.mint(signing=signing, **claims)) in ("claims", "invalid", "cannot tell")
