"""What a network that knows the labels would say: parts at its own voxels, brought back to the scan's as `spinor prepare` does it.

    python -m spineseg.parts --labels labels.nii.gz --scheme totalspineseg --out parts.nii.gz

Given to the example `segmentation` of spinor-prepare (SPINOR_PARTS), it tells what is lost after the network.
"""

import argparse
import pathlib

import nibabel as nib
import numpy as np
import scipy.ndimage as ndi

from . import classes as c
from . import geometry
from .sources import even_labels, phantom_codes


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--labels", type=pathlib.Path, required=True)
    parser.add_argument("--scheme", choices=("verse", "totalspineseg"), required=True)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    args = parser.parse_args()
    own = nib.load(args.labels)
    turned = nib.as_closest_canonical(own)
    labels, spacing = np.asanyarray(turned.dataobj).astype(np.int16), np.array(turned.header.get_zooms()[:3], float)
    parts = seen_coarsely(parts_of(labels, spacing, args.scheme), spacing)
    found = nib.Nifti1Image(parts.astype(np.int16), turned.affine)
    back = nib.orientations.ornt_transform(nib.io_orientation(turned.affine), nib.io_orientation(own.affine))
    nib.save(nib.Nifti1Image(np.asanyarray(found.as_reoriented(back).dataobj), own.affine), args.out)


def parts_of(labels, spacing, scheme):
    """Classes on the labels' own voxels: bone and discs as they are labelled; the rest as the training's sources say."""
    if scheme == "verse":
        order = [n for n in range(1, 26) if (labels == n).any()]
        vertebrae = even_labels(labels, spacing, order)
        none = np.zeros(vertebrae.shape, bool)
        codes, *_ = geometry.tissue_codes(vertebrae, order, none, none, c.SOURCE_MM)
        bone, exact = labels > 0, {}
    else:
        codes, *_ = phantom_codes(labels, spacing)
        bone, exact = (labels >= 11) & (labels < 48), {c.SACRUM: labels == 50, c.DISC: (labels >= 63) & (labels <= 100)}
    for code, tissue in c.CT_TISSUES.items():
        codes[codes == code] = tissue
    half = (codes == c.BODY) | (codes == c.ARCH)
    nearest = ndi.distance_transform_edt(~half, return_distances=False, return_indices=True)
    half = on_voxels(codes[tuple(nearest)], labels.shape, spacing)
    out = on_voxels(codes, labels.shape, spacing)
    for code in (c.BODY, c.ARCH, *exact):
        out[out == code] = c.SOFT
    for code, where in exact.items():
        out[where] = code
    out[bone] = half[bone]
    return np.where(out <= c.CANAL, out, 0)


def on_voxels(codes, shape, spacing):
    """Codes of even voxels on those of the labels."""
    index = [
        np.clip(((np.arange(n) + 0.5) * s / c.SOURCE_MM).astype(int), 0, m - 1) for n, s, m in zip(shape, spacing, codes.shape, strict=True)
    ]
    return codes[np.ix_(*index)]


def mean_on(volume, spacing, mm, samples=8):
    """The volume on even voxels of `mm`, each the mean of what lies in it."""
    for axis, step in enumerate(spacing):
        count = volume.shape[axis]
        at = np.arange(max(1, round(count * step / mm)) * samples)
        at = np.clip((at + 0.5) * mm / samples / step - 0.5, 0, count - 1)
        low = np.minimum(at.astype(int), max(0, count - 2))
        weights = np.zeros((len(at), count), np.float32)
        np.add.at(weights, (np.arange(len(at)), low), 1 - (at - low))
        np.add.at(weights, (np.arange(len(at)), np.minimum(low + 1, count - 1)), at - low)
        weights = weights.reshape(-1, samples, count).mean(1)
        volume = np.moveaxis(np.tensordot(weights, volume, (1, axis)), 0, axis)
    return volume


def seen_coarsely(parts, spacing):
    """The class whose share is greatest once shares were averaged on the network's voxels and interpolated back."""
    most, out = np.full(parts.shape, -1, np.float32), np.zeros(parts.shape, np.uint8)
    for code in range(len(c.CLASSES)):
        share = (parts == code).astype(np.float32)
        share = mean_on(share, spacing, c.NETWORK_MM)
        index = [(np.arange(n) + 0.5) * s / c.NETWORK_MM - 0.5 for n, s in zip(parts.shape, spacing, strict=True)]
        share = ndi.map_coordinates(share, np.meshgrid(*index, indexing="ij"), order=1, mode="nearest")
        out[share > most] = code
        most = np.maximum(most, share)
    return out


if __name__ == "__main__":
    main()
