"""What Graph tells of an access token, and the proof that whoever shows one has its app's secret.

Source: Meta, Graph API reference, "Debug token"; "Secure Graph API calls" (appsecret_proof).
"""

import hashlib
import hmac
from typing import Any

from sandbox.graph_errors import GraphError
from sandbox.options import Options
from sandbox.protocol import Request

USER_ID = "600000000000001"  #: whose tokens they all are


def check_token(request: Request, options: Options) -> None:
    """Raises GraphError where the token or its proof is not good."""
    token, proof = request.bearer(), request.query.get("appsecret_proof")
    if token is None or not is_known(token, options):
        raise GraphError(190, "The access token is missing, expired or not valid", "Invalid OAuth access token")
    if proof is None and options.require_proof:
        raise _proof_error("API calls from the server require an appsecret_proof argument")
    if proof is not None and not hmac.compare_digest(proof.encode(), proof_of(token, options.app_secret).encode()):
        raise _proof_error("Invalid appsecret_proof provided in the API argument")


def proof_of(token: str, app_secret: str) -> str:
    return hmac.new(app_secret.encode(), token.encode(), hashlib.sha256).hexdigest()


def is_known(token: str, options: Options) -> bool:
    expired = 0 < options.token_expires_at <= options.clock()
    return not expired and (options.access_tokens is None or token in options.access_tokens)


def debug(request: Request, options: Options) -> dict[str, Any]:
    """The answer of `GET /debug_token?input_token=…`."""
    token = request.query.get("input_token")
    if not token:
        raise GraphError(100, "The parameter input_token is required", "(#100) The parameter input_token is required")
    data: dict[str, Any] = {"app_id": options.app_id, "type": "SYSTEM_USER", "application": "Inbox"}
    if is_known(token, options):
        scopes = list(options.token_scopes)
        granular = [{"scope": scope, "target_ids": [options.waba_id]} for scope in scopes]
        data |= {"expires_at": options.token_expires_at, "is_valid": True, "issued_at": 1_700_000_000}
        data |= {"scopes": scopes, "granular_scopes": granular, "user_id": USER_ID}
    else:
        error = {"code": 190, "message": "Invalid OAuth access token."}
        data |= {"is_valid": False, "error": error, "scopes": []}
    return {"data": data}


def _proof_error(message: str) -> GraphError:
    return GraphError(100, message, message)
