//! The Kerrison punch: one oriented bite of bone and flavum each time its jaw closes.
//!
//! The footplate reaches along +y, at a right angle to the shaft or leaning 40° forward; the jaw comes down on its upper face.

use spinor_volume::query::in_class;
use spinor_volume::{ClassMask, CutOp, TissueClass};

use crate::events::{BiteRefusal, Event};
use crate::pose::{place, turn, um};
use crate::settings::Settings;
use crate::tool::{JawBox, Shape, plate_rods, shaft};
use crate::tools::rules::taken_by;
use crate::tools::work::{Bench, Work};
use crate::vector::{Vec3, add, norm, scale};

/// Cosine and sine of the 40° by which a forward-leaning footplate departs from the right angle.
const LEAN_40: (f64, f64) = (0.766_044_443_118_978, 0.642_787_609_686_539_3);

/// The shape of a Kerrison punch, upright (90°) or leaning forward (40°).
pub(crate) fn shape(width_mm: f64, leaning: bool, settings: &Settings) -> Shape {
    let (c, s) = if leaning { LEAN_40 } else { (1.0, 0.0) };
    // The plate's own axes in the tool's frame: width, reach, and out of its upper face.
    let axes = [[1.0, 0.0, 0.0], [0.0, c, -s], [0.0, s, c]];
    let thick = settings.kerrison_footplate_mm;
    // The jaw slides along the shaft: seen across a leaning plate it opens less.
    let (length, opening) = (width_mm + settings.kerrison_plate_extra_mm, settings.kerrison_opening_mm * c);
    let radius_mm = (thick / 2.0).min(width_mm / 2.0);
    let mut parts = plate_rods(width_mm, length, thick, axes);
    let shaft_radius = settings.kerrison_shaft_radius_mm;
    // The shaft's lower end is flush with the footplate's lower face, which hangs on it.
    parts.push(shaft(-shaft_radius, shaft_radius - thick, shaft_radius, settings));
    let at = |y: f64, z: f64| [0.0, c * y + s * z, c * z - s * y];
    let plate_box = |low: f64, high: f64| JawBox {
        centre_mm: at(length / 2.0, (low + high) / 2.0),
        half_mm: [width_mm / 2.0, length / 2.0, (high - low) / 2.0],
        axes,
    };
    Shape {
        ball_mm: at(0.0, -thick / 2.0),
        ball_radius_mm: radius_mm,
        jaw: Some(plate_box(0.0, opening)),
        footplate: Some(plate_box(-thick, 0.0)),
        ..Shape::plain(parts)
    }
}

/// Closes the jaw: a bite, or the reason why not; and whatever neural tissue lies in it is pinched.
pub(crate) fn close(bench: &Bench<'_>, events: &mut Vec<Event>) -> Work {
    pinch(bench, events);
    match (judge(bench), bench.shape.jaw) {
        (Ok(()), Some(jaw)) => bite(bench, &jaw),
        (Err(reason), _) => {
            events.push(Event::BiteRefused { by: bench.by, reason });
            Work::default()
        }
        (Ok(()), None) => Work::default(),
    }
}

/// Whether the jaw takes something where it is, and if not, why.
fn judge(bench: &Bench<'_>) -> Result<(), BiteRefusal> {
    let (Some(jaw), Some(footplate)) = (bench.shape.jaw, bench.shape.footplate) else { return Err(BiteRefusal::Empty) };
    let numbers = &bench.settings.tools;
    let (bone, most) = (TissueClass::Bone, numbers.bite_face_share);
    // Where bone alone is enough, flavum is not counted.
    let least = numbers.bite_least_share;
    let mut held = share_while(bench, &jaw, bone, |so_far, _| so_far <= least);
    if held <= least {
        held += share_while(bench, &jaw, TissueClass::Flavum, |_, _| true);
    }
    if held == 0.0 || held < least {
        return Err(BiteRefusal::Empty);
    }
    if fills_more(bench, &footplate, bone, most) {
        return Err(BiteRefusal::NoRoom);
    }
    // An edge: where the shaft stands, just beside the jaw, there is no bone.
    let (reach, depth) = (jaw.half_mm[1], numbers.edge_depth_mm / 2.0);
    let beside = JawBox {
        centre_mm: add(jaw.centre_mm, scale(jaw.axes[1], -reach - depth)),
        half_mm: [jaw.half_mm[0], depth, jaw.half_mm[2]],
        ..jaw
    };
    if fills_more(bench, &beside, bone, most) {
        return Err(BiteRefusal::NoEdge);
    }
    let face = JawBox {
        centre_mm: add(jaw.centre_mm, scale(jaw.axes[2], jaw.half_mm[2])),
        half_mm: [jaw.half_mm[0], jaw.half_mm[1], 0.0],
        ..jaw
    };
    if fills_more(bench, &face, bone, most) {
        return Err(BiteRefusal::TooThick);
    }
    Ok(())
}

/// Whether a class of tissue fills more than a share of a box of the tool. Looks at no more of the box than tells.
pub(crate) fn fills_more(bench: &Bench<'_>, part: &JawBox, class: TissueClass, share: f64) -> bool {
    share_while(bench, part, class, |so_far, at_most| so_far <= share && at_most > share) > share
}

