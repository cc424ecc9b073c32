//! The shape of each tool: what touches bone, what the alarm measures from, what a punch bites.
//!
//! A tool's own frame has its tip (a burr's centre, a ball's centre, the upper face of a Kerrison's footplate) at the origin and its
//! shaft along +z. A Kerrison's footplate and bite reach along +y, its width lies along x.

use crate::input::ToolKind;
use crate::settings::Settings;
use crate::vector::Vec3;

/// A rounded part of a tool's surface: all points within `radius_mm` of the segment from `a` to `b`, in the tool's frame.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Part {
    /// One end of the axis, mm.
    pub a_mm: [f64; 3],
    /// The other end, mm.
    pub b_mm: [f64; 3],
    /// Radius about the axis, mm.
    pub radius_mm: f64,
}

/// An axis-aligned box in the tool's frame, mm.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct JawBox {
    /// Its middle.
    pub centre_mm: [f64; 3],
    /// Half its edges.
    pub half_mm: [f64; 3],
}

/// The shape of one tool in its own frame.
#[derive(Clone, Debug, PartialEq)]
pub struct Shape {
    /// Centre of the rigid ball that bone stops.
    pub ball_mm: [f64; 3],
    /// Radius of that ball, mm.
    pub ball_radius_mm: f64,
    /// The whole surface as rounded parts: the tip first, then a footplate, the shaft last.
    pub parts: Vec<Part>,
    /// What a punch takes when it closes.
    pub jaw: Option<JawBox>,
    /// A punch's footplate, which needs room.
    pub footplate: Option<JawBox>,
}

/// The sizes a tool comes in, 1/10 mm: burrs 1-6 mm, Kerrison 1-5 mm, balls 0.5-4 mm, suction 1.5-5 mm.
pub const fn size_range(tool: ToolKind) -> (u8, u8) {
    match tool {
        ToolKind::FlutedBurr | ToolKind::DiamondBurr => (10, 60),
        ToolKind::Kerrison => (10, 50),
        ToolKind::Probe => (5, 40),
        ToolKind::Suction => (15, 50),
    }
}

impl ToolKind {
    /// All tools in the order of their numbers.
    pub const ALL: [Self; 5] = [Self::FlutedBurr, Self::DiamondBurr, Self::Kerrison, Self::Probe, Self::Suction];

    /// The tool of a number, as stored and sent.
    pub fn from_number(n: u8) -> Option<Self> {
        Self::ALL.get(n as usize).copied()
    }

    /// Whether the tool is a burr.
    pub const fn is_burr(self) -> bool {
        matches!(self, Self::FlutedBurr | Self::DiamondBurr)
    }

    /// One or two words for reports.
    pub const fn word(self) -> &'static str {
        match self {
            Self::FlutedBurr => "fluted burr",
            Self::DiamondBurr => "diamond burr",
            Self::Kerrison => "Kerrison punch",
            Self::Probe => "ball probe",
            Self::Suction => "suction",
        }
    }
}

impl Shape {
    /// The shape of a tool; a size that the tool does not come in is taken as the nearest one.
    pub fn new(tool: ToolKind, size_tenth_mm: u8, settings: &Settings) -> Self {
        let (low, high) = size_range(tool);
        let size_mm = f64::from(size_tenth_mm.clamp(low, high)) / 10.0;
        match tool {
            ToolKind::FlutedBurr | ToolKind::DiamondBurr => {
                round(size_mm / 2.0, settings.burr_shaft_radius_mm.min(0.3 * size_mm), settings)
            }
            ToolKind::Probe => round(size_mm / 2.0, settings.probe_shaft_radius_mm.min(0.4 * size_mm), settings),
            ToolKind::Suction => round(size_mm / 2.0, size_mm / 2.0, settings),
            ToolKind::Kerrison => kerrison(size_mm, settings),
        }
    }
}

fn round(radius_mm: f64, shaft_radius_mm: f64, settings: &Settings) -> Shape {
    let tip = Part { a_mm: [0.0; 3], b_mm: [0.0; 3], radius_mm };
    let shaft = Part { a_mm: [0.0; 3], b_mm: [0.0, 0.0, settings.shaft_length_mm], radius_mm: shaft_radius_mm };
    Shape { ball_mm: [0.0; 3], ball_radius_mm: radius_mm, parts: vec![tip, shaft], jaw: None, footplate: None }
}

