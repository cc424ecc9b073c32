//! Connected pieces of a structure: what belongs to it and what is debris.

use super::block::Block;

/// A piece at least this large is anatomy (the arch of a vertebra with a defect of the pars, the other half of a flavum), not debris, mm³.
const KEPT_PIECE_MM3: f64 = 1_000.0;
/// The same for discs, flava and nerves, as a share of the largest piece.
const KEPT_SHARE: f64 = 0.2;

/// What [`keep_large_pieces`] did.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Pieces {
    /// Pieces that stayed.
    pub(crate) kept: usize,
    /// Tissue that was taken out, mm³.
    pub(crate) dropped_mm3: f64,
}

/// Keeps the largest piece (6-connected) and others large enough to be anatomy; the rest is put outside.
pub(crate) fn keep_large_pieces(block: &mut Block, bone: bool) -> Pieces {
    let mut seen = vec![false; block.values.len()];
    let mut pieces: Vec<Vec<u32>> = Vec::new();
    for start in 0..block.values.len() {
        if !seen[start] && block.values[start] < 0.0 {
            pieces.push(piece_of(block, start, &mut seen));
        }
    }
    let voxel_mm3 = block.h.powi(3);
    let largest = pieces.iter().map(Vec::len).max().unwrap_or(0);
    let least = if bone { KEPT_PIECE_MM3 / voxel_mm3 } else { KEPT_SHARE * largest as f64 };
    let mut result = Pieces::default();
    for piece in pieces {
        if piece.len() == largest || piece.len() as f64 >= least {
            result.kept += 1;
            continue;
        }
        result.dropped_mm3 += piece.len() as f64 * voxel_mm3;
        for at in piece {
            block.values[at as usize] = block.h as f32;
        }
    }
    result
}

/// Keeps the piece (6-connected) that holds the place `start`; the rest is put outside.
pub(crate) fn keep_piece(block: &mut Block, start: usize) {
    let mut kept = vec![false; block.values.len()];
    if block.values.get(start).is_some_and(|v| *v < 0.0) {
        piece_of(block, start, &mut kept);
    }
    let h = block.h as f32;
    block.values.iter_mut().zip(kept).filter(|(value, kept)| **value < 0.0 && !kept).for_each(|(value, _)| *value = h);
}

/// The places of tissue that hang together with `start`, which are marked.
fn piece_of(block: &Block, start: usize, seen: &mut [bool]) -> Vec<u32> {
    let [nx, ny, nz] = block.size;
    let strides = block.strides();
    seen[start] = true;
    let mut piece = vec![start as u32];
    let mut next = 0;
    while let Some(at) = piece.get(next).map(|at| *at as usize) {
        next += 1;
        let place = [at % nx, at / nx % ny, at / (nx * ny)];
        for k in 0..3 {
            let last = [nx, ny, nz][k] - 1;
            for other in
                [(place[k] > 0).then(|| at - strides[k]), (place[k] < last).then(|| at + strides[k])].into_iter().flatten()
            {
                if !seen[other] && block.values[other] < 0.0 {
                    seen[other] = true;
                    piece.push(other as u32);
                }
            }
        }
    }
    piece
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of two pieces the one that holds the given place stays, however small it is.
    #[test]
    fn the_piece_that_was_asked_for_stays() {
        let mut block = Block::covering([0.0; 3], [9.0, 0.0, 0.0], 1.0);
        block.values = vec![-1.0, -1.0, 1.0, -1.0, -1.0, -1.0, -1.0, 1.0, 1.0, 1.0];
        keep_piece(&mut block, 1);
        assert_eq!(block.values.iter().map(|v| *v < 0.0).filter(|v| *v).count(), 2);
        assert!(block.values[0] < 0.0 && block.values[1] < 0.0);
    }
}
