//! Three-dimensional arrays in numpy's order: the last axis is the fastest.

/// Axes 0, 1, 2; an image read from a file has them as (z, y, x).
pub(super) type Shape = [usize; 3];

/// A dense array.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Array<T> {
    /// Lengths of the axes.
    pub(super) shape: Shape,
    /// The values, last axis fastest.
    pub(super) data: Vec<T>,
}

/// A box of voxels: first and one past the last along each axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bounds {
    pub(super) low: Shape,
    pub(super) high: Shape,
}

impl Bounds {
    /// Lengths of the box.
    pub(super) fn shape(&self) -> Shape {
        [0, 1, 2].map(|k| self.high[k] - self.low[k])
    }

    /// The box in transposed axes.
    pub(super) fn transposed(&self, order: [usize; 3]) -> Self {
        Self { low: order.map(|k| self.low[k]), high: order.map(|k| self.high[k]) }
    }
}

/// Number of values of a shape.
pub(super) fn count(shape: Shape) -> usize {
    shape.iter().product()
}

/// Steps between neighbours along the axes.
pub(super) fn strides(shape: Shape) -> Shape {
    [shape[1] * shape[2], shape[2], 1]
}

impl<T: Copy + Default> Array<T> {
    /// An array of the default value.
    pub(super) fn zeros(shape: Shape) -> Self {
        Self { shape, data: vec![T::default(); count(shape)] }
    }

    /// numpy's `transpose(order)`: axis k of the result is axis `order[k]` of this array.
    pub(super) fn transpose(&self, order: [usize; 3]) -> Self {
        if order == [0, 1, 2] {
            return self.clone();
        }
        let shape = order.map(|k| self.shape[k]);
        let steps = order.map(|k| strides(self.shape)[k]);
        let mut data = Vec::with_capacity(self.data.len());
        for a in 0..shape[0] {
            for b in 0..shape[1] {
                let start = a * steps[0] + b * steps[1];
                data.extend((0..shape[2]).map(|c| self.data[start + c * steps[2]]));
            }
        }
        Self { shape, data }
    }

    /// The part inside a box.
    pub(super) fn crop(&self, bounds: &Bounds) -> Self {
        let shape = bounds.shape();
        let [sa, sb, _] = strides(self.shape);
        let mut data = Vec::with_capacity(count(shape));
        for a in bounds.low[0]..bounds.high[0] {
            for b in bounds.low[1]..bounds.high[1] {
                let row = a * sa + b * sb;
                data.extend_from_slice(&self.data[row + bounds.low[2]..row + bounds.high[2]]);
            }
        }
        Self { shape, data }
    }

    /// Writes `part` with its first voxel at `low`.
    pub(super) fn paste(&mut self, part: &Self, low: Shape) {
        let [sa, sb, _] = strides(self.shape);
        let [pa, pb, pc] = part.shape;
        for a in 0..pa {
            for b in 0..pb {
                let to = (low[0] + a) * sa + (low[1] + b) * sb + low[2];
                let from = (a * pb + b) * pc;
                self.data[to..to + pc].copy_from_slice(&part.data[from..from + pc]);
            }
        }
    }
}

/// The smallest box around all voxels that are true; none when there are none.
pub(super) fn bounds_of(mask: &Array<bool>) -> Option<Bounds> {
    let (mut low, mut high) = ([usize::MAX; 3], [0; 3]);
    let mut rows = mask.data.chunks_exact(mask.shape[2].max(1));
    for a in 0..mask.shape[0] {
        for b in 0..mask.shape[1] {
            let Some(row) = rows.next() else { break };
            let Some(first) = row.iter().position(|v| *v) else { continue };
            let last = row.iter().rposition(|v| *v).unwrap_or(first);
            for (k, (from, to)) in [(a, a), (b, b), (first, last)].into_iter().enumerate() {
                low[k] = low[k].min(from);
                high[k] = high[k].max(to + 1);
            }
        }
    }
    (high[0] > 0).then_some(Bounds { low, high })
}

