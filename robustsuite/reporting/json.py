"""A report as strict JSON, and back: the one format that loses nothing."""

import json
import re
import types
from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from fractions import Fraction
from functools import cache
from math import isfinite, nan
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import numpy as np

from robustsuite.errors import UsageError
from robustsuite.records import Attacked, Condition, Corrupted, Diagnosed, Frame, Perturbation, Report, ThreatModel

SCHEMA_VERSION = 2
"""The version that this module writes. It reads this one and all before: 1 had no classes, confusions, differences or flips."""


def to_json(report: Report) -> str:
    """The report as indented JSON, the same text for the same report.

    JSON knows no NaN and no infinity: such a number is written as `null` and read back as NaN. Fractions are strings
    (`"8/255"`), pictures base64. Provenance is kept as it is where it is JSON already; anything else in it becomes its `str`.
    """
    text = json.dumps(_written(report), indent=2, ensure_ascii=False, allow_nan=False)
    # A file name that is not valid Unicode holds lone surrogates, which could not be saved as UTF-8 unescaped.
    return re.sub("[\ud800-\udfff]", lambda found: f"\\u{ord(found[0]):04x}", text) + "\n"


def from_json(text: str) -> Report:
    """The report that `to_json` wrote, of this version or an older one; what an older one did not tell is empty.

    Raises `UsageError` for text that is not JSON, a newer `schema_version`, and a field that is missing, unknown or of the
    wrong type.
    """
    try:
        value = json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"expected a report as JSON, got text that is not JSON ({error}); run the suite again to write it anew") from error
    version = value.get("schema_version") if isinstance(value, dict) else None
    if not isinstance(version, int) or isinstance(version, bool):
        raise UsageError("expected a report with a schema_version, got JSON without one; give a report.json that robustsuite wrote")
    if version > SCHEMA_VERSION:
        raise UsageError(f"expected a report of schema_version at most {SCHEMA_VERSION}, got {version}; upgrade robustsuite to read it")
    # Every later version only added fields, all of them with a default.
    return _read(Report, {**value, "schema_version": SCHEMA_VERSION}, "report")


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not a JSON number")


# --------------------------------------------------------------------------------------------------------- writing


def _written(value: Any) -> Any:
    match value:
        case None | bool() | str() | int():
            return value
        case float():
            return float(value) if isfinite(value) else None
        case np.generic():
            return _written(value.item())
        case bytes():
            return b64encode(value).decode("ascii")
        case Condition(dataset, perturbation):
            return {"dataset": dataset, "perturbation": _written_perturbation(perturbation)}
        case Report():
            # Provenance is told in the order of its author; the other mappings have no order of their own.
            return {**_written_fields(value), "provenance": {str(name): _written(item) for name, item in value.provenance.items()}}
        case Mapping():
            return {str(name): _written(item) for name, item in sorted(value.items(), key=lambda item: str(item[0]))}
        case list() | tuple():
            return [_written(item) for item in value]
    return _written_fields(value) if is_dataclass(value) else str(value)


def _written_fields(record: Any) -> dict[str, Any]:
    return {field.name: _written(getattr(record, field.name)) for field in fields(record)}


def _written_perturbation(perturbation: Perturbation) -> dict[str, Any] | None:
    match perturbation:
        case Attacked(attack, threat, options):
            return {
                "attack": attack,
                "norm": threat.norm,
                "epsilon": str(threat.epsilon),
                "options": {name: _written(option) for name, option in options},
            }
        case Diagnosed(diagnostic, options):
            return {"diagnostic": diagnostic, "options": {name: _written(option) for name, option in options}}
        case Corrupted() | Frame():
            return _written_fields(perturbation)
    return None


# --------------------------------------------------------------------------------------------------------- reading


