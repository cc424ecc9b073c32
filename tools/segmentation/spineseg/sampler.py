"""Draws training patches: a place in a source, turned, scaled, mirrored and bent, then painted as an image."""

import json

import numpy as np
import torch
from torch.nn import functional as F

from . import classes as c
from .appearance import Painter

# Where patches are centred: tissue codes and how often. The sacrum is rare and hard, so it is drawn often.
CENTRES = (
    ((c.BODY,), 0.30),
    ((c.ARCH,), 0.25),
    ((c.DISC, c.CANAL, c.SAC), 0.12),
    ((c.SACRUM,), 0.23),
    ((c.SOFT, c.MUSCLE, c.VISCERA), 0.10),
)


class Source:
    """Shapes to be painted (codes and distance to bone), or an image with what is known of its classes."""

    def __init__(self, path, modality):
        stored = np.load(path)
        self.painted = "codes" in stored
        if self.painted:
            codes = stored["codes"]
            if modality == "ct":
                for code, tissue in c.CT_TISSUES.items():
                    codes[codes == code] = tissue
            self.values = torch.from_numpy(stored["distance"].astype(np.float32))[None, None]
        else:
            codes = stored["classes"]
            # Image sources of before CT was taken were all MR.
            if (of := json.loads(str(stored["meta"])).get("modality", "mr")) != modality:
                raise ValueError(f"{path} holds an image of {of}, and {modality} is trained")
            self.values = torch.from_numpy(stored["image"].astype(np.float32))[None, None]
        self.shape = torch.tensor(codes.shape, dtype=torch.float32)
        self.codes = torch.from_numpy(codes)[None, None].float()
        self.centres = [np.argwhere(np.isin(codes, of)) for of, _ in CENTRES]
        if json.loads(str(stored["meta"]))["kind"] in ("bodies", "discs"):
            # Around what is labelled, and below it, where the sacrum is.
            around = np.argwhere((codes >= 0) & (codes < c.NOT))
            lowest = around[around[:, 2] < around[:, 2].min() + 20 / c.SOURCE_MM]
            below = lowest - np.array((0, 15, 20)) / c.SOURCE_MM
            self.centres = [around, around, around, below, np.argwhere(codes >= 0)[::50]]


class Sampler:
    """Patches of the sources in `paths`; `weights` says how often each is drawn (all alike when None)."""

    def __init__(self, paths, seed, modality="ct", weights=None):
        self.rng = np.random.default_rng(seed)
        torch.manual_seed(seed)
        self.sources = [Source(p, modality) for p in paths]
        weights = np.ones(len(self.sources)) if weights is None else np.array(weights, float)
        self.weights = weights / weights.sum()
        self.modality = modality
        self.resize(c.PATCH)

    def resize(self, size):
        self.size, self.painter = size, Painter(self.rng, size)
        axis = (torch.arange(size) - (size - 1) / 2) * c.NETWORK_MM
        self.grid = torch.stack(torch.meshgrid(axis, axis, axis, indexing="ij"), 0)

    def affine(self):
        """Rotation and scale from patch to source, and the mean scale."""
        rng, turn = self.rng, np.eye(3)
        for (a, b), spread in zip(((0, 1), (0, 2), (1, 2)), (8, 8, 20), strict=True):
            angle = np.deg2rad(rng.normal(0, spread))
            step = np.eye(3)
            step[a, a] = step[b, b] = np.cos(angle)
            step[a, b], step[b, a] = -np.sin(angle), np.sin(angle)
            turn = turn @ step
        mean = float(rng.uniform(0.8, 1.25))
        scale = mean * (1 + rng.normal(0, 0.07, 3))
        if rng.random() < 0.5:
            scale[0] = -scale[0]  # left and right
        return torch.tensor(turn @ np.diag(1 / scale), dtype=torch.float32), mean

    def draw(self):
        """An image (1, 1, x, y, z), normalised, and its classes (1, x, y, z), -1 where they do not count."""
        rng, painter = self.rng, self.painter
        source = self.sources[rng.choice(len(self.sources), p=self.weights)]
        kind = rng.choice(len(CENTRES), p=[share for _, share in CENTRES])
        places = source.centres[kind] if len(source.centres[kind]) else source.centres[0]
        centre = (places[rng.integers(len(places))] + 0.5) * c.SOURCE_MM + rng.normal(0, 14, 3)
        affine, scale = self.affine()
        bend = sum(painter.noise(n, painter.between(0, most), 3) for n, most in ((3, 4.0), (5, 2.6), (9, 1.4)))
        place = torch.einsum("ij,jxyz->ixyz", affine, self.grid + bend)
        place = place + torch.tensor(centre, dtype=torch.float32)[:, None, None, None]
        extent = source.shape[:, None, None, None] * c.SOURCE_MM
        inside = ((place > 0) & (place < extent)).all(0)
        at = (place / extent * 2 - 1).flip(0).permute(1, 2, 3, 0)[None]
        codes = F.grid_sample(source.codes, at, mode="nearest", padding_mode="border", align_corners=False)[0, 0]
        values = F.grid_sample(source.values, at, mode="bilinear", padding_mode="border", align_corners=False)[0, 0]
        if rng.random() < (0.6 if self.modality == "mr" and source.painted else 0.35):  # a narrow field of view
            half = rng.uniform(28, 64, 3)
            if self.modality == "mr":  # sagittal slices are few, but high and deep
                half[0], half[1:] = rng.uniform(26, 48), half[1:] * rng.choice((1.0, 2.0, 2.0))
            half = torch.tensor(half, dtype=torch.float32)[:, None, None, None]
            middle = torch.tensor(rng.normal(0, 8, 3), dtype=torch.float32)[:, None, None, None]
            inside = inside & ((self.grid - middle).abs() < half).all(0)
        if source.painted:
            classes = torch.where(codes <= c.CANAL, codes, torch.zeros_like(codes)).long()
            if self.modality == "mr":
                for code, meant in c.MR_CLASSES.items():
                    classes[codes == code] = meant
            image = self.image(codes, values * scale, inside)
        else:
            classes, image = codes.long(), self.seen(values, inside)
        classes = torch.where(inside, classes, torch.full_like(classes, c.UNKNOWN))
        return image[None, None], classes[None]

    def standard(self, image, inside):
        """Mean 0 and deviation 1, as of an image of which the patch is a part, and 0 where there is none, as a scan is padded."""
        some = image[inside]
        if some.numel() < 2:
            return torch.zeros_like(image)
        image = (image - some.mean()) / some.std().clamp(min=1e-6) * self.painter.between(0.7, 1.4) + float(self.rng.normal(0, 0.25))
        return torch.where(inside, image, torch.zeros_like(image))

    def image(self, codes, distance, inside):
        if self.modality == "mr":
            return self.standard(self.painter.mr(codes, distance), inside)
        return self.windowed(self.painter.ct(codes, distance), inside)

    def seen(self, values, inside):
        if self.modality == "mr":
            return self.standard(self.painter.seen_mr(values), inside)
        return self.windowed(self.painter.seen_ct(values), inside)

    def windowed(self, hu, inside):
        outside = -1024.0 if self.rng.random() < 0.7 else self.painter.between(-300, 100)
        image = torch.where(inside, hu, torch.full_like(hu, outside))
        return (image.clamp(c.CT_LOW_HU, c.CT_HIGH_HU) - c.CT_CENTRE_HU) / c.CT_SCALE_HU
