//! One colour for each structure, the same in pictures, slices and legends.

use spinor_volume::{Label, TissueClass};

/// Colour of a structure (sRGB). Neighbouring vertebrae alternate between two shades of bone.
pub fn colour(label: Label) -> [u8; 3] {
    match (label.class(), label.0) {
        (_, 1) => [236, 232, 246],
        (_, 2) => [122, 164, 214],
        (Some(TissueClass::Bone), 50) => [214, 196, 166],
        (Some(TissueClass::Bone), n) if n.is_multiple_of(2) => [222, 206, 176],
        (Some(TissueClass::Bone), _) => [233, 220, 194],
        (Some(TissueClass::Flavum), _) => [214, 140, 52],
        (Some(TissueClass::Disc), _) => [110, 166, 160],
        (Some(TissueClass::Neural), _) => [246, 216, 84],
        (None, _) => [160, 160, 160],
    }
}

/// Colour of a structure's outline on a grey slice: brighter, and different from one vertebra to the next.
pub fn outline(label: Label) -> [u8; 3] {
    match (label.class(), label.0) {
        (_, 1) => [255, 255, 255],
        (_, 2) => [80, 190, 255],
        (Some(TissueClass::Bone), 50) => [255, 150, 150],
        (Some(TissueClass::Bone), n) if n.is_multiple_of(2) => [255, 110, 90],
        (Some(TissueClass::Bone), _) => [255, 190, 110],
        (Some(TissueClass::Flavum), _) => [255, 140, 0],
        (Some(TissueClass::Disc), _) => [60, 220, 180],
        (Some(TissueClass::Neural), _) => [255, 235, 60],
        (None, _) => [200, 200, 200],
    }
}
