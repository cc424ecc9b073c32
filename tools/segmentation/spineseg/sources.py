"""Makes source volumes (tissue codes and distance to bone at 1.5 mm) from phantoms, label maps and meshes.

python -m spineseg.sources phantom --labels phantom7/labels.nii.gz --out sources/phantom7.npz
python -m spineseg.sources map     --labels sub-verse004_seg-vert_msk.nii.gz --ids 16-24 --out sources/verse004.npz
python -m spineseg.sources mesh    --dir lumbosacral/bones --out sources/artisynth.npz

and image sources (an image at 1.5 mm and what is known of its classes) from a phantom's CT, or from labelled MR, of which some label one
structure alone:

python -m spineseg.sources image --modality ct --image p7/ct.nii.gz --labels p7/labels.nii.gz --says phantom --out sources/ct7.npz

python -m spineseg.sources image --image phantom7/mr.nii.gz --labels phantom7/mr_labels.nii.gz --says phantom --out sources/mr7.npz
python -m spineseg.sources image --image vb3_01_img.nii.gz --labels vb3_01_seg.nii.gz --says bodies --out sources/vb3_01.npz
python -m spineseg.sources image --image ivd_20_img.nii.gz --labels ivd_20_seg.nii.gz --says discs --out sources/ivd_20.npz
"""

import argparse
import json
import pathlib
import re

import nibabel as nib
import numpy as np
import scipy.ndimage as ndi

from . import classes as c
from . import geometry, tissues

CORD, SAC = 1, 2  # in `spinor phantom`'s label maps
FIRST_LUMBAR_VERSE, LAST_THORACIC_VERSE = 20, 19
# The tests: never a source, nor are phantoms of seeds from FIRST_TEST_SEED on. vb3_18 and vb3_19 are one scan, bit for bit.
HELD_OUT = ("verse014", "vb3_16", "vb3_17", "vb3_18", "vb3_19", "vb3_20", "ivd_11")
FIRST_TEST_SEED = 1000
OUTERMOST_MM = 2.0  # beyond the outermost structure that is labelled, where others of its kind begin that are not


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    kinds = parser.add_subparsers(dest="kind", required=True)
    for kind in ("phantom", "map", "mesh"):
        sub = kinds.add_parser(kind)
        sub.add_argument("--dir" if kind == "mesh" else "--labels", dest="source", type=pathlib.Path, required=True)
        sub.add_argument("--out", type=pathlib.Path, required=True)
        if kind != "phantom":
            sub.add_argument("--pose", type=int, help="seed of another posture and of worn discs")
        if kind == "map":
            sub.add_argument("--ids", required=True, help="numbers from head to foot, as in 16-24")
    image = kinds.add_parser("image")
    image.add_argument("--image", type=pathlib.Path, required=True)
    image.add_argument("--labels", dest="source", type=pathlib.Path, required=True)
    image.add_argument("--says", choices=("phantom", "bodies", "discs"), required=True)
    image.add_argument("--modality", choices=("ct", "mr"), default="mr")
    image.add_argument("--out", type=pathlib.Path, required=True)
    args = parser.parse_args()
    paths = [args.source, args.image] if args.kind == "image" else [args.source]
    for path in paths:
        if held_out(path):
            parser.error(f"{path} is held out for ever")
    args.out.parent.mkdir(parents=True, exist_ok=True)
    if args.kind == "image":
        return from_image(args)
    make = {"phantom": from_phantom, "map": from_map, "mesh": from_meshes}[args.kind]
    codes, bone = make(args)
    distance = geometry.signed_distance(bone, c.SOURCE_MM).astype(np.float16)
    np.savez_compressed(args.out, codes=codes, distance=distance, meta=json.dumps({"kind": args.kind, "from": args.source.name}))
    values, counts = np.unique(codes, return_counts=True)
    print(args.out, codes.shape, dict(zip(values.tolist(), counts.tolist(), strict=True)))


