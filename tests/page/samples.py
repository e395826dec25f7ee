"""The webhook samples as messages of one customer of a running shop."""

from __future__ import annotations

import json
import re
import time
import uuid
from typing import Any

import requests

from tests.builders import NUMBER_ID, sample, signed, webhook
from tests.page.shop import Customer, Shop
from tests.settings import APP_SECRET
from tests.waiting import wait_until

#: The samples' customers get numbers that no other customer of a test has.
_PHONES = re.compile(r"\b3360000(\d{4})\b")


def phone_of(last: str) -> str:
    """The number of the customer whose number in the samples ends so (four digits)."""
    return f"3369900{last}"


def send_samples(shop: Shop, *names: str) -> None:
    """Let the shop receive samples, written a second apart and until now."""
    began = int(time.time()) - len(names)
    for place, name in enumerate(names):
        body = _PHONES.sub(lambda found: phone_of(found[1]), sample(name).decode())
        moved = json.dumps(_at(json.loads(body), began + place)).encode()
        answer = requests.post(
            f"{shop.url}/webhook/whatsapp", data=moved, headers=signed(moved, APP_SECRET), timeout=10
        )
        assert answer.status_code == 200, (name, answer.text)


def send_message(shop: Shop, customer: Customer, *, number_id: str = NUMBER_ID, **message: Any) -> str:
    """Let the shop receive what the simulated customers do not write by themselves; the wamid."""
    wamid = f"wamid.{uuid.uuid4().hex}"
    head = {"from": customer.phone, "id": wamid, "timestamp": str(int(time.time()))}
    contact = {"wa_id": customer.phone, "profile": {"name": customer.name}}
    body = webhook(number_id=number_id, messages=[head | message], contacts=[contact])
    answer = requests.post(f"{shop.url}/webhook/whatsapp", data=body, headers=signed(body, APP_SECRET), timeout=10)
    assert answer.status_code == 200, answer.text
    return wamid


def _at(value: Any, timestamp: int) -> Any:
    """The same webhook, with everything in it written then."""
    if isinstance(value, list):
        return [_at(each, timestamp) for each in value]
    if not isinstance(value, dict):
        return value
    return {key: str(timestamp) if key == "timestamp" else _at(each, timestamp) for key, each in value.items()}


def wamid_of(name: str) -> str:
    """The wamid of a sample's first message, or of the call it tells of."""
    value = json.loads(sample(name))["entry"][0]["changes"][0]["value"]
    return str((value.get("messages") or value["calls"])[0]["id"])


def customer_of(shop: Shop, last: str, name: str, messages: int) -> Customer:
    """The customer of the samples with so many messages, once the shop has them all."""
    found = wait_until(lambda: shop.find(phone_of(last)), f"the conversation of {name}")
    made = Customer(shop, phone_of(last), name, found["id"])
    wait_until(lambda: len(made.messages()) >= messages, f"{messages} messages of {name}")
    return made
