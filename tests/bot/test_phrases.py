"""What is said when the bot cannot answer."""

from __future__ import annotations

import pytest

from inbox.bot.phrases import fallback
from inbox.bot.schemas import ProfileContent


@pytest.mark.parametrize(
    ("profile", "begins"),
    [
        ({"fallback_message": "Back soon."}, "Back soon."),
        ({"fallback_message": "\u200b", "language": "it"}, "Grazie"),
        ({"language": "pt-BR"}, "Obrigado"),
        ({"template_config": {"system_rules": {"language": " Deutsch "}}}, "Danke"),
        ({"language": "klingon"}, "Thank you"),
    ],
)
def test_the_profiles_own_words_come_first_then_its_language_then_english(
    profile: dict[str, object], begins: str
) -> None:
    assert fallback(ProfileContent.model_validate(profile)).startswith(begins)


@pytest.mark.parametrize(
    ("profile", "said", "begins"),
    [
        ({}, "Bonjour, quels sont vos horaires ?", "Merci"),
        ({}, "12:30", "Thank you"),
        ({"language": "de"}, "Bonjour, quels sont vos horaires ?", "Danke"),
        ({"fallback_message": "Back soon."}, "Bonjour, quels sont vos horaires ?", "Back soon."),
        (
            {"fallback_texts": [{"language": "French", "text": "Bientôt."}]},
            "Bonjour, quels sont vos horaires ?",
            "Bientôt.",
        ),
        ({"fallback_texts": [{"language": "French", "text": "Bientôt."}]}, "When do you open, and where?", "Thank you"),
        ({"fallback_texts": [{"language": "fr", "text": " "}, {}]}, "Bonjour, quels sont vos horaires ?", "Merci"),
    ],
)
def test_the_customers_language_is_followed(profile: dict[str, object], said: str, begins: str) -> None:
    assert fallback(ProfileContent.model_validate(profile), said).startswith(begins)
