"""Whatever a file holds, reading it ends in what it says or in one of our own sentences: no other exception, no crash, no hang.

    python benchmarks/fuzzing.py [--suites N] [--images N] [--archives N] [--records N] [--seconds S] [--seed K] [--guided N]

Suite files, images, archives (tar shards and parquet files) and the records of a run are spoilt by bit flips, cuts, splices and by
putting in what parsers stumble over (lengths, signs, NaN, deep nesting, names of other things); a tenth of the suites are drawn
by hypothesis. Case number `k` of seed `s` is always the same. Each is read in a child process under an alarm of `--seconds`; a child that
dies is a crash of the case it was at, and the next one goes on behind it. `--guided` also gives suites, images and reports to atheris,
which looks for inputs that reach new lines.

The records of a run: whatever a case changed in a block or a description must be refused; `unnoticed` counts those that were not. In
half of the cases the checksums were made to fit, so that what was changed is believed, as of records that were forged.
"""

import argparse
import io
import json
import multiprocessing
import os
import random
import re
import resource
import shutil
import signal
import struct
import subprocess
import sys
import tarfile
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from functools import cache, partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from robustsuite import planning, suite_files
from robustsuite.datasets._bytes import image_of
from robustsuite.datasets.parquet import parquet
from robustsuite.datasets.tar_shards import tar_shards
from robustsuite.decoding import prepared
from robustsuite.errors import EvaluationError, UsageError
from robustsuite.records import Preprocessing

Draw = random.Random
SMALL = """schema = 1
title = "small"

[data.digits]
dataset = "digits"
calibration = "own"

[[check]]
name = "clean"
at_least = 0.9

[[check]]
name = "blurred"
corruptions = ["contrast"]
severities = [1, 3]
at_least = -0.1
relative_to = "clean"

[[check]]
name = "fgsm"
attack = "fgsm"
epsilon = "8/255"
at_most = 0.5

[[check]]
name = "calibrated"
metric = "expected_calibration_error"
recalibration = "temperature"
"""
VALUES = (  # of TOML and JSON, those that a reader may not have thought of
    *("nan", "-inf", "inf", "-1", "0", "1e400", "-0.0", "1e-400", "9" * 400, "0x7fffffffffffffff", "1_0", "true", "false", "null", "NaN"),
    *("[]", "{}", "[[]]", '""', "''", '"\\u0000"', '"\\ud800"', "1979-05-27", "07:32:00", "1979-05-27T07:32:00Z", "[1, 2.0, true]"),
    *('"8/255"', '"1/0"', '"all"', '"imagenet-c"', '"../../x"', '"/etc/passwd"', '"clean"', '"model"', '"own"', '"a.b"', '"torchattacks:"'),
    *('"imagecorruptions:"', "{ a = { b = [ { c = 1 } ] } }", '[["fog"], [1]]', "[" * 300 + "]" * 300, '"""\n"""', "[1", "\x00", "\ud7ff"),
)


class Hang(BaseException):
    """The alarm of a case went off."""


class Unnoticed(Exception):
    """What was spoilt was read as if it were not."""


# ------------------------------------------------------------------------------------------------------- spoiling


def spoilt(content: bytes, draw: Draw, words: tuple[bytes, ...]) -> bytes:
    """The content after one to four changes of its bytes."""
    spoil = bytearray(content)
    for _ in range(draw.choice((1, 1, 1, 2, 4))):
        place, other = sorted(draw.randrange(len(spoil) + 1) for _ in range(2))
        match draw.randrange(8):
            case 0:
                del spoil[place : place + draw.choice((1, 2, 8, 64))]
            case 1 if spoil:
                spoil[min(place, len(spoil) - 1)] ^= 1 << draw.randrange(8)
            case 2:
                spoil[place : place + draw.choice((0, 1, 4))] = draw.choice(words)
            case 3:
                del spoil[draw.choice((place, other, len(spoil) - 1)) :]
            case 4:
                spoil[place:place] = spoil[place : min(other, place + 200)]
            case 5:
                spoil[place : place + 4] = struct.pack(draw.choice("<>") + "I", draw.choice((0, 1, 2**31 - 1, 2**32 - 1, 65536, 1000)))
            case 6:
                spoil[place : place + draw.choice((1, 16))] = draw.randbytes(draw.choice((1, 16)))
            case _:
                middle = (place + other) // 2
                spoil[place:other] = spoil[middle:other] + spoil[place:middle]
    return bytes(spoil)


