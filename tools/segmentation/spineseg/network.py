"""A small 3-D U-Net: 1.37 M parameters, cheap at full resolution and wide below it."""

import torch
from torch import nn
from torch.nn import functional as F

from . import classes as c

TOP_CHANNELS, LEVELS = 8, 4
# Names in checkpoints of before this code was tidied.
OLD_NAMES = {"e": "encoder", "u": "up", "d": "decoder", "o": "head"}


def block(inputs, outputs):
    layers = []
    for channels in (inputs, outputs):
        layers += [nn.Conv3d(channels, outputs, 3, padding=1), nn.InstanceNorm3d(outputs, affine=True), nn.LeakyReLU(0.01, True)]
    return nn.Sequential(*layers)


class UNet(nn.Module):
    """Logits (n, classes, x, y, z) of images (n, 1, x, y, z); sides must be multiples of 8."""

    def __init__(self):
        super().__init__()
        width = [TOP_CHANNELS] + [2 * TOP_CHANNELS * 2**k for k in range(1, LEVELS)]
        self.encoder = nn.ModuleList([block(1 if k == 0 else width[k - 1], width[k]) for k in range(LEVELS)])
        self.up = nn.ModuleList([nn.ConvTranspose3d(width[k + 1], width[k], 2, 2) for k in range(LEVELS - 1)])
        self.decoder = nn.ModuleList([block(2 * width[k], width[k]) for k in range(LEVELS - 1)])
        self.head = nn.Conv3d(TOP_CHANNELS, len(c.CLASSES), 1)

    def forward(self, x):
        skipped = []
        for level, encode in enumerate(self.encoder):
            x = encode(F.max_pool3d(x, 2) if level else x)
            skipped.append(x)
        for level in reversed(range(LEVELS - 1)):
            x = self.decoder[level](torch.cat([self.up[level](x), skipped[level]], 1))
        return self.head(x)


class Exported(nn.Module):
    """The network as it is exported: takes intensities whose zero is the padding's value."""

    def __init__(self, network, shift):
        super().__init__()
        self.network, self.shift = network, shift

    def forward(self, x):
        return self.network(x - self.shift)


def weights_from(path):
    """Weights of a checkpoint of `train.py`, of a bare state dict, or of an exported ONNX file."""
    if str(path).endswith(".onnx"):
        import onnx
        from onnx import numpy_helper

        tensors = {t.name: torch.from_numpy(numpy_helper.to_array(t).copy()) for t in onnx.load(str(path)).graph.initializer}
    else:
        stored = torch.load(path, map_location="cpu")
        tensors = stored.get("average", stored)
    out = {}
    for name, tensor in tensors.items():
        first, _, rest = name.removeprefix("network.").partition(".")
        out[f"{OLD_NAMES.get(first, first)}.{rest}"] = tensor
    wanted = UNet().state_dict()
    missing = [name for name in wanted if name not in out or out[name].shape != wanted[name].shape]
    if missing:
        raise SystemExit(f"{path} does not hold this network's weights: {', '.join(missing[:4])} ...")
    return {name: out[name] for name in wanted}
