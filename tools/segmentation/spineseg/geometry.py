"""Geometry that label maps of whole vertebrae imply: the canal, bodies and arches, discs. Arrays are (x right, y front, z up)."""

import numpy as np
import scipy.ndimage as ndi

from . import classes as c

FORAMEN_MM2 = (70, 700)  # area of a vertebral foramen in an axial slice
CANAL_RADIUS_MM = (6.5, 11)
STRAY_MM = 6  # a foramen farther than this from its neighbours' line is a gap between processes
DISC_GAP_MM = 19  # highest gap between two bodies that is a disc
SAC_SHARE = 0.8  # of the canal's radius
# Another posture, each vertebra against the one below: degrees about the axes to the right, the front and upwards, and of all together.
POSE_DEG, LORDOSIS_DEG = (3.0, 1.5, 1.5), 2.5
WORN_SHARE, LEAST_DISC_MM = 0.5, 2.0
AXIS_MM = 10  # within this of the line between two bodies their end plates are looked for
POSE_ROOM_MM = 45
NUCLEUS_DEPTH_MM = (6.5, 5.5, 1.6)  # of a disc that is annulus


def resample(volume, spacing, new_mm, order):
    """The volume on even voxels of `new_mm`, voxel centres aligned at the volume's edges."""
    shape = np.maximum(1, np.round(np.array(volume.shape) * spacing / new_mm).astype(int))
    index = [(np.arange(n) + 0.5) * new_mm / s - 0.5 for n, s in zip(shape, spacing, strict=True)]
    grid = np.meshgrid(*index, indexing="ij")
    return ndi.map_coordinates(volume, grid, order=order, mode="nearest", prefilter=order > 1)


def foramen(section, mm):
    """Centre (x, y) and radius, voxels, of the largest hole of an axial slice that is as large as a canal; None without one."""
    if section.sum() < 20:
        return None
    closed = ndi.binary_closing(np.pad(section, 4), iterations=1)[4:-4, 4:-4]
    labels, count = ndi.label(ndi.binary_fill_holes(closed) & ~closed)
    best = None
    for k in range(1, count + 1):
        hole = labels == k
        area = hole.sum() * mm * mm
        if FORAMEN_MM2[0] < area < FORAMEN_MM2[1] and (best is None or area > best[0]):
            radius = np.clip(np.sqrt(area / np.pi), *CANAL_RADIUS_MM) / mm
            best = (area, *ndi.center_of_mass(hole), radius)
    return None if best is None else best[1:]


def canal_line(vertebrae, mm):
    """Centre and radius of the canal in every slice (n, 3), voxels, and the lowest and highest slice with a vertebra."""
    depth = vertebrae.shape[2]
    found = np.full((depth, 3), np.nan)
    for z in range(depth):
        hole = foramen(vertebrae[:, :, z], mm)
        if hole is not None:
            found[z] = hole
    at = np.where(~np.isnan(found[:, 0]))[0]
    for _ in range(2):
        for axis in (0, 1):
            median = ndi.median_filter(found[at, axis], 9, mode="nearest")
            at = at[np.abs(found[at, axis] - median) < STRAY_MM / mm]
    if len(at) < 12:
        raise ValueError("no canal is closed around in these labels")
    every = np.arange(depth)
    line = np.stack([np.interp(every, at, found[at, k]) for k in range(3)], 1)
    for axis in (0, 1):
        for some, beyond in ((at[:12], every < at[0]), (at[-12:], every > at[-1])):
            line[beyond, axis] = np.polyval(np.polyfit(some, found[some, axis], 1), every[beyond])
    filled = np.where(vertebrae.any((0, 1)))[0]
    return ndi.gaussian_filter1d(line, 5 / mm, axis=0, mode="nearest"), filled[0], filled[-1]