def rewritten(text: str, draw: Draw, lines: list[str]) -> str:
    """TOML with other values, keys or lines."""
    own = text.splitlines()
    for _ in range(draw.choice((1, 1, 2, 3, 5))):
        place = draw.randrange(len(own) + 1)
        key, sign, _ = own[min(place, len(own) - 1)].partition(" = ") if own else ("", "", "")
        match draw.randrange(6):
            case 0 | 1 if sign:
                own[min(place, len(own) - 1)] = f"{key} = {draw.choice(VALUES)}"
            case 2:
                own.insert(place, draw.choice(lines))
            case 3 if own:
                del own[min(place, len(own) - 1)]
            case 4 if sign:
                own[min(place, len(own) - 1)] = draw.choice(lines).partition(" = ")[0] + " = " + draw.choice(lines).partition(" = ")[2]
            case _:
                begin = draw.randrange(len(own) + 1)
                own[place:place] = own[begin : begin + draw.randrange(6)]
    return "\n".join(own) + "\n"


def edited(value: Any, draw: Draw) -> Any:
    """JSON with one thing in it changed, left out, named otherwise or doubled."""
    if isinstance(value, dict) and value and draw.random() < 0.9:
        key, changed = draw.choice(list(value)), dict(value)
        match draw.randrange(8):
            case 0:
                del changed[key]
            case 1:
                changed[draw.choice((key + "x", "", "0", "schema_version"))] = changed.pop(key)
            case _:
                changed[key] = edited(value[key], draw)
        return changed
    if isinstance(value, list) and value and draw.random() < 0.9:
        place = draw.randrange(len(value))
        match draw.randrange(6):
            case 0:
                return value[:place] + value[place + 1 :]
            case 1:
                return [*value, value[place]]
            case _:
                return [*value[:place], edited(value[place], draw), *value[place + 1 :]]
    odd = (None, True, -1, 0, 10**30, 0.5, "", "x", "8/255", [], {}, [[]], {"a": 1}, "\ud800", "../..", [None], 1e308, 99, [0], ["0"])
    return draw.choice(odd)


# --------------------------------------------------------------------------------------------------------- suites


@cache
def texts() -> tuple[str, ...]:
    """Suites to start from: the shipped ones, each check of them alone, and a small one."""
    found = [SMALL] * 4
    for name, path in suite_files.available().items():
        text = path.read_text(encoding="utf-8")
        head, *checks = text.split("[[check]]")
        found += [head + "[[check]]" + check for check in checks] if len(checks) > 1 else []
        found += [text] if name in ("quickstart", "imagenet-shifts", "uncertainty") else []
    return tuple(found)


@cache
def all_lines() -> list[str]:
    """Every line of every suite that states a key or opens a table."""
    return sorted({line for text in texts() for line in text.splitlines() if line and not line.startswith("#")})


def suite_case(number: int, draw: Draw) -> bytes:
    text = draw.choice(texts())
    if number % 10 == 0:
        return drawn_suite(draw)
    if number % 3:
        return rewritten(text, draw, all_lines()).encode(errors="surrogatepass")
    return spoilt(text.encode(), draw, tuple(value.encode(errors="surrogatepass") for value in VALUES))


@cache
def _strategy() -> Any:
    from hypothesis import strategies as st

    from robustsuite import catalog
    from robustsuite.suite_grammar import CheckTable, DataTable

    names = st.sampled_from([*catalog.names("attacks"), *catalog.names("metrics"), *catalog.names("datasets"), "a", "b", "all", "clean"])
    scalars = st.booleans() | st.integers() | st.floats() | st.text(max_size=6) | names
    values = scalars | st.lists(scalars, max_size=3) | st.dictionaries(st.text(max_size=3) | names, scalars, max_size=2)
    tables = st.dictionaries(st.sampled_from([*CheckTable.model_fields, "x"]), values, max_size=5)
    data = st.dictionaries(st.sampled_from(["a", "b", "c d", ""]), st.dictionaries(st.sampled_from([*DataTable.model_fields]), values))
    return st.tuples(st.lists(tables, max_size=3), data)


