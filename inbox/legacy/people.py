"""Roles, users, and what they may do. Nobody gains a right by the import; what is denied to somebody stays denied."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import select

from inbox.auth import audit
from inbox.auth.access import BUILT_IN, OPERATOR, Grant, Override, Permission, Role
from inbox.auth.addresses import known_email
from inbox.auth.generation import rights_changed
from inbox.auth.roles import all_roles
from inbox.db.transactions import whole_transaction
from inbox.legacy.moving import Move, Person, by_user
from inbox.legacy.reading import Row, flag, kept_id, line, made_id, moment, text
from inbox.legacy.tally import Outcome, Reason
from inbox.models import User
from inbox.users.grants import add_overrides, add_roles, as_details
from inbox.users.rights import administering
from inbox.users.roles import Wanted, create_role
from inbox.users.schemas import MAX_DESCRIPTION, MAX_NAME

_IN_SLUGS = re.compile(r"[^a-z0-9_-]+")
_READING = frozenset(
    {Permission.ACCOUNTS_VIEW, Permission.CONVERSATIONS_VIEW, Permission.MESSAGES_VIEW, Permission.CONTACTS_VIEW}
)
#: What a level of access to one number takes away, whatever somebody's roles say.
_TAKEN_BY_LEVEL: dict[str, frozenset[Permission]] = {
    "full": frozenset(),
    "lecture": frozenset(Permission) - _READING,
    "aucun": frozenset(Permission),
}


# --- roles -------------------------------------------------------------------------------------------------------


def move_roles(move: Move) -> None:
    """A role that permits the same under the same name is the one that is here; others are made."""
    tally = move.tally("roles")
    rows = move.all_rows("app_roles", "roles")
    has_permissions = "role_permissions" in move.source.tables
    permitted: dict[str, set[str]] = {}
    for row in move.all_rows("role_permissions"):
        permitted.setdefault(str(row.get("role_id")), set()).add(str(row.get("permission_code")))
    with move.db.reading() as session:
        here = all_roles(session)
    for row in rows:
        codes = permitted.get(str(row.get("id")), set()) if has_permissions else None
        tally.count([_role(move, row, codes, here)])


def _role(move: Move, row: Row, codes: set[str] | None, here: list[Role]) -> Outcome:
    source_id = str(row.get("id"))
    slug = _IN_SLUGS.sub("-", (text(row.get("slug")) or text(row.get("name")) or "").lower()).strip("-_")[:56]
    permissions = frozenset(each for each in Permission if each in (codes or ()))
    role_id = kept_id(source_id) or made_id("roles", source_id)
    for role in here:
        same = role.slug == slug and (role.permissions == permissions or (codes is None and role in BUILT_IN))
        if same or role.id == role_id:
            move.roles[source_id] = role.id
            return Outcome(source_id, here=True)
    if not permissions:
        return Outcome(source_id, left=Reason.NO_PERMISSIONS)
    taken = {role.slug for role in here}
    slug = next(name for name in (slug or "role", f"legacy-{slug}", f"legacy-{role_id.hex}") if name not in taken)
    wanted = Wanted(
        slug=slug,
        name=line(row.get("name"), MAX_NAME) or slug,
        description=text(row.get("description"), MAX_DESCRIPTION) or "",
        permissions=sorted(permissions),
    )
    if move.writes:
        create_role(move.db, OPERATOR, wanted, role_id=role_id)
    here.append(Role(role_id, slug, wanted.name, wanted.description, permissions))
    move.roles[source_id] = role_id
    notes = (Reason.SOME_PERMISSIONS,) if set(codes or ()) - set(permissions) else ()
    return Outcome(source_id, notes=notes)


# --- users -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Newcomer:
    id: UUID
    subject: str | None
    email: str | None
    name: str | None
    is_active: bool
    grants: Sequence[Grant]
    overrides: Sequence[Override]


class _Rights:
    """What is said of each user, and what becomes of each row that says it."""

    def __init__(self, move: Move) -> None:
        with move.db.reading() as session:
            self._roles = {role.id: role for role in all_roles(session)}
        self._move = move
        self._given = by_user(move.all_rows("app_user_roles", "user_roles"))
        self._single = by_user(move.all_rows("app_user_overrides", "user_overrides"))
        self._levels = by_user(move.all_rows("user_account_access"))
        self._tallies = [move.tally(name) for name in ("roles of users", "single permissions", "levels of access")]

    def of(self, source_id: str, person: Person | None) -> tuple[list[Grant], list[Override]]:
        """What is new of a user's rights. Of one who is here already that is what concerns a number that is new."""
        grants: set[Grant] = set()
        overrides: dict[tuple[Permission, UUID | None], bool] = {}
        self._count(0, self._given.pop(source_id, []), person, lambda row: self._grant(row, grants))
        self._count(1, self._single.pop(source_id, []), person, lambda row: self._override(row, overrides))
        self._count(2, self._levels.pop(source_id, []), person, lambda row: self._level(row, overrides))
        said = [Override(permission, allowed, place) for (permission, place), allowed in overrides.items()]
        return list(grants), said

    def count_rest(self) -> None:
        """Rows about nobody."""
        for tally, rows in zip(self._tallies, (self._given, self._single, self._levels), strict=True):
            for each in rows.values():
                tally.count(Outcome(_name(row), left=Reason.NO_USER) for row in each)

    def _count(
        self, kind: int, rows: Iterable[Row], person: Person | None, take: Callable[[Row], Reason | None]
    ) -> None:
        tally = self._tallies[kind]
        for row in rows:
            if person is None:
                tally.count([Outcome(_name(row), left=Reason.NO_USER)])
                continue
            number = self._move.number_of(row)
            if not person.new and not (number is not None and number.new):
                tally.count([Outcome(_name(row), here=True)])
            else:
                tally.count([Outcome(_name(row), left=take(row))])

    def _grant(self, row: Row, grants: set[Grant]) -> Reason | None:
        role_id = self._move.roles.get(str(row.get("role_id")))
        place, left = self._place(row)
        if role_id is None:
            return Reason.NO_ROLE
        if left is None:
            grants.add(Grant(self._roles.get(role_id) or Role(role_id, "", "", "", frozenset()), place))
        return left

    def _override(self, row: Row, overrides: dict[tuple[Permission, UUID | None], bool]) -> Reason | None:
        code = str(row.get("permission_code"))
        place, left = self._place(row)
        if code not in set(Permission):
            return Reason.NO_PERMISSION
        if left is None:
            key = Permission(code), place
            overrides[key] = overrides.get(key, True) and flag(row.get("is_allowed"))  # a denial wins
        return left

    def _level(self, row: Row, overrides: dict[tuple[Permission, UUID | None], bool]) -> Reason | None:
        taken = _TAKEN_BY_LEVEL.get(str(row.get("access_level")))
        place, left = self._place(row)
        if taken is None:
            return Reason.NO_LEVEL
        if left is None and place is not None:
            overrides.update({(permission, place): False for permission in taken})
        return left

    def _place(self, row: Row) -> tuple[UUID | None, Reason | None]:
        """The number that it is about; None for all. A number that is not taken is never taken for all."""
        if row.get("account_id") is None:
            return None, None
        number = self._move.number_of(row)
        return (None, Reason.NO_NUMBER) if number is None else (number.id, None)


