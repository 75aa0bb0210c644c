import hashlib
import json
import random
import sys
import types
from copy import deepcopy

import pytest
import safetensors.torch
import torch
from torch import nn

from pitmap.errors import ModelError, OutputError
from pitmap.legend import DEFAULT_LEGEND, Legend
from pitmap.networks import registry
from pitmap.networks.model_card import FORMAT, ModelCard, TrainingRecord, read_card
from pitmap.networks.model_file import _serialise, load_model, save_model
from pitmap.networks.registry import build

RECORD = TrainingRecord(
    key="ab" * 32, recipe={"name": "robust", "batch": 4, "jitter": 0.0, "augmentation": True}, precision="bf16",
    device="cpu", split={"kind": "blocks", "block_m": None}, epochs=20, best_epoch=7, validation_miou=0.5,
    validation_loss=1.5, validation_accuracy=0.75,
)  # fmt: skip


def a_card(**changes):
    return ModelCard(
        **{
            "network": "unetplus",
            "options": {"width": 2, "batch_norm": True, "variant": "B1"},
            "legend": Legend(list(DEFAULT_LEGEND)[:3]),
            "bands": ["blue", "grün", "band 3"],
            "unit": "reflectance",
            "dtype": "uint16",
            "mean": [0.1, 0.2, 0.3],
            "std": [0.01, 0.02, 0.03],
            "pixel_size_m": 4.0,
            "project": "Dengfeng",
            "seed": 7,
            "versions": {"pitmap": "0.1.0", "torch": "2.13.0"},
            "training": RECORD,
            **changes,
        }
    )


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(3)
    network = build("unetplus", 3, 3, 2, variant="B1")
    network(torch.randn(2, 3, 32, 32))  # moves the running statistics
    return network


