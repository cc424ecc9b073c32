"""What surrounds a spine: muscle, viscera, vessels, lung, skin, ribs. Crude on purpose, and different in every training image."""

import numpy as np
import scipy.ndimage as ndi

from . import classes as c


def surround(codes, right, front, lumbar_top):
    """Fills what is soft with tissues by its place right of and in front of the canal, mm; lung from `lumbar_top` (voxels) upwards."""
    side = np.abs(right)
    height = np.arange(codes.shape[2])[None, None]
    tissue = np.where(front > 8, c.VISCERA, c.SOFT).astype(np.uint8)
    tissue[((side - 24) / 24) ** 2 + ((front + 34) / 27) ** 2 < 1] = c.MUSCLE
    tissue[(((side - 40) / 17) ** 2 + ((front - 20) / 20) ** 2 < 1) & (height < lumbar_top)] = c.MUSCLE
    tissue[(height > lumbar_top + 10) & (side > 22) & (side < 130) & (front < 90) & (front > -25)] = c.LUNG
    tissue[(right + 8) ** 2 + (front - 50) ** 2 < 100] = c.VESSEL
    tissue[(right - 16) ** 2 + (front - 48) ** 2 < 130] = c.VESSEL
    tissue[(right / 165) ** 2 + ((front - 40) / 118) ** 2 > 1] = c.AIR
    soft = codes == c.SOFT
    codes[soft] = tissue[soft]
    return codes


def ribs(shape, centres, mm):
    """A pair of ribs as bent tubes for each centre (voxels) of a thoracic vertebra."""
    path = np.zeros(shape, bool)
    t = np.linspace(0, 1, 400)
    for centre in centres:
        for side in (-1, 1):
            arc = np.stack(
                [
                    side * (26 + 104 * np.sin(np.linspace(0, np.pi * 0.62, t.size))),
                    -18 - 14 * np.sin(np.pi * np.minimum(t * 2.2, 1)) + 120 * t**1.6,
                    4 - 38 * t,
                ]
            )
            head = np.stack([side * np.linspace(15, 26, 40), np.linspace(4, -18, 40), np.linspace(6, 4, 40)])
            points = np.round(np.concatenate([arc, head], 1).T / mm + np.array(centre)).astype(int)
            inside = ((points >= 0) & (points < shape)).all(1)
            path[tuple(points[inside].T)] = True
    return ndi.distance_transform_edt(~path) * mm < 4.2
