//! Live measures in the form in which they are sent, with explicit conversions.

use serde::{Deserialize, Serialize};
use spinor_volume::Label;
use spinor_volume::measure::{Amount, CanalSlice, ForamenProbe, LevelMeasures, LiveMeasures, ParsWidth, SideMeasures};

/// All measures of a patient at a tick.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WireMeasures {
    /// The tick that was measured.
    pub tick: u32,
    /// The levels from the highest to the lowest.
    pub levels: Vec<WireLevel>,
}

/// One level.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WireLevel {
    /// Label of the upper vertebra.
    pub upper: u16,
    /// Label of the lower one.
    pub lower: u16,
    /// Slices across the canal, the lowest first.
    pub canal: Vec<WireSlice>,
    /// Left, then right.
    pub sides: [WireSide; 2],
}

/// One slice across the canal, field by field a [`CanalSlice`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "every field has the name, meaning and unit of the field of CanalSlice")]
pub struct WireSlice {
    pub along_um: i32,
    pub imaged_um2: i64,
    pub unstenosed_um2: i64,
    pub gained_um2: i64,
    pub free_um2: i64,
}

/// One side of a level; what the case does not show is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WireSide {
    /// Bone of the facet joint before and now, 1/32 voxel.
    pub facet: Option<[i64; 2]>,
    /// Bone of the lamina before and now, 1/32 voxel.
    pub lamina: Option<[i64; 2]>,
    /// Flavum before and now, 1/32 voxel.
    pub flavum: Option<[i64; 2]>,
    /// Disc before and now, 1/32 voxel.
    pub disc: Option<[i64; 2]>,
    /// Least width of the pars before and now, and where, micrometres.
    pub pars_um: Option<[i32; 3]>,
    /// Widest probe that passes the foramen before and now, 1/10 mm.
    pub foramen_tenth_mm: Option<[u32; 2]>,
}

impl WireMeasures {
    /// The wire form of what was measured at a tick.
    pub fn new(tick: u32, measures: &LiveMeasures) -> Self {
        let slice = |s: &CanalSlice| WireSlice {
            along_um: s.along_um,
            imaged_um2: s.imaged_um2,
            unstenosed_um2: s.unstenosed_um2,
            gained_um2: s.gained_um2,
            free_um2: s.free_um2,
        };
        let amount = |a: Option<Amount>| a.map(|a| [a.before, a.left]);
        let side = |s: &SideMeasures| WireSide {
            facet: amount(s.facet),
            lamina: amount(s.lamina),
            flavum: amount(s.flavum),
            disc: amount(s.disc),
            pars_um: s.pars.map(|p| [p.before_um, p.now_um, p.height_um]),
            foramen_tenth_mm: s.foramen.map(|f| [f.before_tenth_mm, f.now_tenth_mm]),
        };
        let level = |l: &LevelMeasures| WireLevel {
            upper: l.upper.0,
            lower: l.lower.0,
            canal: l.canal.iter().map(slice).collect(),
            sides: [side(&l.sides[0]), side(&l.sides[1])],
        };
        Self { tick, levels: measures.levels.iter().map(level).collect() }
    }
}

impl From<&WireMeasures> for LiveMeasures {
    fn from(wire: &WireMeasures) -> Self {
        let slice = |s: &WireSlice| CanalSlice {
            along_um: s.along_um,
            imaged_um2: s.imaged_um2,
            unstenosed_um2: s.unstenosed_um2,
            gained_um2: s.gained_um2,
            free_um2: s.free_um2,
        };
        let amount = |a: Option<[i64; 2]>| a.map(|[before, left]| Amount { before, left });
        let side = |s: &WireSide| SideMeasures {
            facet: amount(s.facet),
            lamina: amount(s.lamina),
            flavum: amount(s.flavum),
            disc: amount(s.disc),
            pars: s.pars_um.map(|[before_um, now_um, height_um]| ParsWidth { before_um, now_um, height_um }),
            foramen: s.foramen_tenth_mm.map(|[before_tenth_mm, now_tenth_mm]| ForamenProbe { before_tenth_mm, now_tenth_mm }),
        };
        let level = |l: &WireLevel| LevelMeasures {
            upper: Label(l.upper),
            lower: Label(l.lower),
            canal: l.canal.iter().map(slice).collect(),
            sides: [side(&l.sides[0]), side(&l.sides[1])],
        };
        Self { levels: wire.levels.iter().map(level).collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec;

    /// What is measured arrives as it was, through the codec.
    #[test]
    fn measures_come_back() {
        let slice = CanalSlice { along_um: -3, imaged_um2: 70_000_000, unstenosed_um2: 1, gained_um2: 2, free_um2: 3 };
        let side = SideMeasures {
            facet: Some(Amount { before: 1 << 40, left: 5 }),
            pars: Some(ParsWidth { before_um: 9_000, now_um: 0, height_um: -40 }),
            foramen: Some(ForamenProbe { before_tenth_mm: 40, now_tenth_mm: 55 }),
            ..SideMeasures::default()
        };
        let level = LevelMeasures {
            upper: Label::lumbar(4),
            lower: Label::lumbar(5),
            canal: vec![slice; 3],
            sides: [side, SideMeasures { flavum: Some(Amount { before: 7, left: 7 }), ..SideMeasures::default() }],
        };
        let measures = LiveMeasures { levels: vec![level] };
        let bytes = codec::encode(&WireMeasures::new(60, &measures)).unwrap();
        let back: WireMeasures = codec::decode(&bytes).unwrap();
        assert_eq!((back.tick, LiveMeasures::from(&back)), (60, measures));
    }
}