def drawn_suite(draw: Draw) -> bytes:
    """A suite that hypothesis draws, written as TOML."""
    from hypothesis import HealthCheck, Phase, given, seed, settings

    found: list[Any] = []

    @seed(draw.getrandbits(60))
    @settings(max_examples=1, phases=[Phase.generate], database=None, deadline=None, suppress_health_check=list(HealthCheck))
    @given(_strategy())
    def take(drawn: Any) -> None:
        found.append(drawn)

    take()
    checks, data = found[-1]
    lines = ["schema = 1", 'title = "drawn"']
    for name, table in (data or {"a": {"dataset": "image_folder"}}).items():
        lines += [f"[data.{json.dumps(name)}]", *(f"{key} = {_toml(value)}" for key, value in table.items())]
    for table in checks:
        lines += ["[[check]]", *(f"{key} = {_toml(value)}" for key, value in {"name": "c", **table}.items())]
    return "\n".join(lines).encode(errors="surrogatepass")


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{json.dumps(key)} = {_toml(inner)}" for key, inner in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return {"Infinity": "inf", "-Infinity": "-inf", "NaN": "nan"}.get(text := json.dumps(value), text)


def read_suite(content: bytes, folder: Path) -> None:
    path = folder / "suite.toml"
    path.write_bytes(content)
    suite = suite_files.load(str(path))
    planning.plan(suite, {"m": suite.checks})


# --------------------------------------------------------------------------------------------------------- images


@cache
def pictures() -> tuple[bytes, ...]:
    """A small picture in every format that is read, and in the odd kinds of each."""
    pixels = np.random.default_rng(0).integers(0, 256, (24, 20, 4), dtype=np.uint8)
    rgb, rgba = Image.fromarray(pixels[..., :3]), Image.fromarray(pixels)
    grey16 = Image.fromarray(pixels[..., 0].astype(np.uint16) * 257)
    rotated = Image.Exif()
    rotated[0x0112] = 6
    written: list[tuple[Image.Image, str, dict[str, Any]]] = [
        (rgb, "JPEG", {}),
        (rgb, "JPEG", {"progressive": True}),
        (rgb, "JPEG", {"exif": rotated.tobytes()}),
        (rgb.convert("CMYK"), "JPEG", {}),
        (rgb.convert("L"), "JPEG", {}),
        (rgb, "PNG", {}),
        (rgba, "PNG", {}),
        (grey16, "PNG", {}),
        (rgb.convert("P"), "PNG", {"transparency": 3}),
        (rgb.convert("1"), "PNG", {}),
        (rgb, "PNG", {"save_all": True, "append_images": [rgb.rotate(90)]}),
        (rgb, "GIF", {"save_all": True, "append_images": [rgb.rotate(90), rgb.rotate(180)]}),
        (rgb, "WEBP", {}),
        (rgba, "WEBP", {"lossless": True}),
        (rgb, "WEBP", {"save_all": True, "append_images": [rgb.rotate(90)]}),
        (rgb, "BMP", {}),
        (rgb.convert("P"), "BMP", {}),
        (rgb, "PPM", {}),
        (grey16, "PPM", {}),
        *((rgb, "TIFF", {"compression": kind}) for kind in (None, "tiff_lzw", "tiff_adobe_deflate", "jpeg", "packbits")),
        (rgb.convert("1"), "TIFF", {"compression": "group4"}),
        (rgba, "TIFF", {}),
        (rgb, "TIFF", {"save_all": True, "append_images": [rgb]}),
    ]
    found = []
    for image, kind, options in written:
        file = io.BytesIO()
        image.save(file, kind, **options)
        found.append(file.getvalue())
    return tuple(found)


WORDS = (b"\xff\xd8\xff", b"\xff\xd9", b"IHDR", b"acTL", b"fcTL", b"IDAT", b"tRNS", b"PLTE", b"II*\0", b"MM\0*", b"RIFF", b"VP8 ", b"VP8L")
WORDS += (
    b"ANIM",
    b"GIF89a",
    b"Exif\0\0",
    b"\xff\xda",
    b"\xff\xc0",
    b"\xff\xc2",
    b"\xff\xff\xff\xff",
    b"\0" * 8,
    b"P6\n9999999 9999999\n255\n",
)
WAYS = (
    Preprocessing(resize=224),
    Preprocessing(),
    Preprocessing(resize=16, crop=12),
    Preprocessing(central_fraction=0.5, resize=8, interpolation="bicubic"),
)


