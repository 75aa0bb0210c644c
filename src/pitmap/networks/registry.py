"""Networks by name: the six of the paper, and a user's own beside them."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from torch import nn

from pitmap.errors import ProjectError, nearest
from pitmap.extension import find
from pitmap.networks.ensemble import Ensemble
from pitmap.networks.fcn8s import FCN8s
from pitmap.networks.resunet import ResUNet
from pitmap.networks.segnet import SegNet
from pitmap.networks.unet import UNet
from pitmap.networks.unetplus import UNetPlus
from pitmap.networks.unetplusplus import unetplusplus

Factory = Callable[..., nn.Module]
"""Called as ``factory(bands, classes, width, **options)``; its module takes (N, bands, H, W) to (N, classes, H, W)."""

BUILT_IN: dict[str, Factory] = {
    "fcn8s": FCN8s, "segnet": SegNet, "unet": UNet, "resunet": ResUNet, "unetplusplus": unetplusplus,
    "unetplus": UNetPlus,
}  # fmt: skip
"""In the order of the paper's Table I."""

_registered: dict[str, Factory] = {}


def names() -> list[str]:
    """The networks that ``build`` knows by name: the six, then those registered."""
    return [*BUILT_IN, *_registered]


def register(name: str, factory: Factory) -> None:
    """Make a network known under a name, for this process.

    Args:
        name: The name; those of the six networks are taken.
        factory: See ``Factory``. It may have an attribute ``variants``, from names to options.

    Raises:
        ProjectError: The name belongs to one of the six networks.
    """
    if name in BUILT_IN:
        raise ProjectError(f"The name {name!r} belongs to a network of pitmap.", remedy="Choose another name.")
    _registered[name] = factory


def is_known(name: str) -> bool:
    """Whether ``build`` can make this network without importing anything."""
    return name in BUILT_IN or name in _registered


def factory_of(name: str) -> Factory:
    """The factory of a network.

    Args:
        name: A name that is known, or ``package.module:factory`` for one that is imported from there.

    Raises:
        ProjectError: There is no such network.
    """
    if not is_known(name):
        register(name, find("network", name, BUILT_IN | _registered))
    return find("network", name, BUILT_IN | _registered)


def variants(name: str) -> dict[str, dict[str, Any]]:
    """The named sets of options of a network, which ``build`` takes as ``variant``."""
    return dict(getattr(factory_of(name), "variants", {}))


def check_options(name: str, options: dict[str, Any]) -> dict[str, Any]:
    """Check the names of a network's options and put a ``variant`` in their place.

    Returns:
        The options for the factory.

    Raises:
        ProjectError: The network, an option or the variant is not known, or an option is given beside a variant that
            sets it.
    """
    factory = factory_of(name)
    options = dict(options)
    chosen = options.pop("variant", None)
    if chosen is not None:
        known = variants(name)
        if chosen not in known:
            raise ProjectError(
                f"The network {name!r} has no variant {chosen!r}.",
                f"One of {', '.join(known)}." if known else "It has no variants.",
                f"Did you mean {nearest(str(chosen), known, 0)!r}?" if known else "",
            )
        if both := sorted(set(options) & set(known[chosen])):
            raise ProjectError(
                f"The options {', '.join(both)} are given beside the variant {chosen!r}, which sets them.",
                remedy="Give the variant or the options, not both.",
            )
        options = {**known[chosen], **options}
    parameters = inspect.signature(factory).parameters.values()
    if not any(p.kind is p.VAR_KEYWORD for p in parameters):
        accepted = [p.name for p in parameters if p.name not in ("bands", "classes", "width")]
        for option in options:
            if option not in accepted:
                choices = [*accepted, "variant"] if variants(name) else accepted
                raise ProjectError(
                    f"The network {name!r} has no option {option!r}.",
                    f"Its options are {', '.join(choices)}." if choices else "It has no options.",
                    f"Did you mean {nearest(option, choices, 0)!r}?" if choices else "",
                )
    return options


def build(name: str, bands: int, classes: int, width: int = 64, *, members: int = 1, **options: Any) -> nn.Module:
    """Make a network with fresh weights.

    Args:
        name: ``fcn8s``, ``segnet``, ``unet``, ``resunet``, ``unetplusplus``, ``unetplus``, a registered name, or
            ``package.module:factory``.
        bands: Bands of the image.
        classes: Classes of the legend: channel k is code k + 1.
        width: Channels of the first level.
        members: How many networks map together, see ``Ensemble``.
        options: The network's own, such as ``batch_norm``; ``variant`` for a named set of them.

    Returns:
        A module from images (N, bands, H, W) to logits (N, classes, H, W), in training mode. The six have attributes
        ``stride``, ``reach`` and ``halo``, which say how to cut tiles; ``reach.tile_geometry`` finds them for others.

    Raises:
        ProjectError: The network or one of its options is not known, or the factory does not give a module.
    """
    for quantity, value in (("bands", bands), ("classes", classes), ("width", width), ("members", members)):
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise ProjectError(f"The network {name!r} is asked for with {quantity} = {value!r}.", "An integer >= 1.")
    network = factory_of(name)(bands, classes, width, **check_options(name, options))
    if not isinstance(network, nn.Module):
        raise ProjectError(
            f"The factory {name!r} gave a {type(network).__name__}.", "A torch.nn.Module.",
            "Let it return the network itself.",
        )  # fmt: skip
    if members == 1:
        return network
    return Ensemble([network, *(build(name, bands, classes, width, **options) for _ in range(members - 1))], bands)
