//! Places where jaws can bite: a tool held somewhere, judged by what the eye shows of the rules that the tool itself goes by.

use spinor_sim::tool::{JawBox, Shape};
use spinor_sim::{Settings, ToolKind};
use spinor_volume::query::clamp_mm;

use crate::scene::Scene;
use crate::task::Grip;
use crate::vector::{V3, add, cross, dot, norm, scale, sub, unit};

/// How much bone may lie where a jaw must have none, as a share of what the tool bears: a hand trembles.
const CAUTION: f64 = 0.75;
/// Room that the tool's body keeps to bone, mm.
const ROOM_MM: f64 = 0.25;
/// Distance of the points that a jaw is judged by, mm.
const STEP_MM: f64 = 0.7;
/// The same where a jaw is judged by all that it holds, mm.
const COARSE_MM: f64 = 1.0;
/// How far a position is from the nearest point of a lattice at most, in steps.
const HALF_DIAGONAL: f64 = 0.867;
/// Distance of the points at which a closing jaw looks for nerves, voxels.
const FINE: f64 = 0.75;
/// How far a grasper sinks into what holds it up, mm: hands press.
const TOUCH_MM: f64 = 0.05;
/// How much of a shaft is looked at, mm.
const SHAFT_MM: f64 = 42.0;
/// How often a tool is drawn off nerves before another place is looked for.
const SETTLES: u32 = 5;
/// Parts of a body up to this far from its tip go into the wound first and are what may meet a nerve, mm.
const TIP_MM: f64 = 12.0;
/// Distance of the places on a way that are looked at for nerves, mm.
const WAY_MM: f64 = 0.8;
/// The same for bone, mm: what stands in the way is thin.
const SLIDE_MM: f64 = 0.4;
/// How far out of the wound along its shaft a tool may still meet a nerve with its tip, mm.
const OUT_MM: f64 = 16.0;

/// The same of a shaft that leans over the dura, mm.
const SHANK_MM: f64 = 20.0;

/// How far short of its place a grasper may be held up, mm: a hand farther off feels it.
const HELD_UP_MM: [f64; 2] = [1.5, 3.0];

/// A tool held somewhere, in the site's frame.
#[derive(Clone, Copy, Debug)]
pub(super) struct Held {
    pub(super) tip: V3,
    pub(super) grip: Grip,
    axes: [V3; 3],
}

impl Held {
    pub(super) fn new(tip: V3, grip: Grip) -> Self {
        let z = unit(grip.shaft);
        let y = unit(sub(grip.ahead, scale(z, dot(grip.ahead, z))));
        Self { tip, grip, axes: [cross(y, z), y, z] }
    }

    /// A point of the tool's frame.
    pub(super) fn at(&self, p: V3) -> V3 {
        add(self.tip, self.turned(p))
    }

    fn turned(&self, p: V3) -> V3 {
        add(add(scale(self.axes[0], p[0]), scale(self.axes[1], p[1])), scale(self.axes[2], p[2]))
    }

    pub(super) fn moved(&self, by: V3) -> Self {
        Self { tip: add(self.tip, by), ..*self }
    }
}

/// A tool with jaws as a surgeon knows it.
#[derive(Clone, Debug)]
pub(super) struct Jaws {
    tool: ToolKind,
    pub(super) jaw: JawBox,
    footplate: Option<JawBox>,
    /// Points just outside its surface, in the tool's frame.
    body: Vec<V3>,
    /// Points on its parts' axes, with the radius about them, mm.
    axes: Vec<(V3, f64)>,
    settings: Settings,
}

impl Jaws {
    /// None for a tool that has no jaws.
    pub(super) fn new(tool: ToolKind, size_tenth_mm: u8) -> Option<Self> {
        let settings = Settings::default();
        let shape = Shape::new(tool, size_tenth_mm, &settings);
        let (mut body, mut inside) = (Vec::new(), Vec::new());
        let plate = shape.parts.len().saturating_sub(1);
        for (n, part) in shape.parts.iter().enumerate() {
            // Rods of a plate lie half a radius apart.
            if n < plate && n % 2 == 1 && n + 1 < plate {
                continue;
            }
            let way = sub(part.b_mm, part.a_mm);
            let (length, axis, ring) = (norm(way).min(SHAFT_MM), unit(way), part.radius_mm + ROOM_MM);
            let steps = (length / 0.9).ceil().max(1.0) as u32;
            let aside = unit(cross(axis, if axis[0].abs() < 0.7 { [1.0, 0.0, 0.0] } else { [0.0, 1.0, 0.0] }));
            let other = cross(axis, aside);
            for k in 0..=steps {
                let at = add(part.a_mm, scale(axis, length * f64::from(k) / f64::from(steps)));
                inside.push((at, part.radius_mm));
                let h = std::f64::consts::FRAC_1_SQRT_2;
                for (c, s) in [(1.0, 0.0), (h, h), (0.0, 1.0), (-h, h), (-1.0, 0.0), (-h, -h), (0.0, -1.0), (h, -h)] {
                    body.push(add(at, add(scale(aside, c * ring), scale(other, s * ring))));
                }
            }
            body.push(sub(part.a_mm, scale(axis, ring)));
        }
        Some(Self { tool, jaw: shape.jaw?, footplate: shape.footplate, body, axes: inside, settings })
    }

