//! The phases of each procedure, with the tool for each.

use spinor_sim::ToolKind;
use spinor_sim::procedure::{Procedure, Side, Site, Target, Zone};
use spinor_volume::Patient;

use crate::phase::{Bite, BitePlan, Burr, BurrPlan, HOVER_MM, Phase, Probe, ProbeAim, Retract};
use crate::task::Grip;
use crate::vector::V3;

use Side::{Left, Right};

/// Where hands rest, in the site's frame.
pub(crate) fn rest(site: &Site) -> V3 {
    [0.0, HOVER_MM + site.sac_mm[3], -20.0]
}

/// Zones by side, as slices that live as long as the program.
macro_rules! sided {
    ($side:expr, $($zone:ident),+) => {
        match $side {
            Left => const { &[$(Zone::$zone(Left)),+] },
            Right => const { &[$(Zone::$zone(Right)),+] },
        }
    };
}

/// A hand straight behind the wound or tilted, its tool pointing somewhere: shaft to the left and to the head by some parts of its length
/// to the back, the footplate's or cup's side.
const fn tilted(left: f64, up: f64, ahead: V3) -> Grip {
    Grip { shaft: [left, 1.0, up], ahead }
}

/// The same grips on the other side of the patient.
const fn mirrored<const N: usize>(mut grips: [Grip; N]) -> [Grip; N] {
    let mut k = 0;
    while k < N {
        grips[k].shaft[0] = 0.0 - grips[k].shaft[0];
        grips[k].ahead[0] = 0.0 - grips[k].ahead[0];
        k += 1;
    }
    grips
}

const UP: V3 = [0.0, 0.0, 1.0];
const DOWN: V3 = [0.0, 0.0, -1.0];
const TO_LEFT: V3 = [1.0, 0.0, 0.0];
const TO_RIGHT: V3 = [-1.0, 0.0, 0.0];

