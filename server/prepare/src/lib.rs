//! Preparation: DICOM and NIfTI, segmentation, baking, quality report and case files.