    /// Whether bone leaves the jaws free where they must be: their upper face, a punch's edge and footplate.
    pub(super) fn closes(&self, scene: &Scene<'_>, held: &Held) -> bool {
        let numbers = &self.settings.tools;
        let most = CAUTION * numbers.bite_face_share;
        let more = |part: &JawBox| fills_more(scene, &scene.parts.bones, held, part, most);
        let face = |above: f64| JawBox {
            centre_mm: add(self.jaw.centre_mm, scale(self.jaw.axes[2], self.jaw.half_mm[2] + above)),
            half_mm: [self.jaw.half_mm[0], self.jaw.half_mm[1], 0.0],
            ..self.jaw
        };
        if self.tool == ToolKind::Pituitary {
            return true;
        }
        if more(&face(0.0)) {
            return false;
        }
        if self.tool == ToolKind::Leksell {
            return !more(&face(numbers.edge_depth_mm));
        }
        let (reach, depth) = (self.jaw.half_mm[1], numbers.edge_depth_mm / 2.0);
        let beside = JawBox {
            centre_mm: add(self.jaw.centre_mm, scale(self.jaw.axes[1], -reach - depth)),
            half_mm: [self.jaw.half_mm[0], depth, self.jaw.half_mm[2]],
            ..self.jaw
        };
        !more(&beside) && self.footplate.is_none_or(|plate| !more(&plate))
    }

    /// Whether the jaws hold what they bite, and nothing that they must not.
    pub(super) fn holds(&self, scene: &Scene<'_>, held: &Held) -> bool {
        let filled = |structures: &[usize]| share(scene, structures, held, &self.jaw, COARSE_MM);
        match self.tool {
            ToolKind::Leksell => filled(&scene.parts.bones) > 0.0 && filled(&scene.parts.flavum) == 0.0,
            ToolKind::Pituitary => filled(&scene.parts.disc) > 0.0,
            _ => filled(&scene.parts.bones) + filled(&scene.parts.flavum) >= 1.5 * self.settings.tools.bite_least_share,
        }
    }

    /// Bone in the jaws, mm³.
    pub(super) fn bone_mm3(&self, scene: &Scene<'_>, held: &Held) -> f64 {
        let half = self.jaw.half_mm;
        8.0 * half[0] * half[1] * half[2] * share(scene, &scene.parts.bones, held, &self.jaw, COARSE_MM)
    }

    /// Whether all nerves keep off the jaws by one distance and off the rest of the tip by another, mm; negative: how deep that may press.
    pub(super) fn spares(&self, scene: &Scene<'_>, held: &Held, jaw_mm: f64, body_mm: f64) -> bool {
        self.body_spares(scene, held, body_mm) && self.jaw_spares(scene, held, jaw_mm)
    }

    /// Whether all nerves keep off the tool by a distance, mm; negative: how deep it may press.
    fn body_spares(&self, scene: &Scene<'_>, held: &Held, body_mm: f64) -> bool {
        // Farther and deeper than that distances are not told, in fine cases: what is that far from an axis is looked for around it, and
        // what may press deeper is not known to.
        let told_mm = 0.99 * clamp_mm(scene.patient.grid());
        let keeps = |(at, radius): &(V3, f64)| scene.nerve(held.at(*at)) > (radius + body_mm).clamp(-told_mm, told_mm);
        let around = |at: &V3| scene.nerve(held.at(*at)) + ROOM_MM > body_mm.max(ROOM_MM - told_mm);
        // A grasper goes past a root that is held aside: the root at rest may lie where its shaft will.
        let grasper = self.tool == ToolKind::Pituitary;
        let hidden = grasper || self.axes.iter().any(|(_, radius)| radius + body_mm > told_mm);
        (grasper || self.axes.iter().filter(|(at, _)| norm(*at) < SHANK_MM).all(keeps))
            && (!hidden || self.body.iter().filter(|at| norm(**at) < TIP_MM).all(around))
    }