/// Astride of a ridge.
const ASTRIDE: &[Grip] = &[
    tilted(0.0, 0.0, TO_LEFT),
    tilted(0.0, 0.25, TO_LEFT),
    tilted(0.0, -0.25, TO_LEFT),
    tilted(0.12, 0.0, TO_LEFT),
    tilted(-0.12, 0.0, TO_LEFT),
    tilted(0.0, 0.0, UP),
];
/// A punch in the middle of the window: along the dura, from either side, and outwards.
pub(crate) const ALONG: &[Grip] = &[
    tilted(0.0, 0.0, UP),
    tilted(0.0, 0.0, DOWN),
    tilted(0.3, 0.0, UP),
    tilted(-0.3, 0.0, UP),
    tilted(0.3, 0.0, DOWN),
    tilted(-0.3, 0.0, DOWN),
    tilted(0.0, 0.35, DOWN),
    tilted(0.0, -0.35, UP),
    tilted(-0.25, 0.0, TO_LEFT),
    tilted(0.25, 0.0, TO_RIGHT),
];
/// A punch under the far lamina from the left, and from the right: flat under the spinous process.
const UNDER_FROM_LEFT: [Grip; 8] = [
    tilted(1.1, 0.0, UP),
    tilted(1.1, 0.0, DOWN),
    tilted(0.8, 0.0, UP),
    tilted(0.8, 0.0, DOWN),
    tilted(1.1, 0.0, TO_RIGHT),
    tilted(0.8, 0.0, TO_RIGHT),
    tilted(0.5, 0.0, UP),
    tilted(0.5, 0.0, TO_RIGHT),
];
const UNDER_FROM_RIGHT: [Grip; 8] = mirrored(UNDER_FROM_LEFT);
/// A punch at the side of the canal: outwards, and along the root.
const AT_LEFT: [Grip; 7] = [
    tilted(-0.25, 0.0, TO_LEFT),
    tilted(-0.45, 0.0, TO_LEFT),
    tilted(0.0, 0.0, TO_LEFT),
    tilted(0.0, 0.0, UP),
    tilted(0.0, 0.0, DOWN),
    tilted(-0.25, 0.0, UP),
    tilted(-0.25, 0.0, DOWN),
];
const AT_RIGHT: [Grip; 7] = mirrored(AT_LEFT);
/// A punch in a window at one side: outwards under the facet joint, along the root, and along the dura.
const WINDOW_LEFT: [Grip; 11] = [
    tilted(-0.25, 0.0, TO_LEFT),
    tilted(-0.45, 0.0, TO_LEFT),
    tilted(0.0, 0.0, TO_LEFT),
    tilted(0.0, 0.0, UP),
    tilted(0.0, 0.0, DOWN),
    tilted(-0.3, 0.0, UP),
    tilted(-0.3, 0.0, DOWN),
    tilted(0.3, 0.0, UP),
    tilted(0.3, 0.0, DOWN),
    tilted(0.0, 0.35, DOWN),
    tilted(0.0, -0.35, UP),
];
const WINDOW_RIGHT: [Grip; 11] = mirrored(WINDOW_LEFT);
/// A punch of 40° whose plate lies outwards, forwards as the root goes or flat, or along the root.
const OUT_AT_LEFT: [Grip; 9] = [
    tilted(0.36, 0.0, TO_LEFT),
    tilted(0.0, 0.0, TO_LEFT),
    tilted(-0.36, 0.0, TO_LEFT),
    tilted(-0.6, 0.0, TO_LEFT),
    tilted(-0.8, 0.0, TO_LEFT),
    tilted(0.0, -0.4, UP),
    tilted(-0.3, -0.4, UP),
    tilted(-0.3, 0.0, UP),
    tilted(-0.3, 0.0, DOWN),
];
const OUT_AT_RIGHT: [Grip; 9] = mirrored(OUT_AT_LEFT);
/// A grasper past the root into the disc: the jaws open along the spine. Through a small opening it is turned to where there is more.
const INTO_LEFT: [Grip; 12] = [
    tilted(0.0, 0.0, UP),
    tilted(0.15, 0.0, UP),
    tilted(0.3, 0.0, UP),
    tilted(-0.15, 0.0, UP),
    tilted(-0.3, 0.0, UP),
    tilted(-0.45, 0.0, UP),
    tilted(0.0, 0.2, UP),
    tilted(0.0, -0.2, UP),
    tilted(0.15, 0.2, UP),
    tilted(0.15, -0.2, UP),
    tilted(-0.15, 0.2, UP),
    tilted(-0.15, -0.2, UP),
];
const INTO_RIGHT: [Grip; 12] = mirrored(INTO_LEFT);

/// One of two by side.
const fn by(side: Side, left: &'static [Grip], right: &'static [Grip]) -> &'static [Grip] {
    match side {
        Left => left,
        Right => right,
    }
}

const BOTH_LAMINAE: &[Zone] = &[Zone::Lamina(Left), Zone::Lamina(Right)];
const BOTH_FLAVA: &[Zone] = &[Zone::Flavum(Left), Zone::Flavum(Right)];

/// What hugs the dura and stayed as a layer: through it the sac does not re-expand.
pub(crate) const fn layer_plan(zones: &'static [Zone], tool: ToolKind, grips: &'static [Grip]) -> BitePlan {
    BitePlan {
        name: "part the flavum from the dura",
        zones,
        tool,
        size_tenth_mm: 30,
        grips,
        bone: false,
        aside_mm: f64::INFINITY,
        left_pct: 2,
        bites: 140,
    }
}

