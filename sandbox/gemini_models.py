"""The models of the simulated Gemini API, and what each refuses.

Source: ai.google.dev, "Deprecations", "Changelog" and "Gemini thinking", as of November 2026.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_ALL = ("MINIMAL", "LOW", "MEDIUM", "HIGH")


@dataclass(frozen=True, slots=True)
class Model:
    """`levels` are the thinking levels it takes, `level` the one it uses unasked; none for the models with a budget."""

    id: str
    levels: tuple[str, ...]
    level: str = "MEDIUM"
    may_end_with_model: bool = False  #: whether the last turn may be the model's own

    def as_json(self) -> dict[str, Any]:
        return {
            "name": f"models/{self.id}",
            "version": "001",
            "displayName": self.id.replace("-", " ").title(),
            "description": "Simulated",
            "inputTokenLimit": 1048576,
            "outputTokenLimit": 65536,
            "supportedGenerationMethods": ["generateContent", "countTokens"],
            "thinking": True,
        }


MODELS: Mapping[str, Model] = {
    model.id: model
    for model in (
        Model("gemini-3.5-flash-lite", _ALL, "MINIMAL"),
        Model("gemini-3.8-flash", _ALL[1:]),
        Model("gemini-3.7-flash", _ALL[1:]),
        Model("gemini-3.6-flash", _ALL[1:]),
        Model("gemini-3.5-flash", _ALL, may_end_with_model=True),
        Model("gemini-3.1-flash-lite", _ALL, "MINIMAL", may_end_with_model=True),
        Model("gemini-3.1-pro-preview", _ALL[1:], "HIGH", may_end_with_model=True),
        Model("gemini-2.5-flash-lite", (), "MINIMAL", may_end_with_model=True),
        Model("gemini-2.5-flash", (), may_end_with_model=True),
        Model("gemini-2.5-pro", (), may_end_with_model=True),
    )
}

#: Names that stand for a model, in v1beta only.
ALIASES: Mapping[str, str] = {
    "gemini-flash-latest": "gemini-3.8-flash",
    "gemini-flash-lite-latest": "gemini-3.5-flash-lite",
    "gemini-pro-latest": "gemini-3.1-pro-preview",
}

#: Beginnings of the names of models that are switched off.
RETIRED = ("gemini-1.0", "gemini-1.5", "gemini-2.0", "gemini-3-pro-preview", "gemini-3.1-flash-lite-preview")


def find_model(name: str, version: str) -> Model | None:
    """The model a path names, "models/" left out or not."""
    name = name.removeprefix("models/")
    if version == "v1beta":
        name = ALIASES.get(name, name)
    return MODELS.get(name)


def is_retired(name: str) -> bool:
    return name.removeprefix("models/").startswith(RETIRED)