def held_out(path):
    """Whether a file is a test's: by its name or by its folders', which is where a phantom's seed stands."""
    text = str(path.absolute())
    seeds = [int(digits) for digits in re.findall(r"(?:phantom|ph|seed)[-_]?(\d+)", text)]
    return any(name in text for name in HELD_OUT) or any(seed >= FIRST_TEST_SEED for seed in seeds)


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
    codes, right, front, vertebrae, order = phantom_codes(*load(args.source))
    if 41 in order:
        top = middle(codes, vertebrae, 41)
        rib = tissues.ribs(codes.shape, [(top[0], top[1], top[2] + 28 / c.SOURCE_MM)], c.SOURCE_MM) & (codes == c.SOFT)
        codes[rib] = c.OTHER_BONE
    codes = tissues.surround(codes, right, front, 10**6)
    # The phantom's spine ends at L1: the image must, too, or there would be a spine without vertebrae above it.
    high = int(middle(codes, vertebrae, order[0])[2])
    return codes[:, :, :high], np.isin(codes, c.BONES)[:, :, :high]


def phantom_codes(labels, spacing):
    labels = labels.astype(np.int16)
    discs = [n for n in range(91, 101) if (labels == n).any()]
    bones = [n for n in (*range(41, 47), 50) if (labels == n).any()]
    whole = np.where(labels == CORD, SAC, labels)  # the cord lies in the sac
    even = even_labels(whole, spacing, [SAC, *bones, *discs])
    cord = even_labels(labels, spacing, [CORD]) == CORD
    vertebrae = np.where((even >= 41) & (even < 47), even, 0)
    order = [n for n in bones if n < 47]
    none = np.zeros(even.shape, bool)
    known = {"discs": np.isin(even, discs), "tube": even == SAC}
    codes, right, front = geometry.tissue_codes(vertebrae, order, even == 50, none, c.SOURCE_MM, **known)
    codes[cord & (codes == c.SAC)] = c.CORD
    return codes, right, front, vertebrae, order


def from_image(args):
    """An image and its classes, with the stretch that its labels judge; nothing is said of what they do not label."""
    image, spacing = load(args.image)
    labels, label_spacing = load(args.source)
    if image.shape != labels.shape or not np.allclose(spacing, label_spacing, atol=1e-3):
        raise SystemExit(f"{args.image} and {args.source} do not lie on the same voxels")
    if args.says == "phantom":
        codes, *_ = phantom_codes(labels, spacing)
        classes = codes.astype(np.int8)
        meant = c.MR_CLASSES if args.modality == "mr" else c.CT_CLASSES
        for code in range(c.CANAL, c.TISSUES):
            classes[codes == code] = meant.get(code, 0)
    else:
        known = {"bodies": c.BODY, "discs": c.DISC}[args.says]
        # Numbers run from head to foot in the one and from foot to head in the other.
        order = sorted(n for n in np.unique(labels) if n)
        even = even_labels(labels.astype(np.int16), spacing, order)
        classes = one_class(even, order if args.says == "bodies" else order[::-1], known)
    fine = geometry.resample(image.astype(np.float32), spacing, c.SOURCE_MM, 1)
    box = tuple(slice(0, min(n, m)) for n, m in zip(fine.shape, classes.shape, strict=True))
    fine, classes = fine[box], classes[box]
    if args.modality == "mr":  # a CT stays in HU
        fine = (fine - image.mean()) / image.std()
    meta = {"kind": args.says, "from": args.image.name, "modality": args.modality}
    np.savez_compressed(args.out, image=fine.astype(np.float16), classes=classes, meta=json.dumps(meta))
    values, counts = np.unique(classes, return_counts=True)
    print(args.out, classes.shape, dict(zip(values.tolist(), counts.tolist(), strict=True)))


