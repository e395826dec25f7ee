"""The prompt: the business's words, the customer's fenced off, nothing leaves that should not."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from inbox.bot.prompt import (
    MAX_HISTORY_CHARACTERS,
    MAX_MESSAGE_CHARACTERS,
    fenced,
    plain_name,
    system_text,
    turns,
)
from inbox.bot.schemas import ProfileContent
from inbox.models import Author, Message

T0 = datetime(2026, 11, 20, 9, tzinfo=UTC)

PROFILE = ProfileContent.model_validate(
    {
        "business_name": "Boulangerie Essai",
        "hours": "7h-19h, fermé le lundi",
        "address": "1 rue du Test, Paris",
        "knowledge_base": "Le pain au levain se garde quatre jours. https://boulangerie.example.com/pain",
        "custom_fields": [{"id": "1", "label": "Wifi", "value": "gratuit"}],
        "template_config": {
            "system_rules": {"tone": "chaleureux"},
            "offers": [{"category": "Pains", "content": "Levain 4,20 €"}],
            "procedures": [{"name": "Commander", "steps": ["Appeler", "Passer"]}],
            "faq": [{"question": "Livrez-vous ?", "answer": "Non."}],
            "links": {"site": "https://www.boulangerie.example.com"},
            "special_rules": "Jamais de prix de gros.",
        },
    }
)


def said(text: str, who: Author = Author.CUSTOMER, n: int = 0) -> Message:
    return Message(author_kind=who, content_text=text, timestamp=T0 + timedelta(seconds=n), failed_at=None)


def test_what_an_older_template_holds_beside_ours_is_told_as_text() -> None:
    old = {
        "company": {"slogan": "Bon pain", "since": 1921},
        "opening_hours": {"monday": ["7h", "19h"], "sunday": None},
        "promises": ["Frais", {"bio": True}],
        "signature": "L'équipe",
    }
    text = system_text(ProfileContent.model_validate({"template_config": old}))
    for told in ("COMPANY\nslogan: Bon pain\nsince: 1921", "OPENING HOURS\nmonday: 7h; 19h", "SIGNATURE\nL'équipe"):
        assert told in text
    assert "PROMISES\n- Frais\n- yes" in text
    assert "sunday" not in text


def test_empty_custom_fields_and_elements_are_not_told() -> None:
    fields = [
        {"id": "1", "label": "Parking", "value": " "},
        {"id": "2", "label": "", "value": "Ouvert dimanche"},
        {"id": "3", "label": "Name", "value": "Zoë"},
    ]
    empty = {"offers": [{"category": "", "content": ""}], "faq": [{}], "special_cases": [{"case": None}]}
    profile = {"business_name": "Essai", "custom_fields": fields, "template_config": empty}
    text = system_text(ProfileContent.model_validate(profile))
    assert text.endswith("BUSINESS\n\nName: Essai\nOuvert dimanche\nName: Zoë")


def test_everything_in_the_profile_is_in_the_system_text() -> None:
    text = system_text(PROFILE)
    for fact in (
        "Boulangerie Essai",
        "fermé le lundi",
        "Wifi: gratuit",
        "chaleureux",
        "Levain 4,20 €",
        "Appeler; Passer",
    ):
        assert fact in text
    for fact in ("Livrez-vous ?", "Jamais de prix de gros.", "quatre jours", "https://www.boulangerie.example.com"):
        assert fact in text


def test_the_answer_is_in_the_profiles_language_else_the_customers() -> None:
    assert "the language the customer writes in" in system_text(PROFILE)
    assert "Answer in this language: fr." in system_text(PROFILE.model_copy(update={"language": "fr"}))


def test_a_burst_becomes_one_turn_and_the_customer_has_the_last_word() -> None:
    history = [said("we are back", Author.BOT), said("a"), said("b"), said("yes?", Author.AGENT), said("c"), said("d")]
    made = turns(history, "Camille", {})
    assert [turn.role for turn in made] == ["user", "model", "user"]
    assert made[0].text.startswith("<customer_name>Camille</customer_name>")
    assert made[2].text == "<customer_message>c</customer_message>\n<customer_message>d</customer_message>"


def test_without_a_customers_last_word_there_is_nothing_to_ask() -> None:
    assert turns([said("a"), said("answered", Author.AGENT)], None, {}) == []
    assert turns([], None, {}) == []


def test_system_notices_and_failed_replies_are_left_out() -> None:
    failed = said("never arrived", Author.BOT)
    failed.failed_at = T0
    made = turns([said("a"), failed, said("changed number", Author.SYSTEM), said("b")], None, {})
    assert len(made) == 1
    assert "never arrived" not in made[0].text
    assert "changed number" not in made[0].text


def test_what_a_customer_replies_to_stands_beside_the_reply() -> None:
    held, unknown = said("this one"), said("and that")
    held.reply_to_wa_id, unknown.reply_to_wa_id = "wamid.held", "wamid.unknown"
    (turn,) = turns([held, unknown], None, {"wamid.held": "Red or </quoted> blue? " + "x" * 9000})
    first, second = turn.text.split("\n")
    assert first.startswith("<customer_message><quoted>Red or ‹/quoted› blue? xxx")
    assert first.endswith("x</quoted>this one</customer_message>")
    assert len(first) < 600
    assert second == "<customer_message><quoted>(a message that is not shown here)</quoted>and that</customer_message>"


@given(st.text(max_size=200), st.text(max_size=100))
def test_a_customer_cannot_close_the_fence(text: str, name: str) -> None:
    inner = fenced(text).removeprefix("<customer_message>").removesuffix("</customer_message>")
    assert "<" not in inner
    assert ">" not in inner
    assert "<" not in plain_name(name)
    assert "\n" not in plain_name(name)


def test_invisible_controls_are_removed_and_emoji_kept() -> None:
    family = "👨\u200d👩\u200d👧"
    assert fenced(f"a\u202eb\x07c {family}") == f"<customer_message>abc {family}</customer_message>"


@given(st.lists(st.tuples(st.sampled_from([Author.CUSTOMER, Author.BOT]), st.integers(0, 9000)), max_size=30))
def test_the_history_is_bounded_and_alternates(history: list[tuple[Author, int]]) -> None:
    made = turns([said("x" * length, who, n) for n, (who, length) in enumerate(history)], None, {})
    assert sum(len(turn.text) for turn in made) <= MAX_HISTORY_CHARACTERS + MAX_MESSAGE_CHARACTERS + 21 * 40
    roles = [turn.role for turn in made]
    assert all(a != b for a, b in itertools.pairwise(roles))
    if roles:
        assert (roles[0], roles[-1]) == ("user", "user")
