"""What several processes of one training share, so that they make the step that one process would make.

Every process reads and augments the whole batch, which costs little beside the network, and takes every n-th patch of
it through the network. The loss is taken over the logits of all of them and each process follows it back through its
own part; batch normalisation takes the statistics of all parts. Gradients are then added, and any loss, also one that
is no mean over pixels, has the value and the gradient that it has in one process.
"""

from __future__ import annotations

import torch
import torch.distributed
import torch.distributed.nn.functional as collective
from lightning_fabric import Fabric
from torch import Tensor, nn


class Share:
    """The part of a batch that is a process's own.

    A batch of fewer patches than there are processes, at the end of an epoch, is the own part of all of them.

    Args:
        fabric: Knows the processes.
    """

    def __init__(self, fabric: Fabric) -> None:
        self.fabric, self.number, self.of = fabric, fabric.global_rank, fabric.world_size

    def divides(self, patches: int) -> bool:
        """Whether a batch of so many patches is divided."""
        return self.of > 1 and patches >= self.of

    def take(self, batch: Tensor) -> Tensor:
        """The own part of ``(N, ...)``: every n-th patch."""
        return batch[self.number :: self.of] if self.divides(len(batch)) else batch

    def join(self, own: Tensor, patches: int) -> Tensor:
        """The results for the whole batch in its order, ``(N, ...)``; gradients flow back through the own part.

        Args:
            own: The results for the own part.
            patches: N.
        """
        if not self.divides(patches):
            return own
        most = -(-patches // self.of)
        sent = own.detach().contiguous()
        sent = torch.cat([sent, sent.new_zeros((most - len(own), *own.shape[1:]))])
        parts = self.fabric.all_gather(sent)
        assert isinstance(parts, Tensor)
        whole = parts.transpose(0, 1).flatten(0, 1)[:patches].clone()
        whole[self.number :: self.of] = own
        return whole

    def factor(self, patches: int) -> float:
        """What the loss is multiplied by, so that the mean of the processes' gradients is the gradient of the batch."""
        return float(self.of) if self.divides(patches) else 1.0


class CommonBatchNorm(nn.BatchNorm2d):
    """Batch normalisation with the statistics of all processes; PyTorch's own has them on GPUs only.

    Attributes:
        common: False where every process has the same batch.
    """

    common = True

    def forward(self, x: Tensor) -> Tensor:
        """As of ``nn.BatchNorm2d``."""
        if not self.training or not self.common:
            return super().forward(x)
        # Sums in float32 whatever the precision of the network, as PyTorch's own.
        values = x.float()
        count = torch.tensor(float(values.numel() // values.shape[1]))
        torch.distributed.all_reduce(count)
        mean = _sum(values.sum((0, 2, 3))) / count
        centred = values - mean[:, None, None]
        variance = _sum((centred**2).sum((0, 2, 3))) / count
        with torch.no_grad():
            assert self.num_batches_tracked is not None
            self.num_batches_tracked.add_(1)
            unbiased = variance * (count / (count - 1).clamp(min=1))
            for kept, new in ((self.running_mean, mean), (self.running_var, unbiased)):
                if kept is not None:
                    kept.lerp_(new, self.momentum if self.momentum is not None else 1 / float(self.num_batches_tracked))
        result = centred * (variance + self.eps).rsqrt()[:, None, None]
        if self.affine:
            result = result * self.weight[:, None, None] + self.bias[:, None, None]
        return result.to(x.dtype)


def _sum(part: Tensor) -> Tensor:
    """The sum over all processes, through which gradients flow."""
    total = collective.all_reduce(part)
    assert isinstance(total, Tensor)
    return total


def with_common_statistics(network: nn.Module, device: torch.device) -> nn.Module:
    """A network whose batch normalisation takes the statistics of all processes; weights and their names stay."""
    if device.type == "cuda":
        converted = nn.SyncBatchNorm.convert_sync_batchnorm(network)
        assert isinstance(converted, nn.Module)
        return converted
    for module in network.modules():
        if type(module) is nn.BatchNorm2d:
            module.__class__ = CommonBatchNorm
    return network
