"""Tables, enums, named constraints and the indexes that the queries need."""

from inbox.models.accounts import Account, BotProfile
from inbox.models.base import Base, UTCDateTime
from inbox.models.contacts import Contact, ContactChange
from inbox.models.conversations import Annotation, Conversation, GoneConversation, Message
from inbox.models.operations import Incident, IncidentConversation, Lease, Process, Reset
from inbox.models.outbox import CoolDown, Job, Lane
from inbox.models.people import ApiKey, AuditEntry, PermissionOverride, RoleDefinition, RoleGrant, User, UserSession
from inbox.models.states import Author, Direction, EventState, JobKind, JobState, MessageStatus, Pause
from inbox.models.webhooks import DeadLetter, ParkedStatus, WebhookEvent

SCHEMA = "0012"  #: the newest migration; a test compares it with the migrations' own head

ACCOUNTS, CONTACTS, CONVERSATIONS, MESSAGES = (entity.__table__ for entity in (Account, Contact, Conversation, Message))

__all__ = [
    "ACCOUNTS",
    "CONTACTS",
    "CONVERSATIONS",
    "MESSAGES",
    "SCHEMA",
    "Account",
    "Annotation",
    "ApiKey",
    "AuditEntry",
    "Author",
    "Base",
    "BotProfile",
    "Contact",
    "ContactChange",
    "Conversation",
    "CoolDown",
    "DeadLetter",
    "Direction",
    "EventState",
    "GoneConversation",
    "Incident",
    "IncidentConversation",
    "Job",
    "JobKind",
    "JobState",
    "Lane",
    "Lease",
    "Message",
    "MessageStatus",
    "ParkedStatus",
    "Pause",
    "PermissionOverride",
    "Process",
    "Reset",
    "RoleDefinition",
    "RoleGrant",
    "UTCDateTime",
    "User",
    "UserSession",
    "WebhookEvent",
]
