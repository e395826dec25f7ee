"""The folder of files, what a file is by its first bytes, and small pictures of large ones."""

from __future__ import annotations

import io
import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from inbox.config.values import bucket_address
from inbox.errors import UpstreamUnavailable
from inbox.gateways.bucket import Bucket
from inbox.media.bucket_store import BucketStore
from inbox.media.kinds import type_of
from inbox.media.small import SIDE, small_of
from inbox.media.store import FileMissing, FolderStore, Store, Stored, copy_of, key_of
from inbox.resilience import MEDIA_STORE

KEY = key_of(uuid.UUID(int=1), uuid.UUID(int=2))


def read(file: Stored) -> bytes:
    try:
        return b"".join(iter(lambda: file.read(3), b""))
    finally:
        file.close()


def names(root: Path) -> list[str]:
    return [path.name for path in root.rglob("*") if path.is_file()]


@pytest.fixture(params=["folder", "bucket"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    if request.param == "folder":
        return FolderStore(tmp_path / "media")
    return BucketStore(Bucket(bucket_address(f"{request.getfixturevalue('s3')}/{uuid.uuid4().hex}"), MEDIA_STORE))


def test_a_file_is_put_read_from_any_byte_put_again_and_deleted(store: Store) -> None:
    assert store.put(KEY, [b"first ", b"", b"words"]) == 11
    whole, later = store.open(KEY), store.open(KEY, 6)
    assert (whole.size, later.size) == (11, 11)
    assert (read(whole), read(later)) == (b"first words", b"words")
    part, nothing = store.open(KEY, 2, 4), store.open(KEY, 11)
    assert (part.read(2), nothing.read(2), nothing.size) == (b"rs", b"", 11)
    part.close()
    nothing.close()
    with copy_of(store, KEY) as copy:
        assert (copy.size, copy.read(5), copy.read(100)) == (11, b"first", b" words")
    assert store.put(KEY, [b"others"]) == 6
    assert read(store.open(KEY)) == b"others"
    for _ in range(2):
        store.delete(KEY)
        with pytest.raises(FileMissing):
            store.open(KEY)
    with pytest.raises(ValueError, match="no key"):
        store.open("../secret")


def test_what_breaks_off_leaves_what_was_there_and_nothing_else(store: Store, tmp_path: Path) -> None:
    def broken() -> Iterator[bytes]:
        yield b"half"
        raise ZeroDivisionError

    store.put(KEY, [b"whole"])
    with pytest.raises(ZeroDivisionError):
        store.put(KEY, broken())
    assert read(store.open(KEY)) == b"whole"
    assert len(names(tmp_path)) == isinstance(store, FolderStore)


def test_what_a_process_left_behind_is_tidied_away_a_day_later(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    store.tidy()  # nothing is there yet
    store.put(KEY, [b"whole"])
    old, new = tmp_path / "incoming" / "old", tmp_path / "incoming" / "new"
    for path in (old, new):
        path.write_bytes(b"half")
    os.utime(old, (1e9, 1e9))
    store.tidy()
    assert sorted(names(tmp_path)) == sorted(["new", Path(KEY).name])


def test_a_disk_that_does_not_work_is_an_upstream_that_is_away(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    store = FolderStore(tmp_path / "file")
    for use in (lambda: store.put(KEY, [b"x"]), lambda: store.open(KEY), lambda: store.delete(KEY)):
        with pytest.raises(UpstreamUnavailable):
            use()


def test_a_key_is_never_a_path_of_somebody_elses(tmp_path: Path) -> None:
    for key in ("../x", "/etc/passwd", KEY + "/../x", KEY.upper() + "G", "", KEY + "\n"):
        with pytest.raises(ValueError, match="no key"):
            FolderStore(tmp_path).open(key)


@pytest.mark.parametrize(
    ("head", "told", "kind"),
    [
        (b"\xff\xd8\xff\xe0", "image/jpeg", "image/jpeg"),
        (b"\xff\xd8\xff\xe0", "image/png", "image/jpeg"),
        (b"<html><script>", "image/png", "application/octet-stream"),
        (b"<html><script>", "text/plain", "text/plain"),
        (b"GIF89a<script>", "text/plain", "image/gif"),
        (b"RIFF\0\0\0\0WEBPVP8 ", "image/webp", "image/webp"),
        (b"OggS\0", "audio/ogg; codecs=opus", "audio/ogg; codecs=opus"),
        (b"\0\0\0\x18ftypmp42", "audio/mp4", "audio/mp4"),
        (b"\0\0\0\x18ftyp3gp4", "video/3gpp", "video/3gpp"),
        (b"PK\x03\x04", "application/vnd.openxmlformats-officedocument.wordprocessingml.document", None),
        (b"PK\x03\x04", "image/png", "application/zip"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "application/msword", None),
        (b"\xff\xf1\x50", "audio/aac", "audio/aac"),
        (b"MZ\x90", "application/pdf", "application/octet-stream"),
        (b"", None, "application/octet-stream"),
    ],
)
def test_a_type_is_believed_where_the_first_bytes_fit(head: bytes, told: str | None, kind: str | None) -> None:
    assert type_of(head, told) == (kind or told)


def test_a_large_picture_becomes_a_small_one_that_stands_upright_and_tells_nothing_else() -> None:
    lying = Image.new("RGB", (2000, 1000), "red")
    told = lying.getexif()
    told[0x0112], told[0x010F] = 6, "A camera"  # turned by 90 degrees
    made = io.BytesIO()
    lying.save(made, "JPEG", exif=told)
    small = small_of(made.getvalue())
    assert small is not None
    with Image.open(io.BytesIO(small)) as picture:
        assert (picture.format, picture.size, dict(picture.getexif())) == ("WEBP", (SIDE // 2, SIDE), {})


def test_what_is_small_too_large_to_read_or_no_picture_gets_no_small_one() -> None:
    def png(*size: int) -> bytes:
        made = io.BytesIO()
        Image.new("1", size).save(made, "PNG")
        return made.getvalue()

    large = png(SIDE + 1, SIDE)
    assert small_of(large) is not None
    for data in (png(SIDE, SIDE), png(10_000, 4_001), large[:60], b"", b"<svg/>", b"GIF89a" + bytes(50)):
        assert small_of(data) is None
