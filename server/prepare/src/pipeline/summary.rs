//! What is in a case, for people and scripts.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;
use serde_json::{Value, json};
use spinor_shared::case::{Case, CaseHash, ImageBricks, RegistrationMeta};
use spinor_volume::TissueClass;

use super::Prepared;
use super::coverage::{LevelCoverage, coverage};

/// One structure of a summary.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StructureSummary {
    /// Volume before any cut, mm³.
    pub volume_mm3: f64,
    /// `labelled`, `segmented`, `proposed`, `phantom` or `contoured`.
    pub source: &'static str,
    /// For a structure drawn by hand, the source of what it took the place of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub corrects: Option<String>,
    /// `mr` for what was seen in the MR of a case that lies in the CT's frame; none otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// The segmentation's own confidence; none for what was given or proposed.
    pub confidence: Option<f64>,
    /// How far its surface may be off, mm.
    pub uncertainty_mm: f64,
    /// Volume of the voxels it was made from, mm³.
    pub label_volume_mm3: Option<f64>,
    /// Its number.
    pub label: u16,
}

/// An image of a summary.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ImageSummary {
    /// Voxels.
    pub size: [u32; 3],
    /// Spacing, mm.
    pub spacing_mm: [f64; 3],
}

/// What is in a case.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CaseSummary {
    /// The case's hash, hexadecimal.
    pub hash: String,
    /// Program that made it.
    pub created_with: String,
    /// Label scheme it was made from.
    pub scheme: String,
    /// Vertebrae from head to foot.
    pub levels: Vec<String>,
    /// What is given, proposed and missing at each level, from head to foot.
    pub coverage: Vec<LevelCoverage>,
    /// Structures by name.
    pub structures: BTreeMap<String, StructureSummary>,
    /// How MR came to lie in the CT's frame; none without MR.
    pub registration: Value,
    /// Voxel edge of the fields, mm.
    pub voxel_mm: f64,
    /// Extent of the fields, mm.
    pub extent_mm: [f64; 3],
    /// Stored bricks of all surfaces.
    pub surface_bricks: usize,
    /// Stored bricks of density.
    pub density_bricks: usize,
    /// The CT.
    pub ct: Option<ImageSummary>,
    /// The MR.
    pub mr: Option<ImageSummary>,
    /// What a reader must know.
    pub warnings: Vec<String>,
}

impl CaseSummary {
    /// Looks at a case.
    pub fn of(case: &Case, hash: CaseHash) -> Self {
        let patient = &case.patient;
        let structures = patient.structures().iter().map(|s| {
            let known = case.meta.structures.iter().find(|m| m.label == s.label.0);
            let summary = StructureSummary {
                volume_mm3: (s.volume_mm3 * 10.0).round() / 10.0,
                source: s.source.word(),
                corrects: known.and_then(|m| m.corrects.clone()),
                image: known.and_then(|m| m.image.clone()),
                confidence: known.and_then(|m| m.confidence),
                uncertainty_mm: f64::from(s.uncertainty_mm),
                label_volume_mm3: known.and_then(|m| m.label_volume_mm3),
                label: s.label.0,
            };
            (s.label.name(), summary)
        });
        let image = |image: &ImageBricks| ImageSummary { size: image.geometry().size, spacing_mm: image.geometry().spacing_mm };
        let bones = patient.structures().iter().filter(|s| s.class == TissueClass::Bone);
        Self {
            hash: hash.to_string(),
            created_with: case.meta.created_with.clone(),
            scheme: case.meta.scheme.clone(),
            levels: bones.filter_map(|s| s.label.level()).collect(),
            coverage: coverage(patient),
            structures: structures.collect(),
            registration: case.meta.registration.as_ref().map_or(Value::Null, registration),
            voxel_mm: patient.grid().spacing_mm(),
            extent_mm: patient.grid().voxels().map(|n| (f64::from(n) * patient.grid().spacing_mm() * 10.0).round() / 10.0),
            surface_bricks: patient.structures().iter().map(|s| s.sdf.stored().count()).sum(),
            density_bricks: patient.density().stored().count(),
            ct: case.ct.as_ref().map(image),
            mr: case.mr.as_ref().map(image),
            warnings: case.meta.warnings.clone(),
        }
    }
}

fn registration(meta: &RegistrationMeta) -> Value {
    let per_vertebra: BTreeMap<&str, Value> =
        meta.per_vertebra.iter().map(|(name, mm)| (name.as_str(), json!({ "uncertainty_mm": mm }))).collect();
    json!({ "method": meta.method, "verified": meta.verified, "per_vertebra": per_vertebra })
}

impl fmt::Display for CaseSummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for warning in &self.warnings {
            writeln!(f, "! {warning}")?;
        }
        let [x, y, z] = self.extent_mm;
        writeln!(f, "case {}", self.hash)?;
        writeln!(f, "made with {}; labels: {}", self.created_with, if self.scheme.is_empty() { "-" } else { &self.scheme })?;
        writeln!(
            f,
            "{x:.0} × {y:.0} × {z:.0} mm at {} mm, {} surface bricks, {} density bricks",
            self.voxel_mm, self.surface_bricks, self.density_bricks
        )?;
        for (name, image) in [("CT", &self.ct), ("MR", &self.mr)] {
            if let Some(image) = image {
                let ([a, b, c], [p, q, r]) = (image.size, image.spacing_mm);
                writeln!(f, "{name} as the case keeps it: {a} × {b} × {c} voxels of {p:.2} × {q:.2} × {r:.2} mm")?;
            }
        }
        writeln!(f, "level by level, from head to foot:")?;
        for level in &self.coverage {
            writeln!(f, "{}", level.line())?;
        }
        for (name, s) in &self.structures {
            write!(f, "  {name:<32}{:>9.1} cm³  {:<10}", s.volume_mm3 / 1000.0, s.source)?;
            if s.uncertainty_mm > 0.0 {
                write!(f, " ± {:.1} mm", s.uncertainty_mm)?;
            }
            if s.image.is_some() {
                write!(f, "  in the MR")?;
            }
            if let Some(before) = &s.corrects {
                write!(f, "  drawn by hand instead of {before}")?;
            }
            writeln!(f)?;
        }
        Ok(())
    }
}

impl Prepared {
    /// The JSON object that `spinor prepare --json` prints; `path` is where the case was written.
    pub fn json(&self, path: &str) -> Value {
        let summary = CaseSummary::of(&self.case, self.hash);
        let s = &self.seconds;
        let round = |v: f64| (v * 1000.0).round() / 1000.0;
        json!({
            "case": path,
            "hash": summary.hash,
            "bytes": self.bytes.len(),
            "levels": summary.levels,
            "coverage": summary.coverage,
            "structures": summary.structures,
            "registration": summary.registration,
            "seconds": {
                "total": round(s.total), "ingest": round(s.ingest), "register": round(s.register), "segment": round(s.segment),
                "fuse": round(s.fuse), "bake": round(s.bake), "pack": round(s.pack),
            },
            "reused": self.reused,
            "peak_rss_mb": peak_rss_mb(),
            "warnings": summary.warnings,
        })
    }
}

/// The most memory this process has held so far, MiB; none where the system does not say.
pub fn peak_rss_mb() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    let kib: f64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some((kib / 102.4).round() / 10.0)
}
