"""Many rows at once, made from one that came by the road that all take."""

from __future__ import annotations

import uuid
from contextlib import closing

from sqlalchemy import text

from inbox.db import Database
from tests.page.shop import Customer

#: Scroll the list down until it ends with this name; the most rows that were in the document at once.
TO_THE_END = """
    async (name) => {
        const box = document.querySelector('.list-scroll');
        let most = 0;
        for (const until = performance.now() + 90000; performance.now() < until; ) {
            box.scrollTop = box.scrollHeight;
            await new Promise((done) => requestAnimationFrame(() => setTimeout(done, 0)));
            const rows = [...document.querySelectorAll('a.row')];
            most = Math.max(most, rows.length);
            if (rows.at(-1)?.querySelector('.row-name').textContent === name) break;
        }
        return most;
    }
"""

_AT_ONCE = 1000  # rows of one statement: it has to end in time on a busy machine, too


def _copies(table: str, changed: dict[str, str], where: str) -> str:
    """Copies of one row; `changed` has an expression over `n` for each column that differs."""
    fields = ", ".join(f"'{column}', {expression}" for column, expression in changed.items())
    return f"""
        INSERT INTO {table}
        SELECT made.* FROM {table} AS one, generate_series(cast(:first AS int), cast(:last AS int)) AS n,
        LATERAL jsonb_populate_record(one, jsonb_build_object({fields})) AS made WHERE {where}
    """


#: Times as the database writes them; rows are a minute apart, the newest an hour old.
_AT = """to_char(now() AT TIME ZONE 'UTC' - interval '1 minute' * (cast(:rows AS int) - n) - interval '1 hour',
         'YYYY-MM-DD"T"HH24:MI:SS"Z"')"""


def fill_thread(customer: Customer, messages: int) -> None:
    """Older messages of a conversation, in turns of the customer and of us."""
    changed = {
        "id": "gen_random_uuid()",
        "wa_message_id": "concat('wamid.', gen_random_uuid())",
        "timestamp": _AT,
        "stored_at": _AT,
        "content_text": "concat('Message ', n, repeat(' of some length', (n % 7)::int))",
        "direction": "CASE WHEN n % 2 = 0 THEN 'inbound' ELSE 'outbound' END",
        "status": "CASE WHEN n % 2 = 0 THEN 'received' ELSE 'delivered' END",
        "author_kind": "CASE WHEN n % 2 = 0 THEN 'customer' ELSE 'agent' END",
        "author_name": "CASE WHEN n % 2 = 0 THEN NULL ELSE 'Zoe' END",
        "position": "-n",
    }
    newest = "one.id = (SELECT last_message_id FROM conversations WHERE id = :conversation)"
    _run(customer, _copies("messages", changed, newest), messages)


def leave_unread(customer: Customer, count: int) -> None:
    """Nobody has read the newest messages, so many."""
    _run(customer, "UPDATE conversations SET unread_count = cast(:rows AS int) WHERE id = :conversation", count)


def fill_list(customer: Customer, conversations: int) -> str:
    """Conversations of a number of their own, copies of this customer's; its id."""
    account = str(uuid.uuid4())
    mine = "one.id = (SELECT {what} FROM conversations WHERE id = :conversation)"
    of, number = {"account_id": "cast(:account AS text)"}, "cast(:account AS text)"
    contact, talk = (f"md5(concat(cast(:account AS text), '{what}', n))::uuid" for what in ("contact", "talk"))
    named = {"phone": "concat('3370', lpad(n::text, 7, '0'))", "display_name": "concat('Client ', n)"}
    unknown = {"user_id": "NULL", "username": "NULL"}
    times = {"updated_at": _AT, "changed_at": _AT, "last_inbound_at": _AT}
    said = {"last_message": "concat('Message ', n)", "last_message_id": "NULL"}
    customer.shop.more_numbers.append(account)
    shop = {"id": number, "name": "'Grossiste'", "phone_number_id": number}
    _run(customer, _copies("whatsapp_accounts", shop, mine.format(what="account_id")), 1, account)
    people = {**of, "id": contact, **named, **unknown}
    _run(customer, _copies("contacts", people, mine.format(what="contact_id")), conversations, account)
    talks = {**of, "id": talk, "contact_id": contact, **times, **said}
    _run(customer, _copies("conversations", talks, "one.id = :conversation"), conversations, account)
    return account


def _run(customer: Customer, statement: str, rows: int, account: str = "") -> None:
    values = {"conversation": customer.conversation, "account": account, "rows": rows}
    used = {name: value for name, value in values.items() if f":{name}" in statement}
    with closing(Database(customer.shop.database_url)) as db:
        for first in range(1, rows + 1, _AT_ONCE):
            with db.writing() as session:
                last = min(rows, first + _AT_ONCE - 1)
                session.execute(text(statement), {**used, "first": first, "last": last})
