"""Tables, enums, named constraints and the indexes that the queries need."""

from inbox.models.accounts import Account, BotProfile, BotProfileVersion, BotQuestion
from inbox.models.base import Base, UTCDateTime
from inbox.models.contacts import Contact, ContactChange, ContactField
from inbox.models.conversations import Annotation, Conversation, ConversationReader, GoneConversation, Message
from inbox.models.hooks import WebhookDelivery, WebhookEndpoint
from inbox.models.knowledge import KnowledgePassage, KnowledgeSource
from inbox.models.media import LET_GO, MediaFile, Upload
from inbox.models.operations import Incident, IncidentConversation, Lease, Process, Reset, Sample
from inbox.models.outbox import CoolDown, Job, Lane
from inbox.models.people import ApiKey, AuditEntry, PermissionOverride, RoleDefinition, RoleGrant, User, UserSession
from inbox.models.privacy import Erasure
from inbox.models.reports import ReportDay, Resolution
from inbox.models.states import (
    NOT_SENT_YET,
    REACTION,
    Author,
    ConversationStatus,
    Direction,
    EventState,
    JobKind,
    JobState,
    MessageStatus,
    Pause,
)
from inbox.models.team import AssignmentTurn, CannedReply, ConversationLabel, Label, Note, Presence, SavedDraft
from inbox.models.templates import MessageTemplate, TemplateSync
from inbox.models.webhooks import DeadLetter, ParkedStatus, WebhookEvent

SCHEMA = "0036"  #: the newest migration; a test compares it with the migrations' own head

ACCOUNTS, CONTACTS, CONVERSATIONS, MESSAGES = (entity.__table__ for entity in (Account, Contact, Conversation, Message))

__all__ = [
    "ACCOUNTS",
    "CONTACTS",
    "CONVERSATIONS",
    "LET_GO",
    "MESSAGES",
    "NOT_SENT_YET",
    "REACTION",
    "SCHEMA",
    "Account",
    "Annotation",
    "ApiKey",
    "AssignmentTurn",
    "AuditEntry",
    "Author",
    "Base",
    "BotProfile",
    "BotProfileVersion",
    "BotQuestion",
    "CannedReply",
    "Contact",
    "ContactChange",
    "ContactField",
    "Conversation",
    "ConversationLabel",
    "ConversationReader",
    "ConversationStatus",
    "CoolDown",
    "DeadLetter",
    "Direction",
    "Erasure",
    "EventState",
    "GoneConversation",
    "Incident",
    "IncidentConversation",
    "Job",
    "JobKind",
    "JobState",
    "KnowledgePassage",
    "KnowledgeSource",
    "Label",
    "Lane",
    "Lease",
    "MediaFile",
    "Message",
    "MessageStatus",
    "MessageTemplate",
    "Note",
    "ParkedStatus",
    "Pause",
    "PermissionOverride",
    "Presence",
    "Process",
    "ReportDay",
    "Reset",
    "Resolution",
    "RoleDefinition",
    "RoleGrant",
    "Sample",
    "SavedDraft",
    "TemplateSync",
    "UTCDateTime",
    "Upload",
    "User",
    "UserSession",
    "WebhookDelivery",
    "WebhookEndpoint",
    "WebhookEvent",
]
