#!/usr/bin/env python3
"""Writes the small files that the tests of `spinor prepare --contours` read: one mask, drawn by other programs in every format.

    python3 -m pip install highdicom==0.28.2 rt-utils==1.2.7 nibabel==5.4.2
    python3 scripts/make_contour_fixtures.py server/prepare/tests/data/contours

Two vertebrae whose arches close around a canal (so that contours have holes), a dural sac in it and a root, on an oblique lattice, as
a CT series (`ct/`), a label map (`labels.nii.gz`), DICOM RTSTRUCT written by rt-utils (`rtstruct.dcm`), and DICOM SEG written by
highdicom: binary, fractional and label map. Everything follows from SEED; identifiers are derived from it as well.
"""

import datetime
import pathlib
import shutil
import sys

import highdicom as hd
import nibabel as nib
import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sr.codedict import codes
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, RLELossless, generate_uid
from rt_utils import RTStructBuilder

SEED = 20260
SIZE = (48, 44, 16)  # columns, rows, slices
SPACING = (0.9, 0.9, 1.5)  # mm
TILT = np.deg2rad(12.0)
ROW = np.array([1.0, 0.0, 0.0])
COLUMN = np.array([0.0, np.cos(TILT), np.sin(TILT)])
NORMAL = np.cross(ROW, COLUMN)
ORIGIN = np.array([-20.0, -18.0, 310.0])

# Number in a case, name of ROI and segment, code.
PARTS = [
    (43, "vertebrae_L3", codes.SCT.L3Vertebra),
    (44, "L4", codes.SCT.L4Vertebra),
    (2, "Thecal Sac", codes.SCT.VertebralCanal),
    (128, "L4 nerve root left", None),
]


def uid(*what):
    return generate_uid(entropy_srcs=[str(SEED), *map(str, what)])


def mask():
    """Labels by [slice, row, column], with a little noise at the surfaces so that no contour is smooth."""
    random = np.random.default_rng(SEED)
    k, j, i = np.meshgrid(*(np.arange(n, dtype=float) for n in SIZE[::-1]), indexing="ij")
    x, y, z = i * SPACING[0], j * SPACING[1], k * SPACING[2]
    rough = random.normal(0.0, 0.35, x.shape)
    out = np.zeros(x.shape, np.uint16)
    for number, centre in ((43, 17.5), (44, 6.5)):
        body = np.hypot((x - 21.0) / 1.25, y - 12.0) - 9.0
        ring = np.abs(np.hypot(x - 21.0, y - 25.5) - 8.0) - 2.4
        bone = np.minimum(body, ring) + rough
        out[(bone < 0.0) & (np.abs(z - centre) < 4.6)] = number
    sac = np.hypot(x - 21.0, (y - 25.5) * 1.1) - 4.2
    out[(sac < 0.0) & (out == 0)] = 2
    root = np.maximum(np.hypot(x - 33.5, y - 20.5) - 2.2, np.abs(z - 12.0) - 5.5)
    out[(root < 0.0) & (out == 0)] = 128
    return out


def slices(labels):
    random = np.random.default_rng(SEED + 1)
    hu = np.where(np.isin(labels, [43, 44]), 420.0, np.where(labels > 0, 20.0, 60.0)) + random.normal(0.0, 8.0, labels.shape)
    out = []
    for n in range(SIZE[2]):
        meta = FileMetaDataset()
        meta.MediaStorageSOPClassUID = CTImageStorage
        meta.MediaStorageSOPInstanceUID = uid("ct", n)
        meta.TransferSyntaxUID = ExplicitVRLittleEndian
        meta.ImplementationClassUID = uid("implementation")
        ds = Dataset()
        ds.file_meta = meta
        ds.SOPClassUID, ds.SOPInstanceUID = CTImageStorage, uid("ct", n)
        ds.PatientName, ds.PatientID, ds.PatientBirthDate, ds.PatientSex = "Fixture^Spinor", "FIXTURE", "19000101", "O"
        ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.FrameOfReferenceUID = uid("study"), uid("series"), uid("frame")
        ds.StudyDate, ds.StudyTime, ds.StudyID, ds.AccessionNumber = "20200101", "120000", "1", "1"
        ds.ReferringPhysicianName, ds.PositionReferenceIndicator = "", ""
        ds.SeriesNumber, ds.InstanceNumber, ds.Modality, ds.Manufacturer = 1, n + 1, "CT", "none"
        ds.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
        ds.Rows, ds.Columns = SIZE[1], SIZE[0]
        ds.PixelSpacing, ds.SliceThickness = [SPACING[1], SPACING[0]], SPACING[2]
        ds.ImageOrientationPatient = [*(f"{v:.12f}" for v in ROW), *(f"{v:.12f}" for v in COLUMN)]
        ds.ImagePositionPatient = [f"{v:.9f}" for v in ORIGIN + n * SPACING[2] * NORMAL]
        ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
        ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 12, 11, 0
        ds.RescaleSlope, ds.RescaleIntercept, ds.RescaleType = 1, -1024, "HU"
        ds.PixelData = (hu[n] + 1024.0).round().clip(0, 4095).astype("<u2").tobytes()
        out.append(ds)
    return out


