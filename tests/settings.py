"""The settings of an app in a test, and the secrets in them."""

from __future__ import annotations

from pathlib import Path

from cryptography.fernet import Fernet

from inbox.config import Config

APP_SECRET = "test_app_secret_0001"
METRICS_TOKEN = "test-metrics-token-0001"
ENCRYPTION_KEY = Fernet.generate_key().decode()
BACKENDS = ["sqlite", "postgresql"]


def settings(database_url: str, folder: Path) -> Config:
    """No dispatcher: the test does the work step by step. The upstreams refuse."""
    return Config(
        env="development",
        instance_path=folder,
        database_url=database_url,
        secret_key="x" * 40,
        encryption_keys=(ENCRYPTION_KEY,),
        dispatcher=False,
        log_format="text",
        whatsapp_app_secrets=(APP_SECRET,),
        whatsapp_verify_token="verify-me",
        whatsapp_phone_number_id="200000000000001",
        whatsapp_access_token="test-access-token",
        whatsapp_phone_number="33700000000",
        whatsapp_api_url="http://127.0.0.1:9/v26.0",
        gemini_api_url="http://127.0.0.1:9/v1beta",
        gemini_api_key="test-gemini-key",
        bot_debounce=0.0,
        metrics_token=METRICS_TOKEN,
    )
