import uuid

import jwt
import pytest
import requests

from sandbox import Sandbox
from sandbox.supabase_users import User
from tests.clocks import Clock
from tests.sandbox.helpers import auth

APIKEY = {"apikey": "sb_publishable_test"}


@pytest.fixture
def user(sandbox: Sandbox) -> User:
    return sandbox.supabase.save_user(
        email="agent@example.com",
        password="correct horse",
        app_metadata={"role": "admin"},
        user_metadata={"name": "Agent"},
    )


def refusal_of(response: requests.Response) -> tuple[int, str]:
    body = response.json()
    assert body["code"] == response.status_code
    assert body["msg"]
    assert response.headers["x-sb-error-code"] == body["error_code"]
    return response.status_code, body["error_code"]


def post(sandbox: Sandbox, path: str, body: object, **headers: str) -> requests.Response:
    return requests.post(f"{sandbox.url}/auth/v1/{path}", json=body, headers=APIKEY | headers, timeout=5)


def sign_in(sandbox: Sandbox, password: str = "correct horse", email: str = "agent@example.com") -> requests.Response:
    return post(sandbox, "token?grant_type=password", {"email": email, "password": password})


def refresh(sandbox: Sandbox, token: str) -> requests.Response:
    return post(sandbox, "token?grant_type=refresh_token", {"refresh_token": token})


def test_a_token_is_answered_with_its_user(sandbox: Sandbox, user: User) -> None:
    answer = auth(sandbox, sandbox.supabase.mint(user))
    assert answer.status_code == 200
    body = answer.json()
    assert (body["id"], body["email"], body["aud"], body["role"]) == (
        user.id,
        "agent@example.com",
        "authenticated",
        "authenticated",
    )
    assert body["app_metadata"] == {"provider": "email", "providers": ["email"], "role": "admin"}
    assert body["user_metadata"] == {"name": "Agent"}
    assert body["email_confirmed_at"]
    assert body["is_anonymous"] is False


def test_a_user_is_found_by_id_or_address_and_changed_by_address(sandbox: Sandbox, user: User) -> None:
    assert sandbox.supabase.save_user(email="AGENT@example.com", role="other") is user
    assert auth(sandbox, sandbox.supabase.mint(user.id)).status_code == 200
    assert auth(sandbox, sandbox.supabase.mint("agent@example.com")).json()["role"] == "other"
    with pytest.raises(ValueError, match="no user"):
        sandbox.supabase.mint("nobody")


@pytest.mark.parametrize(
    ("changes", "refusal"),
    [
        ({"expires_in": -60}, (403, "bad_jwt")),
        ({"exp": None}, (403, "bad_jwt")),
        ({"foreign": True}, (403, "bad_jwt")),
        ({"foreign": True, "signing": "hs256"}, (403, "bad_jwt")),
        ({"kid": "unknown"}, (403, "bad_jwt")),
        ({"sub": None}, (403, "bad_jwt")),
        ({"sub": "agent"}, (400, "bad_jwt")),
        ({"sub": str(uuid.uuid4())}, (403, "user_not_found")),
        ({"session_id": str(uuid.uuid4())}, (403, "session_not_found")),
        ({"aud": "other"}, (400, "validation_failed")),
        ({"aud": None}, (400, "validation_failed")),
    ],
)
def test_a_token_that_is_not_right_is_refused_as_supabase_does(
    sandbox: Sandbox, user: User, changes: dict, refusal: tuple[int, str]
) -> None:
    assert refusal_of(auth(sandbox, sandbox.supabase.mint(user, **changes))) == refusal


def test_a_list_of_audiences_is_taken(sandbox: Sandbox, user: User) -> None:
    assert auth(sandbox, sandbox.supabase.mint(user, aud=["authenticated", "other"])).status_code == 200


@pytest.mark.parametrize("token", ["x", "a.b", "a.b.c", "é.é.é", "e30.e30.", "W10.W10.W10"])
def test_a_token_that_is_none_is_a_bad_jwt(sandbox: Sandbox, token: str) -> None:
    assert refusal_of(auth(sandbox, token.encode().decode("latin-1"))) == (403, "bad_jwt")


def test_without_a_bearer_token_there_is_no_authorization(sandbox: Sandbox) -> None:
    assert refusal_of(auth(sandbox)) == (401, "no_authorization")
    assert refusal_of(auth(sandbox, Authorization="Basic x")) == (401, "no_authorization")


