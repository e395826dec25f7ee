"""Users: who there is, inviting, naming, switching off. Nobody is deleted: the audit log speaks of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, or_, select
from sqlalchemy.orm import Session

from inbox.auth import audit
from inbox.auth.access import Grant, Permission, Principal, resolve
from inbox.auth.addresses import known_email
from inbox.auth.generation import rights_changed
from inbox.auth.identities import grants_of
from inbox.auth.passwords import set_password
from inbox.clock import new_id
from inbox.db import Database
from inbox.db.paging import Cursor, Page, newest_first
from inbox.db.transactions import whole_transaction
from inbox.errors import HasNoPassword, PermissionDenied, UserExists, UserNotFound
from inbox.models import User, UserSession
from inbox.team.drafts import forget_drafts
from inbox.users.grants import Assignment, add_roles, as_details, chosen, held_by, require_user
from inbox.users.rights import NOTHING, administering, check_gift, check_once, somebody_remains
from inbox.users.rows import of_kind, user_row, user_rows
from inbox.users.schemas import UserQuery, UserRow


@dataclass(frozen=True, slots=True)
class Newcomer:
    """Somebody to be added.

    Without a password they are invited: the provider's user with this address, confirmed, may sign in.
    """

    email: str
    name: str | None = None
    assignments: Sequence[Assignment] = ()
    password: str | None = field(default=None, repr=False)


# --- reading -----------------------------------------------------------------------------------------------------


def list_users(db: Database, query: UserQuery) -> Page[UserRow]:
    """Newest first."""
    wanted = select(User)
    if query.is_active is not None:
        wanted = wanted.where(User.disabled_at.is_(None) if query.is_active else User.disabled_at.is_not(None))
    if query.kind is not None:
        wanted = wanted.where(of_kind(query.kind))
    if query.q:
        words = query.q.strip()
        wanted = wanted.where(
            or_(User.email.icontains(words, autoescape=True), User.name.icontains(words, autoescape=True))
        )
    with db.reading() as session:
        page = newest_first(
            session, wanted, User.created_at, User.id, limit=query.limit, cursor=Cursor.decode(query.cursor)
        )
        return Page(user_rows(session, [row[0] for row in page.rows]), page.next)


def get_user(db: Database, user_id: UUID) -> UserRow:
    """Raises UserNotFound."""
    with db.reading() as session:
        return user_row(session, require_user(session, user_id))


def all_users(db: Database) -> list[UserRow]:
    """Everybody, oldest first: for commands."""
    with db.reading() as session:
        users = session.execute(select(User).order_by(User.created_at, User.id)).scalars().all()
        return user_rows(session, users)


def find_user(db: Database, email: str) -> UUID:
    """Whose address it is, in any spelling. Raises UserNotFound."""
    with db.reading() as session:
        found = session.execute(select(User.id).where(User.email == known_email(email))).scalar_one_or_none()
    if found is None:
        raise UserNotFound
    return found


# --- adding ------------------------------------------------------------------------------------------------------


@whole_transaction(idempotent=True)
def invite(db: Database, actor: Principal, newcomer: Newcomer) -> tuple[UserRow, bool]:
    """Let somebody in at their first sign-in. Their row, and whether it was made now.

    The same invitation again finds the row. Raises UserExists when somebody has the address and other roles,
    InvalidRequest, PermissionDenied.
    """
    check_once(newcomer.assignments, "/assignments")
    with administering(db, actor, Permission.USERS_MANAGE) as (session, actor):
        known = _by_email(session, newcomer.email)
        grants = _given(session, actor, newcomer)
        if known is None:
            return user_row(session, _add(session, actor, newcomer, grants, "user.invited", db.now(session))), True
        if set(grants_of(session, known.id)) != set(grants):
            raise UserExists
        return user_row(session, known), False


@whole_transaction
def create_local(db: Database, actor: Principal, newcomer: Newcomer) -> UUID:
    """Add somebody who signs in with a password. Raises UserExists, InvalidRequest (the password), PermissionDenied."""
    with administering(db, actor, Permission.USERS_MANAGE) as (session, actor):
        if _by_email(session, newcomer.email) is not None:
            raise UserExists
        grants = _given(session, actor, newcomer)
        return _add(session, actor, newcomer, grants, "user.created", db.now(session)).id


def _by_email(session: Session, email: str) -> User | None:
    return session.execute(select(User).where(User.email == email)).scalar_one_or_none()


def _given(session: Session, actor: Principal, newcomer: Newcomer) -> list[Grant]:
    """What the newcomer gets: somebody who manages users alone gives nothing."""
    if newcomer.assignments and not actor.may_everywhere(Permission.ROLES_MANAGE):
        raise PermissionDenied.of(Permission.ROLES_MANAGE)
    grants = chosen(session, newcomer.assignments)
    check_gift(actor, NOTHING, resolve(grants, ()))
    return grants


def _add(
    session: Session, actor: Principal, newcomer: Newcomer, grants: Sequence[Grant], action: str, now: datetime
) -> User:
    user = User(id=new_id(), email=newcomer.email, name=newcomer.name, created_at=now, updated_at=now)
    session.add(user)
    session.flush()
    if newcomer.password is not None:
        set_password(session, user, newcomer.password, now)
    add_roles(session, user, grants)
    roles = as_details(grants)
    audit.record(session, actor, action, now, target=user.id, email=newcomer.email, roles=roles)
    rights_changed(session)
    session.flush()
    return user


# --- changing ----------------------------------------------------------------------------------------------------


@whole_transaction(idempotent=True)
def rename(db: Database, actor: Principal, user_id: UUID, name: str | None) -> UserRow:
    """Raises UserNotFound, PermissionDenied."""
    with administering(db, actor, Permission.USERS_MANAGE) as (session, actor):
        user = require_user(session, user_id)
        if user.name != name:
            now = db.now(session)
            audit.record(session, actor, "user.renamed", now, target=user.id, before=user.name, after=name)
            user.name, user.updated_at = name, now
            rights_changed(session)
        return user_row(session, user)


@whole_transaction(idempotent=True)
def set_active(db: Database, actor: Principal, user_id: UUID, *, active: bool) -> UserRow:
    """Switch a user off, which ends their sessions, or on again. One may switch oneself off.

    Switching on gives back what they held, so it needs all of that. Raises UserNotFound, PermissionDenied, LastAdmin.
    """
    with administering(db, actor, Permission.USERS_MANAGE) as (session, actor):
        user = require_user(session, user_id)
        now = db.now(session)
        if not active and user.disabled_at is None:
            _disable(session, actor, user, now)
        elif active and user.disabled_at is not None:
            check_gift(actor, NOTHING, held_by(session, user))
            user.disabled_at, user.updated_at = None, now
            audit.record(session, actor, "user.enabled", now, target=user.id)
            rights_changed(session)
        return user_row(session, user)


def _disable(session: Session, actor: Principal, user: User, now: datetime) -> None:
    with somebody_remains(session):
        user.disabled_at = user.updated_at = now
    # After the row was locked by its change: a sign-in under way has stored its session, or will be refused.
    session.execute(delete(UserSession).where(UserSession.user_id == user.id))
    forget_drafts(session, user.id)
    audit.record(session, actor, "user.disabled", now, target=user.id)
    rights_changed(session)


@whole_transaction(idempotent=True)
def change_password(db: Database, actor: Principal, user_id: UUID, password: str) -> UserRow:
    """Set the password of a local user and end their sessions; one who was only invited becomes a local user.

    Raises UserNotFound, InvalidRequest (a bad password), HasNoPassword for users of the identity provider,
    PermissionDenied for one's own, which takes the one that holds until now.
    """
    if actor.user_id == user_id:
        raise PermissionDenied("Your own password is changed by PUT /auth/password, which asks for the present one.")
    with administering(db, actor, Permission.USERS_MANAGE) as (session, actor):
        user = require_user(session, user_id)
        if user.subject is not None:
            raise HasNoPassword
        check_gift(actor, NOTHING, held_by(session, user))  # who sets it can sign in with it
        now = db.now(session)
        set_password(session, user, password, now)
        audit.record(session, actor, "user.password_changed", now, target=user.id)
        session.flush()
        return user_row(session, user)
