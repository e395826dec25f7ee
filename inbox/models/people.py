"""Users, their rights, and what they did."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from inbox.clock import new_id
from inbox.models.base import Base


class User(Base):
    """Somebody of the business. Known by a Supabase subject, by email and password, or invited and not seen yet."""

    __tablename__ = "users"
    __table_args__ = (Index("ix_users_page", "created_at", "id"),)  # GET /admin/users

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    subject: Mapped[str | None] = mapped_column(String(255), unique=True)  #: `sub` of the identity provider's tokens
    email: Mapped[str | None] = mapped_column(String(320), unique=True)  #: as `auth.addresses` spells it
    name: Mapped[str | None] = mapped_column(String(200))
    password_hash: Mapped[str | None]
    disabled_at: Mapped[datetime | None]
    preferences: Mapped[dict[str, Any]] = mapped_column(default=dict)  #: what they have chosen: see `users.preferences`
    signed_in_at: Mapped[datetime | None]  #: newest sign-in here, or the first time a token of theirs was seen
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


def _one_per_user(table: str, column: str) -> tuple[Index, Index]:
    """One row per user and `column`, everywhere or for each account: NULLs are never equal in a unique index."""
    everywhere = text("account_id IS NULL")
    return (
        Index(
            f"uq_{table}_everywhere",
            "user_id",
            column,
            unique=True,
            postgresql_where=everywhere,
            sqlite_where=everywhere,
        ),
        Index(f"uq_{table}_account", "user_id", column, "account_id", unique=True),
    )


class RoleDefinition(Base):
    """A role: one that is built in, or one that the installation has made."""

    __tablename__ = "roles"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    slug: Mapped[str] = mapped_column(String(64), unique=True)
    name: Mapped[str] = mapped_column(String(200))
    description: Mapped[str]
    permissions: Mapped[list[str] | None]  #: `auth.access.Permission`; NULL: built in, `auth.access` says which
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class RoleGrant(Base):
    """A user has a role, for one account or, without one, for all."""

    __tablename__ = "role_grants"
    __table_args__ = (
        *_one_per_user("role_grants", "role_id"),
        Index("ix_role_grants_role", "role_id"),  # who has a role that is to be deleted
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    role_id: Mapped[UUID] = mapped_column(ForeignKey("roles.id"))
    account_id: Mapped[UUID | None] = mapped_column(ForeignKey("whatsapp_accounts.id", ondelete="CASCADE"))


class PermissionOverride(Base):
    """One permission added to a user's roles or taken from them, for one account or, without one, for all."""

    __tablename__ = "permission_overrides"
    __table_args__ = _one_per_user("permission_overrides", "permission")

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    permission: Mapped[str] = mapped_column(String(32))  #: `auth.access.Permission`
    account_id: Mapped[UUID | None] = mapped_column(ForeignKey("whatsapp_accounts.id", ondelete="CASCADE"))
    allowed: Mapped[bool]


class UserSession(Base):
    """A local user is signed in. The token has 256 random bits; only its hash is kept."""

    __tablename__ = "user_sessions"
    __table_args__ = (
        Index("ix_user_sessions_user", "user_id"),  # ending them all
        Index("ix_user_sessions_expired", "expires_at"),  # pruning
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    hash: Mapped[str] = mapped_column(String(64), unique=True)  #: SHA-256, hex
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]


class ApiKey(Base):
    __tablename__ = "api_keys"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    name: Mapped[str]
    prefix: Mapped[str] = mapped_column(String(16))  #: shown in lists, so that a key can be recognised
    hash: Mapped[str] = mapped_column(String(64), unique=True)  #: SHA-256, hex; the key itself has 256 random bits
    role_id: Mapped[UUID | None] = mapped_column(ForeignKey("roles.id", ondelete="SET NULL"))  #: NULL: deleted since
    created_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]
    account_ids: Mapped[list[str] | None]  #: the accounts its role is for; NULL: all
    expires_at: Mapped[datetime | None]


class AuditEntry(Base):
    """Who changed what, and when: never changed, never deleted by this program. Holds no secret."""

    __tablename__ = "audit_log"
    __table_args__ = (Index("ix_audit_log_newest", "at", "id"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    at: Mapped[datetime]
    actor_kind: Mapped[str] = mapped_column(String(16))  #: user | key | command | system
    actor_id: Mapped[str | None] = mapped_column(String(64))
    actor_name: Mapped[str]
    action: Mapped[str] = mapped_column(String(64))  #: such as user.disabled
    target_id: Mapped[str | None] = mapped_column(String(255))  #: id or name of what was changed
    account_id: Mapped[UUID | None]  #: no foreign key: the entry outlives the account
    details: Mapped[dict[str, Any]]
    request_id: Mapped[str] = mapped_column(String(200))
