"""Simulated upstreams for development, tests and the demo: WhatsApp Cloud API, Gemini API and Supabase Auth.

Real HTTP on a real port, with faults that are switched on and off while it runs. Nothing here is used in production.
"""

from sandbox.fault_kinds import FaultError
from sandbox.gemini_request import GeminiRequest
from sandbox.options import Options
from sandbox.records import Attempt, Delivery, ReadReceipt, RecordedRequest, WebhookRecord
from sandbox.sandbox import Sandbox

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
