"""Who holds a token: an API key, a session of a local user, or a Supabase access token of a member."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Collection
from datetime import datetime
from functools import cache
from uuid import UUID

from sqlalchemy import Select, bindparam, select, union_all
from sqlalchemy.orm import Session

from inbox.auth import keys, members
from inbox.auth.access import Grant, Override, Permission, Principal, resolve
from inbox.auth.generation import RIGHTS, Changes
from inbox.auth.hashing import token_hash
from inbox.auth.roles import role_of
from inbox.auth.supabase.tokens import SupabaseTokens
from inbox.clock import utc_now
from inbox.db import Database, one_of
from inbox.errors import IdentityUnavailable, InvalidCredentials, UserDisabled
from inbox.memory.kept import Kept
from inbox.models import ApiKey, PermissionOverride, RoleDefinition, RoleGrant, User, UserSession
from inbox.resilience import SUPABASE

log = logging.getLogger(__name__)

SESSION_PREFIX = "inbox_session_"
_LONGEST = 8192  # characters of a token

#: Seconds. A change made on another machine is felt here when they have passed and the row has been read again, which a
#: slow database may take up to its statement timeout for; one made on this machine is felt at once (`Changes`).
FRESH = 1.0
MOST_HASHES = 100_000
STALE = 3600.0  # seconds that what somebody may do is remembered while the database cannot be asked


class Identities:
    """The one place where a token becomes a principal. Thread-safe."""

    def __init__(
        self,
        db: Database,
        tokens: SupabaseTokens,
        changes: Changes,
        *,
        open_signup: bool,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self._db = db
        self._tokens = tokens
        self._changes = changes
        self._open_signup = open_signup
        self._now = now
        self._recent: Kept[Principal] = Kept(FRESH, STALE, name="identities")
        db.signals.connect(RIGHTS, self.forget)

    def identify(self, token: str, *, within: float = FRESH) -> Principal:
        """Who holds `token`, as they were known at most `within` seconds ago.

        Raises InvalidCredentials, UserDisabled, NotAMember; IdentityUnavailable or DatabaseUnavailable when we cannot
        tell. While the database is away, callers known within the hour stay known.
        """
        if not token or len(token) > _LONGEST:
            raise InvalidCredentials
        if self._changes.since_last_look():
            self._recent.clear()
        if token.startswith(SESSION_PREFIX):
            principal = self._stored(token, load_session, within)
        elif token.startswith(keys.PREFIX):
            principal = self._stored(token, keys.load, within)
        else:
            principal = self._supabase(token, within)
        if principal.expires_at is not None and principal.expires_at <= self._now():
            raise InvalidCredentials
        return principal

    @property
    def takes_passwords(self) -> bool:
        """True when the identity provider can be asked whose a password is."""
        return self._tokens.takes_passwords

    @SUPABASE.deadline
    def by_password(self, email: str, password: str) -> Principal:
        """The member whom the identity provider knows by these, made one now if they may be.

        Raises WrongPassword, EmailNotConfirmed, UserDisabled, NotAMember; IdentityUnavailable or DatabaseUnavailable
        when we cannot tell.
        """
        token = self._tokens.by_password(email, password)
        try:
            return self.identify(token)
        except InvalidCredentials as error:  # of a token just made: its keys or its issuer are not what we were told
            log.error("a token that Supabase has just made is not valid here: look at the SUPABASE settings")
            raise IdentityUnavailable from error

    def vouched(self, token: str) -> bool:
        """Whether `token` is a Supabase access token that has not ended: good enough to begin a session with.

        One that is taken beyond its end, because Supabase is away, is not: its holder would stay in for good.
        Raises InvalidCredentials, IdentityUnavailable.
        """
        if token.startswith((SESSION_PREFIX, keys.PREFIX)):
            return False
        return self._tokens.verify(token).expires_at > self._now().timestamp()

    def forget(self) -> None:
        """Somebody's rights have changed: all processes of this machine read everybody's again.

        Services say `rights_changed` in their transaction; this follows its commit.
        """
        self._recent.clear()
        self._changes.tell()

    def _stored(self, token: str, load: Callable[[Session, str], Principal], within: float) -> Principal:
        hash_ = token_hash(token)

        def read() -> Principal:
            with self._db.reading() as session:
                return load(session, hash_)

        return self._recent.get(hash_, read, within=within)

    def _supabase(self, token: str, within: float) -> Principal:
        claims = self._tokens.verify(token)

        def read() -> Principal:
            with self._db.reading() as session:
                user = session.execute(select(User).where(User.subject == claims.subject)).scalar_one_or_none()
                if user is not None:
                    return principal_of(session, user)
            profile = self._tokens.profile(token)
            return members.admit(self._db, profile, open_signup=self._open_signup, load=principal_of)

        return self._recent.get(f"subject {claims.subject}", read, within=within)


def load_session(session: Session, hash_: str) -> Principal:
    """The local user whose session has this hash. Raises InvalidCredentials, UserDisabled."""
    row = session.execute(_of_session(), {"hash": hash_}).one_or_none()
    if row is None:
        raise InvalidCredentials
    return principal_of(session, row[0], expires_at=row[1])


def principal_of(session: Session, user: User, expires_at: datetime | None = None) -> Principal:
    """What a user may do. Raises UserDisabled."""
    if user.disabled_at is not None:
        raise UserDisabled
    grants = grants_of(session, user.id)
    everywhere, by_account = resolve(grants, overrides_of(session, user.id))
    return Principal(
        id=str(user.id),
        name=user.name or user.email or "somebody",
        everywhere=everywhere,
        by_account=by_account,
        email=user.email,
        grants=tuple(grants),
        expires_at=expires_at,
        preferences=user.preferences,
        has_password=user.password_hash is not None,
    )


def good_hashes(db: Database) -> frozenset[str]:
    """The hashes of all keys and sessions that are good now. Raises DatabaseUnavailable."""
    of_keys = select(ApiKey.hash).where(ApiKey.revoked_at.is_(None))
    of_sessions = select(UserSession.hash).where(UserSession.expires_at > utc_now())
    with db.reading() as session:
        return frozenset(session.execute(union_all(of_keys, of_sessions).limit(MOST_HASHES)).scalars())


def who_may(session: Session, user_ids: Collection[UUID], permission: Permission, account_id: UUID) -> frozenset[UUID]:
    """Those of these users who may do this to this account, by two statements for all of them."""
    grants: dict[UUID, list[Grant]] = defaultdict(list)
    roles = select(RoleGrant.user_id, RoleDefinition, RoleGrant.account_id).join(
        RoleDefinition, RoleGrant.role_id == RoleDefinition.id
    )
    for theirs in one_of(session, RoleGrant.user_id, user_ids):
        for user_id, role, of_account in session.execute(roles.where(theirs)):
            grants[user_id].append(Grant(role_of(role), of_account))
    overrides: dict[UUID, list[Override]] = defaultdict(list)
    for theirs in one_of(session, PermissionOverride.user_id, user_ids):
        for row in session.execute(select(PermissionOverride).where(theirs)).scalars():
            overrides[row.user_id].append(Override(Permission(row.permission), row.allowed, row.account_id))
    may = set()
    for user_id in user_ids:
        everywhere, by_account = resolve(grants[user_id], overrides[user_id])
        if permission in by_account.get(account_id, everywhere):
            may.add(user_id)
    return frozenset(may)


def grants_of(session: Session, user_id: UUID) -> list[Grant]:
    """The roles of a user."""
    found = session.execute(_grants(), {"user_id": user_id})
    return [Grant(role_of(row), account_id) for row, account_id in found]


def overrides_of(session: Session, user_id: UUID) -> list[Override]:
    """The permissions that are granted or denied to a user regardless of their roles."""
    rows = session.execute(_overrides(), {"user_id": user_id})
    return [Override(Permission(permission), allowed, account_id) for permission, allowed, account_id in rows]


# Made once: they are read all day, and to make them takes a third of reading them.


@cache
def _of_session() -> Select[User, datetime]:
    query = select(User, UserSession.expires_at).join(UserSession, UserSession.user_id == User.id)
    return query.where(UserSession.hash == bindparam("hash"))


@cache
def _grants() -> Select[RoleDefinition, UUID | None]:
    query = select(RoleDefinition, RoleGrant.account_id).join(RoleGrant, RoleGrant.role_id == RoleDefinition.id)
    return query.where(RoleGrant.user_id == bindparam("user_id"))


@cache
def _overrides() -> Select[str, bool, UUID | None]:
    columns = PermissionOverride.permission, PermissionOverride.allowed, PermissionOverride.account_id
    return select(*columns).where(PermissionOverride.user_id == bindparam("user_id"))
