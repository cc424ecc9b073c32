//! The numbers of a lumbar spine, by level, mm and degrees.
//!
//! Sources as gathered in docs: lamina and its width Wang 2024 (World Neurosurg, 62 CTs); flavum Khasawneh (350 MRIs); pedicle width
//! Torun; facet angles BritSpine 2010; dural sac Medicine 2017; disc heights, root diameters and exit angles from morphometric series.
//! What has no number there (K) is common teaching and chosen so that the parts fit: it makes a plausible spine, not a mean one.

/// One lumbar vertebra in its own frame: origin in the middle of the body, x left, y back, z up.
#[derive(Clone, Copy, Debug)]
pub(super) struct Level {
    /// Half the body's width at its upper and lower rim (K).
    pub half_width: [f64; 2],
    /// Half the body's depth at its upper and lower rim: discs are 30-33 mm deep.
    pub half_depth: [f64; 2],
    /// Height in the middle (K).
    pub height: f64,
    /// How much the body is taller in front (K), degrees between its endplates.
    pub wedge_deg: f64,
    /// Hollow of the body's back wall at the midline (K).
    pub back_hollow: f64,
    /// Half the distance between the pedicles (K).
    pub half_canal: f64,
    /// Back wall of the body to the lamina's deep surface at the midline, half-way up the lamina (K).
    pub canal_depth: f64,
    /// Pedicle width (Torun: 8.4 at L1 to 17.1 at L5) and height (K).
    pub pedicle: [f64; 2],
    /// Slope of the lamina forwards per mm sideways (K).
    pub roof: f64,
    /// Height of the lamina at the midline: what an interlaminar distance of 12-15 mm leaves.
    pub lamina_height: f64,
    /// Half-width of the lamina at its waist (the isthmus; K).
    pub lamina_half_width: f64,
    /// How far the transverse processes reach sideways, and upwards (K).
    pub transverse: [f64; 2],
    /// Half-thickness of the transverse process at its root: back to front, and up and down (K).
    pub transverse_root: [f64; 2],
    /// Spinous process: length behind the lamina, height of its end, drop of its end below its root (K).
    pub spinous: [f64; 3],
    /// Root diameter (3.9 at L1 to 5.5 at S1) and the angle at which it leaves the sac (26° to 16°).
    pub root: [f64; 2],
}

/// L1 to L5.
pub(super) const LEVELS: [Level; 5] = [
    Level {
        half_width: [20.5, 21.8],
        half_depth: [14.8, 15.1],
        height: 26.5,
        wedge_deg: -1.5,
        back_hollow: 2.0,
        half_canal: 11.2,
        canal_depth: 16.6,
        pedicle: [8.4, 15.5],
        roof: 0.66,
        lamina_height: 17.5,
        lamina_half_width: 11.5,
        transverse: [37.0, 0.5],
        transverse_root: [3.3, 5.4],
        spinous: [27.0, 21.0, 5.5],
        root: [3.9, 26.0],
    },
    Level {
        half_width: [21.5, 22.8],
        half_depth: [15.3, 15.6],
        height: 27.2,
        wedge_deg: 0.0,
        back_hollow: 1.8,
        half_canal: 11.5,
        canal_depth: 16.2,
        pedicle: [9.3, 15.0],
        roof: 0.63,
        lamina_height: 17.0,
        lamina_half_width: 12.4,
        transverse: [43.0, 1.5],
        transverse_root: [3.3, 5.8],
        spinous: [29.0, 22.0, 5.5],
        root: [4.2, 24.0],
    },
    Level {
        half_width: [22.5, 23.8],
        half_depth: [15.7, 16.0],
        height: 27.2,
        wedge_deg: 1.0,
        back_hollow: 1.4,
        half_canal: 11.9,
        canal_depth: 16.0,
        pedicle: [10.9, 14.8],
        roof: 0.57,
        lamina_height: 16.5,
        lamina_half_width: 13.8,
        transverse: [48.0, 2.0],
        transverse_root: [3.3, 5.9],
        spinous: [29.0, 20.5, 5.0],
        root: [4.5, 22.0],
    },
    Level {
        half_width: [23.6, 24.6],
        half_depth: [16.0, 16.3],
        height: 26.8,
        wedge_deg: 2.5,
        back_hollow: 0.7,
        half_canal: 12.6,
        canal_depth: 16.2,
        pedicle: [13.6, 14.5],
        roof: 0.50,
        lamina_height: 15.5,
        lamina_half_width: 15.8,
        transverse: [44.0, 4.0],
        transverse_root: [3.3, 5.9],
        spinous: [25.0, 17.0, 4.0],
        root: [4.9, 20.0],
    },
    Level {
        half_width: [25.0, 25.2],
        half_depth: [16.2, 16.2],
        height: 26.0,
        wedge_deg: 7.0,
        back_hollow: 0.0,
        half_canal: 13.4,
        canal_depth: 16.2,
        pedicle: [17.1, 14.5],
        roof: 0.46,
        lamina_height: 14.0,
        lamina_half_width: 18.8,
        transverse: [45.0, 8.0],
        transverse_root: [7.0, 7.5],
        spinous: [18.0, 12.0, 2.0],
        root: [5.3, 18.0],
    },
];