@pytest.fixture(scope="module")
def model(network, tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "unetplus-seed7.safetensors"
    save_model(path, network, a_card())
    return path


@pytest.fixture
def broken(tmp_path):
    return tmp_path / "broken.safetensors"


def write(path, tensors, content):
    path.write_bytes(_serialise(tensors, content)[0])


def content_of(card):
    return card.model_dump(mode="json", exclude={"sha256"})


def test_what_is_saved_is_loaded(network, model):
    loaded, card = load_model(model)
    assert not loaded.training
    assert card == a_card(sha256=card.sha256)
    image = torch.randn(1, 3, 32, 48)
    assert torch.equal(loaded(image), network.eval()(image))
    assert all(p.requires_grad for p in loaded.parameters())
    assert read_card(model) == card


def test_same_content_gives_same_bytes(network, model, tmp_path):
    again = tmp_path / "again.safetensors"
    options = {"variant": "B1", "batch_norm": True, "width": 2}
    card = save_model(again, deepcopy(network).to(memory_format=torch.channels_last), a_card(options=options))
    assert again.read_bytes() == model.read_bytes()
    assert card == read_card(again)


def test_order_of_keys_does_not_matter(network, tmp_path):
    path = tmp_path / "other order.safetensors"
    content = {"format": FORMAT, **content_of(a_card())}
    text = json.dumps({**dict(reversed(content.items())), "sha256": "0" * 64})
    data = safetensors.torch.save(network.state_dict(), {"pitmap": text})
    path.write_bytes(data.replace(b"0" * 64, hashlib.sha256(data).hexdigest().encode(), 1))
    _, card = load_model(path)
    assert card == a_card(sha256=card.sha256)


def test_initial_weights_are_not_needed_for_loading(tmp_path):
    network = build("segnet", 3, 3, 1)
    path = tmp_path / "segnet.safetensors"
    options = {"width": 1, "encoder_weights": str(tmp_path / "no longer there.safetensors")}
    save_model(path, network, a_card(network="segnet", options=options))
    image = torch.randn(1, 3, 32, 32)
    loaded, card = load_model(path)
    assert torch.equal(loaded(image), network.eval()(image))
    assert card.options == options


def test_any_changed_byte_is_found(model, broken):
    data = model.read_bytes()
    header = 8 + int.from_bytes(data[:8], "little")
    generator = random.Random(0)
    positions = [*range(0, header, 41), *range(header - 9, header + 9), len(data) - 1]
    positions += [generator.randrange(header, len(data)) for _ in range(100)]
    for position in positions:
        changed = bytearray(data)
        changed[position] ^= generator.randrange(1, 256)
        broken.write_bytes(changed)
        with pytest.raises(ModelError):
            read_card(broken)


def test_other_white_space_is_a_change_too(model, broken):
    data = model.read_bytes()
    header = 8 + int.from_bytes(data[:8], "little")
    padding = header - 1
    if data[padding] != ord(" "):
        pytest.skip("this header has no padding")
    broken.write_bytes(data[:padding] + b"\t" + data[header:])
    with pytest.raises(ModelError, match="damaged"):
        load_model(broken)


@pytest.mark.parametrize("share", [0.0, 0.001, 0.01, 0.5, 0.999])
def test_truncated_files_are_refused(model, broken, share):
    data = model.read_bytes()
    broken.write_bytes(data[: int(share * len(data))])
    with pytest.raises(ModelError, match=r"empty|damaged"):
        load_model(broken)


def test_files_with_more_at_their_end_are_refused(model, broken):
    broken.write_bytes(model.read_bytes() + b"\0")
    with pytest.raises(ModelError, match="damaged"):
        load_model(broken)


class Touch:
    """A pickle that leaves a trace when it is loaded."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


@pytest.mark.parametrize("zipped", [True, False])
def test_pickles_are_refused_and_never_loaded(broken, tmp_path, zipped):
    trace = tmp_path / "trace"
    torch.save({"weights": Touch(trace)}, broken, _use_new_zipfile_serialization=zipped)
    with pytest.raises(ModelError, match="PyTorch checkpoint"):
        load_model(broken)
    assert not trace.exists()


@pytest.mark.parametrize(
    "text", ["a model, really\n", "{}", '{"__metadata__": {"pitmap": "{}"}}', "x" * 300, "[" * 99999]
)
def test_text_files_are_refused(broken, text):
    broken.write_text(text)
    with pytest.raises(ModelError, match="not a model file"):
        load_model(broken)


def test_deeply_nested_headers_are_refused(broken):
    broken.write_bytes((99999).to_bytes(8, "little") + b"[" * 99999)
    with pytest.raises(ModelError):
        load_model(broken)


@pytest.mark.parametrize("metadata", [None, {"format": "pt"}, {"pitmap": "[]"}, {"pitmap": "{}"}, {"pitmap": "text"}])
def test_other_safetensors_files_are_refused(broken, metadata):
    safetensors.torch.save_file({"weight": torch.zeros(2)}, broken, metadata)
    with pytest.raises(ModelError, match="without a card"):
        load_model(broken)


def test_missing_files_and_folders_are_refused(tmp_path):
    for path in (tmp_path / "nowhere.safetensors", tmp_path):
        with pytest.raises(ModelError, match="cannot be read"):
            load_model(path)


def test_future_format_is_refused(network, broken):
    write(broken, network.state_dict(), {**content_of(a_card()), "format": FORMAT + 1, "new": 1})
    with pytest.raises(ModelError, match="Update pitmap"):
        load_model(broken)
    write(broken, network.state_dict(), {**content_of(a_card()), "format": FORMAT - 1})
    with pytest.raises(ModelError, match="Train it again"):
        load_model(broken)


@pytest.mark.parametrize(
    "changes",
    [
        {"mean": [0.1]}, {"std": [-1.0, 1.0, 1.0]}, {"unit": "percent"}, {"dtype": "uint17"},
        {"seed": "7"}, {"surprise": 1}, {"training": {**RECORD.to_json(), "surprise": 1}},
        {"training": {**RECORD.to_json(), "epochs": "20"}}, {"bands": []}, {"legend": [{"code": 2}]},
        {"temperature": 0.0},
    ],
)  # fmt: skip
def test_cards_that_are_not_valid_are_refused(network, broken, changes):
    write(broken, network.state_dict(), {**content_of(a_card()), **changes})
    with pytest.raises(ModelError, match=f"{next(iter(changes))}|3 bands|deviation is negative"):
        read_card(broken)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"network": "unetplusplusplus"}, "There is no network"),
        ({"options": {"width": 2, "depth": 5}}, "no option 'depth'"),
        ({"options": {"width": 4, "variant": "B1"}}, "does not fit"),
        ({"options": {"width": 2, "variant": "A1"}}, "does not fit"),
        ({"options": {"width": 2, "variant": "B1", "batch_norm": False}}, "encoder1.2.weight is missing"),
        ({"options": {"width": 10**12}}, "cannot be built"),
        ({"legend": DEFAULT_LEGEND.to_json()}, r"head.weight is float32 \(3, 2, 1, 1\), not float32 \(7, 2, 1, 1\)"),
    ],
)
def test_weights_must_fit_the_card(network, broken, changes, message):
    write(broken, network.state_dict(), {**content_of(a_card()), **changes})
    with pytest.raises(ModelError, match=message):
        load_model(broken)


def test_other_dtypes_are_refused(network, broken):
    write(broken, {k: v.half() for k, v in network.state_dict().items()}, content_of(a_card()))
    with pytest.raises(ModelError, match="is float16"):
        load_model(broken)


def test_only_models_that_load_are_saved(network, tmp_path):
    path = tmp_path / "model.safetensors"
    with pytest.raises(ModelError, match="does not fit"):
        save_model(path, network, a_card(options={"width": 4, "variant": "B1"}))
    with pytest.raises(ModelError, match="no network"):
        save_model(path, network, a_card(network="unknown"))
    spoilt = build("unetplus", 3, 3, 2, variant="B1")
    nn.init.constant_(spoilt.head.bias, torch.nan)
    with pytest.raises(ModelError, match=r"'head.bias' are not finite"):
        save_model(path, spoilt, a_card())
    assert list(tmp_path.iterdir()) == []


def test_folder_that_cannot_be_written(network, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OutputError):
        save_model(tmp_path / "file" / "model.safetensors", network, a_card())


@pytest.fixture
def somebodys_network(monkeypatch):
    """The name of a network from outside the package."""

    def tiny(bands, classes, width):
        return nn.Sequential(nn.Conv2d(bands, width, 3, padding=1), nn.ReLU(), nn.Conv2d(width, classes, 1))

    package = types.ModuleType("someone_elses")
    package.tiny = tiny
    monkeypatch.setitem(sys.modules, "someone_elses", package)
    monkeypatch.setattr(registry, "_registered", {})
    return "someone_elses:tiny"


def test_networks_of_others_are_imported_only_if_trusted(somebodys_network, tmp_path):
    path = tmp_path / "tiny.safetensors"
    original = build(somebodys_network, 3, 3, 2)
    save_model(path, original, a_card(network=somebodys_network, options={"width": 2}))
    image = torch.randn(1, 3, 8, 8)
    assert torch.equal(load_model(path)[0](image), original(image))  # known in this process
    registry._registered.clear()
    with pytest.raises(ModelError, match="not part of pitmap"):
        load_model(path)
    assert read_card(path).network == somebodys_network
    loaded, _ = load_model(path, trusted=[somebodys_network])
    assert torch.equal(loaded(image), original(image))
    assert (loaded.stride, loaded.reach, loaded.halo) == (1, 1, 1)


@pytest.mark.parametrize("own", [True, False])
def test_random_numbers_are_left_alone(network, somebodys_network, tmp_path, own):
    path = tmp_path / "model.safetensors"
    card = a_card() if own else a_card(network=somebodys_network, options={"width": 2})
    network = network if own else build(somebodys_network, 3, 3, 2)
    before = torch.get_rng_state()
    save_model(path, network, card)
    load_model(path)
    assert torch.equal(torch.get_rng_state(), before)


def test_card_survives_json():
    card = a_card(bf16_agreement=0.9995, temperature=1.3, pixel_size_m=None, unit="DN")
    assert ModelCard.model_validate_json(card.model_dump_json(), strict=True) == card