def move_users(move: Move) -> None:
    """Each with their rights, in a transaction of their own. Who is here already keeps the rights they have here."""
    tally = move.tally("users")
    rights = _Rights(move)
    with move.db.reading() as session:
        users = session.execute(select(User.id, User.subject, User.email, User.name)).all()
    here = {key: (user.id, user.name) for user in users for key in (str(user.id), user.subject, user.email) if key}
    for row in move.all_rows("app_users"):
        tally.count([_user(move, row, here, rights)])
    rights.count_rest()


def _user(move: Move, row: Row, here: dict[str, tuple[UUID, str | None]], rights: _Rights) -> Outcome:
    source_id = str(row.get("user_id"))
    email, name = known_email(text(row.get("email")) or ""), line(row.get("display_name"), MAX_NAME)
    own_id = kept_id(source_id)
    user_id = own_id or made_id("users", source_id)
    known = here.get(str(user_id)) or here.get(email or "")
    if known is not None:
        person = move.people[source_id] = Person(*known, new=False)
        grants, overrides = rights.of(source_id, person)
        if move.writes and (grants or overrides):
            _give(move, person.id, grants, overrides)
        return Outcome(source_id, here=True)
    by_supabase = bool(move.config.supabase_url or move.config.supabase_jwt_secret) and own_id is not None
    if not by_supabase and email is None:
        rights.of(source_id, None)
        return Outcome(source_id, left=Reason.NO_SIGN_IN)
    person = move.people[source_id] = Person(user_id, name, new=True)
    grants, overrides = rights.of(source_id, person)
    subject = str(own_id) if by_supabase else None
    is_active = flag(row.get("is_active"), True)
    if move.writes:
        newcomer = _Newcomer(user_id, subject, email, name, is_active, grants, overrides)
        _add(move, newcomer, row.get("created_at"))
    here[str(user_id)] = user_id, name
    if email:
        here[email] = user_id, name
    return Outcome(source_id, notes=() if by_supabase else (Reason.INVITED,))


@whole_transaction
def _add(move: Move, newcomer: _Newcomer, since: object) -> None:
    with administering(move.db, OPERATOR, Permission.USERS_MANAGE) as (session, actor):
        now = move.db.now(session)
        user = User(
            id=newcomer.id,
            subject=newcomer.subject,
            email=newcomer.email,
            name=newcomer.name,
            disabled_at=None if newcomer.is_active else now,
            created_at=moment(since, now) or now,
            updated_at=now,
        )
        session.add(user)
        session.flush()
        add_roles(session, user, newcomer.grants)
        add_overrides(session, user, newcomer.overrides)
        rights = as_details([*newcomer.grants, *newcomer.overrides])
        audit.record(session, actor, "user.imported", now, target=user.id, email=newcomer.email, rights=rights)
        rights_changed(session)


@whole_transaction
def _give(move: Move, user_id: UUID, grants: Sequence[Grant], overrides: Sequence[Override]) -> None:
    with administering(move.db, OPERATOR, Permission.USERS_MANAGE) as (session, actor):
        user = session.get_one(User, user_id)
        add_roles(session, user, grants)
        add_overrides(session, user, overrides)
        rights = as_details([*grants, *overrides])
        audit.record(session, actor, "user.rights_imported", move.db.now(session), target=user.id, rights=rights)
        rights_changed(session)


def _name(row: Row) -> str:
    return str(row.get("id") or row.get("user_id"))
