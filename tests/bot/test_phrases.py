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