def test_the_gateway_wants_a_known_apikey(make_sandbox) -> None:
    strict = make_sandbox(supabase_keys=["sb_publishable_good"])
    missing = requests.get(f"{strict.url}/auth/v1/user", timeout=5)
    assert (missing.status_code, missing.json()["message"]) == (401, "No API key found in request")
    assert "x-sb-error-code" not in missing.headers
    assert auth(strict).json()["message"] == "Invalid API key"
    assert refusal_of(auth(strict, apikey="sb_publishable_good")) == (401, "no_authorization")


def test_the_newer_api_version_has_another_error_body(sandbox: Sandbox) -> None:
    response = auth(sandbox, "x", **{"X-Supabase-Api-Version": "2024-01-01"})
    assert response.status_code == 403
    assert set(response.json()) == {"code", "message"}
    assert response.json()["code"] == response.headers["x-sb-error-code"] == "bad_jwt"


def test_a_banned_user_and_a_deleted_one_are_refused(sandbox: Sandbox, user: User) -> None:
    token = sandbox.supabase.mint(user)
    sandbox.supabase.save_user(email="agent@example.com", banned=True)
    assert refusal_of(auth(sandbox, token)) == (403, "user_banned")
    assert refusal_of(sign_in(sandbox)) == (400, "user_banned")
    sandbox.supabase.users.delete(user.id)
    assert refusal_of(auth(sandbox, token)) == (403, "user_not_found")


def test_signing_in_gives_a_session(sandbox: Sandbox, user: User) -> None:
    session = sign_in(sandbox).json()
    assert set(session) == {"access_token", "token_type", "expires_in", "expires_at", "refresh_token", "user"}
    assert (session["token_type"], session["expires_in"], session["user"]["id"]) == ("bearer", 3600, user.id)
    assert auth(sandbox, session["access_token"]).status_code == 200


def test_signing_in_is_refused_for_a_reason(sandbox: Sandbox, user: User) -> None:
    assert refusal_of(sign_in(sandbox, "wrong")) == (400, "invalid_credentials")
    assert refusal_of(sign_in(sandbox, email="nobody@example.com")) == (400, "invalid_credentials")
    sandbox.supabase.save_user(email="agent@example.com", email_confirmed=False)
    assert refusal_of(sign_in(sandbox)) == (400, "email_not_confirmed")
    assert refusal_of(post(sandbox, "token?grant_type=password", [])) == (400, "bad_json")
    assert post(sandbox, "token?grant_type=magic", {}).json()["error"] == "unsupported_grant_type"
    malformed = requests.post(f"{sandbox.url}/auth/v1/token", data=b"{", headers=APIKEY, timeout=5)
    assert refusal_of(malformed) == (400, "bad_json")


def test_a_refresh_token_is_used_once_with_ten_seconds_of_grace(make_sandbox) -> None:
    clock = Clock()
    sandbox = make_sandbox(clock=clock)
    sandbox.supabase.save_user(email="agent@example.com", password="correct horse")
    first = sign_in(sandbox).json()
    second = refresh(sandbox, first["refresh_token"]).json()
    assert auth(sandbox, second["access_token"]).status_code == 200
    clock.now += 10
    assert refresh(sandbox, first["refresh_token"]).status_code == 200
    clock.now += 1
    assert refusal_of(refresh(sandbox, first["refresh_token"])) == (400, "refresh_token_already_used")
    assert refusal_of(refresh(sandbox, second["refresh_token"])) == (400, "refresh_token_not_found")
    assert refusal_of(auth(sandbox, second["access_token"])) == (403, "session_not_found")
    assert refusal_of(refresh(sandbox, "unknown")) == (400, "refresh_token_not_found")


def test_signing_out_ends_the_sessions_in_its_scope(sandbox: Sandbox, user: User) -> None:
    one, two, three = (sandbox.supabase.mint(user) for _ in range(3))

    def logout(token: str, scope: str) -> int:
        return post(sandbox, f"logout?scope={scope}", {}, Authorization=f"Bearer {token}").status_code

    def alive() -> list[int]:
        return [auth(sandbox, token).status_code for token in (one, two, three)]

    assert (logout(one, "local"), alive()) == (204, [403, 200, 200])
    assert (logout(two, "others"), alive()) == (204, [403, 200, 403])
    assert logout(two, "planet") == 400
    assert (logout(two, "global"), alive()) == (204, [403, 403, 403])
    assert logout("x", "global") == 403


def jwks(sandbox: Sandbox) -> requests.Response:
    return requests.get(f"{sandbox.url}/auth/v1/.well-known/jwks.json", timeout=5)


