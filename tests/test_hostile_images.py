"""Images that nobody would make on purpose, or only on purpose: each is read as stated, or refused with its name and nothing else harmed."""

import io
import os
import struct
import sys
import tarfile
import zlib
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import robustsuite
from robustsuite.datasets._bytes import image_of
from robustsuite.decoding import batches, prepared, problems
from robustsuite.errors import EvaluationError, UsageError
from robustsuite.records import Dataset, Preprocessing
from robustsuite.subsets import subset
from robustsuite.unreadable import without_unreadable

RED, GREEN = (Image.new("RGB", (6, 4), colour) for colour in ((255, 0, 0), (0, 255, 0)))


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)  # pyright: ignore[reportArgumentType]
    return file.getvalue()


def promising(width: int, height: int) -> bytes:
    """A PNG whose header promises so many pixels."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 100)) + chunk(b"IEND", b"")


def folder(root: Path, contents: dict[str, bytes]) -> Dataset:
    for name, content in contents.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    return robustsuite.load_dataset("image_folder", root)


def shards(root: Path, contents: dict[str, bytes]) -> Dataset:
    with tarfile.open(root / "a.tar", "w") as archive:
        for number, content in enumerate(contents.values()):
            for kind, written in (("png", content), ("cls", b"0")):
                member = tarfile.TarInfo(f"{number}.{kind}")
                member.size = len(written)
                archive.addfile(member, io.BytesIO(written))
    return robustsuite.load_dataset("tar_shards", root)


def columns(root: Path, contents: dict[str, bytes]) -> Dataset:
    arrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    rows = [{"bytes": content, "path": name} for name, content in contents.items()]
    parquet.write_table(arrow.table({"image": rows, "label": [0] * len(rows)}), root / "test-00000-of-00001.parquet", row_group_size=1)
    return robustsuite.load_dataset("parquet", root)


every_decoder = pytest.mark.parametrize("write", [folder, shards, columns])


@every_decoder
@pytest.mark.parametrize(("width", "height"), [(20_000, 20_000), (8_001, 8_000), (64_000_001, 1)])
def test_a_bomb_is_refused_from_its_header_by_every_decoder(
    write: Callable[[Path, dict[str, bytes]], Dataset], width: int, height: int, tmp_path: Path
) -> None:
    found = write(tmp_path, {"a/sound.png": encoded(RED, "PNG"), "a/the bomb.png": promising(width, height)})
    assert found.read(0).size == (6, 4)
    ours, pillows = (
        f"at most 64 megapixels, got {width}x{height}: .*{found.ids[1]}",
        rf"got .*{found.ids[1]} \(Image size \({width * height}",
    )
    with pytest.raises(EvaluationError, match=f"{ours}|{pillows}"):
        found.read(1)


@every_decoder
def test_garbage_is_refused_with_its_name_by_every_decoder(write: Callable[[Path, dict[str, bytes]], Dataset], tmp_path: Path) -> None:
    found = write(tmp_path, {"a/sound.png": encoded(RED, "PNG"), "a/spoilt.png": b"no picture at all"})
    with pytest.raises(EvaluationError, match=f"expected a readable image, got .*{found.ids[1]}"):
        found.read(1)


# ------------------------------------------------------------------------------------------------- what is stated


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "BMP", "WEBP", "TIFF", "PPM"])
def test_a_file_is_read_by_what_is_in_it_whatever_it_is_called(kind: str) -> None:
    assert image_of(encoded(GREEN, kind), "photo.jpg").size == (6, 4)


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP", "TIFF"])
def test_of_an_animation_the_first_frame_is_shown(kind: str) -> None:
    content = encoded(RED, kind, save_all=True, append_images=[GREEN], **({"lossless": True} if kind == "WEBP" else {}))
    assert np.array_equal(np.asarray(image_of(content, "moving")), np.asarray(RED))


POSTSCRIPT = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n%%EndComments\n(ran) print\n%%EOF\n"


def test_a_program_is_no_image_whatever_it_is_called() -> None:
    """Pillow would have Ghostscript run it."""
    Image.init()
    with pytest.raises(EvaluationError, match="no image format that is known"):
        image_of(POSTSCRIPT, "photo.jpg")


@pytest.mark.parametrize("name", ["PSD", "ICO", "JPEG2000", "PCX", "TGA", "SGI", "DDS"])
def test_formats_that_no_data_set_has_are_never_tried(name: str) -> None:
    Image.init()
    if name not in Image.SAVE:
        pytest.skip(f"this Pillow does not write {name}")
    with pytest.raises(EvaluationError, match="no image format that is known"):
        image_of(encoded(RED, name), "photo.png")


def test_floating_point_pixels_are_refused() -> None:
    with pytest.raises(EvaluationError, match="floating-point"):
        image_of(encoded(RED.convert("F"), "TIFF"), "deep.tif")


@pytest.mark.parametrize(
    "content", [b"P6\n0 4\n255\n", b"P6\n0 0\n255\n", promising(0, 4), b"BM" + struct.pack("<IIIIIIHH", 54, 0, 54, 40, 0, 0, 1, 24)]
)
def test_an_image_without_pixels_is_refused(content: bytes) -> None:
    with pytest.raises(EvaluationError, match="expected a readable image, got nothing"):
        image_of(content, "nothing")


WAYS = [Preprocessing(), Preprocessing(resize=32, crop=28), Preprocessing(central_fraction=0.875, resize=16), Preprocessing(crop=8)]


@pytest.mark.parametrize("way", WAYS, ids=str)
@pytest.mark.parametrize("size", [(1, 1), (1, 50), (50, 1), (2, 3)])
def test_a_tiny_image_is_prepared_as_any_other(way: Preprocessing, size: tuple[int, int]) -> None:
    found = prepared(Image.new("RGB", size, (7, 8, 9)), way, "tiny")
    assert found.dtype == np.uint8
    assert found.shape[0] == 3
    assert found.size


def test_an_image_too_narrow_to_be_prepared_is_refused_before_memory_is_asked_for() -> None:
    strip = Image.new("L", (1, 200_000)).convert("RGB")
    with pytest.raises(EvaluationError, match=r"prepared as asked \(resize 256 bilinear\), got 1x200000 pixels \(strip\.png\)"):
        prepared(strip, Preprocessing(resize=256), "strip.png")
    with pytest.raises(EvaluationError, match=r"got 1x1 pixels"):
        prepared(Image.new("RGB", (1, 1)), Preprocessing(central_fraction=0.3, resize=4), "dot.png")


# -------------------------------------------------------------------------------------- what changes under the way


def test_a_file_that_is_gone_or_something_else_is_named(tmp_path: Path) -> None:
    found = folder(tmp_path, {f"a/{number}.png": encoded(RED, "PNG") for number in range(3)})
    (tmp_path / "a" / "0.png").unlink()
    (tmp_path / "a" / "1.png").unlink()
    (tmp_path / "a" / "1.png").mkdir()
    for row in range(2):
        with pytest.raises(EvaluationError, match=f"a/{row}.png .*no file is there now"):
            found.read(row)
    assert found.read(2).size == (6, 4)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_named_pipe_is_not_waited_for(tmp_path: Path) -> None:
    found = folder(tmp_path, {"a/0.png": encoded(RED, "PNG")})
    (tmp_path / "a" / "0.png").unlink()
    os.mkfifo(tmp_path / "a" / "0.png")
    with pytest.raises(EvaluationError, match="no file is there now"):
        found.read(0)
    with pytest.raises(UsageError, match=r"0\.png, a broken link or no file at all"):
        robustsuite.load_dataset("image_folder", tmp_path)


def test_a_broken_link_does_not_go_unnoticed(tmp_path: Path) -> None:
    folder(tmp_path, {"a/0.png": encoded(RED, "PNG")})
    (tmp_path / "a" / "1.png").symlink_to(tmp_path / "elsewhere.png")
    with pytest.raises(UsageError, match=r"1\.png, a broken link"):
        robustsuite.load_dataset("image_folder", tmp_path)


@pytest.mark.parametrize("write", [shards, columns])
def test_an_archive_that_was_replaced_is_refused_and_not_read_at_the_old_places(
    write: Callable[[Path, dict[str, bytes]], Dataset], tmp_path: Path
) -> None:
    found = write(tmp_path, {"a": encoded(RED, "PNG"), "b": encoded(RED, "PNG")})
    assert found.read(0).getpixel((0, 0)) == (255, 0, 0)
    write(tmp_path, {"c": encoded(GREEN, "PNG"), "b": encoded(GREEN, "PNG")})
    (file,) = tmp_path.iterdir()
    os.utime(file, (1, 1))
    with pytest.raises(EvaluationError, match="changed since; open it again"):
        found.read(1)
    assert robustsuite.load_dataset(found.name, tmp_path).read(0).getpixel((0, 0)) == (0, 255, 0)


# ------------------------------------------------------------------------------------------- readers that misbehave


def read(fail: Callable[[], object], index: int) -> Image.Image:
    if index == 2:
        fail()
    return RED


def data_set(fail: Callable[[], object]) -> Dataset:
    return Dataset("own", [f"{number}.png" for number in range(5)], np.zeros(5, np.int64), ["a"], partial(read, fail))


def out_of_memory() -> None:
    raise MemoryError


def unheard_of() -> None:
    raise LookupError("no such shelf")


def die() -> None:
    os.kill(os.getpid(), 9)


@pytest.mark.parametrize(("fail", "sentence"), [(out_of_memory, "MemoryError"), (unheard_of, "LookupError: no such shelf")])
@pytest.mark.parametrize("workers", [0, 1])
def test_whatever_a_reader_raises_names_the_image(fail: Callable[[], object], sentence: str, workers: int) -> None:
    with pytest.raises(EvaluationError, match=rf"expected a readable image, got 2\.png \({sentence}"):
        list(batches(data_set(fail), np.arange(5), [Preprocessing()], 2, workers))


@pytest.mark.skipif(sys.platform != "linux", reason="needs processes that are forked")
def test_a_decoding_process_that_is_killed_ends_its_data_set_in_a_sentence() -> None:
    with pytest.raises(EvaluationError, match="expected processes that decode the images of 'own' to live, got one that died"):
        list(batches(data_set(die), np.arange(5), [Preprocessing()], 2, 1))


# --------------------------------------------------------------------------------------------- images left out


@pytest.fixture
def spoilt(tmp_path: Path) -> Dataset:
    """Six images in two classes, of which two cannot be read."""
    good = encoded(RED, "PNG")
    contents = {f"{kind}/{number}.png": good for kind in "ab" for number in range(3)}
    return folder(tmp_path, contents | {"a/1.png": good[:50], "b/2.png": b""})


def test_unreadable_images_are_found_by_number(spoilt: Dataset) -> None:
    assert list(problems(spoilt, 0)) == list(problems(spoilt, 1)) == [1, 5]


def test_a_few_unreadable_images_are_left_out_counted_and_named(spoilt: Dataset) -> None:
    left, told = without_unreadable(spoilt, "photos", 2, 0)
    assert list(left.ids) == ["a/0.png", "a/2.png", "b/0.png", "b/1.png"]
    assert left.labels.tolist() == [0, 0, 1, 1]
    assert told.startswith("data 'photos': 2 of 6 images left out, because they cannot be read: a/1.png: ")
    assert "; b/2.png: " in told
    assert "2 of 6 images left out" in left.source
    assert all(left.read(row).size == (6, 4) for row in range(4))


def test_more_unreadable_images_than_allowed_are_an_error_that_names_them(spoilt: Dataset) -> None:
    left, told = without_unreadable(spoilt, "photos", 1, 0)
    assert (list(left.ids), told) == (list(spoilt.ids), "")
    with pytest.raises(EvaluationError, match=r"at most 1 unreadable images in data 'photos', got 2 of 6 images: a/1\.png.*b/2\.png"):
        left.read(0)


def test_a_data_set_without_fault_is_left_as_it_is(tmp_path: Path) -> None:
    found = folder(tmp_path, {"a/0.png": encoded(RED, "PNG")})
    left, told = without_unreadable(found, "photos", 5, 0)
    assert left is found
    assert told == ""


def test_a_subset_keeps_what_is_known_of_its_images() -> None:
    whole = Dataset(
        "own",
        list("abcd"),
        np.array([0, 1, 2, 0]),
        list("xyz"),
        lambda index: Image.new("RGB", (1, 1), (index, 0, 0)),
        calibration=(1, 3),
        accepted=[(0,), (1, 2), (2,), (0,)],
        rivals=np.array([1, 2, -1, 0]),
        groups={"style": ["s", "t", "u", "v"]},
    )
    some = subset(whole, [0, 2, 3])
    assert (list(some.ids), some.labels.tolist(), list(some.calibration)) == (["a", "c", "d"], [0, 2, 0], [2])
    assert some.accepted == [(0,), (2,), (0,)]
    assert some.rivals is not None
    assert (some.rivals.tolist(), some.groups) == ([1, -1, 0], {"style": ["s", "u", "v"]})
    assert some.read(1).getpixel((0, 0)) == (2, 0, 0)
