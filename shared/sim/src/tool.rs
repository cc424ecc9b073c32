//! The shape of each tool: what touches bone, what the alarm measures from, what a punch bites.
//!
//! A tool's own frame has its tip (the centre of a burr, ball, cup or of a blade's rounded end; where a Kerrison's footplate's or a
//! retractor's foot's upper face meets the shaft; the middle between a Leksell's jaws' ends) at the origin and its shaft along +z. What
//! points sideways (footplate, foot, angled cup) points along +y, widths lie along x.
//!
//! The parts are what stops on bone, what the alarm measures from and what intrudes. Jaws count as they are when open.

use crate::input::ToolKind;
use crate::settings::Settings;
use crate::tools::{burr, curette, flow, kerrison, leksell, osteotome, penfield, pituitary, probe, retractor};
use crate::vector::{Vec3, add, norm, scale, sub};

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

/// A box in the tool's frame, mm.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct JawBox {
    /// Its middle.
    pub centre_mm: [f64; 3],
    /// Half its edges along its own axes.
    pub half_mm: [f64; 3],
    /// Its own axes: unit vectors at right angles in the tool's frame. A punch's jaw closes against the third.
    pub axes: [[f64; 3]; 3],
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
    /// The same parts by the sheets that they make up.
    pub(crate) sheets: Vec<Sheet>,
    /// What a punch or rongeur takes when it closes.
    pub jaw: Option<JawBox>,
    /// A punch's footplate, which needs room.
    pub footplate: Option<JawBox>,
}

/// Parts in a row, by their numbers, whose ends and radii are evenly apart, as those of a blade; or a part alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sheet {
    pub(crate) first: u32,
    pub(crate) last: u32,
}

/// By how much a part may be off where its sheet has it, mm.
const EVEN_MM: f64 = 1e-9;

impl Sheet {
    /// The sheets of a tool's parts, in their order; fewer than three parts are no sheet.
    fn of(parts: &[Part]) -> Vec<Self> {
        let is_even = |three: &[Part]| {
            let off = |v: [Vec3; 3]| norm(sub(add(v[0], v[2]), scale(v[1], 2.0)));
            let radii = three[0].radius_mm + three[2].radius_mm - 2.0 * three[1].radius_mm;
            let ends = [0, 1, 2].map(|k| three[k].a_mm);
            let others = [0, 1, 2].map(|k| three[k].b_mm);
            off(ends) <= EVEN_MM && off(others) <= EVEN_MM && radii.abs() <= EVEN_MM
        };
        let (mut sheets, mut first) = (Vec::new(), 0);
        while first < parts.len() {
            let mut last = first;
            while parts.get(last..last + 3).is_some_and(is_even) {
                last += 1;
            }
            // Every three up to there are even, so they reach two farther.
            last += if last > first { 1 } else { 0 };
            sheets.push(Self { first: first as u32, last: last as u32 });
            first = last + 1;
        }
        sheets
    }
}

/// The sizes a tool comes in, 1/10 mm: diameter of burrs (1-6 mm), balls (0.5-8 mm), tubes and curettes' cups, width of bites, jaws and
/// blades.
pub const fn size_range(tool: ToolKind) -> (u8, u8) {
    match tool {
        ToolKind::FlutedBurr | ToolKind::DiamondBurr => (10, 60),
        ToolKind::Kerrison | ToolKind::Kerrison40 => (10, 50),
        ToolKind::Probe => (5, 80),
        ToolKind::Suction => (15, 50),
        ToolKind::Leksell => (30, 80),
        ToolKind::Pituitary => (20, 50),
        ToolKind::Curette | ToolKind::AngledCurette => (20, 60),
        ToolKind::Penfield => (20, 80),
        ToolKind::Retractor => (40, 120),
        ToolKind::Irrigation => (20, 40),
        ToolKind::Osteotome => (40, 200),
    }
}

impl ToolKind {
    /// All tools in the order of their numbers.
    pub const ALL: [Self; 14] = [
        Self::FlutedBurr,
        Self::DiamondBurr,
        Self::Kerrison,
        Self::Probe,
        Self::Suction,
        Self::Kerrison40,
        Self::Leksell,
        Self::Pituitary,
        Self::Curette,
        Self::AngledCurette,
        Self::Penfield,
        Self::Retractor,
        Self::Irrigation,
        Self::Osteotome,
    ];

    /// The tool of a number, as stored and sent.
    pub fn from_number(n: u8) -> Option<Self> {
        Self::ALL.get(n as usize).copied()
    }

    /// Whether the tool is a burr.
    pub const fn is_burr(self) -> bool {
        matches!(self, Self::FlutedBurr | Self::DiamondBurr)
    }