/// Fills what is not connected to the array's border through the six neighbours: scipy's `binary_fill_holes`.
pub(super) fn fill_holes(mask: &mut Array<bool>) {
    let [na, nb, nc] = mask.shape;
    let [sa, sb, _] = strides(mask.shape);
    let mut outside = vec![false; mask.data.len()];
    let mut stack = Vec::new();
    for (at, (filled, outside)) in mask.data.iter().zip(&mut outside).enumerate() {
        let (a, b, c) = (at / sa, at / sb % nb, at % nc);
        let border = a == 0 || b == 0 || c == 0 || a + 1 == na || b + 1 == nb || c + 1 == nc;
        if border && !filled {
            *outside = true;
            stack.push(at);
        }
    }
    while let Some(at) = stack.pop() {
        let (a, b, c) = (at / sa, at / sb % nb, at % nc);
        let mut visit = |to: usize| {
            if !mask.data[to] && !outside[to] {
                outside[to] = true;
                stack.push(to);
            }
        };
        if a > 0 {
            visit(at - sa);
        }
        if a + 1 < na {
            visit(at + sa);
        }
        if b > 0 {
            visit(at - sb);
        }
        if b + 1 < nb {
            visit(at + sb);
        }
        if c > 0 {
            visit(at - 1);
        }
        if c + 1 < nc {
            visit(at + 1);
        }
    }
    for (voxel, out) in mask.data.iter_mut().zip(outside) {
        *voxel = !out;
    }
}

#[cfg(test)]
mod tests {
    //! Transposing follows numpy, cropping and pasting undo each other, holes are filled through six neighbours.

    use super::*;

    fn numbers(shape: Shape) -> Array<u16> {
        Array { shape, data: (0..count(shape) as u16).collect() }
    }

    #[test]
    fn transposing_follows_numpy() {
        // np.arange(24).reshape(2,3,4).transpose(2,0,1): [c, a, b] holds 12 a + 4 b + c.
        let t = numbers([2, 3, 4]).transpose([2, 0, 1]);
        assert_eq!(t.shape, [4, 2, 3]);
        assert_eq!(t.data[..7], [0, 4, 8, 12, 16, 20, 1]);
        assert_eq!(t.transpose([1, 2, 0]), numbers([2, 3, 4]));
    }

    #[test]
    fn pasting_undoes_cropping() {
        let whole = numbers([4, 5, 6]);
        let bounds = Bounds { low: [1, 0, 2], high: [3, 4, 6] };
        let part = whole.crop(&bounds);
        assert_eq!(part.shape, [2, 4, 4]);
        assert_eq!(part.data[0], 32);
        let mut again = whole.clone();
        again.paste(&part, bounds.low);
        assert_eq!(again, whole);
    }

    #[test]
    fn holes_are_filled_and_bounds_found() {
        let mut shell = Array { shape: [7, 7, 7], data: vec![false; 343] };
        for at in 0..343_usize {
            let d = [at / 49, at / 7 % 7, at % 7].map(|v| v.abs_diff(3));
            shell.data[at] = *d.iter().max().expect("three") == 2;
        }
        assert_eq!(bounds_of(&shell), Some(Bounds { low: [1; 3], high: [6; 3] }));
        let hollow = shell.data.iter().filter(|v| **v).count();
        let mut open = shell.clone();
        fill_holes(&mut shell);
        assert_eq!((hollow, shell.data.iter().filter(|v| **v).count()), (98, 125));
        open.data[3 * 49 + 3 * 7 + 1] = false; // a hole through a face lets the outside in
        fill_holes(&mut open);
        assert_eq!(open.data.iter().filter(|v| **v).count(), 97);
        assert_eq!(bounds_of(&Array { shape: [2, 2, 2], data: vec![false; 8] }), None);
    }
}
