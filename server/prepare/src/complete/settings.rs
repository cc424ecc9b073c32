//! Sizes by which structures are proposed, mm. "(K)" is common teaching without a source at hand.

/// Area of the dural sac of healthy adults, mm² (Medicine 2017).
pub(super) const SAC_MM2: f64 = 152.0;
/// Its width over its depth (K).
pub(super) const SAC_FLAT: f64 = 1.45;
/// From the back wall of bodies and discs to the sac (K: the posterior longitudinal ligament and veins).
pub(super) const SAC_FRONT_GAP_MM: f64 = 1.3;
/// From the sac to the deep surface of the lamina, at least (K: flavum and fat).
pub(super) const SAC_BACK_GAP_MM: f64 = 1.2;
/// From a pedicle's inner wall to the dura (15 cadavers).
pub(super) const SAC_SIDE_GAP_MM: f64 = 1.5;
/// Share of its area that the sac still has at the upper edge of the sacrum (K).
pub(super) const SAC_AT_S1: f64 = 0.78;
/// Where it ends below that edge: in S2 (K).
pub(super) const SAC_END_MM: f64 = 46.0;
/// Distance that everything proposed keeps to bone.
pub(super) const CLEARANCE_MM: f64 = 0.5;
/// Distance that proposed discs and flava keep to nerves.
pub(super) const NEURAL_GAP_MM: f64 = 0.3;

/// Diameter of the roots L1 to S1 and the angle at which they leave the sac (3.9 to 5.5 mm and 26° to 16°: MRI and cadaver series;
/// evenly between).
pub(super) const ROOTS: [[f64; 2]; 6] = [[3.9, 26.0], [4.2, 24.0], [4.5, 22.0], [4.9, 20.0], [5.2, 18.0], [5.5, 16.0]];
/// From a pedicle's lower edge to the root below it (15 cadavers).
pub(super) const ROOT_BELOW_PEDICLE_MM: f64 = 1.5;
/// From a pedicle's inner wall to the root beside it (K: as the dura).
pub(super) const ROOT_BESIDE_PEDICLE_MM: f64 = 1.3;

/// Thickness of the ligamentum flavum L1/L2 to L5/S1 without stenosis (Khasawneh, 350 MRIs, from L2/L3; the first (K)).
pub(super) const FLAVUM: [f64; 5] = [3.1, 3.2, 3.4, 3.7, 3.6];
/// How far the flavum's outer side climbs behind the upper edge of the lower lamina (K).
pub(super) const FLAVUM_CLIMBS_MM: f64 = 1.5;

/// How far a disc stands out beyond the endplates that both its neighbours show (K).
pub(super) const DISC_RIM_MM: f64 = 0.8;
/// Tallest disc.
pub(super) const DISC_TALL_MM: f64 = 18.0;