    /// Whether the tool is a Kerrison punch of either angle.
    pub const fn is_kerrison(self) -> bool {
        matches!(self, Self::Kerrison | Self::Kerrison40)
    }

    /// Whether the tool has jaws that close once per squeeze: punches and rongeurs.
    pub const fn has_jaws(self) -> bool {
        matches!(self, Self::Kerrison | Self::Kerrison40 | Self::Leksell | Self::Pituitary)
    }

    /// One or two words for reports.
    pub const fn word(self) -> &'static str {
        match self {
            Self::FlutedBurr => "fluted burr",
            Self::DiamondBurr => "diamond burr",
            Self::Kerrison => "Kerrison punch",
            Self::Probe => "ball probe",
            Self::Suction => "suction",
            Self::Kerrison40 => "Kerrison punch 40°",
            Self::Leksell => "Leksell rongeur",
            Self::Pituitary => "pituitary rongeur",
            Self::Curette => "curette",
            Self::AngledCurette => "angled curette",
            Self::Penfield => "Penfield dissector",
            Self::Retractor => "nerve-root retractor",
            Self::Irrigation => "irrigation",
            Self::Osteotome => "osteotome",
        }
    }
}

impl Shape {
    /// The shape of a tool; a size that the tool does not come in is taken as the nearest one.
    pub fn new(tool: ToolKind, size_tenth_mm: u8, settings: &Settings) -> Self {
        let (low, high) = size_range(tool);
        let size_mm = f64::from(size_tenth_mm.clamp(low, high)) / 10.0;
        match tool {
            ToolKind::FlutedBurr | ToolKind::DiamondBurr => burr::shape(size_mm, settings),
            ToolKind::Kerrison => kerrison::shape(size_mm, false, settings),
            ToolKind::Kerrison40 => kerrison::shape(size_mm, true, settings),
            ToolKind::Probe => probe::shape(size_mm, settings),
            ToolKind::Suction | ToolKind::Irrigation => flow::shape(size_mm, settings),
            ToolKind::Leksell => leksell::shape(size_mm, settings),
            ToolKind::Pituitary => pituitary::shape(size_mm, settings),
            ToolKind::Curette => curette::shape(size_mm, false, settings),
            ToolKind::AngledCurette => curette::shape(size_mm, true, settings),
            ToolKind::Penfield => penfield::shape(size_mm, settings),
            ToolKind::Retractor => retractor::shape(size_mm, settings),
            ToolKind::Osteotome => osteotome::shape(size_mm, settings),
        }
    }

    /// A ball on a straight shaft.
    pub(crate) fn round(radius_mm: f64, shaft_radius_mm: f64, settings: &Settings) -> Self {
        let tip = Part { a_mm: [0.0; 3], b_mm: [0.0; 3], radius_mm };
        Self::plain(vec![tip, shaft(0.0, 0.0, shaft_radius_mm, settings)])
    }

    /// A tool without jaws of some parts, whose rigid ball is the start of the first.
    pub fn plain(parts: Vec<Part>) -> Self {
        let (ball_mm, ball_radius_mm) = parts.first().map_or(([0.0; 3], 0.1), |tip| (tip.a_mm, tip.radius_mm));
        Self { ball_mm, ball_radius_mm, sheets: Sheet::of(&parts), parts, jaw: None, footplate: None }
    }
}

/// A shaft along +z from `from_mm` on, beside the tool's axis by `y_mm`.
pub(crate) fn shaft(y_mm: f64, from_mm: f64, radius_mm: f64, settings: &Settings) -> Part {
    Part { a_mm: [0.0, y_mm, from_mm], b_mm: [0.0, y_mm, settings.shaft_length_mm.max(from_mm + 1.0)], radius_mm }
}

/// A plate with a rounded rim as rods across its width, at most half a radius apart, so that their union is the plate. It reaches from
/// the origin along the second of `axes`, and hangs from the origin against the third.
pub(crate) fn plate_rods(width_mm: f64, length_mm: f64, thick_mm: f64, axes: [Vec3; 3]) -> Vec<Part> {
    let radius_mm = (thick_mm / 2.0).min(width_mm / 2.0);
    let side = width_mm / 2.0 - radius_mm;
    let (first, last) = (radius_mm, (length_mm - radius_mm).max(radius_mm));
    let rods = ((last - first) / (radius_mm / 2.0)).ceil().max(1.0) as usize;
    (0..=rods)
        .map(|k| {
            let y = first + (last - first) * k as f64 / rods as f64;
            let middle = add(scale(axes[1], y), scale(axes[2], -thick_mm / 2.0));
            Part { a_mm: add(middle, scale(axes[0], -side)), b_mm: add(middle, scale(axes[0], side)), radius_mm }
        })
        .collect()
}

