#!/usr/bin/env python3
"""Registers the MR of phantoms to their CT by Spinor and by other programs, on the same files, and tells how far each is off.

    pip install numpy==2.3.5 scipy==1.15.3 SimpleITK==2.5.7 itk-elastix==0.25.4 antspyx==0.6.3 convexAdam==0.2.0 torch==2.15.0
    cargo build --release -p spinor-prepare --example registration
    target/release/examples/registration 1000-1002 --files DIR --ct-mm 0.9 0.9 1.25
    python3 scripts/compare_registration.py DIR 1000-1002 --spinor target/release/examples/registration --json ROWS

Prints a table in Markdown and keeps a line of JSON per program, way and seed in ROWS; rows that it holds already are in the table, so
that seeds and programs can be run a few at a time (--only). DIR/SEED is what `spinor phantom` writes, labels.nii.gz the labels that
all programs get. Errors are measured as the example registration measures them. Each program runs in a process of its own with two
threads; reading files and loading libraries are not timed. What fails counts with the errors of the placement it started from.

All others start from one placement, which counts in their time: all bones as one rigid body by mutual information (Mattes) over a
grid of shifts about the middle of the MR. From there the rigid ones go from the middle bone outwards, each bone from the pose that its
neighbour ended in, on the CT around the bone and under its label dilated by 4 mm less the other bones. Soft tissue is blended between
the bones as Spinor does. Deformable ones get the CT around all bones, and each bone's motion is also read off their field by a rigid fit.

Settings were chosen on seed 900 alone, by the mean error in bone and CPU time less the placement's:
- SimpleITK: regular steps (three pyramids; 0.43-0.59 mm, 8-12 s; the sacrum 1.0-1.6 mm), line search (0.27 mm, 32 s), Powell (0.12 mm,
  19 s: taken). Starting from the placement as well as from the neighbour doubles the time and changed nothing (0.43 mm).
- elastix: 3000 samples, 250 iterations, 3 resolutions (0.08 mm: taken); 2000, 150, 3 (0.10 mm); 2000, 100, 2 (0.12 mm); from the
  placement alone 0.14 mm; 1000 samples, 60 iterations, 2 resolutions (0.12 mm, 4 s: taken as the quick one).
- elastix, B-spline with a penalty on bones that are not rigid: itk-elastix 0.25.4 ended with a segmentation fault.
- ANTs: 0.26 mm, 49 s, from both starts; only the neighbour's is taken, for time. SyNRA at 1.25 mm: 0.52 mm by rigid fits, 1.26 mm by the field.
- ConvexAdam: its own settings, but features on 1.5 mm and a reach of 18 mm; nothing else was tried.
"""

import argparse
import json
import math
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

