"""Intensities for synthetic images: CT from tissue physics, MR by a random contrast for every tissue."""

import numpy as np
import torch
from torch.nn import functional as F

from . import classes as c

# Brightness of tissues in lumbar MR, from which much departs; marrow stands for all bone.
FAST_T2 = {
    c.SOFT: (0.5, 1.0), c.BODY: (0.2, 0.55), c.DISC: (0.02, 0.2), c.NUCLEUS: (0.08, 0.85), c.CANAL: (0.45, 0.95), c.MUSCLE: (0.08, 0.3),
    c.VISCERA: (0.1, 0.6), c.VESSEL: (0.0, 0.4), c.SAC: (0.65, 1.1), c.CORD: (0.25, 0.5),
}  # fmt: skip
T1 = {
    c.SOFT: (0.75, 1.1), c.BODY: (0.35, 0.75), c.DISC: (0.2, 0.4), c.NUCLEUS: (0.2, 0.45), c.CANAL: (0.75, 1.1), c.MUSCLE: (0.25, 0.45),
    c.VISCERA: (0.15, 0.6), c.VESSEL: (0.0, 0.5), c.SAC: (0.08, 0.3), c.CORD: (0.25, 0.45),
}  # fmt: skip
BRIGHT_FLUID = {
    c.SOFT: (0.1, 1.0), c.BODY: (0.15, 0.5), c.DISC: (0.4, 0.9), c.NUCLEUS: (0.5, 1.0), c.CANAL: (0.2, 0.9), c.MUSCLE: (0.25, 0.7),
    c.VISCERA: (0.1, 0.6), c.VESSEL: (0.1, 0.9), c.SAC: (0.7, 1.1), c.CORD: (0.4, 0.8),
}  # fmt: skip
CONTRASTS = (FAST_T2, T1, BRIGHT_FLUID)


