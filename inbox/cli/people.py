"""`flask --app wsgi users …` and `keys …`: who may use the installation."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from uuid import UUID

import click
from flask import current_app
from pydantic import TypeAdapter

from inbox.accounts import service as accounts
from inbox.auth import keys
from inbox.auth.access import OPERATOR, Role
from inbox.auth.addresses import normal_email
from inbox.cli.groups import DatabaseGroup
from inbox.clock import rfc3339, utc_now
from inbox.errors import DatabaseUnavailable, DomainError, InvalidRequest
from inbox.models import ApiKey
from inbox.runtime import runtime_of
from inbox.users import grants, roles
from inbox.users import service as users
from inbox.users.schemas import MAX_NAME, Name, UserRow

user_commands = DatabaseGroup("users", help="People who sign in.")
role_commands = DatabaseGroup("roles", help="What people and keys may do.")
key_commands = DatabaseGroup("keys", help="API keys.")

_DELETED = "a deleted number"


def day(moment: datetime) -> str:
    """The date alone, UTC."""
    return rfc3339(moment)[:10]


# --- users -------------------------------------------------------------------------------------------------------

_account = click.option("--account", "numbers", metavar="PHONE_NUMBER_ID", multiple=True, help="Only for this number.")


@user_commands.command("create")
@click.option("--email", required=True, help="What they sign in with.")
@click.option("--name", help=f"How others see them: up to {MAX_NAME} characters.")
@click.option("--role", default=Role.VIEWER.slug, show_default=True, help="One of: flask --app wsgi roles list.")
@_account
def create_user(email: str, name: str | None, role: str, numbers: tuple[str, ...]) -> None:
    """Add somebody who signs in with a password: it is asked for, or read from a pipe."""
    with _refusals():
        address = _address(email)
        given = _assignments(role, numbers)
        if len(name or "") > MAX_NAME:
            raise click.ClickException(f"The name is longer than {MAX_NAME} characters.")
        newcomer = users.Newcomer(address, (name or "").strip() or None, given, _password())
        users.create_local(runtime_of(current_app).db, OPERATOR, newcomer)
    click.echo(f"{address} can sign in.")


@user_commands.command("list")
def list_users() -> None:
    """Show everybody: since when, how they sign in, their roles and the permissions beside them."""
    db = runtime_of(current_app).db
    with _refusals():
        everybody, numbers = users.all_users(db), _numbers()
    for user in everybody:
        name = f" ({user.name})" if user.name else ""
        line = f"{user.kind:8}  {_active(user):8}  {user.email or user.user_id}{name}: {_rights(user, numbers)}"
        # Names come from elsewhere: none of them must talk to the terminal.
        click.echo(f"{day(user.created_at)}  {''.join(each if each.isprintable() else '?' for each in line)}")


def _rights(user: UserRow, numbers: Mapping[UUID, str]) -> str:
    """Such as "manager, viewer of 2000…1, not messages.send"."""
    named: list[tuple[str, UUID | None]] = [(row.role_slug, row.account_id) for row in user.roles]
    named += [(f"{'' if row.is_allowed else 'not '}{row.permission_code}", row.account_id) for row in user.overrides]
    words = [what if place is None else f"{what} of {numbers.get(place, _DELETED)}" for what, place in named]
    return ", ".join(words) or "no role"


@user_commands.command("password")
@click.argument("email")
def change_password(email: str) -> None:
    """Give EMAIL a new password, which is asked for or read from a pipe, and sign them out everywhere."""
    db = runtime_of(current_app).db
    with _refusals():
        user_id = users.find_user(db, email)
        users.change_password(db, OPERATOR, user_id, _password())
    click.echo("The password was changed; all their sessions have ended.")


@user_commands.command("disable")
@click.argument("email")
def disable_user(email: str) -> None:
    """Switch EMAIL off: their sessions end."""
    _set_active(email, active=False)


@user_commands.command("enable")
@click.argument("email")
def enable_user(email: str) -> None:
    """Switch EMAIL on again."""
    _set_active(email, active=True)


def _set_active(email: str, *, active: bool) -> None:
    db = runtime_of(current_app).db
    with _refusals():
        row = users.set_active(db, OPERATOR, users.find_user(db, email), active=active)
    click.echo(f"{row.email} is {_active(row)}.")


def _active(user: UserRow) -> str:
    return "active" if user.is_active else "disabled"


@user_commands.command("role")
@click.argument("email")
@click.argument("role")
@_account
@click.option("--remove", is_flag=True, help="Take it away instead.")
def change_role(email: str, role: str, numbers: tuple[str, ...], remove: bool) -> None:
    """Give EMAIL the role ROLE as well, for all numbers or for some."""
    db = runtime_of(current_app).db
    with _refusals():
        given = _assignments(role, numbers)
        changed = grants.change_roles(db, OPERATOR, users.find_user(db, email), given, remove=remove)
    click.echo("Changed." if changed else "Nothing to do: see flask --app wsgi users list")


@contextmanager
def _refusals() -> Iterator[None]:
    """What a service refuses, told to the person who typed the command."""
    try:
        yield
    except InvalidRequest as error:
        problems = (f"{problem.pointer.strip('/')} {problem.problem}" for problem in error.problems)
        raise click.ClickException(f"The {'; the '.join(problems)}.") from None
    except DatabaseUnavailable:
        raise  # the group says it
    except DomainError as error:
        raise click.ClickException(error.message) from None


def _address(text: str) -> str:
    try:
        return normal_email(text)
    except ValueError as error:
        raise click.ClickException(f"{text!r} {error}.") from None


def _name(text: str) -> str:
    """As the API takes one."""
    try:
        return TypeAdapter(Name).validate_python(text)
    except ValueError:
        raise click.ClickException(
            f"Give it a name of one line that can be read, up to {MAX_NAME} characters."
        ) from None


def _assignments(slug: str, numbers: Sequence[str]) -> list[grants.Assignment]:
    role = roles.find_role(runtime_of(current_app).db, slug)
    return [grants.Assignment(role.id, account_id) for account_id in _account_ids(numbers) or [None]]


def _account_ids(numbers: Sequence[str]) -> list[UUID | None]:
    """The accounts with these phone number ids."""
    known = {number: account_id for account_id, number in _numbers().items()}
    unknown = [number for number in numbers if number not in known]
    if unknown:
        raise click.ClickException(f"There is no number {unknown[0]}; see: flask --app wsgi accounts list")
    return [known[number] for number in dict.fromkeys(numbers)]


def _numbers() -> dict[UUID, str]:
    """The phone number id of each account in use."""
    return {account.id: account.phone_number_id for account in accounts.all_accounts(runtime_of(current_app).db)}


def _password() -> str:
    """As it is typed, twice and without being shown, or the first line of a pipe. Blanks are part of it."""
    if sys.stdin.isatty():
        return str(click.prompt("Password", hide_input=True, confirmation_prompt=True))
    try:
        return sys.stdin.buffer.readline().decode().rstrip("\r\n")
    except UnicodeDecodeError:
        raise click.ClickException("The password is not UTF-8.") from None


# --- roles -------------------------------------------------------------------------------------------------------


@role_commands.command("list")
def list_roles() -> None:
    """Show every role, and what it permits. Roles are made over HTTP: POST /admin/roles."""
    with _refusals():
        for role in roles.list_roles(runtime_of(current_app).db):
            click.echo(f"{role.slug:12}  {role.name}: {', '.join(sorted(role.permissions)) or 'nothing'}")


# --- keys and numbers --------------------------------------------------------------------------------------------


@key_commands.command("create")
@click.option("--name", required=True, help="What the key is for.")
@click.option("--role", default=Role.VIEWER.slug, show_default=True, help="One of: flask --app wsgi roles list.")
@_account
@click.option("--expires-days", "days", type=click.IntRange(1, 36500), help="Its lifetime.")
def create_key(name: str, role: str, numbers: tuple[str, ...], days: int | None) -> None:
    """Make a key and print it: it cannot be shown again."""
    expires_at = utc_now() + timedelta(days=days) if days is not None else None
    with _refusals():
        made = keys.create(
            runtime_of(current_app).db,
            name=_name(name),
            role=roles.find_role(runtime_of(current_app).db, role),
            accounts=[each for each in _account_ids(numbers) if each] or None,
            expires_at=expires_at,
        )
    click.echo(made.secret)


@key_commands.command("list")
def list_keys() -> None:
    """Show all keys: when made, role, the part that identifies each, whether it still works, and for which numbers."""
    numbers, now = _numbers(), utc_now()
    for key, role in keys.listed(runtime_of(current_app).db):
        only = ""
        if key.account_ids is not None:
            only = f"  only {', '.join(numbers.get(UUID(each), _DELETED) for each in key.account_ids)}"
        slug = role.slug if role is not None else "-"
        click.echo(f"{day(key.created_at)}  {slug:8}  {key.prefix}…  {_state(key, now)}  {key.name}{only}")


def _state(key: ApiKey, now: datetime) -> str:
    if key.revoked_at is not None:
        return f"revoked {day(key.revoked_at)}"
    if key.expires_at is None:
        return "valid"
    return f"{'expired' if key.expires_at <= now else 'valid until'} {day(key.expires_at)}"


@key_commands.command("revoke")
@click.argument("prefix")
def revoke_key(prefix: str) -> None:
    """Revoke the key that `keys list` shows as PREFIX."""
    with _refusals():
        count = keys.revoke(runtime_of(current_app).db, prefix.rstrip("…"))
    if not count:
        raise click.ClickException("No valid key begins like that; see: flask --app wsgi keys list")
    click.echo("Revoked.")