/// The phases of a procedure, in their order.
pub(crate) fn phases(patient: &Patient, site: &Site, target: &Target) -> Vec<Phase> {
    let side = target.side;
    let burr = |plan| Phase::Burr(Box::new(Burr::new(patient, site, plan)));
    let bite = |plan| Phase::Bite(Box::new(Bite::new(patient, site, plan)));
    let probe = |aim| Phase::Probe(Probe::new(aim));
    let lamina = |zones, shell_mm| {
        burr(BurrPlan {
            name: "burr the lamina",
            zones,
            size_tenth_mm: 40,
            shell_mm,
            cover_mm: 8.0,
            lean: 0.0,
            spares_pars: false,
            passes: 60,
        })
    };
    let shell = |zones, left_pct| {
        bite(BitePlan {
            name: "punch the shell",
            zones,
            tool: ToolKind::Kerrison,
            size_tenth_mm: 40,
            grips: ALONG,
            bone: true,
            aside_mm: f64::INFINITY,
            left_pct,
            bites: 70,
        })
    };
    let flavum = |zones, left_pct, grips| {
        bite(BitePlan {
            name: "remove the flavum",
            zones,
            tool: ToolKind::Kerrison,
            size_tenth_mm: 40,
            grips,
            bone: false,
            aside_mm: f64::INFINITY,
            left_pct,
            bites: 140,
        })
    };
    let layer = |zones, tool, grips| Phase::Bite(Box::new(Bite::on_dura(patient, site, layer_plan(zones, tool, grips))));
    // Where bites met at their corners strands are left on the dura, which hold it as the whole layer did: a narrow punch picks them off.
    let strands = |zones, tool, grips| {
        let plan = BitePlan {
            name: "pick strands of flavum off the dura",
            size_tenth_mm: 20,
            bites: 60,
            ..layer_plan(zones, tool, grips)
        };
        Phase::Bite(Box::new(Bite::strands(patient, site, plan)))
    };
    // Bone in the way, with a punch of 3 mm: down to a share, with so many bites at most.
    let open = |name, zones, tool, grips, (left_pct, bites)| {
        bite(BitePlan { name, zones, tool, size_tenth_mm: 30, grips, bone: true, aside_mm: f64::INFINITY, left_pct, bites })
    };
    let recess = |side: Side| {
        let zones = sided!(side, Recess);
        let open = |tool, grips| open("open the recess", zones, tool, grips, (50, 30));
        [
            burr(BurrPlan {
                name: "thin the facet joint",
                zones,
                size_tenth_mm: 30,
                shell_mm: 1.2,
                cover_mm: 8.0,
                lean: 0.0,
                spares_pars: false,
                passes: 60,
            }),
            open(ToolKind::Kerrison, by(side, &AT_LEFT, &AT_RIGHT)),
            // Where the canal's back wall slopes forwards only a plate of 40° comes under it without pressing the root.
            open(ToolKind::Kerrison40, by(side, &OUT_AT_LEFT, &OUT_AT_RIGHT)),
        ]
    };
    // What burr and punch leave along edges is thin and small, and holds the shaft of what is to go past it: a narrow punch takes it.
    let trim = |name, zones, tool, left_pct, grips| {
        let plan =
            BitePlan { name, zones, tool, size_tenth_mm: 20, grips, bone: true, aside_mm: f64::INFINITY, left_pct, bites: 60 };
        Phase::Bite(Box::new(Bite::trim(patient, site, plan)))
    };
    // A window at one side, lamina and medial part of the joint: first both are thinned, then the shell of both is punched, so that the way
    // to the recess is open.
    let window = |side: Side| {
        let [thin, ..] = recess(side);
        let zones = sided!(side, Recess, Lamina);
        let open = |name, tool, grips| open(name, zones, tool, grips, (8, 60));
        [
            lamina(sided!(side, Lamina), 0.8),
            thin,
            open("open the window", ToolKind::Kerrison, by(side, &WINDOW_LEFT, &WINDOW_RIGHT)),
            // Towards the joint the canal's back wall slopes forwards: the plate of a punch of 40° lies along it.
            open("open the recess", ToolKind::Kerrison40, by(side, &OUT_AT_LEFT, &OUT_AT_RIGHT)),
            trim("trim the window's edge", zones, ToolKind::Kerrison, 2, by(side, &WINDOW_LEFT, &WINDOW_RIGHT)),
            trim("trim the edge at the recess", zones, ToolKind::Kerrison40, 2, by(side, &OUT_AT_LEFT, &OUT_AT_RIGHT)),
        ]
    };
    let lateral_flavum = |side: Side, left_pct| {
        bite(BitePlan {
            name: "remove the flavum at the side",
            zones: sided!(side, Flavum),
            tool: ToolKind::Kerrison40,
            size_tenth_mm: 30,
            grips: by(side, &OUT_AT_LEFT, &OUT_AT_RIGHT),
            bone: false,
            aside_mm: f64::INFINITY,
            left_pct,
            bites: 60,
        })
    };
    let mut phases = vec![probe(ProbeAim::Lamina(side))];
    match target.procedure {
        Procedure::Laminectomy => {
            phases.push(bite(BitePlan {
                name: "rongeur the spinous process",
                zones: &[Zone::SpinousProcess],
                tool: ToolKind::Leksell,
                size_tenth_mm: 60,
                grips: ASTRIDE,
                bone: true,
                aside_mm: f64::INFINITY,
                left_pct: 25,
                bites: 70,
            }));
            // What the rongeur left of the process goes down with the laminae.
            phases.push(lamina(&[Zone::SpinousProcess, Zone::Lamina(Left), Zone::Lamina(Right)], 0.8));
            phases.push(shell(BOTH_LAMINAE, 12));
            phases.push(flavum(BOTH_FLAVA, 8, ALONG));
            for side in [side, side.other()] {
                phases.extend(recess(side));
            }
            phases.push(layer(BOTH_FLAVA, ToolKind::Kerrison, ALONG));
            for side in [side, side.other()] {
                phases.push(layer(sided!(side, Flavum), ToolKind::Kerrison40, by(side, &OUT_AT_LEFT, &OUT_AT_RIGHT)));
            }
            phases.push(strands(BOTH_FLAVA, ToolKind::Kerrison, ALONG));
            for side in [side, side.other()] {
                phases.push(probe(ProbeAim::Root(side)));
            }
        }
        Procedure::Ulbd => {
            let far = side.other();
            phases.push(lamina(sided!(side, Lamina), 0.8));
            phases.push(shell(sided!(side, Lamina), 15));
            // Tilted under the spinous process: its base and the deep layer of the far lamina go, the outer table stays.
            let undercut = BurrPlan {
                name: "undercut the far lamina",
                zones: sided!(far, Undercut),
                size_tenth_mm: 40,
                shell_mm: 0.8,
                cover_mm: f64::INFINITY,
                lean: 1.0,
                spares_pars: false,
                passes: 60,
            };
            phases.push(Phase::Burr(Box::new(Burr::new(patient, site, undercut).nearest(0.6))));
            let under = |name, tool, grips| open(name, sided!(far, Undercut), tool, grips, (48, 60));
            let (across, outwards) = (by(side, &UNDER_FROM_LEFT, &UNDER_FROM_RIGHT), by(far, &OUT_AT_LEFT, &OUT_AT_RIGHT));
            phases.push(under("punch the far shell", ToolKind::Kerrison, across));
            phases.push(under("punch the far lamina outwards", ToolKind::Kerrison40, outwards));
            // What stands over the near flavum under the spinous process, and that neither burr nor punch got at from straight behind.
            let base = BurrPlan {
                name: "undercut the base of the spinous process",
                zones: sided!(side, Lamina),
                size_tenth_mm: 30,
                shell_mm: 0.8,
                cover_mm: 8.0,
                lean: -1.0,
                spares_pars: false,
                passes: 30,
            };
            phases.push(Phase::Burr(Box::new(Burr::new(patient, site, base).thorough())));
            phases.push(shell(sided!(side, Lamina), 3));
            phases.push(flavum(sided!(side, Flavum), 15, ALONG));
            phases.push(flavum(sided!(far, Flavum), 15, across));
            phases.push(lateral_flavum(far, 15));
            phases.push(layer(BOTH_FLAVA, ToolKind::Kerrison, across));
            phases.extend(recess(side));
            phases.push(layer(BOTH_FLAVA, ToolKind::Kerrison, ALONG));
            // Under the near lamina's edge the bone that holds the flavum goes too.
            let at_edge = BitePlan { bone: true, ..layer_plan(sided!(side, Flavum), ToolKind::Kerrison, ALONG) };
            phases.push(Phase::Bite(Box::new(Bite::on_dura(patient, site, at_edge))));
            phases.push(layer(sided!(side, Flavum), ToolKind::Kerrison40, by(side, &OUT_AT_LEFT, &OUT_AT_RIGHT)));
            phases.push(layer(sided!(far, Flavum), ToolKind::Kerrison40, outwards));
            phases.push(strands(BOTH_FLAVA, ToolKind::Kerrison, ALONG));
            phases.push(strands(sided!(far, Flavum), ToolKind::Kerrison40, outwards));
            phases.push(probe(ProbeAim::Root(side)));
            phases.push(probe(ProbeAim::RootAcross(far)));
        }
        Procedure::Foraminotomy => {
            phases.extend(window(side));
            phases.push(flavum(sided!(side, Flavum), 40, by(side, &WINDOW_LEFT, &WINDOW_RIGHT)));
            phases.push(lateral_flavum(side, 40));
            phases.push(probe(ProbeAim::Root(side)));
            // From the other side, under what stands of the joint.
            let roof = |lean, shell_mm| {
                burr(BurrPlan {
                    name: "thin the roof of the foramen",
                    zones: sided!(side, SuperiorTip),
                    size_tenth_mm: 30,
                    shell_mm,
                    cover_mm: 1.0,
                    lean,
                    spares_pars: true,
                    passes: 60,
                })
            };
            let undercut = || {
                let grips = by(side, &OUT_AT_LEFT, &OUT_AT_RIGHT);
                // Where a broader one finds no room, a narrow one does.
                trim("undercut with a narrow punch", sided!(side, SuperiorTip), ToolKind::Kerrison40, 55, grips)
            };
            let broadly = || {
                bite(BitePlan {
                    name: "undercut the superior articular process",
                    zones: sided!(side, SuperiorTip),
                    tool: ToolKind::Kerrison40,
                    size_tenth_mm: 30,
                    grips: by(side, &OUT_AT_LEFT, &OUT_AT_RIGHT),
                    bone: true,
                    aside_mm: f64::INFINITY,
                    left_pct: 55,
                    bites: 80,
                })
            };
            phases.push(roof(0.8, 1.5));
            phases.push(broadly());
            phases.push(undercut());
            // What walls kept from a burr that leans as far as that is thinned from straighter behind, and punched again.
            for (lean, shell_mm) in [(0.5, 1.0), (0.8, 0.6), (0.3, 0.6)] {
                phases.push(roof(lean, shell_mm));
                phases.push(broadly());
                phases.push(undercut());
            }
            // What is left of the flavum at the side is in the probe's way.
            phases.push(lateral_flavum(side, 20));
            phases.push(probe(ProbeAim::Foramen(side)));
        }
        Procedure::Microdiscectomy => {
            phases.extend(window(side));
            phases.push(flavum(sided!(side, Flavum), 25, by(side, &WINDOW_LEFT, &WINDOW_RIGHT)));
            phases.push(lateral_flavum(side, 25));
            phases.push(probe(ProbeAim::Root(side)));
            phases.push(Phase::Retract(Retract::new(side, true)));
            phases.push(bite(BitePlan {
                name: "open the annulus",
                zones: sided!(side, Annulus),
                tool: ToolKind::Pituitary,
                size_tenth_mm: 30,
                grips: by(side, &INTO_LEFT, &INTO_RIGHT),
                bone: false,
                // Wider than what goes through it afterwards, and narrower than 6 mm.
                aside_mm: 1.4,
                left_pct: 84,
                bites: 40,
            }));
            phases.push(bite(BitePlan {
                name: "take loose nucleus",
                // A bite that widens the way in is worth as much as one that goes deeper.
                zones: sided!(side, Annulus, Nucleus),
                tool: ToolKind::Pituitary,
                size_tenth_mm: 20,
                grips: by(side, &INTO_LEFT, &INTO_RIGHT),
                bone: false,
                aside_mm: 1.9,
                left_pct: 83,
                bites: 220,
            }));
            phases.push(Phase::Retract(Retract::new(side, false)));
            phases.push(probe(ProbeAim::Foramen(side)));
        }
    }
    phases
}