    /// The same everywhere on the straight way from one place to another, both included, of a tool that is not turned.
    pub(super) fn spares_between(&self, scene: &Scene<'_>, from: &Held, to: &Held, body_mm: f64) -> bool {
        let way = sub(to.tip, from.tip);
        let steps = (norm(way) / WAY_MM).ceil() as u32;
        let each = (0..=steps).map(|k| scale(way, f64::from(k) / f64::from(steps.max(1))));
        each.into_iter().all(|by| self.body_spares(scene, &from.moved(by), body_mm))
    }

    /// The same all along the shaft out of the wound, and in.
    pub(super) fn spares_out(&self, scene: &Scene<'_>, held: &Held, body_mm: f64) -> bool {
        self.spares_between(scene, held, &held.moved(scale(held.axes[2], OUT_MM)), body_mm)
    }

    /// Whether all nerves keep off the jaws by a distance, mm.
    fn jaw_spares(&self, scene: &Scene<'_>, held: &Held, jaw_mm: f64) -> bool {
        let keeps = |at: V3| scene.nerve(held.at(at)) > jaw_mm;
        lattice(&self.jaw, COARSE_MM).all(keeps) && self.close(scene, held, jaw_mm).into_iter().all(keeps)
    }

    /// The same for jaws that are held up on their way in: a grasper closes on what stopped it.
    pub(super) fn spares_on_the_way(&self, scene: &Scene<'_>, held: &Held, jaw_mm: f64) -> bool {
        let short = |mm: &f64| held.moved(scale(held.axes[2], *mm));
        HELD_UP_MM.iter().all(|mm| self.jaw_spares(scene, &short(mm), jaw_mm))
    }

    /// How far the nearest nerve is from the jaws, mm, about four voxels where none is near; and the direction away from it.
    pub(super) fn nearest_nerve(&self, scene: &Scene<'_>, held: &Held) -> (f64, V3) {
        let (near_mm, at) = self.nearest(scene, held, f64::NEG_INFINITY).unwrap_or((0.0, held.tip));
        (near_mm, scene.off_nerves(at))
    }

    /// How far the nearest nerve is from the jaws, mm, and from which place of theirs, in the site's frame. Looks closely only where none
    /// is within `enough_mm` at first sight.
    fn nearest(&self, scene: &Scene<'_>, held: &Held, enough_mm: f64) -> Option<(f64, V3)> {
        let far = |at: V3| (scene.nerve(held.at(at)), held.at(at));
        let coarse = lattice(&self.jaw, COARSE_MM).map(far).min_by(|a, b| a.0.total_cmp(&b.0))?;
        if coarse.0 <= enough_mm {
            return Some(coarse);
        }
        let fine = self.close(scene, held, coarse.0).into_iter().map(far);
        fine.chain([coarse]).min_by(|a, b| a.0.total_cmp(&b.0))
    }

    /// The points of the jaw that the tool itself looks at for nerves, as far as they may lie within a distance of one, mm: a root, which is
    /// round, comes nearer between the points of a coarser lattice than to any of them.
    fn close(&self, scene: &Scene<'_>, held: &Held, most_mm: f64) -> Vec<V3> {
        let most_mm = most_mm + HALF_DIAGONAL * COARSE_MM;
        let near: Vec<bool> = lattice(&self.jaw, COARSE_MM).map(|at| scene.nerve(held.at(at)) <= most_mm).collect();
        if !near.contains(&true) {
            return Vec::new();
        }
        let step_mm = FINE * scene.patient.grid().spacing_mm();
        let (few, many) = (points(&self.jaw, COARSE_MM), points(&self.jaw, step_mm));
        let about = |n: i32, k: usize| (n * few[k] + many[k] / 2) / many[k];
        let index = |[x, y, z]: [i32; 3]| (z * (few[1] + 1) + y) * (few[0] + 1) + x;
        let each = (0..=many[2]).flat_map(|z| (0..=many[1]).flat_map(move |y| (0..=many[0]).map(move |x| [x, y, z])));
        let is_near = |n: [i32; 3]| near.get(index([0, 1, 2].map(|k| about(n[k], k))) as usize) == Some(&true);
        lattice(&self.jaw, step_mm).zip(each).filter(|(_, n)| is_near(*n)).map(|(at, _)| at).collect()
    }