THREADS = 2
for _name in ("ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "RAYON_NUM_THREADS"):
    os.environ[_name] = str(THREADS)

import numpy as np
import SimpleITK as sitk
from scipy.ndimage import map_coordinates
from scipy.spatial import cKDTree

SETTINGS = {
    "place": {"dilate_mm": 8, "grid_mm": 5, "follow": 6},
    "simpleitk": {
        "starts": "neighbour", "dilate_mm": 4, "margin_mm": 12, "bins": 32, "sampling": [0.5, 0.1], "shrink": [2, 1],
        "smooth_mm": [1.0, 0.5], "iterations": 10, "step_mm": 1.0,
    },
    "elastix": {
        "starts": "neighbour", "dilate_mm": 4, "margin_mm": 12, "bins": 32, "samples": 3000, "resolutions": 3, "iterations": 250,
    },
    "elastix_quick": {
        "starts": "neighbour", "dilate_mm": 4, "margin_mm": 12, "bins": 32, "samples": 1000, "resolutions": 2, "iterations": 60,
    },
    "elastix_bspline": {
        "dilate_mm": 6, "margin_mm": 20, "ct_mm": 1.0, "grid_mm": 16, "samples": 8000, "resolutions": 4, "iterations": 500, "rigidity": 0.1,
        "dilate": "true",
    },
    "ants": {
        "starts": "neighbour", "dilate_mm": 4, "margin_mm": 12, "bins": 32, "sampling": 0.3, "shrink": [4, 2, 1], "smooth": [2, 1, 0],
        "iterations": [100, 100, 50],
    },
    "ants_syn": {
        "dilate_mm": 8, "margin_mm": 20, "ct_mm": 1.25, "kind": "SyNRA", "bins": 32, "iterations": [60, 40, 20], "gradient": 0.2, "flow": 3.0,
        "total": 0.0,
    },
    "convexadam": {
        "margin_mm": 24, "grid_mm": 1.5, "mind_r": 1, "mind_d": 2, "grid_sp": 4, "disp_hw": 3, "weight": 1.25, "iterations": 80,
        "grid_sp_adam": 2,
    },
}

# A bone whose landmarks are this far off on average lies on another level, mm: as registration.rs has it.
OTHER_LEVEL_MM = 15.0
# A case's numbers of vertebrae and sacrum.
BONES = {*range(11, 18), *range(21, 33), *range(41, 48), 50}
# HU between fat and cortex: metal and air would drown everything else. Spinor takes the same.
HU = (-250.0, 1400.0)


def bone_name(number: int) -> str:
    if number == 50:
        return "sacrum"
    region, before = next(pair for pair in (("L", 40), ("T", 20), ("C", 10)) if number > pair[1])
    return f"vertebrae_{region}{number - before}"


# Rigid motions are 4 x 4, `mr_from_ct`, LPS mm.


def moved(pose, points):
    return np.asarray(points) @ pose[:3, :3].T + pose[:3, 3]


def pose_of(matrix, centre, shift):
    """Of ITK's `matrix (x - centre) + centre + shift`."""
    pose, centre = np.eye(4), np.asarray(centre)
    pose[:3, :3] = np.reshape(matrix, (3, 3))
    pose[:3, 3] = centre + shift - pose[:3, :3] @ centre
    return pose


def euler_of(pose, centre):
    euler = sitk.Euler3DTransform()
    euler.SetCenter(np.asarray(centre).tolist())
    euler.SetMatrix(pose[:3, :3].ravel().tolist(), 1e-4)
    euler.SetTranslation((moved(pose, centre) - centre).tolist())
    return euler


def pose_of_euler(euler):
    return pose_of(euler.GetMatrix(), euler.GetCenter(), euler.GetTranslation())


def best_rigid(here, there):
    """The motion that takes `here` closest to `there` (Kabsch)."""
    a, b = here.mean(0), there.mean(0)
    u, _, vt = np.linalg.svd((here - a).T @ (there - b))
    turn = vt.T @ np.diag([1.0, 1.0, np.sign(np.linalg.det(vt.T @ u.T))]) @ u.T
    return pose_of(turn, a, b - a)


def laid(image, pose):
    """The MR with headers that put it into the CT's frame by `pose`: every program then starts at rest, on the MR's own voxels."""
    back, out = np.linalg.inv(pose), sitk.Image(image)
    out.SetOrigin(moved(back, image.GetOrigin()).tolist())
    out.SetDirection((back[:3, :3] @ np.reshape(image.GetDirection(), (3, 3))).ravel().tolist())
    return out


def like(array, image):
    out = sitk.GetImageFromArray(array)
    out.CopyInformation(image)
    return out


def of_labels(labels, numbers):
    return like(np.isin(sitk.GetArrayViewFromImage(labels), list(numbers)).astype(np.uint8), labels)


def dilated(mask, mm):
    if mm <= 0:
        return mask
    return sitk.SignedMaurerDistanceMap(mask, insideIsPositive=False, squaredDistance=False, useImageSpacing=True) <= mm


def even(image, spacing_mm, multiple=1):
    """On cubic voxels, blurred before where those are larger; a mask by its nearest voxel. Cut to multiples of a size."""
    mask = image.GetPixelID() != sitk.sitkFloat32
    for axis, own in enumerate(image.GetSpacing()):
        if not mask and own < 0.75 * spacing_mm:
            image = sitk.RecursiveGaussian(image, 0.42 * spacing_mm, direction=axis)
    size = [max(1, round(n * s / spacing_mm)) // multiple * multiple for n, s in zip(image.GetSize(), image.GetSpacing())]
    kind = sitk.sitkNearestNeighbor if mask else sitk.sitkLinear
    return sitk.Resample(image, size, sitk.Transform(), kind, image.GetOrigin(), [spacing_mm] * 3, image.GetDirection())


class Case:
    """A phantom's files as they were read."""

    def __init__(self, folder):
        self.ct = sitk.ReadImage(str(folder / "ct.nii.gz"), sitk.sitkFloat32)
        self.labels = sitk.ReadImage(str(folder / "labels.nii.gz"), sitk.sitkUInt16)
        self.mr = sitk.ReadImage(str(folder / "mr.nii.gz"), sitk.sitkFloat32)
        marks = json.loads((folder / "landmarks.json").read_text())
        self.in_ct, self.in_mr, self.names = np.array(marks["ct"]), np.array(marks["mr"]), np.array(marks["structure"])
        self.pose = np.eye(4)

    def look(self):
        """Finds the bones; this is the programs' time, unlike reading."""
        stats = sitk.LabelShapeStatisticsImageFilter()
        stats.Execute(self.labels)
        numbers = sorted(n for n in stats.GetLabels() if n in BONES)
        self.boxes = {n: stats.GetBoundingBox(n) for n in numbers}
        self.centres = {n: np.array(stats.GetCentroid(n)) for n in numbers}

    def cut(self, numbers, margin_mm):
        """CT and label map around those bones."""
        spacing, size = np.array(self.ct.GetSpacing()), np.array(self.ct.GetSize())
        boxes, margin = [np.array(self.boxes[n]) for n in numbers], np.ceil(margin_mm / spacing)
        low = np.maximum(np.min([b[:3] for b in boxes], 0) - margin, 0).astype(int)
        high = np.minimum(np.max([b[:3] + b[3:] for b in boxes], 0) + margin, size).astype(int)
        ct, labels = (sitk.RegionOfInterest(i, (high - low).tolist(), low.tolist()) for i in (self.ct, self.labels))
        return sitk.Clamp(ct, sitk.sitkFloat32, *HU), labels

    def spine(self, s):
        """CT around all bones, and the mask of all of them."""
        ct, labels = self.cut(list(self.boxes), s["margin_mm"])
        return ct, of_labels(labels, self.boxes)

    def voxels(self, number, most=1500):
        """Places spread over a bone, LPS mm."""
        at = np.argwhere(sitk.GetArrayViewFromImage(self.labels) == number)[:, ::-1]
        at = at[:: max(1, len(at) // most)]
        scaled = np.reshape(self.labels.GetDirection(), (3, 3)) * self.labels.GetSpacing()
        return at @ scaled.T + self.labels.GetOrigin()


class View:
    """One bone: the CT around it and where in there to look."""

    def __init__(self, case, number, s):
        self.centre = case.centres[number]
        self.ct, labels = case.cut([number], s["margin_mm"])
        near = dilated(of_labels(labels, [number]), s["dilate_mm"])
        self.mask = near & ~of_labels(labels, set(case.boxes) - {number})


# Initial placement, the same for all other programs.


def mattes(ct, mask, bins=32, sampling=1.0):
    method = sitk.ImageRegistrationMethod()
    method.SetMetricAsMattesMutualInformation(bins)
    method.SetMetricFixedMask(mask)
    method.SetInterpolator(sitk.sitkLinear)
    if sampling < 1.0:
        method.SetMetricSamplingStrategy(method.RANDOM)
        method.SetMetricSamplingPercentage(sampling, 1)
    return method


def covered(mask, mr, poses):
    """The share of a mask that the MR reaches."""
    at = np.argwhere(sitk.GetArrayViewFromImage(mask))[::7, ::-1] * mask.GetSpacing()
    places = at @ np.reshape(mask.GetDirection(), (3, 3)).T + mask.GetOrigin()
    last = np.array(mr.GetSize())[::-1, None] - 1
    there = [indices(mr, moved(pose, places)) for pose in poses]
    return [float(((i >= 0) & (i <= last)).all(0).mean()) for i in there]


def rated(ct, mask, mr, poses, centre, sampling=1.0):
    """Costs of poses, less than 0; what lies outside of the MR has nothing in common with it."""
    costs = []
    for pose, share in zip(poses, covered(mask, mr, poses)):
        method = mattes(ct, mask, sampling=sampling)
        method.SetInitialTransform(euler_of(pose, centre))
        try:
            costs.append(share * method.MetricEvaluate(ct, mr) if share > 0.5 else 0.0)
        except RuntimeError:
            costs.append(0.0)
    return costs


def descend(ct, mask, mr, pose, centre, step_mm, iterations):
    method, euler = mattes(ct, mask), euler_of(pose, centre)
    method.SetOptimizerAsRegularStepGradientDescent(step_mm, 0.01, iterations, 0.5, 1e-6)
    method.SetOptimizerScalesFromPhysicalShift()
    method.SetInitialTransform(euler, inPlace=True)
    try:
        method.Execute(ct, mr)
    except RuntimeError:
        return pose
    return pose_of_euler(euler)


def place(case, s):
    """All bones as one rigid body, over shifts of their middle around the middle of the MR; mutual information under their mask."""
    ct, bones = case.spine({"margin_mm": 16})
    mask = dilated(bones, s["dilate_mm"])
    ct, mask, mr = even(ct, s["grid_mm"]), even(mask, s["grid_mm"]), even(case.mr, s["grid_mm"])
    centre = np.mean(list(case.centres.values()), 0)
    middle = np.array(case.mr.TransformContinuousIndexToPhysicalPoint([(n - 1) / 2 for n in case.mr.GetSize()]))
    shifts = [[x, y, z] for x in (-10, 0, 10) for y in range(-30, 31, 15) for z in range(-60, 61, 15)]
    starts = [pose_of(np.eye(3), centre, middle - centre + shift) for shift in shifts]
    best = [starts[n] for n in np.argsort(rated(ct, mask, mr, starts, centre))[: s["follow"]]]
    ends = [descend(ct, mask, mr, start, centre, 4.0, 100) for start in best]
    return ends[int(np.argmin(rated(ct, mask, mr, ends, centre)))]


# One rigid motion per bone.


def bone_by_bone(case, s, fit):
    """From the middle bone outwards, from the placement and from the pose of the neighbour that is done: the likelier end counts."""
    numbers = list(case.boxes)
    middle = len(numbers) // 2
    order = [*range(middle, len(numbers)), *range(middle - 1, -1, -1)]
    poses = {}
    for at in order:
        view = View(case, numbers[at], s)
        neighbour = poses.get(numbers[at - 1] if at > middle else numbers[min(at + 1, len(numbers) - 1)])
        starts = [case.pose] if neighbour is None else {"placed": [case.pose], "neighbour": [neighbour]}.get(s["starts"], [case.pose, neighbour])
        ends = [fit(view, case.mr, start) for start in starts]
        if len(ends) > 1:
            costs = rated(view.ct, view.mask, case.mr, ends, view.centre, 0.3)
            ends = [ends[int(np.argmin(costs))]]
        poses[numbers[at]] = ends[0]
    return dict(zip(RIGID, [poses]))


def simpleitk(case, s):
    def fit(view, mr, start):
        method, euler = mattes(view.ct, view.mask, s["bins"]), euler_of(start, view.centre)
        method.SetMetricSamplingStrategy(method.RANDOM)
        method.SetMetricSamplingPercentagePerLevel(s["sampling"], 1)
        method.SetShrinkFactorsPerLevel(s["shrink"])
        method.SetSmoothingSigmasPerLevel(s["smooth_mm"])
        method.SetOptimizerAsPowell(s["iterations"], 100, s["step_mm"], 1e-4, 1e-5)
        method.SetOptimizerScalesFromPhysicalShift()
        method.SetInitialTransform(euler, inPlace=True)
        method.Execute(view.ct, mr)
        return pose_of_euler(euler)

    return bone_by_bone(case, s, fit)


def to_itk(image):
    import itk

    out = itk.image_from_array(sitk.GetArrayFromImage(image))
    out.SetSpacing(image.GetSpacing())
    out.SetOrigin(image.GetOrigin())
    out.SetDirection(np.reshape(image.GetDirection(), (3, 3)))
    return out


def run_elastix(ct, mask, mr, changes, kind, resolutions):
    """The last transform's parameter map."""
    import itk

    asked = itk.ParameterObject.New()
    numbers = asked.GetDefaultParameterMap(kind, resolutions, changes.pop("grid_mm", 10.0))
    for name, values in changes.items():
        numbers[name] = [str(v) for v in (values if isinstance(values, list) else [values])]
    numbers["ErodeMask"] = numbers["ErodeFixedMask"] = ["false"]
    # Nobody asks for the resampled MR here, so that it be quick.
    numbers["WriteResultImage"] = ["false"]
    numbers["ResampleInterpolator"] = ["FinalNearestNeighborInterpolator"]
    asked.AddParameterMap(numbers)
    method = itk.ElastixRegistrationMethod.New(to_itk(ct), to_itk(mr))
    method.SetFixedMask(to_itk(mask))
    method.SetParameterObject(asked)
    method.SetNumberOfThreads(THREADS)
    method.SetLogToConsole(bool(os.environ.get("ELASTIX_LOG")))
    method.UpdateLargestPossibleRegion()
    return method.GetTransformParameterObject().GetParameterMap(0)


def elastix(case, s):
    def fit(view, mr, start):
        changes = {
            "AutomaticTransformInitialization": "false",
            "NumberOfSpatialSamples": s["samples"],
            "MaximumNumberOfIterations": s["iterations"],
            "NumberOfHistogramBins": s["bins"],
            "RandomSeed": 1,
        }
        found = run_elastix(view.ct, view.mask, laid(mr, start), changes, "rigid", s["resolutions"])
        values = [float(v) for v in found["TransformParameters"]]
        centre = [float(v) for v in found["CenterOfRotationPoint"]]
        euler = sitk.Euler3DTransform(centre, *values[:3], values[3:])
        euler.SetComputeZYX(found.get("ComputeZYX", ["false"])[0] == "true")
        return start @ pose_of_euler(euler)

    return bone_by_bone(case, s, fit)


def elastix_bspline(case, s):
    ct, bones = case.spine(s)
    ct, bones = even(ct, s["ct_mm"]), even(bones, s["ct_mm"])
    with tempfile.TemporaryDirectory() as folder:
        changes = {
            "grid_mm": s["grid_mm"],
            "NumberOfSpatialSamples": s["samples"],
            "MaximumNumberOfIterations": s["iterations"],
            "RandomSeed": 1,
        }
        if s["rigidity"] > 0:
            stiff = Path(folder) / "bones.mha"
            sitk.WriteImage(sitk.Cast(bones, sitk.sitkFloat32), str(stiff))
            changes |= {
                "Registration": "MultiMetricMultiResolutionRegistration",
                "Metric": ["AdvancedMattesMutualInformation", "TransformRigidityPenalty"],
                "Metric0Weight": 1.0,
                "Metric1Weight": s["rigidity"],
                "UseFixedRigidityImage": "true",
                "UseMovingRigidityImage": "false",
                "FixedRigidityImageName": str(stiff),
                "DilateRigidityImages": s["dilate"],
                "LinearityConditionWeight": 1.0,
                "OrthonormalityConditionWeight": 1.0,
                "PropernessConditionWeight": 1.0,
            }
        else:
            changes |= {"Metric": "AdvancedMattesMutualInformation", "Registration": "MultiResolutionRegistration"}
        found = run_elastix(ct, dilated(bones, s["dilate_mm"]), laid(case.mr, case.pose), changes, "bspline", s["resolutions"])

    def numbers(name):
        return [float(v) for v in found[name]]

    size = [int(v) for v in numbers("GridSize")]
    parts = []
    for part in np.reshape(numbers("TransformParameters"), (3, *size[::-1])):
        image = sitk.GetImageFromArray(part)
        image.SetSpacing(numbers("GridSpacing"))
        image.SetOrigin(numbers("GridOrigin"))
        # elastix writes the matrix by columns.
        image.SetDirection(np.reshape(numbers("GridDirection"), (3, 3)).T.ravel().tolist())
        parts.append(image)
    spline = sitk.BSplineTransform(parts, 3)
    return both_ways(case, lambda points: moved(case.pose, [spline.TransformPoint(p) for p in np.asarray(points).tolist()]))


def to_ants(image):
    import ants

    array = sitk.GetArrayFromImage(image).astype(np.float32).transpose()
    return ants.from_numpy(array, image.GetOrigin(), image.GetSpacing(), np.reshape(image.GetDirection(), (3, 3)))


def ants_pose(path):
    import ants

    found = ants.read_transform(path)
    values = np.array(found.parameters)
    return pose_of(values[:9], found.fixed_parameters[:3], values[9:])


def ants_rigid(case, s):
    import ants

    ants.config._random_seed = 1

    def fit(view, mr, start):
        found = ants.registration(
            to_ants(view.ct), to_ants(laid(mr, start)), "Rigid", initial_transform="Identity", mask=to_ants(view.mask),
            aff_metric="mattes", aff_sampling=s["bins"], aff_random_sampling_rate=s["sampling"], aff_iterations=tuple(s["iterations"]),
            aff_shrink_factors=tuple(s["shrink"]), aff_smoothing_sigmas=tuple(s["smooth"]),
        )
        return start @ ants_pose(found["fwdtransforms"][-1])

    return bone_by_bone(case, s, fit)


def ants_syn(case, s):
    import ants

    ants.config._random_seed = 1
    ct, bones = case.spine(s)
    ct, bones = even(ct, s["ct_mm"]), even(bones, s["ct_mm"])
    found = ants.registration(
        to_ants(ct), to_ants(laid(case.mr, case.pose)), s["kind"], initial_transform="Identity", mask=to_ants(dilated(bones, s["dilate_mm"])),
        aff_metric="mattes", syn_metric="mattes", syn_sampling=s["bins"], reg_iterations=tuple(s["iterations"]), grad_step=s["gradient"],
        flow_sigma=s["flow"], total_sigma=s["total"], mask_all_stages=True,
    )
    paths = found["fwdtransforms"]
    whole = case.pose @ ants_pose(paths[-1])
    field = sitk.ReadImage(next(p for p in paths if p.endswith(".nii.gz")), sitk.sitkVectorFloat64)
    shifts, frame = sitk.GetArrayFromImage(field), field

    def way(points):
        points = np.asarray(points)
        at = indices(frame, points)
        return moved(whole, points + np.stack([map_coordinates(shifts[..., k], at, order=1, mode="nearest") for k in range(3)], 1))

    return both_ways(case, way)


def indices(image, points):
    """Places of an image's array, by its axes (slowest first), of points in mm."""
    scaled = np.reshape(image.GetDirection(), (3, 3)) * image.GetSpacing()
    return np.linalg.solve(scaled, (np.asarray(points) - image.GetOrigin()).T)[::-1]


def convexadam(case, s):
    import torch
    from convexAdam.convex_adam_MIND import convex_adam_pt

    torch.set_num_threads(THREADS)
    ct, _ = case.spine(s)
    ct = even(ct, s["grid_mm"], math.lcm(s["grid_sp"], s["grid_sp_adam"]))
    mr = laid(case.mr, case.pose)
    for axis, own in enumerate(mr.GetSpacing()):
        if own < 0.75 * s["grid_mm"]:
            mr = sitk.RecursiveGaussian(mr, 0.42 * s["grid_mm"], direction=axis)
    mr = sitk.Resample(mr, ct, sitk.Transform(), sitk.sitkLinear, 0.0)
    # Its defaults suit images of some hundreds of grey values; MIND-SSC itself does not depend on their scale.
    shifts = convex_adam_pt(
        sitk.GetArrayFromImage(ct), sitk.GetArrayFromImage(mr), mind_r=s["mind_r"], mind_d=s["mind_d"], lambda_weight=s["weight"],
        grid_sp=s["grid_sp"], disp_hw=s["disp_hw"], selected_niter=s["iterations"], grid_sp_adam=s["grid_sp_adam"], ic=True,
        dtype=torch.float32, device=torch.device("cpu"),
    )
    scaled = np.reshape(ct.GetDirection(), (3, 3)) * ct.GetSpacing()

    def way(points):
        at = indices(ct, points)
        step = np.stack([map_coordinates(shifts[..., k], at, order=1, mode="nearest") for k in range(3)])
        return moved(case.pose, (scaled @ (at + step)[::-1]).T + ct.GetOrigin())

    return both_ways(case, way)


def both_ways(case, way):
    """A field as it is, and the rigid motion that fits it best in each bone."""
    fits = {}
    for number in case.boxes:
        places = case.voxels(number)
        fits[number] = best_rigid(places, way(places))
    return dict(zip(FIELD, [way, fits]))


RIGID, FIELD = ("rigid per bone",), ("field", "rigid fits to the field")
PROGRAMS = {
    "simpleitk": ("SimpleITK", simpleitk, RIGID),
    "elastix": ("elastix", elastix, RIGID),
    "elastix_quick": ("elastix, few iterations", elastix, RIGID),
    "elastix_bspline": ("elastix B-spline", elastix_bspline, FIELD),
    "ants": ("ANTs", ants_rigid, RIGID),
    "ants_syn": ("ANTs SyN", ants_syn, FIELD),
    "convexadam": ("ConvexAdam", convexadam, FIELD),
}


# Measuring, as registration.rs does.


def judged(case, found):
    """Errors at the landmarks, mm. A dict of poses is blended between bones as Spinor blends, by one over the square of the distance."""
    if isinstance(found, dict):
        surfaces = {number: cKDTree(case.voxels(number, 10**9)) for number in found}

        def between(points):
            near = np.stack([surfaces[n].query(points)[0] for n in found])
            weights = 1.0 / np.maximum(near - 0.5, 0.05) ** 2
            there = np.stack([moved(found[n], points) for n in found])
            return (weights[..., None] * there).sum(0) / weights.sum(0)[:, None]

        def of_bone(number, points):
            return moved(found[number], points)
    else:
        between = found

        def of_bone(_, points):
            return found(points)

    bones, soft = [], {}
    for number in case.boxes:
        own = case.names == bone_name(number)
        if own.any():
            errors = np.linalg.norm(of_bone(number, case.in_ct[own]) - case.in_mr[own], axis=1)
            bones.append({"bone": bone_name(number), "mean_mm": float(errors.mean()), "errors_mm": errors.round(4).tolist()})
    for kind in ("disc", "root", "sac"):
        own = np.array([kind in name and name != "sacrum" for name in case.names])
        soft[kind] = np.linalg.norm(between(case.in_ct[own]) - case.in_mr[own], axis=1).round(4).tolist()
    return {"bones": bones, "bone_mm": [e for b in bones for e in b["errors_mm"]], "soft_mm": soft}


def used():
    """CPU seconds of this process and its children so far."""
    return sum(u.ru_utime + u.ru_stime for u in (resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)))


def one(folder, program, settings, placed):
    """Runs one program on one case and prints its rows as JSON. Reading, judging and loading of libraries are not timed."""
    case = Case(folder)
    if program == "place":
        start, before = time.perf_counter(), used()
        case.look()
        case.pose = place(case, settings)
        row = {"wall_s": time.perf_counter() - start, "cpu_s": used() - before, "pose": case.pose.tolist()}
        print("ROWS " + json.dumps([{"way": "whole spine", **row, **judged(case, {n: case.pose for n in case.boxes})}]))
        return
    case.pose = np.array(placed)
    if "elastix" in program:
        import itk

        _ = itk.ElastixRegistrationMethod  # loads its library
    elif "ants" in program:
        import ants  # noqa: F401
    elif program == "convexadam":
        import convexAdam.convex_adam_MIND  # noqa: F401
    start, before = time.perf_counter(), used()
    case.look()
    ways = PROGRAMS[program][1](case, settings)
    row = {"wall_s": time.perf_counter() - start, "cpu_s": used() - before}
    print("ROWS " + json.dumps([{"way": way, **row, **judged(case, found)} for way, found in ways.items()]))


def apart(folder, program, settings, placed, limit_s):
    """`one` in a process of its own, so that what crashes or hangs is a failure and no more."""
    words = [sys.executable, __file__, "--one", program, str(folder), json.dumps([settings, placed])]
    try:
        done = subprocess.run(words, check=False, capture_output=True, text=True, timeout=limit_s)
    except subprocess.TimeoutExpired:
        return None, f"not done after {limit_s} s"
    for line in done.stdout.splitlines():
        if line.startswith("ROWS "):
            return json.loads(line[5:]), None
    return None, (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]


def spinor_rows(binary, folder, seed, own, limit_s):
    """Spinor's rows as registration.rs writes them, in this script's words."""
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "rows"
        words = [binary, str(seed), "--files", str(folder), "--json", str(path), *(["--own"] if own else [])]
        done = subprocess.run(words, check=False, capture_output=True, text=True, timeout=limit_s)
        if not path.is_file():
            return None, (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]
        found = [json.loads(line) for line in path.read_text().splitlines()]
    rows = []
    for row in found:
        way = {"truth": "rigid per bone", "own": "rigid per bone, labels by its own model"}[row.pop("labels")]
        rows.append({"way": way, **row, **({"failed": row["refused"]} if "refused" in row else {})})
    return rows, None


def statistics(rows):
    """Over all seeds of one program and way; what failed counts with the errors of the placement it started from."""
    bone = np.concatenate([row["bone_mm"] for row in rows])
    bones = [b for row in rows for b in row["bones"] if b["errors_mm"]]
    soft = {k: float(np.mean(np.concatenate([row["soft_mm"][k] for row in rows]))) for k in ("sac", "root", "disc")}
    return {
        "cases": len(rows),
        "failed": sum("failed" in row for row in rows),
        "bone_mean": float(bone.mean()),
        "bone_p95": float(np.sort(bone)[int(np.ceil(0.95 * len(bone))) - 1]),
        "bone_most": float(bone.max()),
        **soft,
        "bones": len(bones),
        "swapped": sum(b["mean_mm"] > OTHER_LEVEL_MM for b in bones),
        "cpu_s": float(np.mean([row["cpu_s"] for row in rows])),
        "wall_s": float(np.mean([row["wall_s"] for row in rows])),
    }


def table(rows):
    ways = {}
    for row in rows:
        ways.setdefault((row["program"], row["way"]), []).append(row)
    sums = {key: statistics(of) for key, of in ways.items()}
    lines = [
        "| program | bone, mean / 95 % / most | sac, roots, discs' rims, mean | on another level | failed | CPU s | wall s |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for (program, way), s in sums.items():
        lines.append(
            f"| {program}, {way} | {s['bone_mean']:.2f} / {s['bone_p95']:.2f} / {s['bone_most']:.1f} mm | {s['sac']:.2f}, {s['root']:.2f}, "
            f"{s['disc']:.2f} mm | {s['swapped']} of {s['bones']} bones | {s['failed']} of {s['cases']} | {s['cpu_s']:.1f} | {s['wall_s']:.1f} |"
        )
    ours = sums.get(("Spinor", "rigid per bone"))
    others = {key: s for key, s in sums.items() if key[0] not in ("Spinor", "placement")}
    if ours and others:
        best = min(others, key=lambda key: others[key]["bone_mean"])
        lines += ["", f"Least of the others: {', '.join(best)}, {others[best]['bone_mean'] / ours['bone_mean']:.2f} times Spinor's mean in bone."]
        near = [key for key in others if others[key]["bone_mean"] <= 1.5 * ours["bone_mean"]]
        if near:
            quick = min(near, key=lambda key: others[key]["cpu_s"])
            ratio = ours["cpu_s"] / others[quick]["cpu_s"]
            lines.append(f"Quickest within 1.5 times of it: {', '.join(quick)}; Spinor takes {ratio:.2f} times its CPU time.")
        else:
            lines.append("None of the others comes within 1.5 times of it.")
    return "\n".join(lines)


def main():
    if sys.argv[1:2] == ["--one"]:
        program, folder, said = sys.argv[2:]
        one(Path(folder), program, *json.loads(said))
        return
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("folder", type=Path, help="holds a folder per seed")
    asked.add_argument("seeds", help="1000 or 1000-1002")
    asked.add_argument("--spinor", help="the built example registration")
    asked.add_argument("--own", action="store_true", help="Spinor also on the labels of its own model (needs ONNX Runtime)")
    asked.add_argument("--only", nargs="*", default=list(PROGRAMS), choices=list(PROGRAMS), help="which of the others")
    asked.add_argument("--set", default="{}", help='other settings, as {"ants": {"bins": 48}}: for tuning')
    asked.add_argument("--limit", type=float, default=1800, help="seconds that a program has for a case")
    asked.add_argument("--json", type=Path, help="adds a line per program, way and seed; what it holds already is in the table")
    asked = asked.parse_args()
    changed = json.loads(asked.set)
    settings = {name: {**own, **changed.get(name, {})} for name, own in SETTINGS.items()}
    first, _, last = asked.seeds.partition("-")
    rows = []
    if asked.json and asked.json.is_file():
        rows = [json.loads(line) for line in asked.json.read_text().splitlines()]

    def keep(seed, program, found):
        for row in found:
            row = {"seed": seed, "program": program, **row}
            rows[:] = [r for r in rows if any(r[k] != row[k] for k in ("seed", "program", "way"))] + [row]
            why = f", FAILED: {row['failed']}" if "failed" in row else ""
            print(f"{seed} {program}, {row['way']}: bone {np.mean(row['bone_mm']):.3f} mm, CPU {row['cpu_s']:.1f} s{why}", file=sys.stderr)
            if asked.json:
                with asked.json.open("a") as out:
                    out.write(json.dumps(row) + "\n")

    for seed in range(int(first), int(last or first) + 1):
        folder = asked.folder / str(seed)
        if not (folder / "landmarks.json").is_file():
            sys.exit(f"{folder} has no phantom: make it with the example registration ({seed} --files {asked.folder})")
        placed, why = apart(folder, "place", settings["place"], None, asked.limit)
        if placed is None:
            sys.exit(f"{seed}: no placement: {why}")
        keep(seed, "placement", placed)
        start = placed[0]

        def fallen(why, ways, start=start):
            errors = {k: start[k] for k in ("bones", "bone_mm", "soft_mm")}
            return [{"way": way, "wall_s": 0.0, "cpu_s": 0.0, **errors, "failed": why} for way in ways]

        for program in asked.only:
            found, why = apart(folder, program, settings[program], start["pose"], asked.limit)
            found = found or fallen(why, PROGRAMS[program][2])
            for row in found:
                row["wall_s"] += start["wall_s"]
                row["cpu_s"] += start["cpu_s"]
            keep(seed, PROGRAMS[program][0], found)
        if asked.spinor:
            found, why = spinor_rows(asked.spinor, asked.folder, seed, asked.own, asked.limit)
            for row in found or fallen(why, RIGID):
                keep(seed, "Spinor", [{**fallen(row["failed"], RIGID)[0], **row} if "failed" in row else row])
    print(table(rows))


if __name__ == "__main__":
    main()
