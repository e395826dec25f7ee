"""Simulated upstreams for development, tests and the demo: WhatsApp Cloud API, Gemini API and Supabase Auth.

Real HTTP on a real port, with faults that are switched on and off while it runs. Nothing here is used in production.
"""

from inbox.sandbox.fault_kinds import FaultError
from inbox.sandbox.gemini_request import GeminiRequest
from inbox.sandbox.options import Options
from inbox.sandbox.records import Attempt, Delivery, ReadReceipt, RecordedRequest, WebhookRecord
from inbox.sandbox.sandbox import Sandbox

__all__ = [
    "Attempt",
    "Delivery",
    "FaultError",
    "GeminiRequest",
    "Options",
    "ReadReceipt",
    "RecordedRequest",
    "Sandbox",
    "WebhookRecord",
]
