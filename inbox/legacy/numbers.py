"""Numbers and their bot profiles."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

from pydantic import SecretStr, ValidationError
from sqlalchemy import select

from inbox.accounts import adding
from inbox.accounts.schemas import AccountBody
from inbox.auth.access import OPERATOR, Access, Permission
from inbox.bot import profiles
from inbox.bot.schemas import ProfileContent
from inbox.config import values
from inbox.legacy.moving import Move, Number
from inbox.legacy.reading import Row, flag, kept_id, line, made_id, phone, text
from inbox.legacy.tally import Outcome, Reason
from inbox.models import Account, BotProfile

_TEXTS = ("business_name", "description", "address", "hours", "knowledge_base")
_CORRECTIONS = 200  # parts of a profile that are taken out before it is given up


def move_numbers(move: Move) -> None:
    """One at a time: there are few."""
    tally = move.tally("numbers")
    with move.db.reading() as session:
        known = {account.phone_number_id: account for account in session.execute(select(Account)).scalars()}
    used = {account.id for account in known.values()}
    found = {number_id: _here(move, account) for number_id, account in known.items()}
    for row in move.all_rows("whatsapp_accounts"):
        tally.count([_number(move, row, known, found, used)])


def _number(move: Move, row: Row, known: dict[str, Account], found: dict[str, Number], used: set[UUID]) -> Outcome:
    source_id = str(row.get("id"))
    number_id = text(row.get("phone_number_id")) or ""
    try:
        values.digits(number_id)
    except ValueError:
        return Outcome(source_id, left=Reason.NO_NUMBER_ID)
    account = known.get(number_id)
    if account is not None and account.deleted_at is not None:
        return Outcome(source_id, left=Reason.REMOVED_HERE)
    if number_id in found:
        move.numbers[source_id] = found[number_id]
        return Outcome(source_id, here=True)
    account_id = kept_id(source_id)
    if account_id is None or account_id in used:
        account_id = made_id("numbers", number_id)
    notes = _add(move, row, number_id, account_id)
    move.numbers[source_id] = found[number_id] = Number(account_id, phone(row.get("phone_number")), new=True)
    used.add(account_id)
    return Outcome(source_id, notes=notes)


def _here(move: Move, account: Account) -> Number:
    days = account.message_retention_days
    return Number(account.id, account.phone_number, since=move.now - timedelta(days=days) if days else None)


def _add(move: Move, row: Row, number_id: str, account_id: UUID) -> tuple[Reason, ...]:
    token = _usable(values.token, row.get("access_token"))
    verify_token = text(row.get("verify_token"))
    is_active = flag(row.get("is_active"), True)
    own = phone(row.get("phone_number"))
    body = AccountBody(
        name=line(row.get("name"), 200) or own or number_id,
        phone_number_id=number_id,
        phone_number=own,
        waba_id=_usable(values.digits, row.get("waba_id")),
        access_token=None if token is None else SecretStr(token),
        verify_token=SecretStr(verify_token) if verify_token and len(verify_token) <= 255 else None,
        bot_auto_on=flag(row.get("bot_auto_on")),
    )
    if move.writes:
        access = Access(OPERATOR, Permission.ACCOUNTS_MANAGE)
        retention = timedelta(days=move.config.account_retention_days)
        adding.create(move.db, move.cipher, access, body, retention, account_id=account_id, paused=not is_active)
    noted = {Reason.CANNOT_SEND: token is None, Reason.INACTIVE: not is_active}
    return tuple(note for note, is_so in noted.items() if is_so)


def _usable(rule: values.Rule[str], value: object) -> str | None:
    try:
        return rule(text(value) or "")
    except ValueError:
        return None


# --- bot profiles ------------------------------------------------------------------------------------------------


def move_profiles(move: Move) -> None:
    """Those of numbers that have none here."""
    tally = move.tally("bot profiles")
    with move.db.reading() as session:
        known = set(session.execute(select(BotProfile.account_id)).scalars())
    for row in move.all_rows("bot_profiles"):
        tally.count([_profile(move, row, known)])


def _profile(move: Move, row: Row, known: set[UUID]) -> Outcome:
    source_id = str(row.get("id"))
    number = move.number_of(row)
    if number is None:
        return Outcome(source_id, left=Reason.NO_NUMBER)
    if number.id in known:
        return Outcome(source_id, here=True)
    content, whole = _content(row)
    if content is None:
        return Outcome(source_id, left=Reason.UNREADABLE)
    if len(content.model_dump_json()) > ProfileContent.MAX_BYTES:
        return Outcome(source_id, left=Reason.TOO_LARGE)
    known.add(number.id)
    if move.writes:
        profiles.put_profile(move.db, Access(OPERATOR, Permission.SETTINGS_MANAGE), number.id, content)
    return Outcome(source_id, notes=() if whole else (Reason.PART_LEFT,))


def _content(row: Row) -> tuple[ProfileContent | None, bool]:
    """The profile without the parts that are not allowed here, and whether it is whole."""
    given: dict[str, Any] = {name: text(row.get(name)) for name in _TEXTS if text(row.get(name))}
    given["custom_fields"] = _fields(row.get("custom_fields"))
    if isinstance(row.get("template_config"), dict):
        given["template_config"] = row["template_config"]
    for corrections in range(_CORRECTIONS):
        try:
            return ProfileContent.model_validate(given), corrections == 0
        except ValidationError as error:
            _take_out(given, error.errors()[0]["loc"])
    return None, False


def _fields(value: object) -> list[dict[str, str]]:
    """Custom fields with ids of their own."""
    found: dict[str, dict[str, str]] = {}
    for position, each in enumerate(value if isinstance(value, list) else []):
        if isinstance(each, dict):
            id_ = text(each.get("id"), 100) or str(position)
            id_ = id_ if id_ not in found else f"{id_[:90]}-{position}"
            found[id_] = {"id": id_, "label": text(each.get("label")) or "", "value": text(each.get("value")) or ""}
    return list(found.values())


def _take_out(given: Any, place: tuple[int | str, ...]) -> None:
    """Delete what stands there, or as near to it as there is something."""
    inner = given
    for part, following in zip(place, [*place[1:], None], strict=True):
        deeper = inner[part] if _is_in(part, inner) else None
        if deeper is None or following is None or not _is_in(following, deeper):
            if _is_in(part, inner):
                del inner[part]
            return
        inner = deeper


def _is_in(part: int | str | None, holder: Any) -> bool:
    if isinstance(holder, list):
        return isinstance(part, int) and 0 <= part < len(holder)
    return isinstance(holder, dict) and part in holder
