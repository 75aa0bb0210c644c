import torch
import torch.nn.functional as F

from pitmap.networks.unet import UNet


def test_decoder_joins_the_encoder_level_by_level():
    network = UNet(3, 5, 2).eval()
    image = torch.randn(1, 3, 32, 48)
    encoded, x = [], image
    for level in range(1, 6):
        x = getattr(network, f"encoder{level}")(x if level == 1 else F.max_pool2d(x, 2))
        encoded.append(x)
    assert [e.shape[1:] for e in encoded] == [(2 * 2**k, 32 // 2**k, 48 // 2**k) for k in range(5)]
    for level in (4, 3, 2, 1):
        up, decoder = getattr(network, f"up{level}"), getattr(network, f"decoder{level}")
        x = decoder(torch.cat([up(x), encoded[level - 1]], dim=1))
    torch.testing.assert_close(network(image), network.head(x))
