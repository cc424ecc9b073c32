"""Makes source volumes (tissue codes and distance to bone at 1.5 mm) from phantoms, label maps and meshes.

python -m spineseg.sources phantom --labels phantom7/labels.nii.gz --out sources/phantom7.npz
python -m spineseg.sources map     --labels sub-verse004_seg-vert_msk.nii.gz --ids 16-24 --out sources/verse004.npz
python -m spineseg.sources mesh    --dir lumbosacral/bones --out sources/artisynth.npz
"""

import argparse
import json
import pathlib

import nibabel as nib
import numpy as np
import scipy.ndimage as ndi

from . import classes as c
from . import geometry, tissues

CORD, SAC = 1, 2  # in `spinor phantom`'s label maps
FIRST_LUMBAR_VERSE, LAST_THORACIC_VERSE = 20, 19
HELD_OUT = ("verse014",)  # the expert test: never a source


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    kinds = parser.add_subparsers(dest="kind", required=True)
    for kind in ("phantom", "map", "mesh"):
        sub = kinds.add_parser(kind)
        sub.add_argument("--dir" if kind == "mesh" else "--labels", dest="source", type=pathlib.Path, required=True)
        sub.add_argument("--out", type=pathlib.Path, required=True)
        if kind == "map":
            sub.add_argument("--ids", required=True, help="numbers from head to foot, as in 16-24")
    args = parser.parse_args()
    if any(name in str(args.source) for name in HELD_OUT):
        parser.error(f"{args.source} is held out for ever")
    make = {"phantom": from_phantom, "map": from_map, "mesh": from_meshes}[args.kind]
    codes, bone = make(args)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    distance = geometry.signed_distance(bone, c.SOURCE_MM).astype(np.float16)
    np.savez_compressed(args.out, codes=codes, distance=distance, meta=json.dumps({"kind": args.kind, "from": args.source.name}))
    values, counts = np.unique(codes, return_counts=True)
    print(args.out, codes.shape, dict(zip(values.tolist(), counts.tolist(), strict=True)))


def load(path):
    image = nib.as_closest_canonical(nib.load(path))
    return np.asanyarray(image.dataobj), np.array(image.header.get_zooms()[:3], float)


def numbers(text):
    out = []
    for item in text.split(","):
        first, *last = item.split("-")
        out += range(int(first), int(last[0]) + 1) if last else [int(first)]
    return out


def even_labels(labels, spacing, ids):
    """Numbers on even voxels; each structure is resampled smoothly, since expert labels are 2 mm thick."""
    shape = [int(round(n * s / c.SOURCE_MM)) for n, s in zip(labels.shape, spacing, strict=True)]
    out, best = np.zeros(shape, np.int16), np.full(shape, 0.5, np.float32)
    for number in ids:
        soft = ndi.gaussian_filter((labels == number).astype(np.float32), 0.6 / spacing)
        soft = geometry.resample(soft, spacing, c.SOURCE_MM, 1)[: shape[0], : shape[1], : shape[2]]
        box = tuple(slice(0, n) for n in soft.shape)
        wins = soft > best[box]
        out[box][wins], best[box][wins] = number, soft[wins]
    return out


def middle(codes, vertebrae, number):
    return ndi.center_of_mass((vertebrae == number) & (codes == c.BODY))


def from_phantom(args):
    """`spinor phantom`'s label map: cord 1, sac 2, vertebrae 41-45, sacrum 50, discs 92-100."""
    labels, spacing = load(args.source)
    labels = labels.astype(np.int16)
    discs = [n for n in range(91, 101) if (labels == n).any()]
    bones = [n for n in (*range(41, 47), 50) if (labels == n).any()]
    labels[labels == CORD] = SAC  # the cord lies in it
    even = even_labels(labels, spacing, [SAC, *bones, *discs])
    vertebrae = np.where((even >= 41) & (even < 47), even, 0)
    order = [n for n in bones if n < 47]
    none = np.zeros(even.shape, bool)
    known = {"discs": np.isin(even, discs), "tube": even == SAC}
    codes, right, front = geometry.tissue_codes(vertebrae, order, even == 50, none, c.SOURCE_MM, **known)
    if 41 in order:
        top = middle(codes, vertebrae, 41)
        rib = tissues.ribs(codes.shape, [(top[0], top[1], top[2] + 28 / c.SOURCE_MM)], c.SOURCE_MM) & (codes == c.SOFT)
        codes[rib] = c.OTHER_BONE
    codes = tissues.surround(codes, right, front, 10**6)
    # The phantom's spine ends at L1: the image must, too, or there would be a spine without vertebrae above it.
    high = int(middle(codes, vertebrae, order[0])[2])
    return codes[:, :, :high], np.isin(codes, c.BONES)[:, :, :high]


