"""A model file as engines see it: what is known of its network, and the network itself where it is needed."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from pitmap import __version__
from pitmap.currency import content_key
from pitmap.mapping.engines import store
from pitmap.networks.facts import NetworkFacts
from pitmap.networks.model_card import ModelCard
from pitmap.processor import installed_version

if TYPE_CHECKING:
    from torch import nn

    from pitmap.networks.trimming import Trimmed


@dataclass(frozen=True)
class NetworkSource:
    """The network of a model file.

    Attributes:
        model: The file.
        card: Its card, from the same bytes.
        device: Where the network is to work.
        trusted: Networks of other packages that the file may import, see ``load_model``.
    """

    model: Path
    card: ModelCard
    device: str = "cpu"
    trusted: tuple[str, ...] = ()

    @cached_property
    def network(self) -> nn.Module:
        """The network in evaluation mode, which nobody may change. Loads PyTorch.

        Raises:
            ModelError: See ``load_model``; or the file was replaced meanwhile.
        """
        from pitmap.errors import ModelError
        from pitmap.networks.model_file import held_model

        network, card = held_model(self.model, self.device, trusted=self.trusted)
        if card.sha256 != self.card.sha256:
            raise ModelError(f"The model {self.model} was replaced while it was used.", remedy="Start again.")
        return network

    @cached_property
    def facts(self) -> NetworkFacts:
        """What is known of the network: from an earlier command if it is kept.

        Raises:
            ModelError: See ``network``; or its geometry is not stated and cannot be measured.
        """
        key = self.key("facts")
        if (text := store.kept(key)) is not None:
            return NetworkFacts.from_json(json.loads(text))
        facts = self.trimmed.facts
        if self.may_be_kept:
            store.keep(key, json.dumps(facts.to_json()).encode())
        return facts

    @cached_property
    def trimmed(self) -> Trimmed:
        """The network with its batch normalisation folded, and cut. Errors as of ``facts``."""
        from pitmap.networks.trimming import Trimmed

        return Trimmed.of(self.network, len(self.card.bands))

    @property
    def may_be_kept(self) -> bool:
        """Whether what comes from the network may be kept: not of code that pitmap does not know."""
        from pitmap.networks.registry import BUILT_IN

        return self.card.network in BUILT_IN

    def key(self, what: str, **depends: str) -> str:
        """The key under which something that comes from the network is kept.

        Args:
            what: Its kind.
            depends: On what else it depends.
        """
        return content_key(
            {
                "kind": what,
                "model": self.card.sha256,
                "pitmap": [__version__, store.own_code()],
                "torch": installed_version("torch"),
                **depends,
            }
        )
