"""The application over a simulator that knows which ids are numbers, with short waits for it."""

from __future__ import annotations

import dataclasses
import uuid
from collections.abc import Iterator

import pytest
from flask import Flask
from flask.testing import FlaskClient

from inbox import create_app
from inbox.auth import keys
from inbox.auth.access import Role
from inbox.config import BucketAddress, Config
from inbox.config.values import bucket_address
from inbox.runtime import Runtime, runtime_of
from sandbox import Sandbox
from tests.builders import NUMBER_ID
from tests.media import buckets
from tests.settings import APP_SECRET


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """As everywhere, but it knows which ids are numbers: one that is neither a number nor a file is refused."""
    with Sandbox(app_secret=APP_SECRET, status_delays=(0.0, None, None), numbers={NUMBER_ID: "33700000000"}) as running:
        yield running


@pytest.fixture(scope="session")
def s3() -> Iterator[str]:
    """The address of a bucket."""
    if buckets.NPM is None:
        pytest.skip("needs npm: apt-get install npm")
    with buckets.server() as url:
        yield url


@pytest.fixture
def bucket(request: pytest.FixtureRequest) -> BucketAddress | None:
    """None: files are kept in a folder. With `True` for its parameter a bucket, and a prefix that nobody else uses."""
    if not getattr(request, "param", False):
        return None
    return bucket_address(f"{request.getfixturevalue('s3')}/{uuid.uuid4().hex}")


@pytest.fixture
def web(live_config: Config, bucket: BucketAddress | None) -> Iterator[Flask]:
    """The application over the sandbox, with short waits for it."""
    short = {"connect": 1.0, "read": 0.5, "minimum": 0.05}
    quick = dataclasses.replace(live_config.whatsapp, total=2.0, **short)
    files = dataclasses.replace(live_config.whatsapp_media, total=10.0, **short)
    made = create_app(dataclasses.replace(live_config, whatsapp=quick, whatsapp_media=files, media_s3_url=bucket))
    made.testing = True
    runtime_of(made).prepare_database()
    yield made
    assert runtime_of(made).close(5)


@pytest.fixture
def runtime(web: Flask) -> Runtime:
    return runtime_of(web)


@pytest.fixture
def client(web: Flask, runtime: Runtime) -> FlaskClient:
    made = web.test_client()
    made.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {keys.create(runtime.db, name='Admin', role=Role.ADMIN).secret}"
    return made