def image_case(number: int, draw: Draw) -> bytes:
    found = pictures()
    content = found[number % len(found)]
    if draw.random() < 0.1:  # the beginning of one and the end of another
        other = draw.choice(found)
        content = content[: draw.randrange(len(content))] + other[draw.randrange(len(other)) :]
    return spoilt(content, draw, WORDS)


def read_image(content: bytes, folder: Path) -> None:
    image = image_of(content, "image")
    assert image.mode == "RGB"
    for way in WAYS:
        assert prepared(image, way, "image").dtype == np.uint8


# ------------------------------------------------------------------------------------------------------- archives


@cache
def shard() -> bytes:
    """A tar shard of three samples."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        for number in range(3):
            for kind, content in (("png", pictures()[5]), ("cls", str(number).encode()), ("txt", b"beside")):
                member = tarfile.TarInfo(f"{number:03}.{kind}")
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
    return file.getvalue()


@cache
def columns() -> bytes:
    """A parquet file of three images in two groups of rows."""
    import pyarrow
    from pyarrow import parquet as files

    table = pyarrow.table({"image": [{"bytes": pictures()[5], "path": f"{n}.png"} for n in range(3)], "label": [0, 1, 0], "g": list("xyz")})
    feature = {"label": {"names": ["a", "b"], "_type": "ClassLabel"}}
    told = json.dumps({"info": {"features": feature}})
    file = io.BytesIO()
    files.write_table(table.replace_schema_metadata({"huggingface": told}), file, row_group_size=2)
    return file.getvalue()


def archive_case(number: int, draw: Draw) -> bytes:
    words = (b"ustar\0", b"x", b"L", b"1", b"2", b"../../x", b"\x80\0\0\0", b"7777777777", b"PAR1", b"99999", b'"names": 1', b"\0" * 512)
    kind, content = (b"T", shard()) if number % 2 else (b"P", columns())
    made = spoilt(content, draw, words)
    return kind + (checked(made, draw) if kind == b"T" and draw.random() < 0.7 else made)


def checked(content: bytes, draw: Draw) -> bytes:
    """The tar file with right sums in its headers, so that what they say is believed."""
    found = bytearray(content)
    for begin in range(0, len(found) - 511, 512):
        if found[begin + 257 : begin + 262] == b"ustar":
            if draw.random() < 0.3:
                found[begin + 124 : begin + 136] = draw.choice(
                    (b"77777777777\0", b"00000000000\0", b"\x80" + b"\xff" * 11, b"-0000000001\0")
                )
            if draw.random() < 0.2:
                found[begin + 156] = draw.choice(b"0123456xgLKSDV\0")
            found[begin + 148 : begin + 156] = b" " * 8
            found[begin + 148 : begin + 156] = b"%06o\0 " % sum(found[begin : begin + 512])
    return bytes(found)


def read_archive(content: bytes, folder: Path) -> None:
    place = folder / "archive"
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    name, opened = ("a.tar", tar_shards) if content[:1] == b"T" else ("test-00000-of-00001.parquet", parquet)
    (place / name).write_bytes(content[1:])
    dataset = opened(place)
    for row in range(len(dataset.ids)):
        assert dataset.read(row).mode == "RGB"
    assert {path.name for path in folder.rglob("*")} == {"archive", name}, "something was unpacked"


# -------------------------------------------------------------------------------------------------------- records


@cache
def run_folder() -> Path:
    """A finished run with its report, on the disk; its baseline and the run to be taken up are itself."""
    from robustsuite import api

    place = Path(tempfile.mkdtemp(prefix="fuzzing-", dir=MEMORY))
    (place / "small.toml").write_text(SMALL)
    report = api.evaluate(str(place / "small.toml"), ["digits-robust"], batch_size=100, workers=0, reports=place / "reports", keep="logits")
    assert {verdict.status for verdict in report.verdicts} <= {"passed", "failed"}
    (folder,) = (place / "reports").iterdir()
    return folder


@cache
def stored() -> dict[str, bytes]:
    """The files of the run, by name."""
    folder = run_folder()
    names = [path for path in folder.rglob("*") if path.is_file() and path.suffix in (".json", ".safetensors")]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(names)}


def record_case(number: int, draw: Draw) -> bytes:
    """The name of a file, whether its checksum is made to fit, and what is written into it."""
    files = stored()
    blocks = [name for name in files if name.endswith(".safetensors")]
    name = draw.choice(["results.json", next(name for name in files if name.startswith("run-")), draw.choice(blocks)])
    content = files[name]
    if name.endswith(".json"):
        if draw.random() < 0.7:
            content = json.dumps(edited(json.loads(content), draw)).encode(errors="surrogatepass")
        else:
            content = spoilt(content, draw, tuple(value.encode(errors="surrogatepass") for value in VALUES))
    elif draw.random() < 0.1:
        content = files[draw.choice(blocks)]
    elif draw.random() < 0.5:
        content = headed(content, draw)
    else:
        content = spoilt(content, draw, (b"\0" * 8, b"\xff" * 8, b"F32", b"I64", b"BOOL"))
    return name.encode() + b"\n" + draw.choice(b"01").to_bytes() + content


def headed(content: bytes, draw: Draw) -> bytes:
    """A safetensors file whose header was edited, with its right length."""
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    if draw.random() < 0.6:
        told = header["__metadata__"]
        name = draw.choice(list(told))
        try:
            told[name] = json.dumps(edited(json.loads(told[name]), draw))
        except ValueError:
            told[name] = draw.choice(("", "x", "0", told[name][::-1]))
    else:
        header = edited(header, draw)
    new = json.dumps(header).encode()
    return len(new).to_bytes(8, "little") + new + content[8 + length :]


def read_records(content: bytes, folder: Path) -> None:
    from robustsuite import api, assembling

    name, _, rest = content.partition(b"\n")
    forged, spoiled = rest[:1] == b"1", rest[1:]
    own, path = run_folder(), run_folder() / name.decode()
    before = stored()[name.decode()]
    path.unlink()
    placed = path
    try:
        if forged:
            placed, spoiled = fitting(path, spoiled)
        placed.write_bytes(spoiled)
        if name == b"results.json":
            api.read_report(own)
        else:
            what = random.Random(len(spoiled)).randrange(4)
            (assembling.assemble, assembling.outcomes_of, partial(api.judge, suite=_suite()), _taken_up)[what](own)
            if not forged and spoiled != before and not _same_json(spoiled, before):
                raise Unnoticed(f"{name.decode()} was spoilt, and read by {what}")
    finally:
        placed.unlink()
        path.write_bytes(before)


def _same_json(one: bytes, other: bytes) -> bool:
    """Whether only the spaces between things differ."""
    try:
        return json.loads(one) == json.loads(other)
    except ValueError:
        return False


def fitting(path: Path, content: bytes) -> tuple[Path, bytes]:
    """Where to put a file, and with what in it, so that its checksum is right."""
    from robustsuite import store

    if path.suffix == ".safetensors":
        return path.with_name(f"{path.stem.partition('-')[0]}-{store.checksum(content)}.safetensors"), content
    try:
        told = json.loads(content)
        return path, store.described({key: value for key, value in told.items() if key != store.CHECKSUM})
    except (ValueError, AttributeError):
        return path, content


@cache
def _suite() -> Any:
    return suite_files.load(str(run_folder().parents[1] / "small.toml"))


def _taken_up(own: Path) -> None:
    """Resume the run; nothing is left to be shown."""
    from robustsuite import api

    kept = stored()
    try:
        api.evaluate(_suite(), ["digits-robust"], batch_size=100, workers=0, keep="logits", resume=own)
    finally:
        for name, content in kept.items():
            (own / name).write_bytes(content)


# -------------------------------------------------------------------------------------------------------- running

KINDS: dict[str, tuple[Callable[[int, Draw], bytes], Callable[[bytes, Path], None]]] = {
    "suites": (suite_case, read_suite),
    "images": (image_case, read_image),
    "archives": (archive_case, read_archive),
    "records": (record_case, read_records),
}
MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None
SHOWN = 10


def case(kind: str, seed: int, number: int) -> bytes:
    """Case `number` of a seed."""
    return KINDS[kind][0](number, random.Random(f"{seed} {kind} {number}"))


def tried(kind: str, content: bytes, folder: Path, seconds: float) -> str:
    """How reading ended: `read`, `refused`, `unnoticed`, `hang`, or where an exception that is none of ours came from."""
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        KINDS[kind][1](content, folder)
    except (UsageError, EvaluationError) as error:
        return "refused" if str(error).strip() else "crash: an error without a sentence"
    except Unnoticed as error:
        return f"unnoticed: {error}"
    except Hang:
        return "hang"
    except BaseException as error:
        every = traceback.extract_tb(error.__traceback__)
        frames = [frame for frame in every if "/robustsuite/" in frame.filename] or every
        return f"crash: {type(error).__name__} at {Path(frames[-1].filename).name}:{frames[-1].lineno} ({str(error)[:80]!r})"
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    return "read"


def child(kind: str, seed: int, begin: int, end: int, seconds: float, place: Any, told: Any) -> None:
    """Try cases `begin` to `end`; the shared `place` is the case at hand."""

    def alarm(number: int, frame: object) -> None:
        raise Hang

    signal.signal(signal.SIGALRM, alarm)
    warnings.simplefilter("ignore")
    sys.stderr.flush()
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # libtiff talks
    with tempfile.TemporaryDirectory(dir=MEMORY) as folder:
        for number in range(begin, end):
            place.value = number
            found = tried(kind, case(kind, seed, number), Path(folder), seconds)
            if found not in ("read", "refused"):
                told.put((number, found))
            with place.get_lock():
                READ[found == "read"] += 1
    told.put((-1, (READ[1], resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10)))


READ = [0, 0]


def campaign(kind: str, cases: int, seed: int, seconds: float) -> dict[str, Any]:
    """Every case, in children one after the other."""
    context = multiprocessing.get_context("fork")
    found: list[tuple[int, str]] = []
    begin, megabytes, read = 0, 0, 0
    while begin < cases:
        place, told = context.Value("q", begin), context.SimpleQueue()
        process = context.Process(target=child, args=(kind, seed, begin, cases, seconds, place, told))
        process.start()
        last, since = begin, time.monotonic()
        while process.is_alive():
            process.join(0.2)
            while not told.empty():
                number, what = told.get()
                if number < 0:
                    read, megabytes = read + what[0], max(megabytes, what[1])
                else:
                    found.append((number, what))
            if place.value != last:
                last, since = place.value, time.monotonic()
            elif time.monotonic() - since > seconds + 10:  # in foreign code, where no alarm is heard
                os.kill(process.pid or 0, signal.SIGKILL)
                found.append((last, "hang"))
        while not told.empty():
            number, what = told.get()
            if number < 0:
                read, megabytes = read + what[0], max(megabytes, what[1])
            else:
                found.append((number, what))
        if process.exitcode and not (found and found[-1] == (last, "hang")):
            found.append((last, f"crash: the process ended with {process.exitcode}"))
        begin = cases if not process.exitcode else last + 1
    return {"cases": cases, "read": read, "found": found, "megabytes": megabytes}


# --------------------------------------------------------------------------------------------------------- guided

GUIDED: dict[str, tuple[str, str]] = {  # what is instrumented, and how one input is read
    "suites": (
        "robustsuite.suite_files robustsuite.suite_grammar robustsuite.catalog tomllib",
        "(folder / 'suite.toml').write_bytes(content); suite_files.load(str(folder / 'suite.toml'))",
    ),
    "images": ("robustsuite.datasets PIL", "_bytes.image_of(content, 'image')"),
    "reports": ("robustsuite.reporting.json robustsuite.records json", "reports.from_json(content.decode(errors='surrogateescape'))"),
}
CHILD = """
import sys, warnings
from pathlib import Path
import atheris
with atheris.instrument_imports(include={include!r}.split(), enable_loader_override=False):
    import json
    from robustsuite import suite_files
    from robustsuite.datasets import _bytes
    from robustsuite.reporting import json as reports