    /// The tool drawn off nerves until its jaw keeps a distance from them, mm: as a footplate settles on the dura that it parts from what
    /// hugs it. None where nerves close in on the jaw.
    pub(super) fn settled_on(&self, scene: &Scene<'_>, held: &Held, jaw_mm: f64) -> Option<Held> {
        let mut held = *held;
        for _ in 0..SETTLES {
            let (near, at) = self.nearest(scene, &held, jaw_mm)?;
            if near > jaw_mm {
                return Some(held);
            }
            held = held.moved(scale(scene.off_nerves(at), jaw_mm - near + 0.02));
        }
        None
    }

    /// Whether the whole tool finds room there among bone, and what else stops it.
    pub(super) fn fits(&self, scene: &Scene<'_>, held: &Held) -> bool {
        self.fits_to(scene, held, f64::INFINITY)
    }

    /// Whether the tool finds room everywhere on the straight way between two places.
    pub(super) fn slides(&self, scene: &Scene<'_>, from: &Held, to: &Held) -> bool {
        let way = sub(to.tip, from.tip);
        let steps = (norm(way) / SLIDE_MM).ceil() as u32;
        (1..steps).all(|k| self.fits(scene, &from.moved(scale(way, f64::from(k) / f64::from(steps)))))
    }

    /// Whether as much of the tool as is near its tip finds room.
    fn fits_to(&self, scene: &Scene<'_>, held: &Held, most_mm: f64) -> bool {
        let free = |at: &V3| scene.distance(&scene.parts.all_bones, held.at(*at)) > 0.0;
        let most_seen_mm = 0.9 * clamp_mm(scene.patient.grid());
        // A sliver inside a grasper lies between the points around it, and a disc is no different from bone to what goes into it: the hole
        // that a bite left may be too narrow for the next.
        let grasper = self.tool == ToolKind::Pituitary;
        let solid = [&scene.parts.all_bones, &scene.parts.disc];
        let holds_none = |(at, radius): &(V3, f64)| {
            solid.iter().all(|structures| scene.room(structures, held.at(*at)) > radius.min(most_seen_mm) - TOUCH_MM)
        };
        self.axes.iter().filter(|(at, _)| grasper && norm(*at) <= most_mm).all(holds_none)
            && self.body.iter().filter(|at| norm(**at) <= most_mm).all(free)
    }

    /// Whether the tool can be drawn back along its shaft from there, so that it also comes in that way.
    pub(super) fn comes_in(&self, scene: &Scene<'_>, held: &Held) -> bool {
        (1..=22).all(|k| self.fits_to(scene, &held.moved(scale(held.axes[2], 1.2 * f64::from(k))), TIP_MM))
    }
}

/// Share of a box of the tool that some structures fill.
fn share(scene: &Scene<'_>, structures: &[usize], held: &Held, part: &JawBox, step_mm: f64) -> f64 {
    let (mut inside, mut all) = (0_u32, 0_u32);
    for at in lattice(part, step_mm) {
        inside += u32::from(scene.distance(structures, held.at(at)) < 0.0);
        all += 1;
    }
    f64::from(inside) / f64::from(all.max(1))
}

/// Whether some structures fill more than a share of a box of the tool. Looks at no more of the box than tells.
fn fills_more(scene: &Scene<'_>, structures: &[usize], held: &Held, part: &JawBox, most: f64) -> bool {
    let all = f64::from(points(part, STEP_MM).iter().map(|n| n + 1).product::<i32>());
    let (mut inside, mut outside) = (0, 0);
    for at in lattice(part, STEP_MM) {
        let filled = scene.distance(structures, held.at(at)) < 0.0;
        (inside, outside) = (inside + u32::from(filled), outside + u32::from(!filled));
        if f64::from(inside) > most * all || all - f64::from(outside) <= most * all {
            break;
        }
    }
    f64::from(inside) > most * all
}

/// Steps between the points of a lattice through a box, along its axes.
fn points(part: &JawBox, step_mm: f64) -> [i32; 3] {
    part.half_mm.map(|h| (2.0 * h / step_mm).ceil().max(1.0) as i32)
}