def claims_by_jwks(sandbox: Sandbox, token: str) -> dict:
    """What a backend does that verifies on its own."""
    kid = jwt.get_unverified_header(token)["kid"]
    [key] = [key for key in jwt.PyJWKSet.from_dict(jwks(sandbox).json()).keys if key.key_id == kid]
    issuer = f"{sandbox.url}/auth/v1"
    return jwt.decode(token, key, algorithms=["ES256"], audience="authenticated", issuer=issuer)


def test_a_token_can_be_verified_with_the_published_keys(sandbox: Sandbox, user: User) -> None:
    claims = claims_by_jwks(sandbox, sandbox.supabase.mint(user))
    assert claims["sub"] == user.id
    assert claims["exp"] - claims["iat"] == 3600
    assert {"email", "phone", "role", "session_id", "aal", "amr", "app_metadata", "user_metadata"} <= set(claims)
    assert jwks(sandbox).headers["Cache-Control"] == "public, max-age=600"
    with pytest.raises(jwt.InvalidSignatureError):
        claims_by_jwks(sandbox, sandbox.supabase.mint(user, foreign=True))


def test_a_rotation_keeps_the_old_key_published_or_removes_it(sandbox: Sandbox, user: User) -> None:
    old = sandbox.supabase.mint(user)
    kid = sandbox.supabase.rotate()
    new = sandbox.supabase.mint(user)
    assert jwt.get_unverified_header(new)["kid"] == kid
    assert claims_by_jwks(sandbox, old)["sub"] == claims_by_jwks(sandbox, new)["sub"] == user.id
    sandbox.supabase.rotate(remove_old=True)
    assert len(jwks(sandbox).json()["keys"]) == 1
    assert refusal_of(auth(sandbox, new)) == (403, "bad_jwt")
    assert auth(sandbox, sandbox.supabase.mint(user)).status_code == 200


def test_a_project_on_the_shared_secret_publishes_no_key(make_sandbox) -> None:
    sandbox = make_sandbox(signing="hs256", jwt_secret="x" * 32)
    user = sandbox.supabase.save_user(email="agent@example.com")
    token = sandbox.supabase.mint(user)
    assert jwks(sandbox).json() == {"keys": []}
    assert jwt.get_unverified_header(token) == {"alg": "HS256", "typ": "JWT"}
    assert jwt.decode(token, "x" * 32, algorithms=["HS256"], audience="authenticated")["sub"] == user.id
    assert auth(sandbox, token).status_code == 200
    assert refusal_of(auth(sandbox, sandbox.supabase.mint(user, foreign=True))) == (403, "bad_jwt")
    assert refusal_of(auth(sandbox, sandbox.supabase.mint(user, signing="es256"))) == (403, "bad_jwt")


def test_after_the_migration_to_keys_the_old_tokens_stay_valid(make_sandbox) -> None:
    sandbox = make_sandbox(signing="hs256")
    user = sandbox.supabase.save_user(email="agent@example.com")
    old = sandbox.supabase.mint(user)
    sandbox.supabase.switch_signing("es256")
    assert auth(sandbox, old).status_code == auth(sandbox, sandbox.supabase.mint(user)).status_code == 200


def test_an_anonymous_user_is_authenticated_and_says_so(sandbox: Sandbox) -> None:
    user = sandbox.supabase.save_user(is_anonymous=True)
    token = sandbox.supabase.mint(user)
    assert auth(sandbox, token).json()["is_anonymous"] is True
    assert claims_by_jwks(sandbox, token)["is_anonymous"] is True


def test_an_unknown_path_and_the_health_of_the_service(sandbox: Sandbox) -> None:
    assert requests.get(f"{sandbox.url}/auth/v1/health", headers=APIKEY, timeout=5).json()["name"] == "GoTrue"
    assert post(sandbox, "signup", {}).status_code == 404


@pytest.mark.parametrize("settings", [{"nickname": "x"}, {"banned": "yes"}, {"email": None}])
def test_a_user_with_a_setting_that_does_not_exist_is_a_value_error(sandbox: Sandbox, settings: dict) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        sandbox.supabase.save_user(**settings)


def test_a_page_of_another_origin_may_call_and_read(sandbox: Sandbox, user: User) -> None:
    url = f"{sandbox.url}/auth/v1/token?grant_type=password"
    asks = {"Origin": "https://desk.example", "Access-Control-Request-Method": "POST"}
    asks["Access-Control-Request-Headers"] = "apikey,authorization,x-client-info"
    preflight = requests.options(url, headers=asks, timeout=5)
    assert (preflight.status_code, preflight.headers["Access-Control-Allow-Origin"]) == (200, "*")
    assert preflight.headers["Access-Control-Allow-Headers"] == asks["Access-Control-Request-Headers"]
    for answer in (sign_in(sandbox), sign_in(sandbox, password="wrong")):
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
