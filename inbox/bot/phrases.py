"""What we say in the name of the business when the bot cannot, in six languages."""

from __future__ import annotations

from inbox.bot.schemas import ProfileContent
from inbox.gateways.whatsapp.text import is_visible

_FALLBACKS = {
    "en": "Thank you for your message. We cannot answer right away; a colleague will reply as soon as possible.",
    "fr": "Merci de votre message. Nous ne pouvons pas répondre tout de suite ; un collègue le fera dès que possible.",
    "es": "Gracias por su mensaje. No podemos responder ahora mismo; un compañero le contestará lo antes posible.",
    "de": "Danke für Ihre Nachricht. Wir können gerade nicht sofort antworten; jemand meldet sich so bald wie möglich.",
    "it": "Grazie per il messaggio. Non possiamo rispondere subito; un collega le risponderà appena possibile.",
    "pt": "Obrigado pela sua mensagem. Não podemos responder de imediato; um colega responderá assim que possível.",
}
_LANGUAGE_NAMES = {
    "en": ("english", "anglais"),
    "fr": ("french", "français", "francais"),
    "es": ("spanish", "español", "espagnol"),
    "de": ("german", "deutsch", "allemand"),
    "it": ("italian", "italiano", "italien"),
    "pt": ("portuguese", "português", "portugais"),
}


def fallback(profile: ProfileContent) -> str:
    """The profile's fallback message, else ours in the profile's language, else in English."""
    if profile.fallback_message and is_visible(profile.fallback_message):
        return profile.fallback_message
    wanted = (profile.language or profile.template_config.system_rules.language or "").strip().lower()
    for code, names in _LANGUAGE_NAMES.items():
        if wanted and (wanted == code or wanted.startswith(f"{code}-") or wanted in names):
            return _FALLBACKS[code]
    return _FALLBACKS["en"]
