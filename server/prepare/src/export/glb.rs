//! Binary glTF 2.0.

use serde_json::{Value, json};
use spinor_volume::{Label, Source};

use super::{ExportError, Surface, colour, shown_name};

const FLOAT: u32 = 5126;
const UNSIGNED_INT: u32 = 5125;
const VERTICES: u32 = 34_962;
const INDICES: u32 = 34_963;

/// A GLB with one node, mesh and material per structure, named as the structure, `(proposed)` behind the name of one that no image shows;
/// a node's extras say where its surface comes from. Metres, Y to the head, Z to the front, X to the left.
///
/// # Errors
/// More bytes than the format's 32 bits count.
pub fn encode_glb(surfaces: &[(Label, Source, Surface)]) -> Result<Vec<u8>, ExportError> {
    let mut bytes: Vec<u8> = Vec::new();
    let (mut views, mut accessors) = (Vec::new(), Vec::new());
    let (mut nodes, mut meshes, mut materials) = (Vec::new(), Vec::new(), Vec::new());
    for (label, source, surface) in surfaces.iter().filter(|(_, _, surface)| !surface.triangles.is_empty()) {
        let positions: Vec<[f32; 3]> = surface.positions_mm.iter().map(|p| gltf_from_patient(*p).map(|v| v * 0.001)).collect();
        let normals: Vec<[f32; 3]> = surface.normals.iter().map(|n| gltf_from_patient(*n)).collect();
        let first = accessors.len();
        let (mut low, mut high) = ([f32::INFINITY; 3], [f32::NEG_INFINITY; 3]);
        for p in &positions {
            for k in 0..3 {
                low[k] = low[k].min(p[k]);
                high[k] = high[k].max(p[k]);
            }
        }
        let mut add = |data: Vec<u8>, target: u32, mut accessor: Value| {
            accessor["bufferView"] = json!(views.len());
            views.push(json!({ "buffer": 0, "byteOffset": bytes.len(), "byteLength": data.len(), "target": target }));
            accessors.push(accessor);
            bytes.extend(data);
        };
        let floats = |v: &[[f32; 3]]| v.iter().flatten().flat_map(|x| x.to_le_bytes()).collect::<Vec<u8>>();
        let position = json!({ "componentType": FLOAT, "count": positions.len(), "type": "VEC3", "min": low, "max": high });
        add(floats(&positions), VERTICES, position);
        add(floats(&normals), VERTICES, json!({ "componentType": FLOAT, "count": normals.len(), "type": "VEC3" }));
        let indices = surface.triangles.iter().flatten().flat_map(|n| n.to_le_bytes()).collect();
        let count = 3 * surface.triangles.len();
        add(indices, INDICES, json!({ "componentType": UNSIGNED_INT, "count": count, "type": "SCALAR" }));
        let name = shown_name(*label, *source);
        let extras = json!({ "structure": label.name(), "source": source.word(), "proposed": *source == Source::Proposed });
        nodes.push(json!({ "name": name, "mesh": meshes.len(), "extras": extras }));
        meshes.push(json!({ "name": name, "primitives": [{
            "attributes": { "POSITION": first, "NORMAL": first + 1 }, "indices": first + 2, "material": materials.len(),
        }] }));
        let [r, g, b] = colour(*label).map(linear);
        materials.push(json!({ "name": name, "pbrMetallicRoughness": {
            "baseColorFactor": [r, g, b, 1.0], "metallicFactor": 0.0, "roughnessFactor": 0.7,
        } }));
    }
    let mut root = json!({
        "asset": { "version": "2.0", "generator": concat!("spinor ", env!("CARGO_PKG_VERSION")) },
        "scene": 0,
        "scenes": [{ "nodes": (0..nodes.len()).collect::<Vec<_>>() }],
    });
    // Empty lists are not allowed in glTF.
    if !nodes.is_empty() {
        root["nodes"] = json!(nodes);
        root["meshes"] = json!(meshes);
        root["materials"] = json!(materials);
        root["accessors"] = json!(accessors);
        root["bufferViews"] = json!(views);
        root["buffers"] = json!([{ "byteLength": bytes.len() }]);
    }
    container(root.to_string().into_bytes(), bytes)
}

/// glTF's axes: X left, Y up, Z forward, from LPS.
fn gltf_from_patient([x, y, z]: [f32; 3]) -> [f32; 3] {
    [x, z, -y]
}

/// A linear colour component from sRGB, as glTF wants factors.
fn linear(srgb: u8) -> f64 {
    let v = f64::from(srgb) / 255.0;
    if v <= 0.040_45 { v / 12.92 } else { ((v + 0.055) / 1.055).powf(2.4) }
}

/// Header, JSON chunk padded with spaces, binary chunk padded with zeros.
fn container(mut json: Vec<u8>, mut bytes: Vec<u8>) -> Result<Vec<u8>, ExportError> {
    json.resize(json.len().next_multiple_of(4), b' ');
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    let total = 12 + 8 + json.len() + if bytes.is_empty() { 0 } else { 8 + bytes.len() };
    let total = u32::try_from(total).map_err(|_| ExportError::TooLarge("the scene".to_owned()))?;
    let mut out = Vec::with_capacity(total as usize);
    out.extend(b"glTF");
    out.extend(2_u32.to_le_bytes());
    out.extend(total.to_le_bytes());
    for (kind, chunk) in [(b"JSON", json), (b"BIN\0", bytes)] {
        if !chunk.is_empty() {
            out.extend((chunk.len() as u32).to_le_bytes());
            out.extend(kind);
            out.extend(chunk);
        }
    }
    Ok(out)
}
