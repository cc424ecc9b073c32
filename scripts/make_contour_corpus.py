#!/usr/bin/env python3
"""Writes the seeds of the fuzz target `contours`: small DICOM RTSTRUCT and SEG files, sound ones and ones damaged in one way each.

    python3 -m pip install pydicom==3.0.2
    python3 scripts/make_contour_corpus.py tests/fuzz/corpus/contours

Everything follows from the numbers below; names of sound files begin with `good_`, and a test reads those.
"""
import pathlib
import sys

import numpy as np
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.filebase import DicomBytesIO
from pydicom.uid import ExplicitVRLittleEndian

RTSTRUCT = "1.2.840.10008.5.1.4.1.1.481.3"
SEG = "1.2.840.10008.5.1.4.1.1.66.4"
FRAME = "1.2.3"


def item(**values):
    ds = Dataset()
    for name, value in values.items():
        setattr(ds, name, value)
    return ds


def written(ds, sop):
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = sop, "1.2.3.9"
    meta.TransferSyntaxUID, meta.ImplementationClassUID = ExplicitVRLittleEndian, "1.2.3.8"
    file = FileDataset(None, ds, file_meta=meta, preamble=bytes(128))
    file.SOPClassUID, file.SOPInstanceUID = sop, "1.2.3.9"
    out = DicomBytesIO()
    file.save_as(out, enforce_file_format=True)
    return out.getvalue()


def square(low, high, z):
    return [(low, low, z), (high, low, z), (high, high, z), (low, high, z)]


def contour(points, kind="CLOSED_PLANAR", stated=None):
    data = [f"{v:g}" for p in points for v in p]
    return item(ContourGeometricType=kind, NumberOfContourPoints=len(points) if stated is None else stated, ContourData=data)


def structures(*rois, frame=FRAME):
    ds = Dataset()
    ds.Modality = "RTSTRUCT"
    ds.StructureSetROISequence = [
        item(ROINumber=n + 1, ReferencedFrameOfReferenceUID=frame, ROIName=name) for n, (name, _) in enumerate(rois)
    ]
    ds.ROIContourSequence = [item(ReferencedROINumber=n + 1, ContourSequence=drawn) for n, (_, drawn) in enumerate(rois)]
    return ds


def segmentation(kind="BINARY", label="L4"):
    rows, columns, frames = 10, 12, 3
    mask = np.zeros((frames, rows, columns), np.uint8)
    mask[:, 3:7, 4:9] = 1
    ds = Dataset()
    ds.Modality, ds.SegmentationType, ds.FrameOfReferenceUID = "SEG", kind, FRAME
    ds.Rows, ds.Columns, ds.NumberOfFrames = rows, columns, frames
    ds.SamplesPerPixel, ds.PhotometricInterpretation, ds.PixelRepresentation = 1, "MONOCHROME2", 0
    if kind == "BINARY":
        ds.BitsAllocated, ds.BitsStored, ds.HighBit = 1, 1, 0
        pixels = np.packbits(mask.reshape(-1), bitorder="little").tobytes()
    else:
        ds.BitsAllocated, ds.BitsStored, ds.HighBit = 8, 8, 7
        pixels = (mask * (200 if kind == "FRACTIONAL" else 1)).tobytes()
    if kind == "FRACTIONAL":
        ds.MaximumFractionalValue, ds.SegmentationFractionalType = 255, "PROBABILITY"
    ds.PixelData = pixels + bytes(len(pixels) % 2)
    ds.SegmentSequence = [item(SegmentNumber=1, SegmentLabel=label)]
    ds.SharedFunctionalGroupsSequence = [
        item(
            PixelMeasuresSequence=[item(PixelSpacing=[1, 1], SliceThickness=1, SpacingBetweenSlices=1)],
            PlaneOrientationSequence=[item(ImageOrientationPatient=[1, 0, 0, 0, 1, 0])],
        )
    ]
    groups = []
    for n in range(frames):
        group = item(PlanePositionSequence=[item(ImagePositionPatient=[-6, -5, 2 + n])])
        if kind != "LABELMAP":
            group.SegmentIdentificationSequence = [item(ReferencedSegmentNumber=1)]
        groups.append(group)
    ds.PerFrameFunctionalGroupsSequence = groups
    return ds


def main():
    out = pathlib.Path(sys.argv[1])
    out.mkdir(parents=True, exist_ok=True)
    outer, inner = [square(-6, 6, z) for z in (2, 3, 4)], [square(-3, 3, z) for z in (2, 3, 4)]
    ring = [contour(c) for c in outer + inner]
    keyhole = [contour(a + a[:1] + [b[0], b[3], b[2], b[1], b[0]]) for a, b in zip(outer, inner, strict=True)]
    seeds = {
        "good_nested": structures(("L4", ring), ("Thecal Sac", [contour(square(-2, 2, z)) for z in (2, 4)])),
        "good_exclusive": structures(("L4", [contour(c, "CLOSEDPLANAR_XOR") for c in outer + inner])),
        "good_keyhole": structures(("L4", keyhole)),
        "good_overlap": structures(("L4", [contour(square(-6, 2, 3)), contour(square(-2, 6, 3)), contour(square(-2, 6, 3))])),
        "other_frame": structures(("L4", ring), frame="1.2.4"),
        "unknown_name": structures(("PTV", ring)),
        "twice_named": structures(("L4", ring), ("vertebra L4", ring)),
        "stated_points": structures(("L4", [contour(square(-2, 2, 3), stated=2_000_000_000)])),
        "tilted": structures(("L4", [contour([(0, 0, 2), (4, 0, 3), (4, 4, 4)])])),
        "far_away": structures(("L4", [contour(square(1e30, 2e30, 3))])),
        "two_values": structures(("L4", [item(ContourGeometricType="CLOSED_PLANAR", ContourData=["1", "2"])])),
        "points_only": structures(("L4", [contour([(0, 0, 3)], "POINT")])),
        "good_binary": segmentation(),
        "good_fractional": segmentation("FRACTIONAL"),
        "good_labelmap": segmentation("LABELMAP"),
        "many_frames": segmentation(),
        "huge_rows": segmentation(),
        "far_planes": segmentation(),
        "no_segment": segmentation(),
        "no_position": segmentation(),
    }
    seeds["many_frames"].NumberOfFrames = 2_000_000_000
    seeds["huge_rows"].Rows = 65535
    seeds["far_planes"].PerFrameFunctionalGroupsSequence[2].PlanePositionSequence[0].ImagePositionPatient = [-6, -5, 90000]
    del seeds["no_segment"].SegmentSequence
    del seeds["no_position"].PerFrameFunctionalGroupsSequence[1].PlanePositionSequence
    for name, ds in seeds.items():
        (out / name).write_bytes(written(ds, SEG if ds.Modality == "SEG" else RTSTRUCT))
    whole = written(structures(("L4", ring)), RTSTRUCT)
    (out / "truncated").write_bytes(whole[: len(whole) * 2 // 3])


if __name__ == "__main__":
    main()
