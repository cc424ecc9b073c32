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
    ($side:expr, $zone:ident) => {
        match $side {
            Left => const { &[Zone::$zone(Left)] },
            Right => const { &[Zone::$zone(Right)] },
        }
    };
}

const BOTH_LAMINAE: &[Zone] = &[Zone::Lamina(Left), Zone::Lamina(Right)];
const BOTH_FLAVA: &[Zone] = &[Zone::Flavum(Left), Zone::Flavum(Right)];

/// The phases of a procedure, in their order.
pub(crate) fn phases(patient: &Patient, site: &Site, target: &Target) -> Vec<Phase> {
    let side = target.side;
    let burr = |plan| Phase::Burr(Burr::new(patient, site, plan));
    let bite = |plan| Phase::Bite(Bite::new(patient, site, plan));
    let probe = |aim| Phase::Probe(Probe::new(aim));
    let lateral = |side: Side| Grip { shaft: [-0.25 * side.sign(), 1.0, 0.0], ahead: [side.sign(), 0.25, 0.0] };
    let lamina = |zones, shell_mm| {
        burr(BurrPlan { name: "burr the lamina", zones, size_tenth_mm: 40, shell_mm, grip: Grip::STRAIGHT, passes: 16 })
    };
    let shell = |zones, left_pct| {
        bite(BitePlan {
            name: "punch the shell",
            zones,
            tool: ToolKind::Kerrison,
            size_tenth_mm: 40,
            grip: Grip::STRAIGHT,
            left_pct,
            bites: 60,
            both_ways: true,
        })
    };
    let flavum = |zones, left_pct, grip| {
        bite(BitePlan {
            name: "remove the flavum",
            zones,
            tool: ToolKind::Kerrison,
            size_tenth_mm: 40,
            grip,
            left_pct,
            bites: 80,
            both_ways: true,
        })
    };
    let recess = |side: Side| {
        let zones = sided!(side, Recess);
        [
            burr(BurrPlan {
                name: "thin the facet joint",
                zones,
                size_tenth_mm: 30,
                shell_mm: 1.2,
                grip: Grip::STRAIGHT,
                passes: 9,
            }),
            bite(BitePlan {
                name: "open the recess",
                zones,
                tool: ToolKind::Kerrison,
                size_tenth_mm: 30,
                grip: lateral(side),
                left_pct: 50,
                bites: 30,
                both_ways: false,
            }),
        ]
    };
    let mut phases = vec![probe(ProbeAim::Lamina(side))];
    match target.procedure {
        Procedure::Laminectomy => {
            phases.push(bite(BitePlan {
                name: "rongeur the spinous process",
                zones: &[Zone::SpinousProcess],
                tool: ToolKind::Leksell,
                size_tenth_mm: 60,
                grip: Grip { shaft: [0.0, 1.0, 0.0], ahead: [1.0, 0.0, 0.0] },
                left_pct: 25,
                bites: 70,
                both_ways: false,
            }));
            phases.push(lamina(BOTH_LAMINAE, 0.8));
            phases.push(shell(BOTH_LAMINAE, 12));
            phases.push(flavum(BOTH_FLAVA, 20, Grip::STRAIGHT));
            for side in [side, side.other()] {
                phases.extend(recess(side));
            }
            for side in [side, side.other()] {
                phases.push(probe(ProbeAim::Root(side)));
            }
        }
        Procedure::Ulbd => {
            let far = side.other();
            // In from the near side, flat under the spinous process.
            let under = Grip { shaft: [0.75 * side.sign(), 0.66, 0.0], ahead: [0.0, 0.0, 1.0] };
            phases.push(lamina(sided!(side, Lamina), 0.8));
            phases.push(shell(sided!(side, Lamina), 15));
            phases.push(bite(BitePlan {
                name: "undercut the far lamina",
                zones: sided!(far, Undercut),
                tool: ToolKind::Kerrison,
                size_tenth_mm: 40,
                grip: under,
                left_pct: 55,
                bites: 40,
                both_ways: false,
            }));
            phases.push(flavum(sided!(side, Flavum), 25, Grip::STRAIGHT));
            phases.push(flavum(sided!(far, Flavum), 35, under));
            phases.extend(recess(side));
            phases.push(probe(ProbeAim::Root(side)));
            phases.push(probe(ProbeAim::Root(far)));
        }
        Procedure::Foraminotomy => {
            phases.push(lamina(sided!(side, Lamina), 0.8));
            phases.push(shell(sided!(side, Lamina), 20));
            phases.extend(recess(side));
            phases.push(flavum(sided!(side, Flavum), 40, Grip::STRAIGHT));
            phases.push(probe(ProbeAim::Root(side)));
            phases.push(burr(BurrPlan {
                name: "thin the roof of the foramen",
                zones: sided!(side, SuperiorTip),
                size_tenth_mm: 30,
                shell_mm: 1.5,
                grip: Grip::STRAIGHT,
                passes: 9,
            }));
            phases.push(bite(BitePlan {
                name: "undercut the superior articular process",
                zones: sided!(side, SuperiorTip),
                tool: ToolKind::Kerrison40,
                size_tenth_mm: 30,
                // Outwards and a little forwards, as the root goes.
                grip: Grip { shaft: [0.34 * side.sign(), 0.94, 0.0], ahead: [0.94 * side.sign(), -0.34, 0.0] },
                left_pct: 55,
                bites: 40,
                both_ways: false,
            }));
            phases.push(probe(ProbeAim::Foramen(side)));
        }
        Procedure::Microdiscectomy => {
            phases.push(lamina(sided!(side, Lamina), 0.8));
            phases.push(shell(sided!(side, Lamina), 20));
            phases.extend(recess(side));
            phases.push(flavum(sided!(side, Flavum), 25, Grip::STRAIGHT));
            phases.push(probe(ProbeAim::Root(side)));
            phases.push(Phase::Retract(Retract::new(side, true)));
            phases.push(bite(BitePlan {
                name: "open the annulus",
                zones: sided!(side, Annulus),
                tool: ToolKind::Pituitary,
                size_tenth_mm: 20,
                grip: Grip::STRAIGHT,
                left_pct: 88,
                bites: 14,
                both_ways: false,
            }));
            phases.push(bite(BitePlan {
                name: "take loose nucleus",
                zones: sided!(side, Nucleus),
                tool: ToolKind::Pituitary,
                size_tenth_mm: 20,
                grip: Grip::STRAIGHT,
                left_pct: 85,
                bites: 24,
                both_ways: false,
            }));
            phases.push(Phase::Retract(Retract::new(side, false)));
            phases.push(probe(ProbeAim::Foramen(side)));
        }
    }
    phases
}
