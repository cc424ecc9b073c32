//! Small cases for tests, different for every seed.

use spinor_volume::{BRICK_VOXELS, BrickIndex, DensityField, Grid, Label, Patient, Source, SparseField, Structure};

use super::{BakeMeta, Case, CaseMeta, IDENTITY, ImageBricks, ImageGeometry, RegistrationMeta, StructureMeta};

/// A linear congruential generator: enough for test data.
struct Noise(u32);

impl Noise {
    fn next(&mut self) -> u32 {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        self.0 >> 8
    }

    fn below(&mut self, n: u32) -> u32 {
        self.next() % n
    }
}

/// A patient with one to four structures of arbitrary bricks.
pub(crate) fn patient(seed: u32) -> Patient {
    let mut noise = Noise(seed);
    let bricks = [1 + noise.below(3), 1 + noise.below(3), 1 + noise.below(3)];
    let grid = Grid::new([-12.4, 8.0, -600.4], 0.4, bricks).unwrap();
    let labels = [Label::DURAL_SAC, Label::lumbar(4), Label::disc_below(4), Label::root(5, true)];
    let wanted = 1 + noise.below(4) as usize;
    let structures = labels[..wanted].iter().map(|label| {
        let mut sdf = SparseField::outside(&grid);
        for n in 0..grid.brick_count() as u32 {
            match noise.below(3) {
                0 => sdf.set_inside(BrickIndex(n)),
                1 => {
                    let samples = sdf.brick_mut(BrickIndex(n)).unwrap();
                    samples.iter_mut().for_each(|v| *v = noise.below(255) as u8 as i8);
                    samples.iter_mut().filter(|v| **v == i8::MIN).for_each(|v| *v = 0);
                }
                _ => {}
            }
        }
        let class = label.class().unwrap();
        Structure { label: *label, class, source: Source::Labelled, uncertainty_mm: 0.5, volume_mm3: 1_234.5, sdf }
    });
    let structures = structures.collect();
    let mut density = DensityField::default();
    density.insert(BrickIndex(0), Box::new(std::array::from_fn::<_, BRICK_VOXELS, _>(|n| (n / 3) as u8)));
    Patient::new(grid, structures, density).unwrap()
}

/// A whole case with CT and MR.
pub(crate) fn case(seed: u32) -> Case {
    let image = |size: [u32; 3]| {
        let geometry = ImageGeometry {
            size,
            spacing_mm: [1.0, 1.0, 2.0],
            origin_mm: [0.0, 5.0, -600.0],
            direction: [[0.0, 0.0, 1.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]],
            patient_from_image: IDENTITY,
            slope: 1.0,
            intercept: 0.0,
        };
        ImageBricks::pack(geometry, |v| (v[0] * 31 + v[1] * 7 + v[2] * seed) as i16).unwrap()
    };
    let meta = CaseMeta {
        created_with: "spinor 0.1.0".into(),
        scheme: "verse".into(),
        bake: BakeMeta { spacing_mm: 0.4, sigma_mm: 1.6, gap_mm: 0.8, follow_ct_fraction: None },
        structures: vec![StructureMeta {
            label: 44,
            confidence: Some(0.9),
            label_volume_mm3: Some(1_240.0),
            mean_edge_shift_mm: None,
            corrects: Some("segmented".into()),
            image: None,
        }],
        registration: Some(RegistrationMeta { method: "headers".into(), verified: false, ..RegistrationMeta::default() }),
        warnings: vec!["a warning".into()],
    };
    Case { patient: patient(seed), ct: Some(image([40, 20, 10])), mr: Some(image([7, 6, 5])), meta }
}