/// Points on a lattice through a box, ends included.
fn lattice(part: &JawBox, step_mm: f64) -> impl Iterator<Item = V3> + use<> {
    let (centre, half, axes) = (part.centre_mm, part.half_mm, part.axes);
    let counts = points(part, step_mm);
    let at = move |k: usize, n: i32| scale(axes[k], half[k] * (2.0 * f64::from(n) / f64::from(counts[k]) - 1.0));
    (0..=counts[2]).flat_map(move |z| {
        (0..=counts[1]).flat_map(move |y| (0..=counts[0]).map(move |x| add(add(add(centre, at(0, x)), at(1, y)), at(2, z))))
    })
}

/// What is left of a zone, one point a cubic millimetre on the lattice that zones are counted on.
pub(super) struct Left {
    low: [i32; 3],
    size: [i32; 3],
    cells: Vec<bool>,
    pub(super) points: Vec<V3>,
}

impl Left {
    pub(super) fn new(points: Vec<V3>) -> Self {
        let (mut low, mut high) = ([i32::MAX; 3], [i32::MIN; 3]);
        for place in points.iter().map(|at| place(*at)) {
            for k in 0..3 {
                (low[k], high[k]) = (low[k].min(place[k]), high[k].max(place[k]));
            }
        }
        let size: [i32; 3] = std::array::from_fn(|k| high[k].saturating_sub(low[k]).saturating_add(1).clamp(0, 200));
        let mut left = Self { low, size, cells: vec![false; (size[0] * size[1] * size[2]) as usize], points };
        for k in 0..left.points.len() {
            if let Some(cell) = left.cell(place(left.points[k])) {
                left.cells[cell] = true;
            }
        }
        left
    }

    fn cell(&self, at: [i32; 3]) -> Option<usize> {
        let d: [i32; 3] = std::array::from_fn(|k| at[k] - self.low[k]);
        let inside = (0..3).all(|k| (0..self.size[k]).contains(&d[k]));
        inside.then(|| (d[0] + self.size[0] * (d[1] + self.size[1] * d[2])) as usize)
    }

    /// How much of it lies in a jaw, mm³.
    pub(super) fn caught(&self, held: &Held, jaw: &JawBox) -> u32 {
        let middle = held.at(jaw.centre_mm);
        let axes = jaw.axes.map(|axis| held.turned(axis));
        let reach: V3 = std::array::from_fn(|k| (0..3).map(|j| (axes[j][k] * jaw.half_mm[j]).abs()).sum());
        let (low, high) = (place(sub(middle, reach)), place(add(middle, reach)));
        let mut caught = 0;
        for up in low[2]..=high[2] {
            for back in low[1]..=high[1] {
                for side in low[0]..=high[0] {
                    if !self.cell([side, back, up]).is_some_and(|cell| self.cells[cell]) {
                        continue;
                    }
                    let d = sub([f64::from(side) + 0.5, f64::from(back), f64::from(up)], middle);
                    caught += u32::from((0..3).all(|j| dot(d, axes[j]).abs() <= jaw.half_mm[j]));
                }
            }
        }
        caught
    }
}

/// The place of a position on the lattice of zones.
fn place(at: V3) -> [i32; 3] {
    [(at[0] - 0.5).round() as i32, at[1].round() as i32, at[2].round() as i32]
}

#[cfg(test)]
mod tests {
    use spinor_sim::procedure::Site;
    use spinor_sim::small_spine;
    use spinor_volume::{ClassMask, CutOp, CutState, TissueClass};

    use super::*;
    use crate::scene::Parts;

