"""The demo's own routes: they pass on to the simulator, and exist nowhere else."""

from __future__ import annotations

from dataclasses import asdict
from typing import cast

from flask import Blueprint, Response, redirect
from werkzeug.exceptions import NotFound

from inbox.accounts.service import all_accounts
from inbox.auth.access import OPERATOR, Access, Permission
from inbox.demo import entry
from inbox.demo.schemas import DeskQuery, DeskRow, FaultBody, ScoreRow, WriteBody
from inbox.demo.simulator import Simulator
from inbox.operations.doctor.number_check import check_number
from inbox.users.sign_in.routes import session_lifetime
from inbox.web import answer, contract, cookies, member, public, runtime

bp = Blueprint("demo", __name__, url_prefix="/demo")


@bp.get("/enter/<word>")
@public("the link that the demo prints; it is good once")
@contract("page", {303: None})
def enter(word: str) -> Response:
    """Come in as the baker."""
    token = entry.pick_up(runtime().config.instance_path, word)
    if token is None:
        return cast("Response", redirect("/sign-in?note=link_used", 303))  # who is signed in already is led on
    response = cast("Response", redirect("/inbox", 303))
    cookies.give(response, token, session_lifetime())
    return response


@bp.get("/desk")
@member
@contract("page", {200: DeskRow})
def look(query: DeskQuery) -> Response:
    """A customer's phone, and the score."""
    simulator = _simulator()
    score = ScoreRow(**asdict(simulator.score(runtime().db)))
    return answer(DeskRow.model_validate({"received": simulator.received(query.phone), "score": score}))


@bp.post("/messages")
@member
@contract("page", {204: None})
def write(json: WriteBody) -> Response:
    """A customer writes."""
    _simulator().write(json.phone, json.name, json.text)
    return Response(status=204)


@bp.post("/faults")
@member
@contract("page", {204: None})
def break_something(json: FaultBody) -> Response:
    """Something breaks, for a minute."""
    _simulator().break_(json.name)
    if json.name == "token_refused":  # nobody may be sending: ask, so that it is noticed at once
        for account in all_accounts(runtime().db):
            check_number(runtime(), Access(OPERATOR, Permission.ACCOUNTS_MANAGE), account.id)
    return Response(status=204)


@bp.delete("/faults")
@member
@contract("page", {204: None})
def mend() -> Response:
    """Everything is whole again."""
    _simulator().mend()
    return Response(status=204)


def _simulator() -> Simulator:
    url = runtime().config.demo_simulator_url
    if url is None:
        raise NotFound
    return Simulator(url)
