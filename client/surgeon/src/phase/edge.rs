//! What burr and punch leave along the edges of a window, thin shells and slivers, and strands of flavum on the dura.
//!
//! A zone is counted on points one a cubic millimetre. A sliver half a millimetre thick lies between them: it counts for nothing and still
//! holds the shaft of whatever is to go past it, or the sac. It is looked for by the half millimetre.

/// What a bite along an edge must bring to be worth it and how near nerves may be, as of other bites: least tissue, places of a
/// millimetre that hold some; how far the jaws and the rest of the tip keep off nerves, mm.
pub(super) const WORTH: [(u32, f64, f64); 6] =
    [(12, 0.8, 0.3), (6, 0.8, 0.3), (6, 0.6, -0.6), (6, 0.6, -1.2), (3, 0.7, 0.2), (3, 0.6, -1.2)];
/// How many points stand for an edge, or for strands, a millimetre along each axis.
pub(super) const PER_MM: u8 = 2;
