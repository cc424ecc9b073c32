"""Dice of a network alone, on its own 2 mm voxels, before vertebrae are made of its parts: quick enough to watch a training with.

    python -m spineseg.measure --weights run/checkpoint.pt --ct ct.nii.gz --labels labels.nii.gz --scheme totalspineseg

What a user gets is measured with `spinor evaluate` or the example `segmentation` of spinor-prepare.
"""

import argparse
import itertools
import json

import numpy as np
import torch

from . import classes as c
from . import geometry
from .network import UNet, weights_from
from .sources import load

# Numbers of whole structures in label maps, and the classes that make them up.
SCHEMES = {
    "verse": {"vertebrae": (range(1, 26), (c.BODY, c.ARCH))},
    "totalspineseg": {
        "vertebrae": (range(11, 48), (c.BODY, c.ARCH)),
        "sacrum": ((50,), (c.SACRUM,)),
        "discs": (range(63, 101), (c.DISC,)),
        "vertebrae and sacrum": ((*range(11, 48), 50), (c.BODY, c.ARCH, c.SACRUM)),
    },
}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", required=True)
    parser.add_argument("--ct", required=True)
    parser.add_argument("--labels", required=True)
    parser.add_argument("--scheme", choices=SCHEMES, required=True)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    network = UNet()
    network.load_state_dict(weights_from(args.weights))
    network.eval()
    ct, spacing = load(args.ct)
    labels, label_spacing = load(args.labels)
    found = predict(network, geometry.resample(ct.astype(np.float32), spacing, c.NETWORK_MM, 1))
    truth = geometry.resample(labels.astype(np.int16), label_spacing, c.NETWORK_MM, 0)
    if found.shape != truth.shape:
        parser.error(f"image {found.shape} and labels {truth.shape} do not lie on the same voxels")
    out = {}
    for name, (numbers, parts) in SCHEMES[args.scheme].items():
        a, b = np.isin(found, parts), np.isin(truth, list(numbers))
        out[name] = round(float(2 * (a & b).sum() / max(1, a.sum() + b.sum())), 3)
    print(json.dumps({"ct": args.ct, "dice": out}))


def starts(length):
    count = int(np.ceil((length - c.PATCH) / (c.PATCH / 2))) + 1
    return sorted({int(round(v)) for v in np.linspace(0, length - c.PATCH, count)})


def predict(network, hu):
    """Classes of a CT on the network's voxels, by overlapping patches as nnU-Net does it."""
    image = (np.clip(hu, c.CT_LOW_HU, c.CT_HIGH_HU) - c.CT_CENTRE_HU) / c.CT_SCALE_HU
    room = [max(0, c.PATCH - n) for n in image.shape]
    low = [n // 2 for n in room]
    image = np.pad(image, [(a, n - a) for a, n in zip(low, room, strict=True)], constant_values=-c.CT_SHIFT).astype(np.float32)
    bell = np.exp(-(((np.arange(c.PATCH) - (c.PATCH - 1) / 2) / (c.PATCH / 8)) ** 2) / 2)
    weight = (bell[:, None, None] * bell[None, :, None] * bell[None, None] + 1e-4).astype(np.float32)
    logits = np.zeros((len(c.CLASSES), *image.shape), np.float32)
    sums = np.zeros(image.shape, np.float32)
    with torch.no_grad():
        for corner in itertools.product(*map(starts, image.shape)):
            box = tuple(slice(a, a + c.PATCH) for a in corner)
            patch = torch.from_numpy(np.ascontiguousarray(image[box]))[None, None]
            logits[(slice(None), *box)] += network(patch)[0].numpy() * weight
            sums[box] += weight
    inside = tuple(slice(a, a + n) for a, n in zip(low, hu.shape, strict=True))
    return (logits / sums).argmax(0)[inside]


if __name__ == "__main__":
    main()
