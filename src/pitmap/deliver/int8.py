"""The int8 form of a model: calibrated on training patches, and written only where it gives the map of the model."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pitmap.errors import ModelError
from pitmap.mapping.engines.int8_file import Int8Record, int8_path, write_int8
from pitmap.mapping.engines.interface import WHOLE, EngineOptions
from pitmap.mapping.engines.openvino_engine import OpenVinoEngine, converted, import_openvino, serialised
from pitmap.networks.cuts import CutPlan
from pitmap.networks.model_file import load_model
from pitmap.networks.normalise import gain_and_bias, normalise
from pitmap.networks.scaling import towards_own
from pitmap.networks.trimming import Trimmed
from pitmap.observer import SILENT, Observer
from pitmap.samples.batches import PatchDataset
from pitmap.samples.dataset import SampleSet
from pitmap.samples.split import Split

LEAST_AGREEMENT = 0.999
"""Share of validation pixels that must keep the code of float32."""

CALIBRATION_PATCHES = 64
"""Training patches, evenly spaced over the list of all, from which the ranges of the maps are taken."""


@dataclass(frozen=True)
class Int8Export:
    """An int8 form that was made.

    Attributes:
        path: Its file.
        record: What is known of it.
    """

    path: Path
    record: Int8Record

    def summary(self) -> str:
        """One line for the screen."""
        return (
            f"{self.path}: {self.record.agreement:.3%} of {self.record.validation_pixels} validation pixels keep the "
            f"code of float32; calibrated on {self.record.calibration_patches} training patches."
        )

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {"path": str(self.path), **asdict(self.record)}


def export_int8(
    model_path: str | Path, samples: SampleSet, observer: Observer = SILENT, *, trusted: tuple[str, ...] = ()
) -> Int8Export:
    """Make the int8 form of a model and write it beside the model, for ``precision = "int8"``.

    The first convolution and the last keep float32: they cost little and decide most. The patches are chosen by
    rule, so that the same samples give the same form.

    Args:
        model_path: The model.
        samples: The samples that it was trained on.
        observer: Told of the progress.
        trusted: See ``load_model``.

    Raises:
        ModelError: Too few validation pixels keep their code, NNCF or OpenVINO is missing, or model and samples do not
            fit together.
        OutputError: The file cannot be written.
    """
    model_path = Path(model_path)
    network, card = load_model(model_path, trusted=trusted)
    if list(card.bands) != samples.bands or card.legend != samples.legend:
        raise ModelError(
            f"The samples in {samples.folder} have other bands or classes than {model_path.name}.",
            "The samples that the model was trained on.",
        )
    bands = len(card.bands)
    training, validation = (PatchDataset(samples, split) for split in (Split.TRAINING, Split.VALIDATION))
    if not len(training) or not len(validation):
        raise ModelError("The samples have no training or no validation patches.", "Both, to calibrate and to check.")
    trimmed = Trimmed.of(network, bands)
    graph, plan = converted(trimmed), trimmed.network.plan
    chosen = np.unique(np.linspace(0, len(training) - 1, min(CALIBRATION_PATCHES, len(training))).round().astype(int))
    observer.say(f"Calibrating on {len(chosen)} training patches.")
    low = quantised(graph, plan, [x for _, x in _patches(training, samples, card, chosen.tolist())])
    unit = np.ones(bands, np.float32), np.zeros(bands, np.float32)
    engines = [OpenVinoEngine(model, plan, *unit, EngineOptions("cpu", "float32")) for model in (low, graph)]
    same = total = 0
    for number, (valid, x) in enumerate(_patches(validation, samples, card, list(range(len(validation))))):
        codes, expected = (engine.run(x, WHOLE, "codes")[0] for engine in engines)
        same += int(((codes == expected) & valid).sum())
        total += int(valid.sum())
        observer.progress("comparing int8 with float32", (number + 1) / len(validation))
    agreement = same / total if total else 0.0
    if agreement < LEAST_AGREEMENT:
        raise ModelError(
            f"In int8 only {agreement:.3%} of {total} validation pixels keep the code of float32: nothing is written.",
            f"At least {LEAST_AGREEMENT:.1%}.",
            "Map this model in bf16 or float32.",
        )
    record = Int8Record(
        card.sha256, agreement, total, len(chosen), {name: version(name) for name in ("openvino", "nncf")}
    )
    out = int8_path(model_path)
    write_int8(out, *serialised(low), plan, record)
    return Int8Export(out, record)


def quantised(model: Any, plan: CutPlan, patches: list[NDArray[np.float32]]) -> Any:
    """A network in int8, as a model of OpenVINO that gives logits.

    Args:
        model: The network in float32, see ``converted``.
        plan: Where it is cut.
        patches: What it sees, (1, bands, H, W) each: from them the ranges of its maps are taken.
    """
    import_openvino()
    nncf = _import_nncf()
    shapes = [(int(x.shape[-2]), int(x.shape[-1])) for x in patches]
    cuts = [np.array(plan.cuts(shape, WHOLE), np.int64) for shape in shapes]
    convolutions = [n.get_friendly_name() for n in model.get_ordered_ops() if n.get_type_name() == "Convolution"]
    # NNCF warns and draws bars of its own.
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        low = nncf.quantize(
            model,
            nncf.Dataset([list(pair) for pair in zip(patches, cuts, strict=True)]),
            subset_size=len(patches),
            ignored_scope=nncf.IgnoredScope(names=[convolutions[0], convolutions[-1]]),
        )
    _quantise_before_cuts(low)
    return low


def _quantise_before_cuts(model: Any) -> None:
    """Let maps be cut as bytes: NNCF quantises behind the cuts, where the maps are four times as large."""
    from openvino import opset13 as ops

    def kind(output: Any) -> str:
        return str(output.get_node().get_type_name())

    def redirect(output: Any, to: Any) -> None:
        for target in list(output.get_target_inputs()):
            target.replace_source_output(to)

    for quantiser in [n for n in model.get_ordered_ops() if n.get_type_name() == "FakeQuantize"]:
        behind = source = quantiser.input_value(0)
        while kind(source) == "Slice":
            source = source.get_node().input_value(0)
        cut_off = kind(behind) == "Slice"
        if cut_off and kind(source) != "FakeQuantize":
            ranges = [quantiser.input_value(i) for i in range(1, 5)]
            readers = list(source.get_target_inputs())
            low = ops.fake_quantize(source, *ranges, quantiser.get_attributes()["levels"])
            for reader in readers:
                reader.replace_source_output(low.output(0))
        pooled = kind(source) == "MaxPool" and kind(source.get_node().input_value(0)) == "FakeQuantize"
        if cut_off or pooled:  # the largest of quantised values is one of them
            redirect(quantiser.output(0), behind)
    model.validate_nodes_and_infer_types()


def _patches(
    patches: PatchDataset, samples: SampleSet, card: Any, numbers: list[int]
) -> Iterator[tuple[NDArray[np.bool_], NDArray[np.float32]]]:
    """Which pixels hold data, and what the network sees, of one patch after the other."""
    for number in numbers:
        batch = patches.read([number])
        scene = samples.scenes[int(batch.scene[0])]
        statistics = towards_own(card.mean, card.std, scene.mean, scene.std, card.own_statistics)
        gain, bias = gain_and_bias(scene.scales, scene.offsets, *statistics)
        yield batch.valid.numpy(), normalise(batch.pixels, batch.valid, gain, bias).numpy()


def _import_nncf() -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import nncf
    except ImportError as error:
        raise ModelError(
            f"NNCF, which makes the int8 form, cannot be imported ({error}).",
            remedy='Install it: pip install "pitmap[int8]".',
        ) from error
    nncf.set_log_level(logging.ERROR)
    return nncf
