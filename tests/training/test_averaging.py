import torch
from torch import nn

from pitmap.training.averaging import MovingAverage


def test_the_average_remembers_more_the_longer_it_runs():
    network = nn.BatchNorm2d(2)
    average = MovingAverage(network, 0.5)
    expected = None
    for step, value in enumerate((1.0, 3.0, 2.0, 8.0)):
        with torch.no_grad():
            network.weight.fill_(value)
            network.running_mean.fill_(10 * value)
            network.num_batches_tracked.fill_(step)
        average.update(network)
        decay = min(0.5, (1 + step) / (10 + step))
        expected = value if expected is None else decay * expected + (1 - decay) * value
    torch.testing.assert_close(average.network.weight, torch.full((2,), expected), check_device=False)
    torch.testing.assert_close(average.network.running_mean, torch.full((2,), 10 * expected))
    assert average.network.num_batches_tracked == 3
    assert average.steps == 4
    assert not average.network.weight.requires_grad
