"""What WhatsApp is asked about a number, and how its answers are read."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from inbox.config import Policy
from inbox.errors import UpstreamError
from inbox.gateways import http
from inbox.gateways.whatsapp.numbers import Inquiry, Refused
from inbox.resilience import Upstream
from sandbox import Sandbox
from tests.builders import NUMBER_ID, WABA_ID
from tests.settings import APP_SECRET
from tests.waiting import free_port


def inquiry(url: str, heard: list[int] | None = None) -> Inquiry:
    upstream = Upstream("WhatsApp", Policy(total=10, connect=5, read=10, minimum=0.1))

    def hear(answer: http.Answer) -> None:
        if heard is not None:
            heard.append(answer.status)

    return Inquiry(upstream, f"{url}/v26.0", "the-token", hear)


def test_the_facts_of_a_number_a_token_and_an_account_are_read(sandbox: Sandbox) -> None:
    heard: list[int] = []
    ask = inquiry(sandbox.url, heard)
    assert ask.number(NUMBER_ID).display == "33700000000"
    token = ask.token_facts()
    assert (token.valid, token.expires_at, token.wabas) == (True, None, (WABA_ID,))
    assert token.app_id in ask.subscribers(WABA_ID)
    assert ask.numbers_of(WABA_ID) == {NUMBER_ID}
    assert (ask.fits(APP_SECRET), ask.fits("another")) == (True, False)
    assert heard == [200] * 5 + [400]


def test_the_app_secret_itself_never_leaves(sandbox: Sandbox) -> None:
    inquiry(sandbox.url).fits(APP_SECRET)
    (request,) = sandbox.requests("whatsapp")
    assert APP_SECRET not in f"{request.path}{request.headers}{request.body!r}"


def test_the_end_of_a_token_is_a_time() -> None:
    with Sandbox(token_expires_at=2_000_000_000) as sandbox:
        assert inquiry(sandbox.url).token_facts().expires_at == datetime.fromtimestamp(2_000_000_000, UTC)


@pytest.mark.parametrize("fault", ["empty_200", "html_200", "wrong_json"])
def test_an_answer_that_is_not_whatsapp_s_is_refused(sandbox: Sandbox, fault: str) -> None:
    sandbox.fault("whatsapp", fault)
    ask = inquiry(sandbox.url)
    for question in (lambda: ask.number(NUMBER_ID), ask.token_facts, lambda: ask.subscribers(WABA_ID)):
        with pytest.raises(UpstreamError):
            question()


def test_a_refusal_carries_meta_s_code_and_no_token(sandbox: Sandbox) -> None:
    sandbox.fault("whatsapp", "graph_error", code=33)
    with pytest.raises(Refused) as refused:
        inquiry(sandbox.url).number("5")
    assert (refused.value.code, refused.value.unknown_object) == (33, True)
    assert "the-token" not in f"{refused.value!r} {refused.value} {refused.value.said}"


def test_silence_is_an_error_without_a_token_in_it() -> None:
    with pytest.raises(UpstreamError) as error:
        inquiry(f"http://127.0.0.1:{free_port()}").token_facts()
    assert "the-token" not in f"{error.value!r} {error.value} {error.value.__cause__!r}"[:200]
