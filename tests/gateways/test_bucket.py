"""Addresses of buckets, and the signature by which a store knows us."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from inbox.config import Config
from inbox.config.values import bucket_address
from inbox.errors import ConfigError
from inbox.gateways.bucket import NOTHING, signed

SECRET = "wJalrXUtnFEMI%2FK7MDENG%2FbPxRfiCYEXAMPLEKEY"
AWS = f"s3://AKIAIOSFODNN7EXAMPLE:{SECRET}@examplebucket.s3.amazonaws.com/examplebucket"
#: Source: AWS, Amazon S3 API Reference, Signature Calculations for the Authorization Header (read November 2026).
EXAMPLES = {
    ("GET", "/test.txt", ("range", "bytes=0-9"), NOTHING): (
        "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"
    ),
    ("PUT", "/test%24file.text", ("x-amz-storage-class", "REDUCED_REDUNDANCY"),
     "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072"): (
        "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd"
    ),
}  # fmt: skip


@pytest.mark.parametrize(("example", "signature"), EXAMPLES.items())
def test_the_signature_is_that_of_the_examples(example: tuple[str, str, tuple[str, str], str], signature: str) -> None:
    method, path, (name, value), digest = example
    headers = {"host": "examplebucket.s3.amazonaws.com", "x-amz-content-sha256": digest, name: value}
    if method == "PUT":
        headers["date"] = "Fri, 24 May 2013 00:00:00 GMT"
    made = signed(bucket_address(AWS), method, path, headers, datetime(2013, 5, 24, tzinfo=UTC))
    assert made["Authorization"].endswith(f"Signature={signature}")


@pytest.mark.parametrize(
    ("given", "origin", "path"),
    [
        ("s3://k:s@host/bucket", "https://host", "/bucket/x"),
        ("https://k:s@host:443/bucket/", "https://host", "/bucket/x"),
        (
            "http://k:s@127.0.0.1:9000/my-bucket/in/here?region=eu-west-1",
            "http://127.0.0.1:9000",
            "/my-bucket/in/here/x",
        ),
        ("s3://k:s@[::1]:9000/bucket", "https://[::1]:9000", "/bucket/x"),
    ],
)
def test_an_address_names_a_bucket(given: str, origin: str, path: str) -> None:
    made = bucket_address(given)
    assert (made.origin, made.path("x")) == (origin, path)
    assert (made.key, made.secret) == ("k", "s")
    assert "secret" not in repr(made)


@pytest.mark.parametrize(
    "given",
    [
        "s3://host/bucket",
        "s3://k:s/with+slash@host/bucket",
        "s3://k:s@host",
        "s3://k:s@host/b",
        "s3://k:s@host/UPPER",
        "s3://k:s@host/bucket/../x?",
        "s3://k:s@host:port/bucket",
        "s3://k:s@host/bucket?acl=public",
        "s3://k:s@host/bucket?region=",
        "ftp://k:s@host/bucket",
    ],
)
def test_an_address_that_names_none_says_how_one_looks(given: str) -> None:
    with pytest.raises(
        ConfigError, match="MEDIA_S3_URL: must be an address such as s3://KEY:SECRET@host/bucket"
    ) as told:
        Config.from_env({"INBOX_ENV": "development", "MEDIA_S3_URL": given})
    assert "slash" not in str(told.value)


def test_in_production_nothing_goes_over_plain_http_to_a_public_host() -> None:
    env = {
        "SECRET_KEY": "x" * 40,
        "ENCRYPTION_KEYS": "A" * 43 + "=",
        "MEDIA_S3_URL": "http://k:s3cr3t@example.com/bucket",
    }
    with pytest.raises(ConfigError, match="MEDIA_S3_URL"):
        Config.from_env(env)
    config = Config.from_env(env | {"MEDIA_S3_URL": "s3://k:s3cr3t@example.com/bucket"})
    assert "s3cr3t" in config.secrets
    assert "s3cr3t" not in repr(config)
