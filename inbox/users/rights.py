"""Who may change whose rights: nobody gives what they do not hold, and one administrator always remains."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from uuid import UUID

from sqlalchemy import Select, exists, or_, select
from sqlalchemy.orm import Session

from inbox.auth import identities, keys
from inbox.auth.access import Permission, Principal, Role, resolve
from inbox.auth.members import lock_users
from inbox.auth.roles import all_roles
from inbox.db import Database, one_of
from inbox.errors import FieldProblem, InvalidCredentials, InvalidRequest, LastAdmin, PermissionDenied
from inbox.models import Account, PermissionOverride, RoleGrant, User

#: What `access.resolve` says: permissions everywhere, and those of accounts that are named.
Held = tuple[frozenset[Permission], Mapping[UUID, frozenset[Permission]]]
NOTHING: Held = (frozenset(), {})


@contextmanager
def administering(db: Database, actor: Principal, permission: Permission) -> Iterator[tuple[Session, Principal]]:
    """A transaction that changes users, their rights, roles or keys, and the actor as they stand in it.

    One at a time: whoever is checked for, and whatever is given, stays as it is until the end. Raises as `authority`.
    """
    with db.writing() as session:
        lock_users(db, session)
        yield session, authority(session, actor, permission)


def authority(session: Session, actor: Principal, permission: Permission) -> Principal:
    """The actor as they stand in this transaction: who they were when the request began may be a second old.

    Raises PermissionDenied when they may not do this everywhere (any more), UserDisabled, InvalidCredentials.
    """
    fresh = _reread(session, actor)
    if not fresh.may_everywhere(permission):
        raise PermissionDenied.of(permission)
    return fresh


def _reread(session: Session, actor: Principal) -> Principal:
    if actor.kind == "user":
        user = session.get(User, UUID(actor.id), populate_existing=True)
        if user is None:
            raise InvalidCredentials
        return identities.principal_of(session, user)
    if actor.kind == "key":
        return keys.reload(session, UUID(actor.id))
    return actor


def check_gift(actor: Principal, before: Held, after: Held) -> None:
    """Raises PermissionDenied when somebody gains what the actor does not hold everywhere, and at the very place."""
    lacking = _lacking((actor.everywhere, actor.by_account), before, after)
    if lacking:
        raise PermissionDenied(f"You cannot give what you do not hold everywhere yourself: {sorted(lacking)[0]}.")


def makes_administrators(own: Held) -> bool:
    """Whether who holds this may make an administrator: the one rule for being one."""
    return not _lacking(own, NOTHING, (Role.ADMIN.permissions, {}))


def _lacking(own: Held, before: Held, after: Held) -> frozenset[Permission]:
    """Of what `after` has beyond `before` at some place: what is not held there, or not everywhere.

    The places are the accounts that any of the sets names, and "all others" (None).
    """
    for place in (None, *before[1], *after[1], *own[1]):
        lacking = (_at(after, place) - _at(before, place)) - (own[0] & _at(own, place))
        if lacking:
            return lacking
    return frozenset()


def _at(held: Held, place: UUID | None) -> frozenset[Permission]:
    return held[0] if place is None else held[1].get(place, held[0])


@contextmanager
def somebody_remains(session: Session) -> Iterator[None]:
    """Raises LastAdmin when the block leaves nobody who can make administrators where there was somebody.

    The caller holds `lock_users`. An installation that is run by commands and keys alone has nobody, and may go on
    like that.
    """
    had = _an_administrator(session)
    yield
    session.flush()
    if had and not _an_administrator(session):
        raise LastAdmin


def _an_administrator(session: Session) -> bool:
    """True when somebody who can sign in may make an administrator."""
    return any(
        makes_administrators(resolve(identities.grants_of(session, user_id), identities.overrides_of(session, user_id)))
        for user_id in session.execute(_managers_of_roles(session)).scalars().all()
    )


def _managers_of_roles(session: Session) -> Select[UUID]:
    """Those who can sign in and were given `roles.manage` everywhere: among them are all administrators."""
    able = User.disabled_at.is_(None), or_(User.subject.is_not(None), User.password_hash.is_not(None))
    roles = [role.id for role in all_roles(session) if Permission.ROLES_MANAGE in role.permissions]
    by_role = exists().where(RoleGrant.user_id == User.id, RoleGrant.role_id.in_(roles), RoleGrant.account_id.is_(None))
    by_itself = exists().where(
        PermissionOverride.user_id == User.id,
        PermissionOverride.permission == Permission.ROLES_MANAGE.value,
        PermissionOverride.allowed.is_(True),
        PermissionOverride.account_id.is_(None),
    )
    return select(User.id).where(*able, or_(by_role, by_itself)).order_by(User.created_at)


def check_accounts(session: Session, named: Sequence[UUID | None], pointer: str) -> None:
    """Raises InvalidRequest for those that are not in use; `pointer` says where one stands, by its number."""
    known: set[UUID] = set()
    for condition in one_of(session, Account.id, {each for each in named if each is not None}):
        known.update(session.execute(select(Account.id).where(condition, Account.deleted_at.is_(None))).scalars())
    problems = [
        FieldProblem(pointer.format(number), "unknown_account", "there is no such account")
        for number, each in enumerate(named)
        if each is not None and each not in known
    ]
    if problems:
        raise InvalidRequest(problems)


def check_once(values: Sequence[Hashable], pointer: str) -> None:
    """Raises InvalidRequest for each value that has come before."""
    seen: set[Hashable] = set()
    problems = []
    for number, value in enumerate(values):
        if value in seen:
            problems.append(FieldProblem(f"{pointer}/{number}", "not_different", "is there twice"))
        seen.add(value)
    if problems:
        raise InvalidRequest(problems)
