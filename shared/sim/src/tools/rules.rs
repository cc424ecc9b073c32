//! Which tool may take which class of tissue: the one table that every model asks.

use spinor_volume::{ClassMask, TissueClass};

use crate::input::ToolKind;

/// What a tool does to a class of tissue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// Takes it: that is what the tool is for.
    Takes,
    /// Takes some of it in passing, slowly.
    Grazes,
    /// Never takes it, wherever it is put; what it does to it otherwise (a pinch, a kick, a tear) is an event.
    Never,
}

use Rule::{Grazes, Never, Takes};

/// By the tools' numbers; columns in the order of the classes' numbers: bone, flavum, disc, neural.
const TABLE: [[Rule; 4]; 14] = [
    // Fluted burr: cortical and cancellous bone; grazes flavum.
    [Takes, Grazes, Never, Never],
    // Diamond burr.
    [Takes, Grazes, Never, Never],
    // Kerrison punch, 90°: the edge of thinned bone, flavum.
    [Takes, Takes, Never, Never],
    // Ball probe.
    [Never, Never, Never, Never],
    // Suction.
    [Never, Never, Never, Never],
    // Kerrison punch, 40°.
    [Takes, Takes, Never, Never],
    // Leksell rongeur: spinous process, outer lamina.
    [Takes, Never, Never, Never],
    // Pituitary rongeur: disc; loose pieces of anything are not tissue any more.
    [Never, Never, Takes, Never],
    // Curette: flavum off the bone's edge, disc off the endplate.
    [Never, Takes, Takes, Never],
    // Angled curette.
    [Never, Takes, Takes, Never],
    // Penfield dissector.
    [Never, Never, Never, Never],
    // Nerve-root retractor.
    [Never, Never, Never, Never],
    // Irrigation.
    [Never, Never, Never, Never],
    // Osteotome: blocks of bone.
    [Takes, Never, Never, Never],
];

/// What a tool does to a class of tissue.
pub const fn rule(tool: ToolKind, class: TissueClass) -> Rule {
    TABLE[tool as usize][class as usize]
}

/// The classes that a tool takes or grazes: the mask of all its operations.
pub const fn taken_by(tool: ToolKind) -> ClassMask {
    let (mut bits, mut k) = (0, 0);
    while k < TissueClass::ALL.len() {
        if !matches!(TABLE[tool as usize][k], Never) {
            bits |= 1 << k;
        }
        k += 1;
    }
    ClassMask(bits)
}
