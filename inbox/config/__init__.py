"""Settings: read once from the environment, checked, frozen. docs/settings.md lists every variable."""

from inbox.config.policies import (
    GEMINI,
    HOOKS,
    MEDIA_STORE,
    MOST_AT_ONCE,
    PAGES,
    REDIS,
    SUPABASE,
    WHATSAPP,
    WHATSAPP_MEDIA,
    DatabaseLimits,
    Policy,
)
from inbox.config.settings import Config
from inbox.config.values import BucketAddress, is_local_host, phone_digits

__all__ = [
    "GEMINI",
    "HOOKS",
    "MEDIA_STORE",
    "MOST_AT_ONCE",
    "PAGES",
    "REDIS",
    "SUPABASE",
    "WHATSAPP",
    "WHATSAPP_MEDIA",
    "BucketAddress",
    "Config",
    "DatabaseLimits",
    "Policy",
    "is_local_host",
    "phone_digits",
]
