"""The processes of a training, and what they share so that they make the step that one process would make.

Every process reads and augments the whole batch, which costs little beside the network, and takes every n-th patch of
it through the network. The loss is taken over the logits of all of them and each process follows it back through its
own part; batch normalisation takes the statistics of all parts. Gradients are then added, and any loss, also one that
is no mean over pixels, has the value and the gradient that it has in one process.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, TypeVar

import torch
import torch.distributed
import torch.distributed.nn.functional
from lightning_fabric import Fabric
from lightning_fabric.plugins.environments.lightning import LightningEnvironment
from lightning_fabric.plugins.environments.slurm import SLURMEnvironment
from lightning_fabric.plugins.environments.torchelastic import TorchElasticEnvironment
from torch import Tensor, nn

from pitmap.company import Company
from pitmap.errors import PitmapError
from pitmap.observer import SILENT, Epoch, Observer
from pitmap.processor import cores, keep_freed_memory
from pitmap.training.choices import Precision, Training

# Without types of their own.
collective: Any = torch.distributed.nn.functional
collective_objects: Any = torch.distributed.broadcast_object_list
sync_batch_norm: Any = nn.SyncBatchNorm

# Here, because processes import this module before Fabric greets each of them.
logging.getLogger("lightning_fabric").setLevel(logging.ERROR)

Result = TypeVar("Result")

Work = Callable[..., None]
"""``work(fabric, observer, *args)``, a function of a module; what several processes are to know can be pickled."""


def launch(
    work: Work,
    training: Training,
    precision: Precision,
    observer: Observer,
    args: tuple[Any, ...],
    company: Company | None = None,
) -> None:
    """Run a function with Fabric: here, in as many new processes as the training has devices, or in those of a company.

    Args:
        work: The function.
        training: Says the devices.
        precision: In which the network works.
        observer: Hears of the work of the first process.
        args: Of ``work``.
        company: The processes that were started to do this together; each of them calls this function.

    Raises:
        PitmapError: The function's.
    """
    _settle()
    with _quiet(), _repeatable(training.device):
        spawned = training.devices if company is None else 1
        fabric = Fabric(
            accelerator={"cpu": "cpu", "cuda": "gpu", "mps": "mps"}[training.device],
            devices=spawned if company is None else company.local_size,
            num_nodes=1 if company is None else company.nodes,
            strategy="ddp" if company is not None else "ddp_spawn" if spawned > 1 else "auto",
            precision="bf16-mixed" if precision == "bf16" else "32-true",
            plugins=[_environment(company)],
        )
        if spawned == 1:
            fabric.launch(work, observer, *args)
            return
        before, port = set(multiprocessing.active_children()), os.environ.get("MASTER_PORT")
        try:
            with _heard(observer) as queue:
                error = fabric.launch(partial(_work_in_process, work=work, queue=queue, args=args))
        except BaseException:
            for process in set(multiprocessing.active_children()) - before:
                process.terminate()
            raise
        finally:
            # Fabric leaves it for processes to come, and a second training would ask for the same port.
            os.environ.pop("MASTER_PORT") if port is None else os.environ.update(MASTER_PORT=port)
    if error is not None:
        raise error


def _environment(company: Company | None) -> Any:
    """What tells Fabric of the processes."""
    if company is None:
        return LightningEnvironment()
    return TorchElasticEnvironment() if company.launcher == "torchrun" else SLURMEnvironment(auto_requeue=False)


def from_the_first(result: Result | None) -> Result:
    """What the first process of a company gives here, in each of them; the others wait for it."""
    shared = [result]
    collective_objects(shared)
    assert shared[0] is not None
    return shared[0]


def _settle() -> None:
    """Make a process fit for training: memory is kept from step to step, and threads are as many as there are cores."""
    keep_freed_memory()
    # By what the process may use and not by what is free just now, because sums depend on the number of threads.
    torch.set_num_threads(min(torch.get_num_threads(), cores()))


def _work_in_process(fabric: Fabric, work: Work, queue: Any, args: tuple[Any, ...]) -> PitmapError | None:
    """Run a function in a process of its own; an error that the user can mend goes back whole."""
    signal.signal(signal.SIGINT, lambda *_: os._exit(130))  # the first process of all says that it was interrupted
    _settle()
    try:
        with _quiet():
            work(fabric, _Teller(queue) if fabric.is_global_zero else SILENT, *args)
    except PitmapError as error:
        return error
    return None


class _Teller(Observer):
    """Tells an observer in another process."""

    def __init__(self, queue: Any) -> None:
        self._queue = queue

    def say(self, sentence: str) -> None:
        self._queue.put(("say", sentence))

    def warn(self, sentence: str) -> None:
        self._queue.put(("warn", sentence))

    def progress(self, step: str, share: float) -> None:
        self._queue.put(("progress", step, share))

    def epoch(self, epoch: Epoch) -> None:
        self._queue.put(("epoch", epoch))


@contextmanager
def _heard(observer: Observer) -> Iterator[Any]:
    """A queue of what ``_Teller`` tells, that an observer here hears."""
    queue = multiprocessing.get_context("spawn").SimpleQueue()

    def listen() -> None:
        while (told := queue.get()) is not None:
            getattr(observer, told[0])(*told[1:])

    thread = threading.Thread(target=listen, daemon=True)
    thread.start()
    try:
        yield queue
    finally:
        queue.put(None)
        thread.join(timeout=5)


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence warnings of Fabric and PyTorch on numbers of workers and layouts of gradients."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@contextmanager
def _repeatable(device: str) -> Iterator[None]:
    """Let a GPU take algorithms that give the same sums each time; a processor has no others."""
    if device != "cuda":
        yield
        return
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    before = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    torch.use_deterministic_algorithms(True, warn_only=True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before[0], warn_only=before[1])


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
        converted = sync_batch_norm.convert_sync_batchnorm(network)
        assert isinstance(converted, nn.Module)
        return converted
    for module in network.modules():
        if type(module) is nn.BatchNorm2d:
            module.__class__ = CommonBatchNorm
    return network
