"""The demo's business: a bakery with a profile, regular customers, a history, and things people ask."""

from __future__ import annotations

import random
from typing import Any

PROFILE: dict[str, Any] = {
    "business_name": "Boulangerie du Canal",
    "max_answers_per_hour": 1000,  # ten people write in the place of hundreds
    "description": "A neighbourhood bakery in Paris: bread, pastries, cakes to order.",
    "address": "12 quai de Valmy, 75010 Paris",
    "hours": "Tuesday to Saturday 7:00-19:30, Sunday 7:30-13:00, closed on Mondays",
    "knowledge_base": (
        "The sourdough loaf keeps for four days in a cloth. Gluten-free bread is baked on Thursdays only. "
        "Cakes are ordered 48 hours ahead with a deposit of 30 %. There is no home delivery; orders can be collected "
        "until closing time. Allergens are listed at https://boulangerie-du-canal.example/allergens."
    ),
    "custom_fields": [{"id": "parking", "label": "Parking", "value": "Two bicycle racks, no car park"}],
    "template_config": {
        "system_rules": {"tone": "warm and brief", "role": "the person at the counter"},
        "offers": [
            {"category": "Bread", "content": "Baguette 1.30 EUR, sourdough loaf 4.20 EUR, rye 4.80 EUR"},
            {"category": "Pastry", "content": "Croissant 1.40 EUR, pain au chocolat 1.60 EUR, lemon tart 4.50 EUR"},
            {"category": "Cakes", "content": "Birthday cake for eight from 38 EUR"},
        ],
        "faq": [
            {"question": "Do you deliver?", "answer": "No, orders are collected at the shop."},
            {"question": "Can I pay by card?", "answer": "Yes, from 5 EUR."},
        ],
        "escalation": {"procedure": "Complaints and orders above 100 EUR go to a colleague."},
    },
    "fallback_message": "Merci de votre message ! Nous vous répondons dès que possible.",
}

#: phone, name, the language they write in
CUSTOMERS = [
    ("33610000001", "Camille Roux", "fr"),
    ("33610000002", "Noé Lambert", "fr"),
    ("447700900003", "Alice Byrne", "en"),
    ("34600000004", "Lucía Ortega", "es"),
    ("33610000005", "Lila Haddad", "fr"),
    ("447700900006", "Tom Okafor", "en"),
]

_ASKED = {
    "fr": [
        "Bonjour, quels sont vos horaires aujourd'hui ?",
        "Vous livrez à domicile ?",
        "Combien coûte le pain au levain ?",
        "Bonjour ! C'est possible de commander un gâteau pour samedi ?",
        "Quelle est votre adresse ?",
        "Merci beaucoup !",
    ],
    "en": [
        "Hi, when are you open on Sunday?",
        "How much is a birthday cake for eight?",
        "Do you deliver?",
        "Where are you exactly?",
        "Thanks a lot!",
    ],
    "es": ["Hola, ¿a qué hora abren mañana?", "¿Cuánto cuesta el pan?", "¿Dónde están?", "¡Gracias!"],
}

#: Seconds ago, who (a number in CUSTOMERS), theirs?, text
_PAST = [
    (7200, 0, True, "Bonjour, avez-vous encore du pain de seigle ?"),
    (7150, 0, False, "Bonjour Camille ! Oui, il en reste trois."),
    (7100, 0, True, "Parfait, j'arrive."),
    (5400, 2, True, "Hi, can I order a lemon tart for tomorrow?"),
    (5300, 2, False, "Of course. For how many people?"),
    (5200, 2, True, "For six, please."),
    (5100, 2, False, "Noted: one large lemon tart, ready from 9:00."),
    (3600, 4, True, "Vos croissants sont au beurre ?"),
    (3550, 4, False, "Toujours, pur beurre."),
]


def history(now: float) -> dict[str, Any]:
    """A history webhook, as a number that moves to the API brings along. `now` is Unix seconds."""
    business = "33700000000"
    threads = []
    for number, (phone, _, _) in enumerate(CUSTOMERS):
        messages = [
            {
                "from": phone if theirs else business,
                "id": f"wamid.demo{n}",
                "timestamp": str(int(now - ago)),
                "type": "text",
                "text": {"body": text},
                "history_context": {"status": "READ"},
            }
            for n, (ago, who, theirs, text) in enumerate(_PAST)
            if who == number
        ]
        if messages:
            threads.append({"id": phone, "messages": messages})
    value = {
        "messaging_product": "whatsapp",
        "metadata": {"display_phone_number": business, "phone_number_id": "200000000000001"},
        "contacts": [{"wa_id": phone, "profile": {"name": name}} for phone, name, _ in CUSTOMERS],
        "history": [{"metadata": {"phase": 0, "chunk_order": 1, "progress": 100}, "threads": threads}],
    }
    change = {"field": "history", "value": value}
    return {"object": "whatsapp_business_account", "entry": [{"id": "100000000000001", "changes": [change]}]}


def somebody_writes(rng: random.Random) -> dict[str, Any]:
    """One message for the sandbox's `POST /_customers/messages`; now and then something the bot cannot read."""
    phone, name, language = rng.choice(CUSTOMERS)
    if rng.random() < 0.04:
        return {"phone": phone, "name": name, "type": rng.choice(["audio", "image"])}
    return {"phone": phone, "name": name, "text": rng.choice(_ASKED[language])}