def _read(kind: Any, value: Any, where: str) -> Any:
    """The value as the annotated type says; `where` names its place for the error sentence."""
    origin, arguments = get_origin(kind), get_args(kind)
    if kind is Any:
        return value
    if kind is Condition:
        return _read_condition(value, where)
    if is_dataclass(kind):
        return _read_record(kind, value, where)
    if origin is Literal and value in arguments and isinstance(value, str):
        return value
    if origin in (Union, types.UnionType):
        return _read_union(arguments, value, where)
    if origin is tuple and isinstance(value, list):
        return tuple(_read(arguments[0], item, f"{where}[{position}]") for position, item in enumerate(value))
    if origin is Mapping and isinstance(value, dict):
        return {name: _read(arguments[1], item, f"{where}.{name}") for name, item in value.items()}
    if kind is float and value is None:
        return nan
    if kind is float and isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    if kind in (str, bool) and isinstance(value, kind):
        return value
    if kind is int and isinstance(value, int) and not isinstance(value, bool):
        return value
    if kind in (bytes, Fraction) and isinstance(value, str):
        if kind is Fraction and not re.fullmatch(r"\d{1,40}(/\d{1,40})?", value):  # Fraction("1e999999999") would be worked out
            raise _misfit(kind, value, where)
        try:
            return Fraction(value) if kind is Fraction else b64decode(value, validate=True)
        except (ValueError, ZeroDivisionError) as error:
            raise _misfit(kind, value, where) from error
    raise _misfit(kind, value, where)


def _read_record(kind: Any, value: Any, where: str) -> Any:
    if not isinstance(value, dict):
        raise _misfit(kind, value, where)
    known = {field.name: field for field in fields(kind)}
    required = {name for name, field in known.items() if field.default is MISSING and field.default_factory is MISSING}
    if unknown := sorted(set(value) - set(known)):
        raise UsageError(f"expected {', '.join(known)} in {where}, got {unknown[0]!r}; give a report.json that robustsuite wrote")
    if missing := sorted(required - set(value)):
        raise UsageError(f"expected {missing[0]!r} in {where}, got nothing; give a report.json that robustsuite wrote")
    return kind(**{name: _read(_hints(kind)[name], item, f"{where}.{name}") for name, item in value.items()})


def _read_union(kinds: tuple[Any, ...], value: Any, where: str) -> Any:
    if value is None and type(None) in kinds:
        return None
    # The exact type first: 1, 1.0, true and "1" are different options.
    kinds = tuple(kind for kind in kinds if kind is not type(None))
    exact = [kind for kind in kinds if type(value) is kind]
    if value is None and float in kinds:
        return nan
    return _read((exact or [kinds[0]])[0], value, where)


def _read_condition(value: Any, where: str) -> Condition:
    if not isinstance(value, dict) or set(value) != {"dataset", "perturbation"}:
        raise _misfit(Condition, value, where)
    dataset, perturbation = _read(str, value["dataset"], f"{where}.dataset"), value["perturbation"]
    where = f"{where}.perturbation"
    if perturbation is None:
        return Condition(dataset)
    if isinstance(perturbation, dict) and "sequence" in perturbation:
        return Condition(dataset, _read_record(Frame, perturbation, where))
    if isinstance(perturbation, dict) and set(perturbation) == {"diagnostic", "options"}:
        name = _read(str, perturbation["diagnostic"], f"{where}.diagnostic")
        return Condition(dataset, Diagnosed(name, _read_options(perturbation["options"], where)))
    if not isinstance(perturbation, dict) or "attack" not in perturbation:
        return Condition(dataset, _read_record(Corrupted, perturbation, where))
    if set(perturbation) != {"attack", "norm", "epsilon", "options"}:
        raise _misfit(Attacked, perturbation, where)
    threat = _read_record(ThreatModel, {name: perturbation[name] for name in ("norm", "epsilon")}, where)
    return Condition(dataset, Attacked(_read(str, perturbation["attack"], where), threat, _read_options(perturbation["options"], where)))


def _read_options(value: Any, where: str) -> tuple[tuple[str, Any], ...]:
    if not isinstance(value, dict):
        raise _misfit(dict, value, f"{where}.options")
    return tuple((name, _read(int | float | bool | str, option, f"{where}.{name}")) for name, option in value.items())


@cache
def _hints(kind: Any) -> dict[str, Any]:
    return get_type_hints(kind)


def _misfit(kind: Any, value: Any, where: str) -> UsageError:
    got = json.dumps(value)
    got = got if len(got) <= 60 else got[:57] + "..."
    name = kind.__name__ if isinstance(kind, type) and not get_args(kind) else str(kind).replace("typing.", "")
    return UsageError(f"expected {name} as {where}, got {got}; give a report.json that robustsuite wrote")