from robustsuite.errors import EvaluationError, UsageError
folder = Path({folder!r})
warnings.simplefilter("ignore")
def one(content):
    try:
        {read}
    except (UsageError, EvaluationError):
        pass
atheris.Setup(sys.argv, one)
atheris.Fuzz()
"""


def guided(kind: str, runs: int, seed: int, seconds: float) -> dict[str, Any] | None:
    """The same by atheris, in a process of its own whose modules are instrumented; `None` where it is not installed."""
    if find_spec("atheris") is None:
        return None
    include, read = GUIDED[kind]
    with tempfile.TemporaryDirectory(dir=MEMORY) as folder:
        corpus = Path(folder) / "corpus"
        corpus.mkdir()
        begins = {"suites": lambda: [text.encode() for text in texts()], "images": pictures, "reports": small_reports}[kind]()
        for number, content in enumerate(begins):
            (corpus / str(number)).write_bytes(content)
        limits = [f"-runs={runs}", f"-seed={seed + 1}", f"-timeout={int(seconds) + 1}", "-rss_limit_mb=6000", "-max_len=12000"]
        program = CHILD.format(include=include, folder=folder, read=read)
        command = [sys.executable, "-c", program, *limits, f"-artifact_prefix={folder}/", str(corpus)]
        ended = subprocess.run(command, capture_output=True, text=True, errors="replace", env={**os.environ, "OMP_NUM_THREADS": "1"})
        done = [int(number) for number in re.findall(r"^(?:Done |#)(\d+)", ended.stderr, re.MULTILINE)]
        covered = re.findall(r"cov: (\d+)", ended.stderr)
        wrong = [(max(done, default=0), f"crash: {ended.stderr[-2000:]}")] if ended.returncode else []
        return {"cases": max(done, default=0), "found": wrong, "covered": (covered or ["0"])[-1]}


def small_reports() -> list[bytes]:
    """The run's report with only the first two things of each list, whole and without any one field."""
    whole = json.loads(stored()["results.json"])
    small = {name: value[:2] if isinstance(value, list) else value for name, value in whole.items()} | {
        "provenance": {"seed": 0},
        "examples": [],
    }
    return [json.dumps({name: value for name, value in small.items() if name != gone}).encode() for gone in ("", *small)]


