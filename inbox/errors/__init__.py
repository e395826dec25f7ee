"""One tree of errors: what a client may see, and what an upstream did."""

from inbox.errors.base import *  # noqa: F403
from inbox.errors.domain import *  # noqa: F403
from inbox.errors.upstream import *  # noqa: F403
