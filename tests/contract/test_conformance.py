"""The check around every test client notices what it is there for."""

from __future__ import annotations

import copy
from typing import Any
from uuid import uuid4

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.contract import conformance

PATH = "/conversations/{conversation_id}"


@pytest.fixture
def document(app: Flask, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A document for this test alone, to be made wrong."""
    mine = copy.deepcopy(conformance.document_of(app))
    monkeypatch.setattr(conformance, "document_of", lambda _app: mine)
    monkeypatch.setattr(conformance, "_validators", {})
    return mine


def test_a_status_that_is_not_in_the_document_is_noticed(client: FlaskClient, document: Any) -> None:
    del document["paths"][PATH]["get"]["responses"]["404"]
    with pytest.raises(AssertionError, match="404 is not in the document"):
        client.get(f"/conversations/{uuid4()}")


def test_a_code_that_is_not_in_the_document_is_noticed(client: FlaskClient, document: Any) -> None:
    (name,) = document["paths"][PATH]["get"]["responses"]["404"].values()
    problem = document["components"]["responses"][name.rpartition("/")[2]]["content"]["application/problem+json"]
    problem["schema"]["properties"]["code"]["enum"] = ["gone"]
    with pytest.raises(AssertionError, match="conversation_not_found"):
        client.get(f"/conversations/{uuid4()}")


def test_a_row_that_is_not_as_the_document_says_is_noticed(client: FlaskClient, document: Any) -> None:
    document["components"]["schemas"]["AccountRow"]["properties"]["name"] = {"type": "integer"}
    with pytest.raises(AssertionError, match="name"):
        client.get("/accounts")


def test_a_header_that_is_missing_is_noticed(client: FlaskClient, document: Any) -> None:
    document["components"]["headers"]["Link"]["required"] = True
    with pytest.raises(AssertionError, match="lacks Link"):
        client.get("/accounts")


def test_a_media_type_that_is_not_in_the_document_is_noticed(client: FlaskClient, document: Any) -> None:
    content = document["paths"]["/accounts"]["get"]["responses"]["200"]["content"]
    content["text/csv"] = content.pop("application/json")
    with pytest.raises(AssertionError, match="application/json, not of"):
        client.get("/accounts")
