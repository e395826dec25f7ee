"""Replies a shop's assistant could give: chosen by the customer's words, in French, English or Spanish.

The same request always gets the same reply. What the system instruction says of hours, address, prices or delivery in
a line of its own is repeated; nothing else is made up.
"""

from collections.abc import Mapping
from typing import Any

#: Small words that tell the languages apart.
_LANGUAGES: Mapping[str, frozenset[str]] = {
    "fr": frozenset((
        "bonjour", "bonsoir", "merci", "salut", "vous", "je", "est", "les", "des", "une", "pour", "quel", "quels",
        "quelle", "quelles", "êtes", "votre", "vos", "avez", "où", "combien", "ma", "mon", "commande", "ouvert",
        "livraison", "prix", "avec", "quand", "pas", "le", "la", "du", "au",
    )),
    "en": frozenset((
        "hello", "hi", "hey", "thanks", "thank", "you", "the", "is", "are", "what", "when", "where", "how", "much",
        "your", "my", "do", "can", "please", "order", "open", "delivery", "price", "and", "for", "it", "have",
    )),
    "es": frozenset((
        "hola", "buenos", "buenas", "gracias", "qué", "cuánto", "cuanto", "cuándo", "dónde", "donde", "está", "son",
        "el", "los", "las", "una", "por", "para", "su", "mi", "pedido", "abierto", "entrega", "precio", "horario",
        "tienen", "puede", "cuesta", "y",
    )),
}  # fmt: skip

_TOPICS: Mapping[str, tuple[str, ...]] = {
    "hours": (
        "horaire",
        "heure",
        "ouvert",
        "ouvre",
        "ferm",
        "hours",
        "open",
        "clos",
        "horario",
        "abre",
        "abiert",
        "cierr",
    ),
    "price": ("prix", "tarif", "coût", "coûte", "combien", "price", "cost", "how much", "precio", "cuánto", "cuesta"),
    "delivery": ("livr", "deliver", "shipping", "envío", "envio", "entrega", "expédi"),
    "address": ("adresse", "où êtes", "où se trouve", "situé", "address", "where", "located", "dirección", "dónde"),
    "thanks": ("merci", "thank", "gracias"),
    "greeting": ("bonjour", "bonsoir", "salut", "hello", "hola", "good morning", "buenos días", "buenas"),
}

#: What a line of the system instruction must mention to be the answer to a topic.
_FACTS: Mapping[str, tuple[str, ...]] = {
    "hours": ("horaire", "heures d", "ouvert", "hours", "open", "horario"),
    "price": ("prix", "tarif", "price", "precio", "€", "$"),
    "delivery": ("livraison", "delivery", "shipping", "envío", "entrega"),
    "address": ("adresse", "address", "dirección"),
}

_REPLIES: Mapping[str, Mapping[str, str]] = {
    "fr": {
        "hours": "Je transmets votre question sur nos horaires à l'équipe, qui vous répond ici.",
        "price": "Dites-moi quel article vous intéresse et l'équipe vous confirme le prix.",
        "delivery": "Nous livrons à l'adresse de votre choix. Quel est votre code postal ?",
        "address": "Je demande à l'équipe de vous envoyer l'adresse.",
        "thanks": "Avec plaisir ! N'hésitez pas si vous avez une autre question.",
        "greeting": "Bonjour ! Comment puis-je vous aider ?",
        "else": "Merci pour votre message. Pouvez-vous m'en dire un peu plus ?",
        "fact": "Voici ce que je peux vous dire : {fact}",
    },
    "en": {
        "hours": "I am passing your question about our hours on to the team; they will answer here.",
        "price": "Tell me which item you are interested in and the team will confirm the price.",
        "delivery": "We deliver to the address you choose. What is your postcode?",
        "address": "I am asking the team to send you the address.",
        "thanks": "You are welcome! Let me know if there is anything else.",
        "greeting": "Hello! How can I help you?",
        "else": "Thank you for your message. Could you tell me a little more?",
        "fact": "Here is what I can tell you: {fact}",
    },
    "es": {
        "hours": "Paso su pregunta sobre el horario al equipo, que le responderá aquí.",
        "price": "Dígame qué artículo le interesa y el equipo le confirma el precio.",
        "delivery": "Entregamos en la dirección que usted elija. ¿Cuál es su código postal?",
        "address": "Pido al equipo que le envíe la dirección.",
        "thanks": "¡Con mucho gusto! Aquí estoy si necesita algo más.",
        "greeting": "¡Hola! ¿En qué puedo ayudarle?",
        "else": "Gracias por su mensaje. ¿Puede contarme un poco más?",
        "fact": "Esto es lo que puedo decirle: {fact}",
    },
}


def reply_to(question: str, system_text: str) -> str:
    """A short helpful reply to the customer's last words."""
    replies = _REPLIES[language_of(question)]
    topic = topic_of(question)
    fact = _fact(topic, system_text)
    return replies["fact"].format(fact=fact) if fact else replies[topic]


def language_of(text: str) -> str:
    """`fr`, `en` or `es`: the one most of whose small words appear; French when none does."""
    words = {word.strip(".,;:!?¿¡()\"'’").lower() for word in text.replace("'", " ").replace("’", " ").split()}
    return max(_LANGUAGES, key=lambda language: len(words & _LANGUAGES[language]))


def topic_of(text: str) -> str:
    lowered = text.lower()
    return next((topic for topic, words in _TOPICS.items() if any(word in lowered for word in words)), "else")


def _fact(topic: str, system_text: str) -> str | None:
    """The line of the system instruction, or what follows its label, that answers the topic."""
    for line in system_text.splitlines():
        lowered = line.lower()
        label, colon, value = line.partition(":")
        names_it = any(word in (label.lower() if colon else lowered) for word in _FACTS.get(topic, ()))
        said = value.strip() if colon else line.strip()
        if names_it and any(character.isdigit() for character in said):
            return said.strip("-* ")[:500]
    return None


def fill_schema(schema: Mapping[str, Any], text: str) -> Any:
    """A value that fits a responseSchema or responseJsonSchema; the first free string of an object is the text."""
    kind = str(schema.get("type", "object")).lower()
    if schema.get("enum"):
        return schema["enum"][0]
    if kind == "object":
        filled, left = {}, text
        for name, each in schema.get("properties", {}).items():
            filled[name] = fill_schema(each, left)
            if filled[name] == left:
                left = ""
        return filled
    if kind == "array":
        return []
    return {"string": text, "boolean": False, "integer": 0, "number": 0.0}.get(kind)
