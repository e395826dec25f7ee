"""One line of text for what has a structure: places, contact cards, orders, advertisements, products.

People and the bot read the same line. What stands in brackets is ours, not the customer's words. A line is None when
the structure says nothing that either could use.
"""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal, InvalidOperation
from typing import Any

from inbox.db.clean import JSON
from inbox.webhooks.parsing.reading import as_dict, as_list, as_text

_LARGEST = Decimal(10) ** 12  # a price or a quantity; what is larger was no number to begin with


def location(body: JSON) -> str | None:
    """`[location] Name, address (latitude, longitude)`."""
    place = as_dict(body)
    named = ", ".join(filter(None, (as_text(place.get("name")), as_text(place.get("address")))))
    latitude, longitude = as_text(place.get("latitude")), as_text(place.get("longitude"))
    point = f"{latitude}, {longitude}" if latitude and longitude else ""
    if named and point:
        return f"[location] {named} ({point})"
    return f"[location] {named or point}" if named or point else None


def contacts(body: JSON) -> str | None:
    """`[contact] Name, number, number, mail address; Name …`."""
    cards = filter(None, (_card(as_dict(card)) for card in as_list(body)))
    listed = "; ".join(cards)
    return f"[contact] {listed}" if listed else None


def _card(card: dict[str, Any]) -> str:
    name = as_text(as_dict(card.get("name")).get("formatted_name"))
    phones = (as_dict(phone) for phone in as_list(card.get("phones")))
    numbers = (as_text(phone.get("phone")) or as_text(phone.get("wa_id")) for phone in phones)
    emails = (as_text(as_dict(email).get("email")) for email in as_list(card.get("emails")))
    return ", ".join(filter(None, (name, *numbers, *emails)))


def order(body: JSON) -> str | None:
    """`[order, total 6.60 EUR] 3 × BAG-01 at 1.20 EUR, 2 × CRO-02 at 1.50 EUR; note: …`, without what is not given."""
    items = [as_dict(item) for item in as_list(as_dict(body).get("product_items"))]
    listed = ", ".join(filter(None, map(_item, items)))
    note = as_text(as_dict(body).get("text"))
    if not listed:
        return f"[order] {note}" if note else None
    total = _total(items)
    head = f"[order, total {total}]" if total else "[order]"
    return f"{head} {listed}" + (f"; note: {note}" if note else "")


def _item(item: dict[str, Any]) -> str | None:
    product = as_text(item.get("product_retailer_id"))
    if product is None:
        return None
    price = _money(_number(item.get("item_price")), as_text(item.get("currency")))
    quantity = as_text(item.get("quantity"))
    return (f"{quantity} × {product}" if quantity else product) + (f" at {price}" if price else "")


def _total(items: list[dict[str, Any]]) -> str | None:
    """The sum, by currency. None when an item does not say what it costs: half a sum would be a wrong one."""
    sums: defaultdict[str, Decimal] = defaultdict(Decimal)
    for item in items:
        price, quantity = _number(item.get("item_price")), _number(item.get("quantity"))
        if price is None or quantity is None:
            return None
        sums[as_text(item.get("currency")) or ""] += price * quantity
    return " + ".join(filter(None, (_money(amount, currency) for currency, amount in sums.items()))) or None


def _number(value: JSON) -> Decimal | None:
    try:
        number = Decimal(as_text(value) or "")
    except InvalidOperation:
        return None
    return number if number.is_finite() and abs(number) < _LARGEST else None


def _money(amount: Decimal | None, currency: str | None) -> str | None:
    """Two digits after the point, unless the amount is whole or has more."""
    if amount is None:
        return None
    digits = f"{amount.normalize():f}"
    whole, _, cents = digits.partition(".")
    shown = f"{whole}.{cents:0<2}" if cents else whole
    return f"{shown} {currency}" if currency else shown


def about(message: dict[str, Any]) -> list[str]:
    """What the customer had before their eyes: the advertisement or the product they write from."""
    referral = as_dict(message.get("referral"))
    words = ": ".join(filter(None, (as_text(referral.get("headline")), as_text(referral.get("body")))))
    product = as_dict(as_dict(message.get("context")).get("referred_product")).get("product_retailer_id")
    lines = {"advertisement": words or as_text(referral.get("source_url")), "product": as_text(product)}
    return [f"[{name}] {line}" for name, line in lines.items() if line]
