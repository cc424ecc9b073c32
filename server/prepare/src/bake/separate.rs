//! Neighbours of one class keep a gap: joint spaces stay open and no point belongs to two bones.

use super::block::Block;

/// Steps of a stored distance per mm; ±8 mm fit.
const STEPS_PER_MM: f32 = 4096.0;
/// How near one of two surfaces must be for the gap between them to matter, mm.
const REACH_MM: f32 = 3.0;

/// A block of distances in half the memory, kept while its neighbours are worked on.
pub(crate) struct Packed {
    first: [i32; 3],
    size: [usize; 3],
    h: f64,
    values: Vec<i16>,
}

impl Packed {
    pub(crate) fn new(block: &Block) -> Self {
        let values = block.values.iter().map(|v| (v * STEPS_PER_MM).round().clamp(-32_767.0, 32_767.0) as i16).collect();
        Self { first: block.first, size: block.size, h: block.h, values }
    }

    pub(crate) fn unpack(&self) -> Block {
        let values = self.values.iter().map(|v| f32::from(*v) / STEPS_PER_MM).collect();
        Block { h: self.h, first: self.first, size: self.size, values }
    }

    /// Calls `take` with every place of `block` that this one shares, and its distance there in mm.
    fn for_each_shared(&self, block: &Block, mut take: impl FnMut(usize, f32)) {
        let low = [0, 1, 2].map(|k| block.first[k].max(self.first[k]));
        let high = [0, 1, 2].map(|k| block.end()[k].min(self.first[k] + self.size[k] as i32));
        if (0..3).any(|k| low[k] >= high[k]) {
            return;
        }
        let place = |first: [i32; 3], size: [usize; 3], y: i32, z: i32| {
            (low[0] - first[0]) as usize + size[0] * ((y - first[1]) as usize + size[1] * (z - first[2]) as usize)
        };
        let count = (high[0] - low[0]) as usize;
        for z in low[2]..high[2] {
            for y in low[1]..high[1] {
                let (ours, theirs) = (place(block.first, block.size, y, z), place(self.first, self.size, y, z));
                for (n, value) in self.values[theirs..theirs + count].iter().enumerate() {
                    take(ours + n, f32::from(*value) / STEPS_PER_MM);
                }
            }
        }
    }
}

/// Moves the surface of `block` back wherever it and a neighbour come closer than `gap_mm`, each giving half of what is missing.
///
/// `before` is the block before any separation: both sides work from old values, so the order does not matter.
pub(crate) fn separate<'a>(before: &Packed, neighbours: impl Iterator<Item = &'a Packed>, gap_mm: f64) -> Block {
    let mut block = before.unpack();
    let old = block.values.clone();
    let gap = gap_mm as f32;
    for neighbour in neighbours {
        let values = &mut block.values;
        let shape = Block { h: before.h, first: before.first, size: before.size, values: Vec::new() };
        neighbour.for_each_shared(&shape, |at, theirs| {
            let ours = old[at];
            if ours + theirs < gap && ours.abs().min(theirs.abs()) < REACH_MM {
                values[at] = values[at].max(ours + 0.5 * (gap - ours - theirs));
            }
        });
    }
    block
}

/// The distance to the nearest neighbour at every place of `block`, at most `far_mm`.
pub(crate) fn others<'a>(block: &Block, neighbours: impl Iterator<Item = &'a Packed>, far_mm: f32) -> Block {
    let mut nearest = block.like();
    nearest.values.fill(far_mm);
    for neighbour in neighbours {
        let values = &mut nearest.values;
        neighbour.for_each_shared(block, |at, theirs| values[at] = values[at].min(theirs));
    }
    nearest
}
