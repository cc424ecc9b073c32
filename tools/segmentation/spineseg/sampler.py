"""Draws training patches: a place in a source, turned, scaled, mirrored and bent, then painted as an image."""

import numpy as np
import torch
from torch.nn import functional as F

from . import classes as c
from .appearance import Painter

# Where patches are centred: tissue codes and how often. The sacrum is rare and hard, so it is drawn often.
CENTRES = (((c.BODY,), 0.30), ((c.ARCH,), 0.25), ((c.DISC, c.CANAL), 0.12), ((c.SACRUM,), 0.23), ((c.SOFT, c.MUSCLE, c.VISCERA), 0.10))


class Source:
    def __init__(self, path):
        stored = np.load(path)
        codes = stored["codes"]
        self.shape = torch.tensor(codes.shape, dtype=torch.float32)
        self.codes = torch.from_numpy(codes)[None, None].float()
        self.distance = torch.from_numpy(stored["distance"].astype(np.float32))[None, None]
        self.centres = [np.argwhere(np.isin(codes, of)) for of, _ in CENTRES]


class Sampler:
    """Patches of the sources in `paths`; `weights` says how often each is drawn (all alike when None)."""

    def __init__(self, paths, seed, modality="ct", weights=None):
        self.rng = np.random.default_rng(seed)
        torch.manual_seed(seed)
        self.sources = [Source(p) for p in paths]
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
        for (a, b), spread in zip(((0, 1), (0, 2), (1, 2)), (8, 8, 15), strict=True):
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
        distance = F.grid_sample(source.distance, at, mode="bilinear", padding_mode="border", align_corners=False)[0, 0]
        if rng.random() < 0.35:  # a narrow field of view
            half = torch.tensor(rng.uniform(28, 64, 3), dtype=torch.float32)[:, None, None, None]
            middle = torch.tensor(rng.normal(0, 8, 3), dtype=torch.float32)[:, None, None, None]
            inside = inside & ((self.grid - middle).abs() < half).all(0)
        classes = torch.where(codes <= c.CANAL, codes, torch.zeros_like(codes)).long()
        classes = torch.where(inside, classes, torch.full_like(classes, -1))
        return self.image(codes, distance * scale, inside)[None, None], classes[None]

    def image(self, codes, distance, inside):
        if self.modality == "mr":
            image = torch.where(inside, self.painter.mr(codes, distance), torch.zeros_like(distance))
            return (image - image.mean()) / image.std().clamp(min=1e-6)
        outside = -1024.0 if self.rng.random() < 0.7 else self.painter.between(-300, 100)
        image = torch.where(inside, self.painter.ct(codes, distance), torch.full_like(distance, outside))
        return (image.clamp(c.CT_LOW_HU, c.CT_HIGH_HU) - c.CT_CENTRE_HU) / c.CT_SCALE_HU
