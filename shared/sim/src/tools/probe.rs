//! The ball probe: takes nothing; measures distance and force, and which ball passes.
//!
//! With the trigger pressed the probe gauges a passage, such as a foramen: led through it and let go, it says the largest ball, in steps
//! of half a millimetre, that passes bone, flavum and disc where its tip went, or a little aside of that.

use spinor_volume::{ClassMask, Label, TissueClass};

use crate::contact::{Ball, Tissue};
use crate::events::{Event, Holder};
use crate::pose::um;
use crate::settings::Settings;
use crate::tool::Shape;
use crate::tools::work::Bench;
use crate::vector::{Vec3, mix, norm, sub};

/// What a passage is bounded by.
const WALLS: ClassMask = ClassMask::of(&[TissueClass::Bone, TissueClass::Flavum, TissueClass::Disc]);
/// Farthest between two places that are tried, mm.
const TRIED_MM: f64 = 0.4;
/// Shortest way that is a passage, mm.
const SHORTEST_MM: f64 = 1.0;

/// The shape of a ball probe.
pub(crate) fn shape(size_mm: f64, settings: &Settings) -> Shape {
    Shape::round(size_mm / 2.0, settings.probe_shaft_radius_mm.min(0.4 * size_mm), settings)
}

/// The largest ball, in whole steps up to `most`, that finds room at a place or a little aside of it; its number of steps.
pub(crate) fn largest_ball(tissue: &Tissue<'_>, settings: &Settings, at: Vec3, most: u32) -> u32 {
    let numbers = &settings.tools;
    let walls = tissue.near(WALLS, at, at, numbers.gauge_largest_mm);
    let fits = |steps: &u32| {
        let ball = Ball::new(f64::from(*steps) * numbers.gauge_step_mm / 2.0, tissue.patient.grid().spacing_mm());
        ball.finds_room(tissue, &walls, at, numbers.gauge_aside_mm)
    };
    (1..=most).rev().find(fits).unwrap_or(0)
}

/// A passage under measurement.
#[derive(Clone, Debug)]
pub(crate) struct Gauge {
    step_mm: f64,
    /// Largest ball so far, steps.
    steps: u32,
    nearest: Label,
    way_mm: f64,
}

impl Gauge {
    pub(crate) fn new(settings: &Settings) -> Self {
        let numbers = &settings.tools;
        let steps = (numbers.gauge_largest_mm / numbers.gauge_step_mm).floor() as u32;
        Self { step_mm: numbers.gauge_step_mm, steps, nearest: Label::BACKGROUND, way_mm: 0.0 }
    }

    /// One tick: all places on the tip's way are tried.
    pub(crate) fn advance(&mut self, bench: &Bench<'_>) {
        let way = norm(sub(bench.tip, bench.before));
        self.way_mm += way;
        let places = (way / TRIED_MM).ceil().clamp(1.0, 64.0) as u32;
        for k in 1..=places {
            let at = mix(bench.before, bench.tip, f64::from(k) / f64::from(places));
            let steps = largest_ball(&bench.tissue, bench.settings, at, self.steps);
            if steps < self.steps || self.nearest == Label::BACKGROUND {
                let grid = bench.tissue.patient.grid();
                let known = bench.fields.iter().filter_map(|f| f.distance_mm(grid, at).map(|d| (d, f.label)));
                let nearest = known.fold(None, |best: Option<(f64, Label)>, one| match best {
                    Some(b) if b.0 <= one.0 => Some(b),
                    _ => Some(one),
                });
                self.nearest = nearest.map_or(self.nearest, |n| n.1);
            }
            self.steps = self.steps.min(steps);
        }
    }

    /// Says what passes.
    pub(crate) fn finish(self, by: Holder, events: &mut Vec<Event>) {
        if self.way_mm >= SHORTEST_MM {
            let diameter_tenth_mm = (f64::from(self.steps) * self.step_mm * 10.0 + 0.5).floor() as u32;
            events.push(Event::Passage { by, structure: self.nearest, diameter_tenth_mm, way_um: um(self.way_mm) });
        }
    }
}
