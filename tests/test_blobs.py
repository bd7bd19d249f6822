"""Blobs are named by their content, written once, and never believed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import blake3
import pytest

from pytest_f3dx._blobs import BlobStore, extension_of
from pytest_f3dx.errors import BlobError, CassetteAccessError

if TYPE_CHECKING:
    from pathlib import Path

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 40


@pytest.fixture
def store(tmp_path: Path) -> BlobStore:
    """Make an empty store."""
    return BlobStore(tmp_path / "_blobs")


@pytest.mark.parametrize(
    ("data", "media_type", "extension"),
    [
        (PNG, "", "png"),
        (b"\xff\xd8\xff\xe0", "image/png", "jpg"),
        (b"GIF89a", "", "gif"),
        (b"RIFF\0\0\0\0WEBP", "", "webp"),
        (b"RIFF\0\0\n\0WAVE", "", "wav"),
        (b"%PDF-1.7", "", "pdf"),
        (b"PK\x03\x04", "", "zip"),
        (b"\0\0\0\x18ftypmp42", "", "mp4"),
        (b"?", "Audio/MPEG; x=y", "mp3"),
        (b"?", "application/x-unknown", "bin"),
        (b"", "", "bin"),
    ],
)
def test_the_extension_comes_from_the_bytes_then_the_type(
    data: bytes, media_type: str, extension: str
) -> None:
    """An image is an image whatever it was declared as; what is unknown is ``bin``."""
    assert extension_of(data, media_type) == extension


def test_a_blob_is_named_first_and_written_when_flushed(store: BlobStore) -> None:
    """Nothing is on disk before `flush`; the name is the BLAKE3; reading works before and after."""
    name = store.put(PNG, "png")

    digest = blake3.blake3(PNG).hexdigest()
    assert name == f"{digest[:2]}/{digest}.png"
    assert not store.root.exists()
    assert store.get(name) == PNG
    store.flush()
    assert (store.root / name).read_bytes() == PNG
    assert store.pending == {}
    assert BlobStore(store.root).get(name) == PNG


def test_equal_blobs_are_one_file_that_is_not_written_again(store: BlobStore) -> None:
    """A second flush of the same content leaves the file untouched; a damaged one is mended."""
    name = store.put(PNG, "png")
    store.flush()
    before = (store.root / name).stat()

    store.put(PNG, "png")
    store.flush()

    assert (store.root / name).stat().st_ino == before.st_ino
    (store.root / name).write_bytes(b"damaged")
    store.put(PNG, "png")
    store.flush()
    assert store.get(name) == PNG


def test_discarded_blobs_are_not_written(store: BlobStore) -> None:
    """When the cassette is not written, neither are its blobs."""
    store.put(PNG, "png")
    store.discard()
    store.flush()

    assert not store.root.exists()


def test_a_failed_flush_keeps_what_it_could_not_write(store: BlobStore) -> None:
    """The blob stays pending, so that the next attempt can write it."""
    name = store.put(PNG, "png")
    store.root.write_bytes(b"a file in the way")

    with pytest.raises(CassetteAccessError):
        store.flush()

    assert store.pending == {name: PNG}


@pytest.mark.parametrize("extension", ["", "PNG", "a/b", "../../x", "toolongtobe"])
def test_an_extension_cannot_lead_elsewhere(store: BlobStore, extension: str) -> None:
    """Only a few lower-case letters and digits are an extension."""
    with pytest.raises(ValueError, match="no extension of a blob"):
        store.put(b"x", extension)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "/etc/passwd",
        "../../etc/passwd",
        "aa/" + "a" * 64,
        "ab/" + "a" * 64 + ".bin",
        "aa/" + "a" * 63 + ".bin",
        "aa/" + "A" * 64 + ".bin",
        "aa/" + "a" * 64 + ".bin\n",
        "aa/" + "a" * 64 + "./x",
    ],
)
def test_only_names_of_blobs_are_read(store: BlobStore, name: str) -> None:
    """A cassette cannot make us read any other file."""
    with pytest.raises(BlobError, match="is no name of a blob"):
        store.get(name)


def test_a_blob_is_what_its_name_says_or_an_error(store: BlobStore) -> None:
    """Absent, changed, a Git LFS pointer or a directory: each is told apart, with the path."""
    name = store.put(PNG, "png")
    store.discard()
    path = store.root / name
    path.parent.mkdir(parents=True)

    with pytest.raises(BlobError, match="the blob is not there"):
        store.get(name)
    path.write_bytes(PNG + b"x")
    with pytest.raises(BlobError, match="the blob is not what its name says") as caught:
        store.get(name)
    assert caught.value.path == path
    path.write_bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n")
    with pytest.raises(BlobError, match="git lfs pull"):
        store.get(name)
    path.unlink()
    path.mkdir()
    with pytest.raises(BlobError, match="a directory"):
        store.get(name)


@pytest.mark.parametrize("whole_directory", [False, True])
def test_a_link_out_of_the_tree_is_neither_read_nor_written(
    store: BlobStore,
    tmp_path: Path,
    whole_directory: bool,
) -> None:
    """Neither a linked blob nor a linked directory of blobs leads outside."""
    name = store.put(PNG, "png")
    outside = tmp_path / "outside"
    outside.mkdir()
    path = store.root / name
    if whole_directory:
        store.root.mkdir()
        path.parent.symlink_to(outside)
    else:
        path.parent.mkdir(parents=True)
        path.symlink_to(outside / "x")

    with pytest.raises(BlobError, match="link to outside"):
        store.flush()
    (outside / ("x" if not whole_directory else path.name)).write_bytes(PNG)
    with pytest.raises(BlobError, match="link to outside"):
        BlobStore(store.root).get(name)