def from_map(args):
    """A label map in VerSe's numbers without a sacrum; the image ends in the middle of the first and the last body."""
    labels, spacing = load(args.source)
    ids = numbers(args.ids)
    labels = np.pad(labels.astype(np.int16), [(int(60 / s),) * 2 for s in spacing[:2]] + [(0, 0)])
    vertebrae = even_labels(labels, spacing, ids)
    none = np.zeros(vertebrae.shape, bool)
    codes, right, front = geometry.tissue_codes(vertebrae, ids, none, none, c.SOURCE_MM)
    middles = {n: middle(codes, vertebrae, n) for n in ids}
    thoracic = [middles[n] for n in ids if n <= LAST_THORACIC_VERSE]
    codes[tissues.ribs(codes.shape, thoracic, c.SOURCE_MM) & (codes == c.SOFT)] = c.OTHER_BONE
    bone = np.isin(codes, c.BONES)
    lumbar_top = middles[FIRST_LUMBAR_VERSE][2] if FIRST_LUMBAR_VERSE in middles else codes.shape[2]
    codes = tissues.surround(codes, right, front, lumbar_top)
    inside = slice(int(middles[ids[-1]][2]), int(middles[ids[0]][2]))
    return codes[:, :, inside], bone[:, :, inside]


def read_obj(path):
    """Corners (mm, x right, y front, z up) and triangles of a mesh in metres with x front, y left, z up."""
    corners, faces = [], []
    for line in path.read_text().splitlines():
        word, *rest = line.split() or [""]
        if word == "v":
            corners.append([float(v) for v in rest[:3]])
        elif word == "f":
            ring = [int(v.split("/")[0]) - 1 for v in rest]
            faces += [[ring[0], ring[k], ring[k + 1]] for k in range(1, len(ring) - 1)]
    corners = 1000 * np.array(corners)
    return np.stack([-corners[:, 1], corners[:, 0], corners[:, 2]], 1), np.array(faces)


def voxelise(corners, faces, origin, shape, mm, fine=2):
    """The inside of a closed mesh: its surface is sampled densely on finer voxels and filled."""
    step = mm / fine
    mask = np.zeros([n * fine for n in shape], bool)
    triangles = corners[faces]
    edges = [np.linalg.norm(triangles[:, k] - triangles[:, 0], axis=1) for k in (1, 2)]
    splits = np.clip(np.ceil(np.maximum(*edges) / (step * 0.5)).astype(int), 1, 60)
    for n in np.unique(splits):
        some = triangles[splits == n]
        u, w = np.meshgrid(np.arange(n + 1) / n, np.arange(n + 1) / n)
        u, w = u[u + w <= 1.0001], w[u + w <= 1.0001]
        weights = np.stack([1 - u - w, u, w])
        points = np.einsum("kp,tkd->tpd", weights, some).reshape(-1, 3)
        index = np.floor((points - origin) / step).astype(int)
        mask[tuple(index[((index >= 0) & (index < mask.shape)).all(1)].T)] = True
    solid = ndi.distance_transform_edt(ndi.binary_fill_holes(mask)) > 1.0  # half of the sampled shell lies outside
    return solid.reshape(shape[0], fine, shape[1], fine, shape[2], fine).mean((1, 3, 5)) >= 0.5


def from_meshes(args):
    """The lumbosacral bones of artisynth's model (L1-L5, sacrum, pelvis)."""
    names = ["L1", "L2", "L3", "L4", "L5"]
    meshes = {n: read_obj(args.source / f"{n}_Schrumpfverpacken.obj") for n in (*names, "S1")}
    pelvis = read_obj(args.source / "Pelvis.obj")
    corners = np.concatenate([m[0] for m in meshes.values()])
    centre, low, high = corners.mean(0), corners.min(0), corners.max(0)
    origin = np.array([centre[0] - 110, low[1] - 45, low[2] - 5])
    shape = np.ceil((np.array([centre[0] + 110, high[1] + 70, high[2] + 5]) - origin) / c.SOURCE_MM).astype(int)
    vertebrae = np.zeros(shape, np.int16)
    for k, name in enumerate(names):
        vertebrae[voxelise(*meshes[name], origin, shape, c.SOURCE_MM)] = 20 + k
    sacrum = voxelise(*meshes["S1"], origin, shape, c.SOURCE_MM) & (vertebrae == 0)
    other = voxelise(*pelvis, origin, shape, c.SOURCE_MM) & (vertebrae == 0) & ~sacrum
    codes, right, front = geometry.tissue_codes(vertebrae, list(range(20, 25)), sacrum, other, c.SOURCE_MM)
    top = middle(codes, vertebrae, 20)
    rib = tissues.ribs(codes.shape, [(top[0], top[1], top[2] + 28 / c.SOURCE_MM)], c.SOURCE_MM) & (codes == c.SOFT)
    codes[rib] = c.OTHER_BONE
    bone = np.isin(codes, c.BONES)
    codes = tissues.surround(codes, right, front, 10**6)
    return codes[:, :, : int(top[2])], bone[:, :, : int(top[2])]


if __name__ == "__main__":
    main()