/// What lies between a vertebra and the one below it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Joint {
    /// Disc height in the middle and the angle it opens to the front (with these, 7-8 mm at the back: K for the angle).
    pub disc: [f64; 2],
    /// Flavum thickness: 3.2, 3.4, 3.7, 3.6 at L2/3 to L5/S1.
    pub flavum: f64,
    /// Facet: half the distance between the joints (K), and the angle to the sagittal plane (36, 43, 49 at L3/4 to L5/S1).
    pub facet: [f64; 2],
    /// Area of the dural sac, mm²: 152 is the mean of healthy spines.
    pub sac_mm2: f64,
}

/// L1/L2 to L5/S1.
pub(super) const JOINTS: [Joint; 5] = [
    Joint { disc: [8.2, 4.0], flavum: 3.1, facet: [13.6, 27.0], sac_mm2: 160.0 },
    Joint { disc: [9.5, 6.0], flavum: 3.2, facet: [14.8, 31.0], sac_mm2: 155.0 },
    Joint { disc: [10.4, 8.0], flavum: 3.4, facet: [16.6, 36.0], sac_mm2: 152.0 },
    Joint { disc: [11.0, 9.0], flavum: 3.7, facet: [19.2, 43.0], sac_mm2: 148.0 },
    Joint { disc: [10.8, 13.0], flavum: 3.6, facet: [23.0, 49.0], sac_mm2: 132.0 },
];

/// Lamina thickness, mm (Wang 2024: 6.0 in the middle and inside, 6.3 outside).
pub(super) const LAMINA: f64 = 6.0;
/// How far the lamina's deep surface comes forwards per mm upwards (K).
pub(super) const LAMINA_SLOPE: f64 = 0.28;
/// Middle of the lamina below the middle of the body (K).
pub(super) const LAMINA_Z: f64 = -6.0;
/// Middle of the pedicle above the middle of the body (K).
pub(super) const PEDICLE_Z: f64 = 5.0;
/// Width of a facet joint's gap, cartilage included.
pub(super) const FACET_GAP: f64 = 1.6;
/// Radius of the curve of a facet joint's surface (K).
pub(super) const FACET_RADIUS: f64 = 15.0;
/// Half-width and half-depth of the upper endplate of S1 (K).
pub(super) const SACRUM_TOP: [f64; 2] = [25.0, 16.3];
/// Slope of the sacral endplate, degrees (K; lying down).
pub(super) const SACRAL_SLOPE_DEG: f64 = 36.0;
/// Half the distance between the pedicles of S1 and the depth of its canal (K).
pub(super) const SACRUM_CANAL: [f64; 2] = [15.5, 15.0];
/// Diameter and exit angle of root S1.
pub(super) const ROOT_S1: [f64; 2] = [5.5, 16.0];