# ----------------------------------------------------------------------------------------------------------- main


def rows(options: argparse.Namespace) -> Iterator[tuple[str, dict[str, Any], float]]:
    """What was found of each kind, and how long it took."""
    for kind in KINDS:
        if cases := getattr(options, kind):
            if kind == "records":
                stored()  # before the first child, so that all have the same run
            began = time.monotonic()
            yield kind, campaign(kind, cases, options.seed, options.seconds), time.monotonic() - began
    for kind in GUIDED if options.guided else ():
        began = time.monotonic()
        if found := guided(kind, options.guided, options.seed, options.seconds):
            yield f"{kind}, guided", found, time.monotonic() - began


def main() -> int:
    """Run and print; 1 where anything was found."""
    parser = argparse.ArgumentParser()
    for kind in KINDS:
        parser.add_argument(f"--{kind}", type=int, default=0, metavar="N")
    parser.add_argument("--seconds", type=float, default=10.0, help="what one case may take")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--guided", type=int, default=0, metavar="N", help="inputs of each kind that atheris tries")
    options = parser.parse_args()
    print("| what | cases | read | crashes | hangs | unnoticed | largest memory | seconds |\n|---|---|---|---|---|---|---|---|")
    everything: list[tuple[str, int, str]] = []
    for kind, found, seconds in rows(options):
        counts = Counter(what.partition(":")[0] for _, what in found["found"])
        told = [f"{found['cases']:,}", f"{found['read']:,}" if "read" in found else f"{found['covered']} places reached"]
        told += [str(counts[name]) for name in ("crash", "hang", "unnoticed")]
        print(f"| {kind} | {' | '.join(told)} | {found.get('megabytes', 0)} MB | {seconds:.0f} |", flush=True)
        everything += [(kind, *one) for one in found["found"]]
    by_place = Counter((kind, re.sub(r"\(.*", "", what)) for kind, _, what in everything)
    for (kind, what), times in by_place.most_common(SHOWN * 3):
        first = next((number, whole) for name, number, whole in everything if name == kind and whole.startswith(what))
        print(f"\n{times} of {kind}: the first is case {first[0]} of seed {options.seed}: {first[1]}")
    return int(bool(everything))


if __name__ == "__main__":
    sys.exit(main())