/// Share of a box of the tool that a class of tissue fills, counted point by point for as long as `is_open` says of what the share is at
/// least and at most: where that ends early, the least.
fn share_while(bench: &Bench<'_>, part: &JawBox, class: TissueClass, is_open: impl Fn(f64, f64) -> bool) -> f64 {
    // Most boxes hold nothing of most classes: ask the stored fields first.
    let (centre, reach) = (place(bench.rotation, bench.tip, part.centre_mm), part.half_mm[0] + part.half_mm[1] + part.half_mm[2]);
    if !bench.tissue.is_near(ClassMask::of(&[class]), centre, centre, reach) {
        return 0.0;
    }
    let (all, points) = part.lattice(0.75 * bench.tissue.patient.grid().spacing_mm());
    counted(all, points.map(|at| bench.tissue.holds(class, place(bench.rotation, bench.tip, at))), is_open)
}

/// Share of what is so of `all`, looked at for as long as [`share_while`] says.
fn counted(all: u32, each: impl Iterator<Item = bool>, is_open: impl Fn(f64, f64) -> bool) -> f64 {
    let share = |count: u32| f64::from(count) / f64::from(all.max(1));
    let (mut so_far, mut left) = (0, all);
    for is_so in each {
        so_far += u32::from(is_so);
        left = left.saturating_sub(1);
        if !is_open(share(so_far), share(so_far + left)) {
            break;
        }
    }
    share(so_far)
}

/// The bite of a jaw.
pub(crate) fn bite(bench: &Bench<'_>, jaw: &JawBox) -> Work {
    let axes = jaw.axes.map(|axis| turn(bench.rotation, axis));
    let rounding = bench.settings.tools.bite_rounding_mm.min(jaw.half_mm[0] / 2.0);
    let half = jaw.half_mm.map(|h| (h - rounding).max(0.0));
    let centre = place(bench.rotation, bench.tip, jaw.centre_mm);
    let op = CutOp::box_mm(bench.tissue.patient.grid(), centre, half, axes, rounding, taken_by(bench.by.tool));
    Work { ops: op.into_iter().collect(), bite: true, ..Work::default() }
}

/// Tells the neural structures that reach into the closing jaw, with the depth of the deepest point.
pub(crate) fn pinch(bench: &Bench<'_>, events: &mut Vec<Event>) {
    let Some(jaw) = bench.shape.jaw else { return };
    // Most jaws are nowhere near: ask the stored fields first.
    let (tissue, grid) = (&bench.tissue, bench.tissue.patient.grid());
    let reach = jaw.half_mm[0] + jaw.half_mm[1] + jaw.half_mm[2];
    let centre = place(bench.rotation, bench.tip, jaw.centre_mm);
    let is_near = || bench.fields.iter().any(|neural| neural.may_reach(grid, centre, norm(jaw.half_mm)));
    if !tissue.is_near(ClassMask::of(&[TissueClass::Neural]), centre, centre, reach) || !is_near() {
        return;
    }
    let (_, points) = jaw.lattice(0.75 * grid.spacing_mm());
    let points: Vec<Vec3> = points
        .map(|at| place(bench.rotation, bench.tip, at))
        .filter(|at| in_class(tissue.patient, tissue.cut, TissueClass::Neural, *at))
        .collect();
    for neural in bench.fields.iter() {
        let deepest = points.iter().filter_map(|at| neural.distance_mm(grid, *at)).fold(0.0, f64::min);
        if deepest < 0.0 {
            events.push(Event::NeuralPinch { by: bench.by, structure: neural.label, depth_um: um(-deepest) });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tool::AXES;

    /// Proves that a count that ends as soon as it tells says what the whole count says, in whatever order things come.
    #[test]
    fn a_count_that_ends_early_says_what_the_whole_count_says() {
        for all in [1_u32, 2, 7, 50] {
            for so in 0..=all {
                for turn in 0..all {
                    for share in [0.0, 0.06, 0.4, 0.5, 1.0] {
                        let each = || (0..all).map(|n| (n * 17 + turn) % all < so);
                        let whole = f64::from(each().filter(|is_so| *is_so).count() as u32) / f64::from(all);
                        let more = counted(all, each(), |so_far, at_most| so_far <= share && at_most > share) > share;
                        assert_eq!(more, whole > share, "{so} of {all}, more than {share}");
                        let up_to = counted(all, each(), |so_far, _| so_far <= share);
                        assert!(
                            if whole > share { up_to > share } else { up_to == whole },
                            "{so} of {all}, up to {share}: {up_to}"
                        );
                    }
                }
            }
        }
    }

    /// Proves that a box says how many points its lattice has, a flat one too, and that the first and last are opposite corners.
    #[test]
    fn a_box_counts_its_points() {
        for half_mm in [[1.5, 2.0, 2.0], [1.0, 0.3125, 0.0], [0.0; 3]] {
            let part = JawBox { centre_mm: [1.0, -2.0, 3.0], half_mm, axes: AXES };
            let (count, points) = part.lattice(0.3);
            let points: Vec<Vec3> = points.collect();
            assert_eq!(points.len(), count as usize);
            let ends = [0, 1, 2].map(|k| (points[0][k] - part.centre_mm[k], points[points.len() - 1][k] - part.centre_mm[k]));
            assert_eq!(ends, half_mm.map(|h| (-h, h)));
        }
    }
}
