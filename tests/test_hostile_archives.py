"""Shards and parquet files that were made to harm: nothing is unpacked, nothing read beyond the file, every refusal is a sentence."""

import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

import robustsuite
from robustsuite.errors import EvaluationError, UsageError


def picture() -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (4, 4), (255, 0, 0)).save(file, "PNG")
    return file.getvalue()


def member(name: str, content: bytes = b"0") -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    return info, content


def shard(root: Path, members: list[tuple[tarfile.TarInfo, bytes]]) -> Path:
    root.mkdir(exist_ok=True)
    with tarfile.open(root / "a.tar", "w", format=tarfile.GNU_FORMAT) as archive:
        for info, content in members:
            archive.addfile(info, io.BytesIO(content))
    return root


def spoil(root: Path, where: slice, content: bytes) -> None:
    """Write into the first header of the shard, and mend its checksum."""
    path = root / "a.tar"
    found = bytearray(path.read_bytes())
    found[where] = content
    found[148:156] = b" " * 8
    found[148:156] = b"%06o\0 " % sum(found[:512])
    path.write_bytes(found)


def refused(root: Path, name: str = "tar_shards") -> str:
    with pytest.raises(UsageError) as caught:
        robustsuite.load_dataset(name, root)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("name", ["../../outside.png", "/etc/outside.png", "a/../../outside.png", "a\\outside.png", "C:outside.png"])
def test_a_name_that_points_out_of_the_folder_writes_and_reads_nothing_there(name: str, tmp_path: Path) -> None:
    root = shard(tmp_path / "shards", [member(name, picture()), member(name.replace(".png", ".cls"))])
    before = sorted(tmp_path.rglob("*"))
    found = robustsuite.load_dataset("tar_shards", root)
    assert found.read(0).size == (4, 4)
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE, tarfile.GNUTYPE_SPARSE]
)
def test_links_devices_and_sparse_members_are_refused(kind: bytes, tmp_path: Path) -> None:
    info, _ = member("0.png", b"")
    info.type, info.linkname = kind, "/etc/passwd"
    refused(shard(tmp_path, [(info, b""), member("0.cls")]))


def test_a_member_that_comes_twice_is_refused(tmp_path: Path) -> None:
    """A reader that unpacks would show the last, another one the first."""
    assert "got '0.png' twice" in refused(shard(tmp_path, [member("0.png", picture()), member("0.cls"), member("0.png", picture())]))


@pytest.mark.parametrize(
    "size",
    [b"77777777777\0", b"\x80" + b"\xff" * 11, b"\x80" + b"\0" * 3 + b"\x7f" + b"\xff" * 7, b"-0000000001\0", b"junk\0\0\0\0\0\0\0\0"],
)
def test_a_size_that_cannot_be_is_refused(size: bytes, tmp_path: Path) -> None:
    root = shard(tmp_path, [member("0.png", picture()), member("0.cls")])
    spoil(root, slice(124, 136), size)
    refused(root)


def test_an_image_of_gigabytes_in_a_file_with_holes_is_refused_before_it_is_read(tmp_path: Path) -> None:
    root, size = shard(tmp_path, [member("0.png", picture())]), 3 << 30
    spoil(root, slice(124, 136), b"%011o\0" % size)
    with (root / "a.tar").open("r+b") as file:
        file.truncate(512 + size)
        file.seek(512 + size)
        label = tarfile.TarInfo("0.cls")
        label.size = 1
        file.write(label.tobuf() + b"0" + b"\0" * (511 + 1024))
    assert "expected images of at most 512 MiB, got 3,221,225,472 bytes" in refused(root)


@pytest.mark.parametrize("label", [b"1" * 1_000, b'{"label": 1}', b"[" * 5_000, b"NaN", b"1e9", b"-1", b"\xff\xfe", b"true", b""])
def test_a_label_that_is_no_small_whole_number_is_refused(label: bytes, tmp_path: Path) -> None:
    assert "expected a whole number from 0" in refused(shard(tmp_path, [member("0.png", picture()), member("0.cls", label)]))


# ------------------------------------------------------------------------------------------------------- parquet


def columns(root: Path, told: object, labels: list[object] | None = None) -> Path:
    arrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    table = arrow.table({"image": [{"bytes": picture(), "path": "0.png"}] * 2, "label": labels or [0, 1]})
    content = told if isinstance(told, bytes) else json.dumps(told).encode()
    parquet.write_table(table.replace_schema_metadata({b"huggingface": content}), root / "test-00000-of-00001.parquet")
    return root


def features(label: object) -> dict[str, object]:
    return {"info": {"features": {"label": label}}}


@pytest.mark.parametrize(
    "told", [[], "x", None, {"info": []}, {"info": {"features": 3}}, features([]), features({"names": 7}), features({"names": []})]
)
def test_metadata_of_another_form_name_no_classes(told: object, tmp_path: Path) -> None:
    assert list(robustsuite.load_dataset("parquet", columns(tmp_path, told)).classes) == ["0", "1"]


@pytest.mark.parametrize("told", [b"\xff\xfe", b"{", b"[" * 100])
def test_metadata_that_are_no_json_are_refused(told: bytes, tmp_path: Path) -> None:
    assert "expected a parquet file" in refused(columns(tmp_path, told), "parquet")


def test_class_names_are_text_whatever_they_were(tmp_path: Path) -> None:
    found = robustsuite.load_dataset("parquet", columns(tmp_path, features({"names": [1, None]})))
    assert list(found.classes) == ["1", "None"]


@pytest.mark.parametrize("cut", range(16))
def test_a_file_that_was_cut_short_anywhere_is_refused(cut: int, tmp_path: Path) -> None:
    path = columns(tmp_path, {}) / "test-00000-of-00001.parquet"
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) * cut // 16])
    assert "expected a parquet file" in refused(tmp_path, "parquet")


@pytest.mark.parametrize("spoiled", [lambda path: path.unlink(), lambda path: path.write_bytes(b"PAR1")])
def test_a_file_that_is_gone_or_another_when_it_is_read_is_named(spoiled: Callable[[Path], object], tmp_path: Path) -> None:
    found = robustsuite.load_dataset("parquet", columns(tmp_path, {}))
    spoiled(tmp_path / "test-00000-of-00001.parquet")
    with pytest.raises(EvaluationError, match=r"test-00000-of-00001\.parquet"):
        found.read(0)
