//! What a case says about itself: how it was made and how far it may be trusted. Never who the patient is.

use serde::{Deserialize, Serialize};

/// How a case was made. It holds no name, date, identifier or path: those of the patient stay with the hospital.
///
/// Stored as JSON so that it can be read by eye; fields that a newer program adds are skipped.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct CaseMeta {
    /// The program and version that wrote the case.
    pub created_with: String,
    /// The label scheme the structures came in (`verse`, `totalspineseg`, ...); empty where there was none.
    pub scheme: String,
    /// How surfaces were made from labels.
    pub bake: BakeMeta,
    /// What is known of each structure beyond its surface, in the order of labels.
    pub structures: Vec<StructureMeta>,
    /// How MR came to lie in the CT's frame; none without MR.
    pub registration: Option<RegistrationMeta>,
    /// What a reader must know, in full sentences, shown wherever the case is opened.
    pub warnings: Vec<String>,
}

/// Parameters of baking.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct BakeMeta {
    /// Voxel edge of the fields, mm.
    pub spacing_mm: f64,
    /// Smoothing of the distance to the labels' voxels, mm (twicing with a Gaussian of this sigma).
    pub sigma_mm: f64,
    /// Least gap kept between neighbours of one class, mm.
    pub gap_mm: f64,
    /// Set when surfaces were moved to the CT's edge; the value is the fraction of the contrast taken as the edge.
    pub follow_ct_fraction: Option<f64>,
}

/// What is known of one structure beyond its surface.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct StructureMeta {
    /// The structure's label.
    pub label: u16,
    /// The segmentation's own confidence, 0-1; none for what was given or proposed.
    pub confidence: Option<f64>,
    /// Volume of the voxels it was made from, mm³; none where there were none.
    pub label_volume_mm3: Option<f64>,
    /// Mean outward shift when following the CT's edge, mm; none when the CT was not followed.
    pub mean_edge_shift_mm: Option<f64>,
    /// For a structure drawn by hand, the source it has instead of (`segmented`, `labelled`); none where nothing was there before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub corrects: Option<String>,
    /// The image it was seen in where that is not the one in whose frame the case lies: `mr` in a case of a CT; none otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
}

/// How MR came to lie in the CT's frame.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RegistrationMeta {
    /// In one line: what was done. `headers`: both images' own positions were believed, nothing was aligned.
    pub method: String,
    /// Whether anything confirmed the alignment.
    pub verified: bool,
    /// Per vertebra: its name and how far MR may be off there, mm; empty where unknown.
    pub per_vertebra: Vec<(String, f64)>,
    /// Per vertebra: its name and the rigid `mr_from_ct` that it moved by, rows with the translation in mm last. The case's MR is already
    /// resampled by these, so that its lattice needs only `patient_from_image`; they are kept to place other things from the MR's frame.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub mr_from_ct: Vec<(String, [[f64; 4]; 3])>,
}
