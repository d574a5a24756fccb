"""The grammar of a suite file: which tables and keys there are, and what each may hold. What lies between keys is not here."""

import re
from collections.abc import Mapping
from fractions import Fraction
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
)
from pydantic_core import CoreSchema, core_schema

from robustsuite import catalog
from robustsuite.catalog import did_you_mean

NUMBER = re.compile(r"[+-]?(\d{0,20}\.)?\d{1,20}(e[+-]?\d{1,3})?(/\d{1,20})?", re.IGNORECASE | re.ASCII)
LARGEST_EPSILON = 10**9  # more than the pixels of any image


class Known:
    """Marks a string as a name that one of some rooms of the catalog holds, for validation and for the JSON Schema."""

    def __init__(self, *rooms: str):
        self.rooms = rooms

    @property
    def names(self) -> list[str]:
        """The names, and those of groups of them."""
        groups = [("all", *benchmarks) for room in self.rooms if (benchmarks := catalog.benchmarks(room))]
        return [name for names in (*(catalog.names(room) for room in self.rooms), *groups) for name in names]

    def check(self, name: str) -> str:
        """The name, if a room holds it."""
        if not any(catalog.holds(room, name) for room in self.rooms):
            raise ValueError(f"unknown name {name!r}; {did_you_mean(name, self.names)}")
        return name

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self.check, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {**handler(schema), "enum": self.names}


def _exact(value: Any) -> Any:
    """`"8/255"`, `"0.5"` or a number as an exact fraction."""
    text = str(value).replace(" ", "")
    try:
        if not NUMBER.fullmatch(text):  # Fraction("1e999999999") would be worked out
            raise ValueError
        fraction = Fraction(text)
    except (ValueError, ZeroDivisionError):
        raise ValueError(f'expected a number on the [0, 1] scale such as "8/255" or 0.5, got {value!r}') from None
    if fraction < 0:
        raise ValueError(f"expected a number of at least 0, got {value!r}")
    if fraction > LARGEST_EPSILON:
        raise ValueError(f"expected a number of at most {LARGEST_EPSILON:,}, got {value!r}")
    return fraction


def _listed(room: str) -> BeforeValidator:
    """One name or several, with the name of a benchmark standing for what belongs to it, and `all` for everything there is."""

    def listed(value: Any) -> Any:
        names = [value] if isinstance(value, str) else value
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            return names
        known = catalog.benchmarks(room) | {"all": catalog.names(room)}
        return list(dict.fromkeys(one for name in names for one in known.get(name, (name,))))

    return BeforeValidator(listed)


def _severity(value: Any) -> Any:
    if value not in (1, 2, 3, 4, 5) or isinstance(value, bool):
        raise ValueError(f"severity must be 1 to 5, got {value!r}")
    return value


def _slug(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][\w.-]*", value):
        raise ValueError(f"expected a name of letters, digits, '-', '_' and '.', got {value!r}")
    return value


Name = Annotated[str, AfterValidator(_slug)]
Epsilon = Annotated[Any, BeforeValidator(_exact), Field(json_schema_extra={"type": ["string", "number"], "examples": ["8/255"]})]
Epsilons = Annotated[list[Epsilon], BeforeValidator(lambda value: value if isinstance(value, list) else [value])]
Corruptions = Annotated[list[Annotated[str, Known("corruptions")]], _listed("corruptions")]
Sequences = Annotated[list[Annotated[str, Known("sequences")]], _listed("sequences")]
Severity = Annotated[int, BeforeValidator(_severity), Field(json_schema_extra={"minimum": 1, "maximum": 5})]
Scalar = bool | int | float | str


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=False, allow_inf_nan=False)


class PreprocessingTable(_Table):
    """Steps in this order; see the record `Preprocessing`."""

    central_fraction: float | None = Field(None, gt=0, le=1)
    resize: int | None = Field(None, ge=1)
    crop: int | None = Field(None, ge=1)
    interpolation: Literal["bilinear", "bicubic"] = "bilinear"