    /// A grasper 3 mm wide finds no room where a pillar of bone 1.2 mm wide stands in the middle of its way, though all around its surface
    /// is free, and finds it when the pillar is gone.
    #[test]
    fn a_grasper_does_not_fit_over_a_sliver() {
        let patient = small_spine::patient(0.8).unwrap();
        let site = Site::find(&patient, 4).unwrap();
        let parts = Parts::of(&patient, &site);
        let axes = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]].map(|way| site.turn_out(way));
        let (left, up) = (6.0, 12.0);
        let wall = site.roof.upper(left, up).unwrap();
        let mut cut = CutState::new(patient.grid());
        let take = |cut: &mut CutState, aside: f64, above: f64, half: V3| {
            let centre = site.patient_from_site([left + aside, wall.inner_mm, up + above]);
            let op = CutOp::box_mm(patient.grid(), centre, half, axes, 0.0, ClassMask::of(&[TissueClass::Bone])).unwrap();
            cut.apply(&patient, &op);
        };
        for sign in [-1.0, 1.0] {
            take(&mut cut, sign * 2.6, 0.0, [2.0, 20.0, 4.6]);
            take(&mut cut, 0.0, sign * 2.6, [4.6, 20.0, 2.0]);
        }
        let grasper = Jaws::new(ToolKind::Pituitary, 30).unwrap();
        let held = Held::new([left, wall.inner_mm - 4.0, up], Grip::STRAIGHT);
        let fits = |cut: &CutState| grasper.fits(&Scene { patient: &patient, cut, site: &site, parts: &parts }, &held);
        assert!(!fits(&cut), "the pillar stands in the grasper");
        take(&mut cut, 0.0, 0.0, [1.0, 20.0, 1.0]);
        assert!(fits(&cut), "nothing is in its way");
    }

    /// A punch that keeps off the sac on its left and on its right does not keep off it on the straight way between them, seen from points
    /// around it and from its axes alike; behind the sac the same way is free, and so is the way out along the shaft.
    #[test]
    fn a_way_between_two_places_may_lead_through_the_sac() {
        let patient = small_spine::patient(0.5).unwrap();
        let site = Site::find(&patient, 4).unwrap();
        let (parts, cut) = (Parts::of(&patient, &site), CutState::new(patient.grid()));
        let scene = Scene { patient: &patient, cut: &cut, site: &site, parts: &parts };
        let punch = Jaws::new(ToolKind::Kerrison, 30).unwrap();
        let at = |left: f64, back: f64| Held::new([left, back, 0.0], Grip::STRAIGHT);
        // The far one is more than stored distances tell of from the shaft's axis.
        for body_mm in [-1.2, 0.0, 0.6] {
            let [left, right] = [7.0, -7.0].map(|left| at(left, 4.0));
            assert!([left, right].iter().all(|held| punch.body_spares(&scene, held, body_mm)), "{body_mm}");
            assert!(!punch.spares_between(&scene, &left, &right, body_mm), "{body_mm}");
            assert!(punch.spares_between(&scene, &at(7.0, 8.0), &at(-7.0, 8.0), body_mm), "{body_mm}");
            assert!(punch.spares_out(&scene, &left, body_mm), "{body_mm}");
        }
        // A plate that lies on the dura presses it by as much as it is thick, at most.
        let pressing = |back: f64| punch.body_spares(&scene, &at(0.0, small_spine::SAC_RADIUS_MM + back), -1.2);
        assert!(pressing(0.4) && !pressing(0.0));
    }

    /// A root comes nearer to a jaw between the points of a coarse lattice than to any of them, by a fifth of what a punch on the
    /// dura keeps off it; how far the jaw is said to be from nerves is what 0.1 mm apart show.
    #[test]
    fn a_root_between_two_points_of_a_jaw_is_seen() {
        let patient = small_spine::patient(0.4).unwrap();
        let site = Site::find(&patient, 4).unwrap();
        let (parts, cut) = (Parts::of(&patient, &site), CutState::new(patient.grid()));
        let scene = Scene { patient: &patient, cut: &cut, site: &site, parts: &parts };
        let punch = Jaws::new(ToolKind::Kerrison40, 30).unwrap();
        let mut missed: f64 = 0.0;
        for grip in [[0.0, 0.0, 1.0], [1.0, 0.0, 0.0], [0.0, 0.0, -1.0]].map(|ahead| Grip { ahead, ..Grip::STRAIGHT }) {
            for n in 0..60 {
                let held = Held::new([6.0 + 0.3 * f64::from(n % 10), 4.0 - 0.5 * f64::from(n / 10), -6.0], grip);
                let least = |step_mm: f64| {
                    let each = lattice(&punch.jaw, step_mm).map(|at| scene.nerve(held.at(at)));
                    each.fold(f64::INFINITY, f64::min)
                };
                let (told, true_mm) = (punch.nearest_nerve(&scene, &held).0, least(0.1));
                // A nerve through the jaw is none that it keeps off.
                if (0.1..1.2).contains(&true_mm) {
                    missed = missed.max(least(COARSE_MM) - true_mm);
                    assert!(told - true_mm < 0.01, "{told:.3} mm, and {true_mm:.3} in truth");
                    assert!(!punch.jaw_spares(&scene, &held, true_mm + 0.01) && punch.jaw_spares(&scene, &held, true_mm - 0.01));
                }
            }
        }
        assert!(missed > 0.04, "{missed:.3} mm");
    }
}
