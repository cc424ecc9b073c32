//! Binary STL.

use super::{ExportError, Surface};

/// A binary STL of a surface in patient LPS, mm, which the header says the way 3D Slicer reads it (`SPACE=LPS`).
///
/// # Errors
/// More triangles than 32 bits count.
pub fn encode_stl(name: &str, surface: &Surface) -> Result<Vec<u8>, ExportError> {
    let count = u32::try_from(surface.triangles.len()).map_err(|_| ExportError::TooLarge(name.to_owned()))?;
    let mut out = vec![b' '; 80];
    // The header must not begin with `solid`, which marks the text variant.
    let header = format!("Spinor {name} SPACE=LPS UNIT=mm");
    let length = header.len().min(80);
    out[..length].copy_from_slice(&header.as_bytes()[..length]);
    out.extend(count.to_le_bytes());
    for corners in &surface.triangles {
        let [a, b, c] = corners.map(|n| surface.positions_mm.get(n as usize).copied().unwrap_or_default());
        let (u, v) = ([0, 1, 2].map(|k| b[k] - a[k]), [0, 1, 2].map(|k| c[k] - a[k]));
        let cross = [u[1] * v[2] - u[2] * v[1], u[2] * v[0] - u[0] * v[2], u[0] * v[1] - u[1] * v[0]];
        let length = (cross[0] * cross[0] + cross[1] * cross[1] + cross[2] * cross[2]).sqrt();
        let normal = if length > 0.0 { cross.map(|x| x / length) } else { [0.0; 3] };
        for value in [normal, a, b, c].into_iter().flatten() {
            out.extend(value.to_le_bytes());
        }
        out.extend([0, 0]);
    }
    Ok(out)
}
