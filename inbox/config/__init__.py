"""Settings: read once from the environment, checked, frozen. docs/settings.md lists every variable."""

from inbox.config.policies import (
    GEMINI,
    MOST_AT_ONCE,
    REDIS,
    SUPABASE,
    WHATSAPP,
    WHATSAPP_MEDIA,
    DatabaseLimits,
    Policy,
)
from inbox.config.settings import Config
from inbox.config.values import is_local_host, phone_digits

__all__ = [
    "GEMINI",
    "MOST_AT_ONCE",
    "REDIS",
    "SUPABASE",
    "WHATSAPP",
    "WHATSAPP_MEDIA",
    "Config",
    "DatabaseLimits",
    "Policy",
    "is_local_host",
    "phone_digits",
]
