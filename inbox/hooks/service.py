"""Endpoints of a number: made, changed, paused and removed; their secrets; the log of what was sent."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from sqlalchemy import func, insert, select
from sqlalchemy.orm import Session

from inbox.accounts.service import require_account
from inbox.auth import audit
from inbox.auth.access import Access
from inbox.cipher import TokenCipher
from inbox.clock import new_id
from inbox.db import Database
from inbox.db.paging import Cursor, Page, newest_first
from inbox.db.transactions import whole_transaction
from inbox.db.wake import Work, wake
from inbox.errors import (
    FieldProblem,
    InvalidRequest,
    TooManyOfThem,
    WebhookDeliveryNotFound,
    WebhookEndpointExists,
    WebhookEndpointNotFound,
)
from inbox.hooks.events import KINDS, TEST, delivery
from inbox.hooks.schemas import (
    MOST_ENDPOINTS,
    DeliveryQuery,
    WebhookDeliveryRow,
    WebhookEndpointBody,
    WebhookEndpointMade,
    WebhookEndpointPatch,
    WebhookEndpointRow,
)
from inbox.hooks.signing import new_secret
from inbox.models import Account, WebhookDelivery, WebhookEndpoint

OLD_SECRET_SIGNS = timedelta(hours=24)  #: beside the new one
_COUNTED = 1000  # of what waits


def list_endpoints(db: Database, access: Access, account_id: UUID) -> list[WebhookEndpointRow]:
    """Those of a number, the oldest first. Raises AccountNotFound, PermissionDenied."""
    query = select(WebhookEndpoint).where(WebhookEndpoint.account_id == account_id).order_by(WebhookEndpoint.id)
    with db.reading() as session:
        require_account(session, access, account_id)
        return [_row(session, endpoint) for endpoint in session.execute(query).scalars()]


@whole_transaction
def create_endpoint(
    db: Database, cipher: TokenCipher, access: Access, account_id: UUID, body: WebhookEndpointBody, *, private: bool
) -> WebhookEndpointMade:
    """A new endpoint, with its secret. It is told of what happens from now on.

    Raises AccountNotFound, PermissionDenied, InvalidRequest, WebhookEndpointExists, TooManyOfThem.
    """
    _check_url(body.url, private=private)
    secret = new_secret()
    with db.writing() as session:
        account = require_account(session, access, account_id, lock=True)
        _check_new(session, account_id, body.url)
        count = select(func.count()).where(WebhookEndpoint.account_id == account_id)
        if session.execute(count).scalar_one() >= MOST_ENDPOINTS:
            raise TooManyOfThem
        now = db.now(session)
        endpoint = WebhookEndpoint(
            id=new_id(),
            account_id=account_id,
            url=body.url,
            description=body.description,
            events=_in_order(body.events),
            secret_encrypted=cipher.encrypt(secret),
            created_at=now,
        )
        session.add(endpoint)
        _note_wanted(session, account)
        _audit(session, access, "webhook_endpoint.created", endpoint, now, url=endpoint.url, events=endpoint.events)
        return WebhookEndpointMade(**_row(session, endpoint).model_dump(), secret=secret)


@whole_transaction(idempotent=True)
def change_endpoint(
    db: Database, access: Access, endpoint_id: UUID, patch: WebhookEndpointPatch, *, private: bool
) -> WebhookEndpointRow:
    """Change what `patch` names. Whatever waits is sent again at once: something was mended, or is no longer paused.

    Raises WebhookEndpointNotFound, WebhookEndpointExists, InvalidRequest.
    """
    if "url" in patch.model_fields_set:
        _check_url(patch.url, private=private)
    with db.writing() as session:
        endpoint, account = _found(session, access, endpoint_id)
        now = db.now(session)
        told = patch.model_dump(exclude_unset=True, exclude={"paused"})
        if "events" in told:
            told["events"] = _in_order(told["events"])
        changed = {name: value for name, value in told.items() if getattr(endpoint, name) != value}
        if "url" in changed:
            _check_new(session, endpoint.account_id, patch.url)
        for name, value in changed.items():
            setattr(endpoint, name, value)
        if "paused" in patch.model_fields_set and patch.paused != (endpoint.paused_at is not None):
            endpoint.paused_at = now if patch.paused else None
            changed["paused"] = patch.paused
        if changed:
            endpoint.failures, endpoint.rests_until = 0, None
            _note_wanted(session, account)
            _audit(session, access, "webhook_endpoint.updated", endpoint, now, **changed)
            wake(session, Work.HOOKS)
        return _row(session, endpoint)


@whole_transaction(idempotent=True)
def delete_endpoint(db: Database, access: Access, endpoint_id: UUID) -> None:
    """Tell it nothing more; what waits and the log go as well. Raises WebhookEndpointNotFound."""
    with db.writing() as session:
        endpoint, account = _found(session, access, endpoint_id)
        _audit(session, access, "webhook_endpoint.deleted", endpoint, db.now(session), url=endpoint.url)
        session.delete(endpoint)
        _note_wanted(session, account)


@whole_transaction
def rotate_secret(db: Database, cipher: TokenCipher, access: Access, endpoint_id: UUID) -> WebhookEndpointMade:
    """A new secret. The old one signs beside it for OLD_SECRET_SIGNS. Raises WebhookEndpointNotFound."""
    secret = new_secret()
    with db.writing() as session:
        endpoint, _ = _found(session, access, endpoint_id)
        now = db.now(session)
        endpoint.old_secret_encrypted, endpoint.old_secret_until = endpoint.secret_encrypted, now + OLD_SECRET_SIGNS
        endpoint.secret_encrypted = cipher.encrypt(secret)
        _audit(session, access, "webhook_endpoint.secret_rotated", endpoint, now)
        return WebhookEndpointMade(**_row(session, endpoint).model_dump(), secret=secret)


@whole_transaction
def send_test(db: Database, access: Access, endpoint_id: UUID) -> WebhookDeliveryRow:
    """Send an event of the kind "test", whatever the endpoint wants. Raises WebhookEndpointNotFound."""
    with db.writing() as session:
        endpoint, _ = _found(session, access, endpoint_id)
        values = delivery(endpoint.id, endpoint.account_id, None, new_id(), TEST, {})
        session.execute(insert(WebhookDelivery), [values])
        endpoint.rests_until = None
        _audit(session, access, "webhook_endpoint.tested", endpoint, db.now(session))
        wake(session, Work.HOOKS)
        query = select(WebhookDelivery).where(WebhookDelivery.id == values["id"])
        return WebhookDeliveryRow.model_validate(session.execute(query).scalar_one())


def list_deliveries(db: Database, access: Access, endpoint_id: UUID, query: DeliveryQuery) -> Page[WebhookDeliveryRow]:
    """What was sent to an endpoint and what waits, the newest first. Raises WebhookEndpointNotFound."""
    wanted = select(WebhookDelivery).where(WebhookDelivery.endpoint_id == endpoint_id)
    if query.state is not None:
        wanted = wanted.where(WebhookDelivery.state == query.state)
    with db.reading() as session:
        _visible(session, access, endpoint_id)
        order = WebhookDelivery.created_at, WebhookDelivery.id
        page = newest_first(session, wanted, *order, limit=query.limit, cursor=Cursor.decode(query.cursor))
        return Page([WebhookDeliveryRow.model_validate(row[0]) for row in page.rows], page.next)


@whole_transaction(idempotent=True)
def resend(db: Database, access: Access, delivery_id: UUID) -> WebhookDeliveryRow:
    """Send an event once more, with the same id: what was delivered, given up, or waits for its next try.

    Raises WebhookDeliveryNotFound.
    """
    query = select(WebhookDelivery).where(WebhookDelivery.id == delivery_id)
    with db.writing() as session:
        found = session.execute(query).scalar_one_or_none()
        if found is None or not access.allows(found.account_id):
            raise WebhookDeliveryNotFound
        endpoint, _ = _found(session, access, found.endpoint_id)
        found = session.get(WebhookDelivery, found.seq, with_for_update=True, populate_existing=True)
        if found is None:  # too old by now, and deleted
            raise WebhookDeliveryNotFound
        now = db.now(session)
        if found.lease is None:
            found.state, found.attempts, found.due_at, found.ended_at = "pending", 0, now, None
        endpoint.rests_until = None
        _audit(session, access, "webhook_delivery.resent", endpoint, now, event_id=str(found.event_id))
        wake(session, Work.HOOKS)
        session.flush()
        return WebhookDeliveryRow.model_validate(found)


# --- inside ------------------------------------------------------------------------------------------------------


def _visible(session: Session, access: Access, endpoint_id: UUID) -> WebhookEndpoint:
    endpoint = session.get(WebhookEndpoint, endpoint_id)
    if endpoint is None or not access.allows(endpoint.account_id):
        raise WebhookEndpointNotFound
    return endpoint


def _found(session: Session, access: Access, endpoint_id: UUID) -> tuple[WebhookEndpoint, Account]:
    """The endpoint and its number, which all who change endpoints lock first."""
    account = require_account(session, access, _visible(session, access, endpoint_id).account_id, lock=True)
    endpoint = session.get(WebhookEndpoint, endpoint_id, with_for_update=True, populate_existing=True)
    if endpoint is None:
        raise WebhookEndpointNotFound
    return endpoint, account


def _check_url(url: str, *, private: bool) -> None:
    if urlsplit(url).scheme != "https" and not private:
        raise InvalidRequest([FieldProblem("/url", "not_https", "must use https")])


def _check_new(session: Session, account_id: UUID, url: str) -> None:
    query = select(WebhookEndpoint.id).where(WebhookEndpoint.account_id == account_id, WebhookEndpoint.url == url)
    if session.execute(query).first() is not None:
        raise WebhookEndpointExists


def _in_order(events: list[Any]) -> list[str]:
    return [kind for kind in KINDS if kind in events]


def _note_wanted(session: Session, account: Account) -> None:
    """The number's own row says which events somebody wants: it is at hand wherever something happens."""
    session.flush()
    query = select(WebhookEndpoint.events).where(WebhookEndpoint.account_id == account.id)
    wanted = _in_order([kind for events in session.execute(query).scalars() for kind in events])
    if list(account.hook_events) != wanted:
        account.hook_events = wanted


def _row(session: Session, endpoint: WebhookEndpoint) -> WebhookEndpointRow:
    session.flush()
    some = select(WebhookDelivery.seq).where(
        WebhookDelivery.endpoint_id == endpoint.id, WebhookDelivery.state == "pending"
    )
    waiting = session.execute(select(func.count()).select_from(some.limit(_COUNTED).subquery())).scalar_one()
    own = [name for name in WebhookEndpointRow.model_fields if name != "waiting"]
    return WebhookEndpointRow(**{name: getattr(endpoint, name) for name in own}, waiting=waiting)


def _audit(
    session: Session, access: Access, action: str, endpoint: WebhookEndpoint, now: datetime, **details: Any
) -> None:
    audit.record(session, access.principal, action, now, target=endpoint.id, account_id=endpoint.account_id, **details)
