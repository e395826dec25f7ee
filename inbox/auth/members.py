"""How somebody whom the identity provider knows becomes a member: a valid token alone is not membership."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from sqlalchemy import exists, select, text
from sqlalchemy.orm import Session

from inbox.auth import audit
from inbox.auth.access import Principal, Role
from inbox.auth.supabase.tokens import Profile
from inbox.clock import new_id
from inbox.db import Database
from inbox.db.transactions import whole_transaction
from inbox.errors import NotAMember
from inbox.models import RoleGrant, User

_SYSTEM = Principal(id="", name="membership", everywhere=frozenset(), kind="command")


@whole_transaction(idempotent=True)
def admit(
    db: Database, profile: Profile, *, open_signup: bool, load: Callable[[Session, User], Principal]
) -> Principal:
    """The member that `profile` belongs to, made one now if they may be. Raises NotAMember, UserDisabled.

    A user whom an administrator added is recognised by the confirmed e-mail address, once; from then on by the subject.
    Others come in when the provider marks them as invited, or signup is open: the first user ever as administrator,
    later ones as viewers.
    """
    may_join = profile.invited or open_signup
    with db.reading() as session:
        # Strangers take no lock: anybody can have a valid token, and come as often as they like.
        if not may_join and _known(session, profile) is None:
            raise NotAMember
    with db.writing() as session:
        lock_users(db, session)
        user = _known(session, profile)
        if user is None:
            if not may_join:
                raise NotAMember
            user = _newcomer(db, session, profile)
        elif user.subject is None:
            _recognise(session, user, profile, db.now(session))
        session.flush()
        return load(session, user)


def lock_users(db: Database, session: Session) -> None:
    """Nobody else adds users or changes who is an administrator until this transaction ends. Readers go on."""
    if db.is_postgres:  # SQLite has one writer at a time anyway
        session.execute(text("LOCK TABLE users IN SHARE ROW EXCLUSIVE MODE"))


def _known(session: Session, profile: Profile) -> User | None:
    by_subject = session.execute(select(User).where(User.subject == profile.subject)).scalar_one_or_none()
    if by_subject is not None or profile.email is None:
        return by_subject
    # A row with a password is a local user's: the owner of the address at the provider need not be the same person.
    query = select(User).where(User.email == profile.email, User.subject.is_(None), User.password_hash.is_(None))
    return session.execute(query).scalar_one_or_none()


def _recognise(session: Session, user: User, profile: Profile, now: datetime) -> None:
    user.subject = profile.subject
    user.name = user.name or profile.name
    user.signed_in_at = user.updated_at = now
    audit.record(session, _SYSTEM, "user.recognised", now, target=user.id)


def _newcomer(db: Database, session: Session, profile: Profile) -> User:
    now = db.now(session)
    role = Role.VIEWER if session.execute(select(exists().where(User.id.is_not(None)))).scalar() else Role.ADMIN
    taken = profile.email is not None and session.execute(select(exists().where(User.email == profile.email))).scalar()
    user = User(
        id=new_id(),
        subject=profile.subject,
        email=None if taken else profile.email,
        name=profile.name,
        signed_in_at=now,
        created_at=now,
        updated_at=now,
    )
    session.add(user)
    session.flush()
    session.add(RoleGrant(id=new_id(), user_id=user.id, role_id=role.id))
    audit.record(session, _SYSTEM, "user.joined", now, target=user.id, role=role.slug)
    return user