fn kerrison(width_mm: f64, settings: &Settings) -> Shape {
    let thick = settings.kerrison_footplate_mm;
    let (length, opening) = (width_mm + settings.kerrison_plate_extra_mm, settings.kerrison_opening_mm);
    let radius_mm = (thick / 2.0).min(width_mm / 2.0);
    let middle = -thick / 2.0;
    let side = width_mm / 2.0 - radius_mm;
    // Rods across the plate's width, at most half a radius apart, so that their union is the plate but for its rounded rim.
    let (first, last) = (radius_mm, length - radius_mm);
    let rods = ((last - first) / (radius_mm / 2.0)).ceil().max(1.0) as usize;
    let mut parts: Vec<Part> = (0..=rods)
        .map(|k| {
            let y = first + (last - first) * k as f64 / rods as f64;
            Part { a_mm: [-side, y, middle], b_mm: [side, y, middle], radius_mm }
        })
        .collect();
    let shaft_radius = settings.kerrison_shaft_radius_mm;
    // The shaft's lower end is flush with the footplate's lower face, which hangs on it.
    let shaft_at = |z: f64| [0.0, -shaft_radius, z];
    parts.push(Part { a_mm: shaft_at(shaft_radius - thick), b_mm: shaft_at(settings.shaft_length_mm), radius_mm: shaft_radius });
    Shape {
        ball_mm: [0.0, 0.0, middle],
        ball_radius_mm: radius_mm,
        parts,
        jaw: Some(JawBox {
            centre_mm: [0.0, length / 2.0, opening / 2.0],
            half_mm: [width_mm / 2.0, length / 2.0, opening / 2.0],
        }),
        footplate: Some(JawBox { centre_mm: [0.0, length / 2.0, middle], half_mm: [width_mm / 2.0, length / 2.0, thick / 2.0] }),
    }
}

impl JawBox {
    /// Points on a lattice of at most `step_mm` through the box, ends included, x fastest.
    pub(crate) fn lattice(&self, step_mm: f64) -> impl Iterator<Item = Vec3> + use<> {
        let (centre, half) = (self.centre_mm, self.half_mm);
        let counts = half.map(|h| (2.0 * h / step_mm).ceil().max(1.0) as i32);
        let at = move |k: usize, n: i32| centre[k] - half[k] + 2.0 * half[k] * f64::from(n) / f64::from(counts[k]);
        (0..=counts[2])
            .flat_map(move |z| (0..=counts[1]).flat_map(move |y| (0..=counts[0]).map(move |x| [at(0, x), at(1, y), at(2, z)])))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_tool_has_a_tip_and_a_shaft() {
        let settings = Settings::default();
        for tool in ToolKind::ALL {
            for size in [0, 20, 30, 255] {
                let shape = Shape::new(tool, size, &settings);
                assert!(shape.parts.len() >= 2 && shape.ball_radius_mm > 0.0, "{tool:?} {size}");
                assert!(shape.parts.iter().all(|p| p.radius_mm > 0.0 && p.radius_mm.is_finite()));
                assert_eq!(shape.parts.last().unwrap().b_mm[2], settings.shaft_length_mm);
                assert_eq!(shape.jaw.is_some(), tool == ToolKind::Kerrison);
            }
            assert_eq!(ToolKind::from_number(tool as u8), Some(tool));
        }
        assert_eq!(Shape::new(ToolKind::FlutedBurr, 30, &settings).ball_radius_mm, 1.5);
    }

    /// The plate of rods reaches what the box of the footplate does, and no farther.
    #[test]
    fn a_footplate_of_rods_fills_its_box() {
        let shape = Shape::new(ToolKind::Kerrison, 30, &Settings::default());
        let plate = shape.footplate.unwrap();
        let rods = &shape.parts[..shape.parts.len() - 1];
        for k in 0..3 {
            let low = rods.iter().map(|r| r.a_mm[k].min(r.b_mm[k]) - r.radius_mm).fold(f64::INFINITY, f64::min);
            let high = rods.iter().map(|r| r.a_mm[k].max(r.b_mm[k]) + r.radius_mm).fold(f64::NEG_INFINITY, f64::max);
            assert!((low - plate.centre_mm[k] + plate.half_mm[k]).abs() < 1e-9, "low {k}");
            assert!((high - plate.centre_mm[k] - plate.half_mm[k]).abs() < 1e-9, "high {k}");
        }
    }
}
