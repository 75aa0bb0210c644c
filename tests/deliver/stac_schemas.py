"""Schemas of the STAC extensions that pitmap writes, after their specifications; those of STAC itself pystac brings.

Written here from the field tables of the extensions, for the fields that pitmap may use; a field with the prefix of the
extension that is not listed is refused, as the published schemas do.
"""

from __future__ import annotations

from typing import Any

from pitmap.deliver.stac_items import CLASSIFICATION, FILE, MLM, PROJECTION, RASTER

NUMBER, TEXT = {"type": "number"}, {"type": "string", "minLength": 1}
TYPES = ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float16", "float32", "float64"]


def _list(items: Any, least: int = 1, most: int | None = None) -> dict[str, Any]:
    return {"type": "array", "items": items, "minItems": least} | ({} if most is None else {"maxItems": most})


def _object(required: list[str], **properties: Any) -> dict[str, Any]:
    return {"type": "object", "required": required, "properties": properties, "additionalProperties": False}


def _fields(prefix: str, **fields: Any) -> dict[str, Any]:
    """An object in which fields of a prefix are of these kinds only."""
    own = {f"{prefix}:{name}": kind for name, kind in fields.items()}
    return {
        "type": "object",
        "properties": own,
        "patternProperties": {f"^(?!{prefix}:)": {}},
        "additionalProperties": False,
    }


def _schema(uri: str, properties: Any = True, assets: Any = True) -> dict[str, Any]:
    declared = {"type": "array", "contains": {"const": uri}}
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "$id": uri,
        "required": ["stac_extensions"],
        "properties": {
            "stac_extensions": declared, "properties": properties, "assets": {"additionalProperties": assets}
        },
    }  # fmt: skip


CLASS = _object(
    ["value", "name"],
    value={"type": "integer"}, name={"type": "string", "pattern": "^[0-9A-Za-z_-]+$"}, title=TEXT, description=TEXT,
    color_hint={"type": "string", "pattern": "^([0-9A-F]{6})$"}, nodata={"type": "boolean"},
)  # fmt: skip

_PROJECTION = _fields(
    "proj",
    code={"type": ["string", "null"], "pattern": "^[A-Z]+:[0-9]+$"}, wkt2={"type": ["string", "null"]},
    shape=_list({"type": "integer"}, 2, 2), bbox=_list(NUMBER, 4, 4),
    transform={"anyOf": [_list(NUMBER, 6, 6), _list(NUMBER, 9, 9)]},
)  # fmt: skip

_BAND = {
    "type": "object",
    "required": ["name"],
    "properties": {
        "name": TEXT, "data_type": {"enum": TYPES}, "scale": NUMBER, "offset": NUMBER, "spatial_resolution": NUMBER,
        "nodata": {"anyOf": [NUMBER, {"enum": ["nan", "inf", "-inf"]}]},
    },
}  # fmt: skip

_STRUCTURE = {
    "shape": _list({"type": "integer", "minimum": -1}),
    "dim_order": _list(TEXT),
    "data_type": {"enum": TYPES},
}
_INPUT = _object(
    ["name", "bands", "input"],
    name=TEXT, bands=_list(TEXT, 0), description=TEXT,
    input=_object(["shape", "dim_order", "data_type"], **_STRUCTURE),
    value_scaling={"anyOf": [{"type": "null"}, _list(
        _object(["type", "mean", "stddev"], type={"const": "z-score"}, mean=NUMBER, stddev=NUMBER)
    )]},
    resize_type={"type": ["string", "null"]}, pre_processing_function={"type": ["object", "null"]},
)  # fmt: skip
_OUTPUT = {
    **_object(
        ["name", "tasks", "result"],
        name=TEXT, tasks=_list({"enum": ["semantic-segmentation"]}),
        result=_object(["shape", "dim_order", "data_type"], **_STRUCTURE),
        post_processing_function={"type": ["object", "null"]}, **{"classification:classes": _list(CLASS)},
    ),
}  # fmt: skip
_MODEL = _fields(
    "mlm",
    name={"type": "string", "pattern": r"^[a-zA-Z][a-zA-Z0-9_.\-\s]+[a-zA-Z0-9]$"}, architecture=TEXT,
    framework={"enum": ["PyTorch", "ONNX"]}, framework_version={"type": "string", "pattern": r"^[0-9]+\.[0-9]+"},
    tasks=_list({"enum": ["semantic-segmentation"]}), total_parameters={"type": "integer", "minimum": 1},
    pretrained={"type": "boolean"}, hyperparameters={"type": "object", "minProperties": 1},
    input=_list(_INPUT), output=_list(_OUTPUT),
)  # fmt: skip
_MODEL["required"] = ["mlm:name", "mlm:architecture", "mlm:tasks", "mlm:input", "mlm:output"]
_MODEL_ASSET = _fields("mlm", artifact_type=TEXT, compile_method={"type": ["string", "null"]})
_MODEL_ASSET["if"] = {"properties": {"roles": {"contains": {"const": "mlm:model"}}}}
_MODEL_ASSET["then"] = {"required": ["mlm:artifact_type", "raster:bands"]}

SCHEMAS: dict[str, dict[str, Any]] = {
    PROJECTION: _schema(PROJECTION, _PROJECTION, _PROJECTION),
    RASTER: _schema(RASTER, assets=_fields("raster", bands=_list(_BAND))),
    CLASSIFICATION: _schema(CLASSIFICATION, assets=_fields("classification", classes=_list(CLASS))),
    FILE: _schema(
        FILE,
        assets=_fields(
            "file", size={"type": "integer", "minimum": 0}, checksum={"type": "string", "pattern": "^[a-f0-9]+$"}
        ),
    ),
    MLM: _schema(MLM, _MODEL, _MODEL_ASSET),
}  # fmt: skip