class DecisionTable(_Table):
    """How numbers become verdicts; see the record `Decision`."""

    target: Literal["test-set", "population"] = "test-set"
    alpha: float = Field(default=0.05, gt=0, lt=0.5)
    inconclusive: Literal["hold", "fail", "warn"] = "hold"
    stop: Literal["never", "decided"] = "never"


class DataTable(_Table):
    """A data set that the suite asks for."""

    dataset: Annotated[str, Known("datasets")]
    calibration: Literal["own"] | Annotated[float, Field(ge=0, le=0.9)] = 0.0
    description: str = ""
    folder: str = ""
    classes: Annotated[str, Known("datasets")] | None = None
    joined: Literal["max", "mean", "sum"] | None = None
    optional: bool = False
    label_errors: bool = False


class CheckTable(_Table):
    """One demand, or with `per` several of the same kind."""

    name: Name
    metric: Annotated[str, Known(*catalog.METRIC_ROOMS)] = "accuracy"
    metric_options: dict[str, Scalar] = {}
    data: str | None = None
    control: str | None = None
    by: str | None = Field(None, min_length=1)
    group_size: int = Field(50, ge=1)
    corruptions: Corruptions | None = Field(None, min_length=1)
    sequences: Sequences | None = Field(None, min_length=1)
    profile: Literal["imagenet", "imagenet-299", "tiny", "cifar"] = "imagenet"
    severities: list[Severity] = Field([1, 2, 3, 4, 5], min_length=1)
    attack: Annotated[str, Known("attacks")] | None = None
    norm: Literal["linf", "l2", "l1", "l0", "spatial"] = "linf"
    epsilon: Epsilons | None = Field(None, min_length=1)
    options: dict[str, Scalar] = {}
    diagnostic: Annotated[str, Known("diagnostics")] | None = None
    column: str | None = None
    conformal: Annotated[str, Known("conformal")] | None = None
    error: float = Field(0.1, gt=0, lt=1)
    detector: Annotated[str, Known("detectors")] | None = None
    unfamiliar: Annotated[list[str], BeforeValidator(lambda value: [value] if isinstance(value, str) else value)] | None = Field(
        None, min_length=1
    )
    summary: Annotated[str, Known("summaries")] = "mean"
    per: Literal["check", "group", "corruption", "sequence", "condition"] = "check"
    recalibration: Annotated[str, Known("recalibration")] | None = None
    required: bool = True
    at_least: float | None = None
    at_most: float | None = None
    relative_to: str | None = None
    no_worse_than_baseline: float | None = Field(None, ge=0)


class SuiteFile(_Table):
    """A suite file. `schema = 1` is its first line."""

    schema_: Literal[1] = Field(alias="schema")
    title: str
    description: str = ""
    model: str | None = None
    preprocessing: Literal["as-stored", "model"] | PreprocessingTable = "as-stored"
    rendering: Literal["in-memory", "as-published"] = "in-memory"
    decision: DecisionTable = Field(default_factory=DecisionTable)
    data: dict[Name, DataTable] = Field(min_length=1)
    check: list[CheckTable] = Field(min_length=1)


def json_schema() -> dict[str, Any]:
    """The JSON Schema of a suite file, for editors."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **SuiteFile.model_json_schema(by_alias=True)}


def sentence(part: Mapping[str, Any]) -> str:
    """One of pydantic's errors as we say it."""
    match part["type"]:
        case "extra_forbidden":
            fields = {"check": CheckTable, "data": DataTable, "decision": DecisionTable, "preprocessing": PreprocessingTable}
            owner = fields.get(str(part["loc"][0]), SuiteFile) if len(part["loc"]) > 1 else SuiteFile
            known = [field.alias or name for name, field in owner.model_fields.items()]
            return f"unknown key {part['loc'][-1]!r}; {did_you_mean(str(part['loc'][-1]), known)}"
        case "missing":
            return "a key is missing here; add it"
        case "value_error":
            return str(part["ctx"]["error"])
        case _:
            return f"{part['msg'][0].lower()}{part['msg'][1:]}, got {part['input']!r}"