class Painter:
    """Paints patches of `size` voxels; all randomness comes from the NumPy generator and torch's seed."""

    def __init__(self, rng, size):
        self.rng, self.size = rng, size

    def between(self, low, high):
        return float(self.rng.uniform(low, high))

    def chance(self, share):
        return self.rng.random() < share

    def noise(self, coarse, amplitude=1.0, channels=1):
        """Smooth noise from a lattice of `coarse` points a side."""
        field = F.interpolate(torch.randn(1, channels, coarse, coarse, coarse), size=(self.size,) * 3, mode="trilinear", align_corners=True)
        return field[0] * amplitude

    @staticmethod
    def blur(image, sigma):
        kernel = torch.exp(-(torch.arange(-3, 4) ** 2) / (2 * sigma**2))
        kernel = kernel / kernel.sum()
        image = image[None, None]
        for axis in range(3):
            shape, pad = [1, 1, 1, 1, 1], [0] * 6
            shape[2 + axis] = 7
            pad[2 * (2 - axis)] = pad[2 * (2 - axis) + 1] = 3
            image = F.conv3d(F.pad(image, pad, mode="replicate"), kernel.view(shape))
        return image[0, 0]

    def thick_slices(self, image, most, axes=(0, 2, 2)):
        axis, factor = int(self.rng.choice(axes)), self.between(1.2, most)
        size = [self.size] * 3
        size[axis] = max(8, int(self.size / factor))
        thin = F.interpolate(image[None, None], size=size, mode="area")
        return F.interpolate(thin, size=(self.size,) * 3, mode="trilinear", align_corners=False)[0, 0]

    def ct(self, codes, distance):
        """HU of tissue codes, with the distance to bone (mm, negative inside) for cortex and partial volume."""
        between, chance = self.between, self.chance
        coarse, medium, fine = self.noise(6)[0], self.noise(14)[0], self.noise(28)[0]
        flat = torch.ones_like(distance)
        fat, muscle = between(-125, -70), between(20, 85)
        image = torch.where(coarse + 0.7 * medium > between(-0.2, 1.0), muscle * flat, fat * flat)
        organs = self.organs(coarse, medium, flat)
        blood = between(30, 60) if chance(0.5) else between(100, 380)
        tissues = {
            c.MUSCLE: muscle + medium * between(0, 25) - (fine > between(0.8, 2)).float() * between(0, 120),
            c.VESSEL: blood * flat,
            c.LUNG: -between(650, 930) * flat if chance(0.75) else organs,
            c.AIR: -1000.0 * flat,
            c.VISCERA: organs,
            c.DISC: self.disc(medium, coarse),
        }
        for code, value in tissues.items():
            image = torch.where(codes == code, value, image)
        sac = between(0, 60) + medium * between(0, 12)
        epidural = torch.where(distance < between(0.5, 3.5), between(-90, 40) * flat, sac)
        image = torch.where(codes == c.CANAL, epidural, image)
        if chance(0.3):
            image = image + (fine > between(1.2, 2.2)).float() * (codes == c.SOFT).float() * between(50, 300)
        image = self.bone(image, codes, distance, coarse, medium, fine)
        return self.scanner(image)

    def organs(self, coarse, medium, flat):
        image, mixed = flat * self.between(0, 90), coarse * self.between(0.3, 1) + medium
        for low in (self.between(0.2, 1), self.between(0.8, 1.6)):
            image = torch.where(mixed > low, self.between(-100, 180) * flat, image)
        if self.chance(0.5):  # gas
            image = torch.where(mixed < -self.between(0.7, 1.6), -self.between(500, 1000) * flat, image)
        if self.chance(0.25):  # contrast medium
            image = torch.where(medium > self.between(1.2, 2), self.between(150, 700) * flat, image)
        return image

    def disc(self, medium, coarse):
        """Discs are as bright as muscle or brighter; worn ones hold gas or chalk here and there."""
        disc = self.between(45, 135) + medium * self.between(0, 20)
        if self.chance(0.12):
            return torch.where(medium + coarse > self.between(0.3, 1.2), self.between(-600, 60) * torch.ones_like(disc), disc)
        if self.chance(0.1):
            return torch.where(medium + coarse > self.between(0.8, 1.6), self.between(150, 450) * torch.ones_like(disc), disc)
        return disc

    def marrow(self):
        """Mean HU of spongy bone: mostly that of adults of 40-90 years, otherwise anything from fat to the brightest."""
        if self.chance(0.65):
            return float(np.clip(self.rng.normal(130, 60), 10, 320))
        return self.between(10, 420)

    def bone(self, image, codes, distance, coarse, medium, fine):
        # Marrow of the old is as dark as fat and muscle mixed; that of the young is brighter than many a cortex.
        marrow, thickness = self.marrow(), self.between(0.6, 2.2)
        cortex = max(self.between(350, 1300), marrow + 150)
        depth = (-distance).clamp(min=0)
        texture = 1 + coarse * self.between(0, 0.15) + medium * self.between(0, 0.3) + fine * self.between(0, 0.35)
        denser = torch.where(codes == c.ARCH, torch.tensor(self.between(1.0, 1.9)), torch.tensor(1.0))
        bone = denser * marrow * texture
        if self.chance(0.5):  # fatty islands and coarse trabeculae, which do not fade with the marrow's mean
            bone = bone + fine * self.between(0, 70) + medium * self.between(0, 50)
        shell = torch.exp(-((depth / thickness) ** 2)) * (1 + medium * self.between(0, 0.25))
        bone = bone + (cortex - marrow) * shell
        if self.chance(0.2):  # sclerosis or lysis
            spot = (medium > self.between(1.3, 2)) & (depth > 1)
            bone = torch.where(spot, bone + self.between(-200, 500), bone)
        share = (0.5 - distance / self.between(1.2, 2.6)).clamp(0, 1)
        return image * (1 - share) + bone * share

    def scanner(self, image):
        image = self.blur(image, self.between(0.35, 0.9))
        if self.chance(0.4):  # a bone kernel raises edges above what they are
            image = image + (image - self.blur(image, self.between(0.6, 1.3))) * self.between(0.2, 1.5)
        # A sharp kernel's noise arrives whole where the scan's voxels are as large as the network's.
        image = image + torch.randn_like(image) * (self.between(3, 30) if self.chance(0.7) else self.between(30, 90))
        if self.chance(0.7):  # noise with the kernel's grain
            image = image + self.blur(torch.randn_like(image), self.between(0.6, 1.2)) * self.between(10, 160)
        if self.chance(0.4):  # beam hardening
            image = image + self.noise(3, self.between(5, 30))[0]
        if self.chance(0.35):
            image = self.thick_slices(image, 2.5)
        return (image - 40) * self.between(0.85, 1.2) + 40 + self.between(-25, 25)

    def seen_ct(self, image):
        """Another scanner's picture of a CT: kernel, noise, slices, calibration."""
        if self.chance(0.3):
            image = self.blur(image, self.between(0.3, 0.8))
        if self.chance(0.3):
            image = image + (image - self.blur(image, self.between(0.6, 1.3))) * self.between(0.2, 1.0)
        if self.chance(0.5):
            image = image + torch.randn_like(image) * self.between(3, 60)
        if self.chance(0.3):
            image = self.thick_slices(image, 2.2)
        return (image - 40) * self.between(0.9, 1.1) + 40 + self.between(-15, 15)

    def mr(self, codes, distance):
        """A spin echo (T2, T1), a gradient echo with bright fluid, or an MR of no sequence in particular."""
        bright = self.contrast()
        coarse, medium, fine = self.noise(6)[0], self.noise(14)[0], self.noise(28)[0]
        index = codes.long()
        image = bright[index]
        spread = torch.tensor(self.rng.uniform(0, 0.10, c.TISSUES), dtype=torch.float32)
        image = image + spread[index] * torch.where(index % 2 == 0, coarse, medium)
        fat, muscle = bright[c.SOFT], bright[c.MUSCLE]
        if self.chance(0.7):  # what is soft is fat here and muscle there, and muscle has fat in it
            mixed = torch.where(coarse + 0.7 * medium > self.between(-0.2, 1.2), muscle, image)
            image = torch.where(codes == c.SOFT, mixed, image)
            streaks = torch.where(fine > self.between(0.7, 2), fat, image)
            image = torch.where(codes == c.MUSCLE, streaks, image)
        organs = torch.where(coarse * self.between(0.3, 1) + medium > self.between(0.2, 1), self.between(0, 0.8), image)
        image = torch.where(codes == c.VISCERA, organs, image)
        sac = (codes == c.SAC) | (codes == c.CORD)
        image = torch.where(sac, image + (bright[c.CORD] - bright[c.SAC]) * self.between(0, 0.5) * (fine > 0.6).float(), image)  # roots
        nucleus = bright[c.DISC] + (bright[c.NUCLEUS] - bright[c.DISC]) * (0.7 + self.between(0, 0.6) * coarse).clamp(0, 1.3)
        image = torch.where(codes == c.NUCLEUS, nucleus, image)
        bone = (codes == c.BODY) | (codes == c.ARCH) | (codes == c.SACRUM) | (codes == c.PEDICLE)
        if self.chance(0.3):  # islands of fat, endplates that changed
            image = torch.where(bone & (medium > self.between(0.8, 1.8)), self.between(0.1, 1.0), image)
        image = torch.where(distance.abs() < self.between(0.4, 1.4), image * self.between(0.05, 0.6), image)  # cortex is dark
        image = self.blur(image.clamp(min=0), self.between(0.35, 0.9))
        return self.coil(image)

    def contrast(self):
        """Brightness by tissue."""
        bright = torch.tensor(self.rng.uniform(0, 1, c.TISSUES), dtype=torch.float32)
        kind = self.rng.choice(len(CONTRASTS) + 1, p=(0.35, 0.15, 0.15, 0.35))
        if kind < len(CONTRASTS):
            for tissue, (low, high) in CONTRASTS[kind].items():
                bright[tissue] = self.between(low, high)
        if kind < len(CONTRASTS) or self.chance(0.7):  # marrow is much the same everywhere
            for tissue in (c.ARCH, c.SACRUM, c.OTHER_BONE, c.PEDICLE):
                bright[tissue] = max(0.0, float(bright[c.BODY]) + self.between(-0.07, 0.07))
        bright[c.AIR] = bright[c.LUNG] = self.between(0, 0.03)
        return bright

    def coil(self, image):
        """What the coil, the slices and the noise make of a picture."""
        ramp = torch.linspace(-1, 1, self.size)[None, :, None] * self.between(-0.7, 0.4)  # brighter at the back, where the coil lies
        image = image * torch.exp(self.noise(3, self.between(0.05, 0.4))[0] + ramp)
        if self.chance(0.75):
            image = self.thick_slices(image, 2.6, (0, 0, 0, 2))
        sigma = self.between(0.005, 0.05)
        return torch.sqrt((image + sigma * torch.randn_like(image)) ** 2 + (sigma * torch.randn_like(image)) ** 2)

    def seen_mr(self, image):
        """Another scanner's picture of an MR: gamma, coil, sharpness, noise, slices."""
        low, high = image.quantile(torch.tensor((0.005, 0.995)))
        image = ((image - low) / (high - low).clamp(min=1e-6)).clamp(0, 1.5) ** self.between(0.6, 1.6)
        if self.chance(0.3):
            image = self.blur(image, self.between(0.3, 0.9))
        image = image * torch.exp(self.noise(3, self.between(0, 0.3))[0])
        if self.chance(0.3):
            image = self.thick_slices(image, 2.2, (0, 0, 0, 2))
        sigma = self.between(0, 0.05)
        return image + sigma * torch.randn_like(image)
