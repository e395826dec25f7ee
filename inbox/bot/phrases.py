"""What we say in the name of the business when the bot cannot, in six languages."""

from __future__ import annotations

from inbox.bot.schemas import ProfileContent
from inbox.gateways.whatsapp.text import is_visible
from inbox.knowledge.languages import code_of, language_of

_FALLBACKS = {
    "en": "Thank you for your message. We cannot answer right away; a colleague will reply as soon as possible.",
    "fr": "Merci de votre message. Nous ne pouvons pas répondre tout de suite ; un collègue le fera dès que possible.",
    "es": "Gracias por su mensaje. No podemos responder ahora mismo; un compañero le contestará lo antes posible.",
    "de": "Danke für Ihre Nachricht. Wir können gerade nicht sofort antworten; jemand meldet sich so bald wie möglich.",
    "it": "Grazie per il messaggio. Non possiamo rispondere subito; un collega le risponderà appena possibile.",
    "pt": "Obrigado pela sua mensagem. Não podemos responder de imediato; um colega responderá assim que possível.",
}


def fallback(profile: ProfileContent, said: str = "") -> str:
    """What is sent instead of an answer. `said`: the customer's words, which tell their language.

    The profile's text in that language, else its text for all, else ours: in the language of the profile's answers,
    which is the customer's unless the profile names one; in English where it is not known.
    """
    theirs = language_of(said)
    own = (each.text for each in profile.fallback_texts if theirs is not None and code_of(each.language) == theirs)
    for text in (*own, profile.fallback_message):
        if text and is_visible(text):
            return text
    named = profile.language or profile.template_config.system_rules.language
    return _FALLBACKS[(code_of(named) if named else theirs) or "en"]