def tube_line(tube, mm, wider_mm=2.0):
    """As `canal_line`, from the dural sac of a phantom, around which the canal is `wider_mm` wider."""
    area = tube.sum((0, 1)) * mm * mm
    at = np.where(area > 20)[0]
    if len(at) < 12:
        raise ValueError("no dural sac in these labels")
    found = np.array([(*ndi.center_of_mass(tube[:, :, z]), (np.sqrt(area[z] / np.pi) + wider_mm) / mm) for z in at])
    every = np.arange(tube.shape[2])
    line = np.stack([np.interp(every, at, found[:, k]) for k in range(3)], 1)
    line[:, 2] = np.clip(line[:, 2], CANAL_RADIUS_MM[0] / mm, CANAL_RADIUS_MM[1] / mm)
    return ndi.gaussian_filter1d(line, 3 / mm, axis=0, mode="nearest"), at[0], at[-1]


def posed(vertebrae, bodies, order, sacrum, rng, mm):
    """The vertebrae of a map in another posture, half of their discs narrower; what the lowest stands on stays where it is.

    `bodies` says which voxels are of bodies. The map gets `POSE_ROOM_MM` more room in front, behind and above.
    """
    room = int(POSE_ROOM_MM / mm)
    out = np.pad(np.zeros_like(vertebrae), ((0, 0), (room, room), (0, room)))
    offset = np.array([0, room, 0])
    points = {n: np.argwhere((vertebrae == n) & bodies) for n in order}
    centres = {n: points[n].mean(0) for n in order}
    lordosis, turn, shift = rng.normal(0, LORDOSIS_DEG), np.eye(3), np.zeros(3)
    standing = sacrum
    for k in reversed(range(len(order))):
        own, lower = order[k], order[k + 1] if k + 1 < len(order) else None
        if lower is None and not sacrum.any():
            standing = vertebrae == own
        else:
            below = centres[lower] if lower is not None else 2 * centres[own] - centres[order[k - 1]]
            up = (centres[own] - below) / np.linalg.norm(centres[own] - below)
            foot = end(points[own], centres[own], up, mm, 2)
            top = end(points[lower] if lower is not None else np.argwhere(sacrum), centres[own], up, mm, 98)
            gap = max(0.0, foot - top)
            less = min(gap * rng.uniform(0.1, 0.9), max(0.0, gap - LEAST_DISC_MM / mm)) if rng.random() < WORN_SHARE else 0.0
            pivot = centres[own] + up * (foot + top) / 2
            step = rotation(np.deg2rad(rng.normal((lordosis, 0, 0), POSE_DEG)))
            # First the step against the one below, then all that the one below does.
            shift = turn @ (pivot - step @ pivot - less * up) + shift
            turn = turn @ step
            grid = np.stack(np.meshgrid(*map(np.arange, out.shape), indexing="ij")).reshape(3, -1)
            back = turn.T @ (grid - (offset + shift)[:, None])
            here = ndi.map_coordinates((vertebrae == own).astype(np.float32), back, order=1, mode="constant").reshape(out.shape) > 0.5
            out[here & (out == 0)] = own
            continue
        out[:, room:-room, :-room][standing] = own
    keep = np.pad(sacrum, ((0, 0), (room, room), (0, room)))
    out[keep] = 0
    return out, keep


def end(points, centre, up, mm, percentile):
    """Where an end plate lies along `up` from `centre`, voxels."""
    along = (points - centre) @ up
    off = np.linalg.norm(points - centre - along[:, None] * up, axis=1)
    return float(np.percentile(along[off < AXIS_MM / mm], percentile))


def rotation(angles):
    out = np.eye(3)
    for (a, b), angle in zip(((1, 2), (0, 2), (0, 1)), angles, strict=True):
        step = np.eye(3)
        step[a, a] = step[b, b] = np.cos(angle)
        step[a, b], step[b, a] = -np.sin(angle), np.sin(angle)
        out = out @ step
    return out


