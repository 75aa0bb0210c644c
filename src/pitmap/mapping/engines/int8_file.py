"""The int8 form of a model, in a file beside it that cannot run code.

A safetensors file with two byte tensors, the graph and the weights in OpenVINO's own form (XML and binary), the plan by
which the graph is cut, and a record of the model that it is of, of how many validation pixels keep their code, and of
what it was calibrated with.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import safetensors.numpy
from numpy import frombuffer, uint8
from safetensors import SafetensorError

from pitmap.errors import ModelError, ProjectError
from pitmap.files import replacing
from pitmap.networks.cuts import CutPlan
from pitmap.stored import conform, parse_json

SUFFIX = ".int8.safetensors"
FORMAT = 2
_KEY = "pitmap_int8"


@dataclass(frozen=True)
class Int8Record:
    """What is known of an int8 form.

    Attributes:
        model_sha256: Checksum of the model that it is of.
        agreement: Share of the validation pixels that get the code of float32.
        validation_pixels: How many there were.
        calibration_patches: Training patches from which the ranges of the maps were taken.
        versions: Of the libraries that made it.
        content_sha256: Checksum of graph, weights and plan.
    """

    model_sha256: str
    agreement: float
    validation_pixels: int
    calibration_patches: int
    versions: dict[str, str]
    content_sha256: str = ""


class Int8Form(NamedTuple):
    """An int8 form.

    Attributes:
        graph: In OpenVINO's own form, from pixels and cuts to logits.
        weights: Likewise.
        plan: Where the graph is cut.
        record: What is known of it.
    """

    graph: bytes
    weights: bytes
    plan: CutPlan
    record: Int8Record


def int8_path(model: Path) -> Path:
    """Where the int8 form of a model lies."""
    return model.with_name(model.name.removesuffix(".safetensors") + SUFFIX)


def write_int8(path: Path, graph: bytes, weights: bytes, plan: CutPlan, record: Int8Record) -> None:
    """Write an int8 form.

    Raises:
        OutputError: The file cannot be written.
    """
    planned = plan.to_json()
    facts = {"format": FORMAT, "plan": planned, **asdict(record), "content_sha256": _checksum(graph, weights, planned)}
    tensors = {"graph": frombuffer(graph, uint8), "weights": frombuffer(weights, uint8)}
    data = safetensors.numpy.save(tensors, {_KEY: json.dumps(facts, sort_keys=True)})
    with replacing(path) as temporary:
        temporary.write_bytes(data)


def read_int8(path: Path, model_sha256: str) -> Int8Form:
    """The int8 form of a model.

    Raises:
        ModelError: There is none, it is damaged, or it is of another model.
    """
    again = "Make it with `pitmap export`, or map in bf16 or float32."
    try:
        data = path.read_bytes()
        length = int.from_bytes(data[:8], "little")
        facts = parse_json(parse_json(data[8 : 8 + length], str(path))["__metadata__"][_KEY], str(path))
        tensors = safetensors.numpy.load(data)
        if facts["format"] != FORMAT:
            raise ValueError("another format")
        planned = facts["plan"]
        plan, record = CutPlan.from_json(planned), conform(facts, Int8Record, str(path))
        graph, weights = tensors["graph"].tobytes(), tensors["weights"].tobytes()
    except OSError as error:
        raise ModelError(
            f"The model has no int8 form: {path} cannot be read ({error.strerror or error}).", "", again
        ) from error
    except (ValueError, KeyError, TypeError, SafetensorError, ProjectError) as error:
        raise ModelError(f"{path} is no int8 form of a model, or it is damaged.", "", again) from error
    if record.content_sha256 != _checksum(graph, weights, planned):
        raise ModelError(f"{path} is damaged: its checksum is not the one it was written with.", "", again)
    if record.model_sha256 != model_sha256:
        raise ModelError(f"{path} is the int8 form of another model.", "", again)
    return Int8Form(graph, weights, plan, record)


def _checksum(graph: bytes, weights: bytes, plan: dict[str, Any]) -> str:
    digest = hashlib.sha256(graph)
    digest.update(weights)
    digest.update(json.dumps(plan, sort_keys=True).encode())
    return digest.hexdigest()