def segmentation(source, labels, kind, path, **more):
    algorithm = {"algorithm_type": hd.seg.SegmentAlgorithmTypeValues.MANUAL}
    category = codes.SCT.AnatomicalStructure
    plain = hd.sr.CodedConcept("91723000", "SCT", "Anatomical structure")
    describe = [
        hd.seg.SegmentDescription(n + 1, name, category, code if code is not None else plain, **algorithm)
        for n, (_, name, code) in enumerate(PARTS)
    ]
    if kind == "LABELMAP":
        pixels = np.zeros(labels.shape, np.uint8)
        for n, (number, _, _) in enumerate(PARTS):
            pixels[labels == number] = n + 1
    else:
        pixels = np.stack([labels == number for number, _, _ in PARTS], axis=-1)
        # A soft border outside: what lies below one half does not belong to the structure.
        if kind == "FRACTIONAL":
            soft = np.zeros(pixels.shape, np.float32)
            for axis in (1, 2):
                for step in (-1, 1):
                    soft = np.maximum(soft, 0.45 * np.roll(pixels, step, axis))
            pixels = np.where(pixels, np.float32(0.55), soft.astype(np.float32))
        else:
            pixels = pixels.astype(np.uint8)
    made = hd.seg.Segmentation(
        source_images=source, pixel_array=pixels, segmentation_type=kind, segment_descriptions=describe,
        series_instance_uid=uid("seg series", path.name), series_number=7, sop_instance_uid=uid("seg", path.name), instance_number=1,
        manufacturer="none", manufacturer_model_name="fixture", software_versions="1", device_serial_number="1", **more,
    )
    fix_dates(made)
    made.save_as(path)


def fix_dates(ds):
    for element in list(ds):
        if element.VR == "DA" and element.keyword != "PatientBirthDate":
            element.value = "20200101"
        elif element.VR == "TM":
            element.value = "120000"
        elif element.VR == "DT":
            element.value = datetime.datetime(2020, 1, 1, 12).strftime("%Y%m%d%H%M%S")


def structures(folder, labels, path):
    made = RTStructBuilder.create_new(dicom_series_path=str(folder))
    for number, name, _ in PARTS:
        made.add_roi(mask=np.moveaxis(labels == number, 0, -1), name=name, color=[200, 180, 90])
    ds = made.ds
    ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = uid("rtstruct")
    ds.SeriesInstanceUID = uid("rtstruct series")
    fix_dates(ds)
    for roi in ds.ROIContourSequence:
        for contour in roi.ContourSequence:
            contour.ContourData = [f"{float(v):.4f}" for v in contour.ContourData]
    made.save(str(path))


def main():
    out = pathlib.Path(sys.argv[1])
    shutil.rmtree(out, ignore_errors=True)
    (out / "ct").mkdir(parents=True)
    labels = mask()
    source = slices(labels)
    for n, ds in enumerate(source):
        pydicom.dcmwrite(out / "ct" / f"{n:02}.dcm", ds, enforce_file_format=True)
    lps_to_ras = np.diag([-1.0, -1.0, 1.0, 1.0])
    affine = np.eye(4)
    affine[:3, 0], affine[:3, 1], affine[:3, 2] = ROW * SPACING[0], COLUMN * SPACING[1], NORMAL * SPACING[2]
    affine[:3, 3] = ORIGIN
    image = nib.Nifti1Image(np.transpose(labels, (2, 1, 0)), lps_to_ras @ affine)
    image.set_sform(image.affine, 1)
    image.set_qform(image.affine, 1)
    nib.save(image, out / "labels.nii.gz")
    segmentation(source, labels, "BINARY", out / "seg_binary.dcm")
    segmentation(source, labels, "FRACTIONAL", out / "seg_fractional.dcm", transfer_syntax_uid=RLELossless)
    segmentation(source, labels, "LABELMAP", out / "seg_labelmap.dcm")
    structures(out / "ct", labels, out / "rtstruct.dcm")


if __name__ == "__main__":
    main()