/// A blade along +z between two heights, `y_mm` beside the axis, as rods along it at most a radius apart.
pub(crate) fn blade_rods(width_mm: f64, y_mm: f64, from_mm: f64, to_mm: f64, radius_mm: f64) -> Vec<Part> {
    let side = (width_mm / 2.0 - radius_mm).max(0.0);
    let rods = (2.0 * side / radius_mm).ceil() as usize;
    (0..=rods)
        .map(|k| {
            let x = if rods == 0 { 0.0 } else { side * (2.0 * k as f64 / rods as f64 - 1.0) };
            Part { a_mm: [x, y_mm, from_mm], b_mm: [x, y_mm, to_mm], radius_mm }
        })
        .collect()
}

/// The tool's own axes.
pub(crate) const AXES: [[f64; 3]; 3] = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];

impl JawBox {
    /// Points on a lattice of at most `step_mm` through the box, ends included, x fastest; and how many there are.
    pub(crate) fn lattice(&self, step_mm: f64) -> (u32, impl Iterator<Item = Vec3> + use<>) {
        let (centre, half, axes) = (self.centre_mm, self.half_mm, self.axes);
        let counts = half.map(|h| (2.0 * h / step_mm).ceil().max(1.0) as i32);
        let at = move |k: usize, n: i32| scale(axes[k], half[k] * (2.0 * f64::from(n) / f64::from(counts[k]) - 1.0));
        let row = move |y: Vec3, z: Vec3| (0..=counts[0]).map(move |x| add(add(add(centre, at(0, x)), y), z));
        let layer = move |z: Vec3| (0..=counts[1]).flat_map(move |y| row(at(1, y), z));
        let points = (0..=counts[2]).flat_map(move |z| layer(at(2, z)));
        (counts.iter().map(|n| n.unsigned_abs().saturating_add(1)).fold(1, u32::saturating_mul), points)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vector::dot;

    #[test]
    fn every_tool_has_a_tip_and_a_shaft() {
        let settings = Settings::default();
        for tool in ToolKind::ALL {
            for size in [0, 20, 30, 255] {
                let shape = Shape::new(tool, size, &settings);
                assert!(shape.parts.len() >= 2 && shape.ball_radius_mm > 0.0, "{tool:?} {size}");
                assert!(shape.parts.iter().all(|p| p.radius_mm > 0.0 && p.radius_mm.is_finite()));
                assert_eq!(shape.parts.last().unwrap().b_mm[2], settings.shaft_length_mm);
                assert_eq!(shape.jaw.is_some(), tool.has_jaws());
                assert_eq!(shape.footplate.is_some(), tool.is_kerrison());
                let axes = shape.jaw.map_or(AXES, |jaw| jaw.axes);
                for (i, j) in [(0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 2)] {
                    assert!((dot(axes[i], axes[j]) - f64::from(u8::from(i == j))).abs() < 1e-12, "{tool:?}");
                }
            }
            assert_eq!(ToolKind::from_number(tool as u8), Some(tool));
        }
        assert_eq!(Shape::new(ToolKind::FlutedBurr, 30, &settings).ball_radius_mm, 1.5);
    }

    /// Proves that the sheets hold every part once and in order, and that a sheet's parts lie where its first and last put them.
    #[test]
    fn sheets_hold_every_part_where_it_is() {
        let settings = Settings::default();
        let mut most = 0;
        for tool in ToolKind::ALL {
            let (low, high) = size_range(tool);
            for size in low..=high {
                let shape = Shape::new(tool, size, &settings);
                let mut next = 0;
                for sheet in &shape.sheets {
                    assert!(sheet.first == next && sheet.last >= sheet.first, "{tool:?} {size}");
                    next = sheet.last + 1;
                    let [first, last] = [sheet.first, sheet.last].map(|n| shape.parts[n as usize]);
                    for n in sheet.first..=sheet.last {
                        let (part, rows) = (shape.parts[n as usize], f64::from((sheet.last - sheet.first).max(1)));
                        let share = f64::from(n - sheet.first) / rows;
                        for (at, from, to) in [(part.a_mm, first.a_mm, last.a_mm), (part.b_mm, first.b_mm, last.b_mm)] {
                            assert!(norm(sub(at, add(from, scale(sub(to, from), share)))) < 1e-6, "{tool:?} {size}");
                        }
                        let radius = first.radius_mm + (last.radius_mm - first.radius_mm) * share;
                        assert!((part.radius_mm - radius).abs() < 1e-6, "{tool:?} {size}");
                    }
                }
                assert_eq!(next as usize, shape.parts.len(), "{tool:?} {size}");
                most = most.max(shape.sheets.len());
            }
        }
        // Tens of rods are a few sheets: both Leksell jaws and the shaft.
        assert!(most <= 5, "{most}");
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
