"""The JSON Schema of `results.json`, made from the records that it holds, so that it cannot differ from what is written."""

import inspect
import types
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from fractions import Fraction
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from robustsuite.records import Attacked, Condition, Corrupted, Diagnosed, Frame, Report, ThreatModel
from robustsuite.reporting.json import SCHEMA_VERSION

SIMPLE: dict[Any, dict[str, Any]] = {
    Any: {},
    str: {"type": "string"},
    bool: {"type": "boolean"},
    int: {"type": "integer"},
    float: {"type": ["number", "null"]},  # a number that is not finite is written as null
    bytes: {"type": "string", "contentEncoding": "base64"},
    Fraction: {"type": "string", "pattern": r"^\d+(/\d+)?$"},
    type(None): {"type": "null"},
}


def results_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of what `to_json` writes: every field is there, and no other."""
    definitions: dict[str, Any] = {}
    report = _record(Report, definitions)
    report["properties"]["schema_version"] = {"const": SCHEMA_VERSION}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"results.json of robustsuite, version {SCHEMA_VERSION}",
        **report,
        "$defs": dict(sorted(definitions.items())),
    }


def _record(kind: Any, definitions: dict[str, Any]) -> dict[str, Any]:
    hints = get_type_hints(kind)
    return _object(kind, {field.name: _schema(hints[field.name], definitions) for field in fields(kind)})


def _object(kind: Any, properties: dict[str, Any]) -> dict[str, Any]:
    told = inspect.getdoc(kind) or ""
    described = {"description": " ".join(told.split("\n\n")[0].split())}
    return {**described, "type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


def _schema(kind: Any, definitions: dict[str, Any]) -> dict[str, Any]:
    """The schema of a value as annotated; those of records are collected in `definitions`."""
    origin, arguments = get_origin(kind), get_args(kind)
    if kind in SIMPLE:
        return SIMPLE[kind]
    if origin is Literal:
        return {"enum": list(arguments)}
    if origin in (Union, types.UnionType):
        return {"anyOf": [_schema(one, definitions) for one in arguments]}
    if origin is tuple:
        return {"type": "array", "items": _schema(arguments[0], definitions)}
    if origin is Mapping:
        return {"type": "object", "additionalProperties": _schema(arguments[1], definitions)}
    assert is_dataclass(kind), f"no JSON Schema for {kind}"
    return _referred(kind, definitions)


def _referred(kind: Any, definitions: dict[str, Any]) -> dict[str, Any]:
    name = kind.__name__
    if name not in definitions:
        definitions[name] = {}  # a record that holds itself would never end
        definitions[name] = _condition(definitions) if kind is Condition else _record(kind, definitions)
    return {"$ref": f"#/$defs/{name}"}


def _condition(definitions: dict[str, Any]) -> dict[str, Any]:
    """Written as `reporting.json` does: a perturbation is known by its keys."""
    options = {"type": "object", "additionalProperties": {"type": ["integer", "number", "boolean", "string", "null"]}}
    norm = _schema(get_type_hints(ThreatModel)["norm"], definitions)
    definitions["Attacked"] = _object(Attacked, {"attack": SIMPLE[str], "norm": norm, "epsilon": SIMPLE[Fraction], "options": options})
    definitions["Diagnosed"] = _object(Diagnosed, {"diagnostic": SIMPLE[str], "options": options})
    perturbations = [{"$ref": "#/$defs/Attacked"}, {"$ref": "#/$defs/Diagnosed"}]
    perturbations += [_schema(kind, definitions) for kind in (Corrupted, Frame)]
    return _object(Condition, {"dataset": SIMPLE[str], "perturbation": {"anyOf": [SIMPLE[type(None)], *perturbations]}})