def disc_between(upper, lower, bone, front_of_canal, mm):
    """The gap between two bodies, column by column."""
    depth = bone.shape[2]
    bottom = np.where(upper.any(2), upper.argmax(2), -1)
    top = np.where(lower.any(2), depth - 1 - lower[:, :, ::-1].argmax(2), -1)
    gap = (bottom - top - 1) * mm
    is_disc = (bottom > 0) & (top > 0) & (gap > 0) & (gap < DISC_GAP_MM)
    z = np.arange(depth)
    disc = is_disc[:, :, None] & (z > top[:, :, None]) & (z < bottom[:, :, None]) & ~bone & front_of_canal
    # Opened across its height alone, or worn discs of less than three voxels were lost.
    labels, count = ndi.label(ndi.binary_opening(disc, ndi.generate_binary_structure(2, 1)[:, :, None]))
    return labels == 1 + np.argmax(np.bincount(labels.ravel())[1:]) if count else np.zeros_like(disc)


def tissue_codes(vertebrae, order, sacrum, other_bone, mm, discs=None, tube=None):
    """Source codes of a map of whole vertebrae (numbers, listed from head to foot in `order`).

    Canal, sac and discs are derived from the bones unless the sac (`tube`) and `discs` are known.

    Returns the codes and each voxel's place right of and in front of the canal, mm.
    """
    line, low, high = canal_line(vertebrae > 0, mm) if tube is None else tube_line(tube, mm)
    x, y = np.meshgrid(np.arange(vertebrae.shape[0]), np.arange(vertebrae.shape[1]), indexing="ij")
    right, front = x[:, :, None] - line[None, None, :, 0], y[:, :, None] - line[None, None, :, 1]
    radius = line[None, None, :, 2]
    bone = (vertebrae > 0) | sacrum
    body = (vertebrae > 0) & (front > 0.55 * radius)
    codes = np.zeros(vertebrae.shape, np.uint8)
    codes[vertebrae > 0] = c.ARCH
    codes[body] = c.BODY
    codes[sacrum] = c.SACRUM
    codes[other_bone & ~bone] = c.OTHER_BONE
    if discs is not None:
        codes[discs & ~bone] = c.DISC
    else:
        column = [(vertebrae == number) & body & (np.abs(right) * mm < 34) for number in order]
        if sacrum.any():
            column.append(sacrum & (front > 0.3 * radius))
        for upper, lower in zip(column, column[1:], strict=False):
            if upper.any() and lower.any():
                codes[disc_between(upper, lower, bone, front > 0.4 * radius, mm)] = c.DISC
    canal = (right**2 + (1.15 * front) ** 2 < (1.05 * radius) ** 2) & (codes == c.SOFT)
    canal[:, :, : max(0, low - int(5 / mm))] = False
    canal[:, :, high + 1 :] = False
    codes[canal] = c.CANAL
    sac = canal & (right**2 + (1.15 * front) ** 2 < (SAC_SHARE * radius) ** 2) if tube is None else tube & ~bone
    codes[sac] = c.SAC
    disc = codes == c.DISC
    codes[ndi.binary_erosion(disc, ellipsoid(np.array(NUCLEUS_DEPTH_MM) / mm))] = c.NUCLEUS
    codes[body & (front < 0.85 * radius) & (np.abs(right) > 0.8 * radius)] = c.PEDICLE
    return codes, right * mm, front * mm


def ellipsoid(half):
    reach = np.maximum(1, np.floor(half)).astype(int)
    steps = np.meshgrid(*(np.arange(-n, n + 1) for n in reach), indexing="ij")
    return sum((step / size) ** 2 for step, size in zip(steps, np.maximum(half, 1), strict=True)) <= 1


def signed_distance(mask, mm):
    """Distance to the mask's border, mm, negative inside."""
    return (ndi.distance_transform_edt(~mask) - ndi.distance_transform_edt(mask)) * mm