def one_class(labels, order, known):
    """Classes of a map of one kind of structure: it, surely not it, and unknown above the highest, where others follow.

    Below the lowest none follows: under L5 is the sacrum, whose parts are of another class.
    """
    middles = {n: np.array(ndi.center_of_mass(labels == n)) for n in order}
    first, second = order[:2]
    up = middles[first] - middles[second]
    up /= np.linalg.norm(up)
    height = sum((axis - m) * u for axis, m, u in zip(np.ogrid[tuple(slice(n) for n in labels.shape)], middles[first], up, strict=True))
    top = np.percentile(height[labels == first], 99) + OUTERMOST_MM / c.SOURCE_MM
    classes = np.where(labels > 0, known, c.NOT + known).astype(np.int8)
    classes[(height > top) & (labels == 0)] = c.UNKNOWN
    return classes


def from_map(args):
    """A label map in VerSe's numbers without a sacrum; the image ends in the middle of the first and the last body."""
    labels, spacing = load(args.source)
    ids = numbers(args.ids)
    labels = np.pad(labels.astype(np.int16), [(int(60 / s),) * 2 for s in spacing[:2]] + [(0, 0)])
    vertebrae = even_labels(labels, spacing, ids)
    none = np.zeros(vertebrae.shape, bool)
    vertebrae, none, _ = posture(vertebrae, ids, none, none, args.pose)
    codes, right, front = geometry.tissue_codes(vertebrae, ids, none, none, c.SOURCE_MM)
    middles = {n: middle(codes, vertebrae, n) for n in ids}
    thoracic = [middles[n] for n in ids if n <= LAST_THORACIC_VERSE]
    codes[tissues.ribs(codes.shape, thoracic, c.SOURCE_MM) & (codes == c.SOFT)] = c.OTHER_BONE
    bone = np.isin(codes, c.BONES)
    lumbar_top = middles[FIRST_LUMBAR_VERSE][2] if FIRST_LUMBAR_VERSE in middles else codes.shape[2]
    cord = (right / 4.5) ** 2 + ((front + 1) / 3.5) ** 2 < 1  # as far down as the conus
    cord[:, :, : int(lumbar_top)] = False
    codes[cord & (codes == c.SAC)] = c.CORD
    codes = tissues.surround(codes, right, front, lumbar_top)
    inside = slice(int(middles[ids[-1]][2]), int(middles[ids[0]][2]))
    return codes[:, :, inside], bone[:, :, inside]


def posture(vertebrae, order, sacrum, other, seed):
    """Vertebrae, sacrum and other bone in the posture of a seed; as they are without one."""
    if seed is None:
        return vertebrae, sacrum, other
    codes, *_ = geometry.tissue_codes(vertebrae, order, sacrum, other, c.SOURCE_MM)
    bodies = np.isin(codes, (c.BODY, c.PEDICLE))
    vertebrae, sacrum = geometry.posed(vertebrae, bodies, order, sacrum, np.random.default_rng(seed), c.SOURCE_MM)
    room = [
        (0, more - n) if axis == 2 else ((more - n) // 2,) * 2
        for axis, (n, more) in enumerate(zip(other.shape, vertebrae.shape, strict=True))
    ]
    return vertebrae, sacrum, np.pad(other, room) & (vertebrae == 0) & ~sacrum


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
    vertebrae, sacrum, other = posture(vertebrae, list(range(20, 25)), sacrum, other, args.pose)
    codes, right, front = geometry.tissue_codes(vertebrae, list(range(20, 25)), sacrum, other, c.SOURCE_MM)
    top = middle(codes, vertebrae, 20)
    rib = tissues.ribs(codes.shape, [(top[0], top[1], top[2] + 28 / c.SOURCE_MM)], c.SOURCE_MM) & (codes == c.SOFT)
    codes[rib] = c.OTHER_BONE
    bone = np.isin(codes, c.BONES)
    codes = tissues.surround(codes, right, front, 10**6)
    return codes[:, :, : int(top[2])], bone[:, :, : int(top[2])]


if __name__ == "__main__":
    main()
