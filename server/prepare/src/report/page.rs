//! The page itself.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::Picture;
use super::facts::{Facts, StructureFacts};
use spinor_volume::Source;

/// What the letters in the pictures stand for.
const SIDES: &str = "Letters: L and R the patient's left and right, A front, P back, S head, I feet. Views from behind have the patient's left on \
     the left; axial and coronal slices follow the radiological convention, with the patient's right on the left.";

const STYLE: &str = "
:root { color-scheme: light }
body { font: 15px/1.45 system-ui, sans-serif; color: #1d2430; background: #f4f5f7; margin: 0 }
main { max-width: 1180px; margin: 0 auto; padding: 24px }
h1 { font-size: 26px; margin: 0 0 2px } h2 { font-size: 18px; margin: 30px 0 10px }
.purpose { color: #7a2e12; font-weight: 600; margin: 0 0 4px } .quiet { color: #5b6675; font-size: 13px; overflow-wrap: anywhere }
.warnings { background: #fff3e0; border-left: 5px solid #e07a1f; padding: 10px 16px; margin: 16px 0 }
.warnings li { margin: 4px 0 } .fine { background: #eaf4ec; border-left: 5px solid #4a9a5b; padding: 10px 16px; margin: 16px 0 }
.views figure, .levels figure, .fused figure { width: calc(25% - 9px) !important } .views img, .levels img, .fused img { width: 100%; height: auto }
.row { display: flex; flex-wrap: wrap; gap: 12px; align-items: flex-end } .row.fused { align-items: flex-start }
figure { margin: 0; background: #11151b; border-radius: 6px; overflow: hidden } figure img { display: block; max-width: 100% }
figcaption { color: #d8dee8; font-size: 13px; padding: 6px 10px }
table { border-collapse: collapse; background: #fff; width: 100%; font-variant-numeric: tabular-nums }
th, td { text-align: left; padding: 5px 10px; border-bottom: 1px solid #e3e7ec } th { background: #e9edf2; font-size: 13px }
td.n, th.n { text-align: right } tr.level td { background: #f7f8fa; font-weight: 600 }
.chip { display: inline-block; width: 13px; height: 13px; border-radius: 3px; margin-right: 8px; vertical-align: -2px; border: 1px solid #0003 }
.proposed { color: #b3420d; font-weight: 600 }
.legend { display: flex; flex-wrap: wrap; gap: 6px 18px; font-size: 13px; background: #2a313c; color: #e6eaf0; padding: 8px 12px; border-radius: 6px; margin-bottom: 10px }
";

fn figure(picture: &Picture) -> Markup {
    let data = format!("data:image/png;base64,{}", STANDARD.encode(&picture.png));
    html! { figure style=(format!("width:{}px", picture.width)) { img src=(data) alt=(picture.caption) width=(picture.width); figcaption { (picture.caption) } } }
}

/// What the model's confidence is; nobody takes it for a probability.
const CONFIDENCE: &str = "Confidence is an overlap (Dice), not a probability: in a CT that of the model's border of a bone and the border moved to \
     the CT's edge, in an MR that of a structure and the one found in the mirrored image. It says nothing about a level's name.";

fn chip(colour: [u8; 3], proposed: bool) -> Markup {
    let [r, g, b] = colour;
    // As the pictures have it: whole where a structure was seen, hatched with a broken outline where it is proposed.
    let style = if proposed {
        format!(
            "background:repeating-linear-gradient(135deg,rgb({r},{g},{b}) 0 2px,#10151b 2px 5px);border:1px dashed rgb({r},{g},{b})"
        )
    } else {
        format!("background:rgb({r},{g},{b})")
    };
    html! { span.chip style=(style) {} }
}

fn is_proposed(s: &StructureFacts) -> bool {
    s.source == Source::Proposed.word()
}

fn row(name: &str, s: &StructureFacts) -> Markup {
    let source = if is_proposed(s) { "proposed" } else { "" };
    html! {
        tr {
            td { (chip(s.colour, is_proposed(s))) (name) @if is_proposed(s) { " (proposed)" } }
            td.n { (format!("{:.0}", s.volume_mm3)) }
            td.n { (s.mean_hu.map_or("–".to_owned(), |v| format!("{v:.0}"))) }
            td class=(source) { (s.source) @if s.image.is_some() { " in the MR" } @if let Some(before) = &s.corrects { " by hand, instead of " (before) } }
            td.n { (s.confidence.map_or("–".to_owned(), |v| format!("{v:.2}"))) }
            td.n { @if s.uncertainty_mm > 0.0 { (format!("± {:.1}", s.uncertainty_mm)) } @else { "–" } }
        }
    }
}

fn legend(facts: &Facts) -> Markup {
    // One entry per colour: the structures that share it are told apart by where they are.
    let mut seen: Vec<([u8; 3], bool, Vec<&str>)> = Vec::new();
    for (name, s) in &facts.structures {
        let key = (s.colour, is_proposed(s));
        match seen.iter_mut().find(|(colour, proposed, _)| (*colour, *proposed) == key) {
            Some((_, _, names)) => names.push(name),
            None => seen.push((key.0, key.1, vec![name])),
        }
    }
    let word = |names: &[&str]| match names {
        [one] => one.replace('_', " "),
        [first, ..] if first.starts_with("vertebrae") => {
            names.iter().map(|n| n.trim_start_matches("vertebrae_")).collect::<Vec<_>>().join(", ")
        }
        [first, ..] if first.starts_with("intervertebral") => "discs".to_owned(),
        [first, ..] if first.starts_with("ligamentum") => "ligamenta flava".to_owned(),
        [first, ..] if first.starts_with("nerve") => "nerve roots".to_owned(),
        _ => names.join(", "),
    };
    html! { div.legend { @for (colour, proposed, names) in &seen {
        span { (chip(*colour, *proposed)) (word(names)) @if *proposed { " (proposed)" } }
    } } }
}

/// The page as one self-contained HTML document.
pub(super) fn page(facts: &Facts, views: &[Picture], overview: &[Picture], fused: &[Picture], levels: &[Picture]) -> String {
    let mut by_level: Vec<(String, Vec<(&String, &StructureFacts)>)> = Vec::new();
    let mut ordered: Vec<_> = facts.structures.iter().collect();
    ordered.sort_by_key(|(_, s)| s.label);
    for (name, s) in ordered {
        match by_level.iter_mut().find(|(level, _)| *level == s.level) {
            Some((_, rows)) => rows.push((name, s)),
            None => by_level.push((s.level.clone(), vec![(name, s)])),
        }
    }
    // From head to foot, with what runs through all levels at the end.
    by_level.sort_by_key(|(level, _)| {
        let region = ["C", "T", "L", "S"].iter().position(|r| level.starts_with(r)).unwrap_or(9);
        (region, level.get(1..).and_then(|n| n.parse::<u32>().ok()).unwrap_or(99))
    });
    let [x, y, z] = facts.extent_mm;
    let any_proposed = facts.structures.values().any(is_proposed);
    let markup = html! {
        (DOCTYPE)
        html lang="en" {
            head { meta charset="utf-8"; meta name="viewport" content="width=device-width"; title { "Spinor: quality report" } style { (PreEscaped(STYLE)) } }
            body { main {
                h1 { "Quality report" }
                p.purpose { (facts.purpose) }
                p.quiet { "Levels " (facts.levels.join(", ")) " · case " (facts.case) @if !facts.created_with.is_empty() { " · made with " (facts.created_with) } }
                @if facts.warnings.is_empty() {
                    p.fine { "No warnings. Look at the slices all the same: only a person can tell whether an outline is right." }
                } @else {
                    div.warnings { strong { "Read this first" } ul { @for w in &facts.warnings { li { (w) } } } }
                }
                p.quiet { @for (n, (source, count)) in facts.sources.iter().enumerate() { @if n > 0 { " · " } (count) " " (source) } " structures" }
                h2 { "In space" }
                div.row.views { @for p in views { (figure(p)) } }
                p.quiet { (SIDES) @if any_proposed { " Striped: proposed from the anatomy around, seen in no image." } }
                h2 { "Slices" }
                (legend(facts))
                div.row { @for p in overview { (figure(p)) } }
                @if any_proposed { p.quiet { "Broken outlines with hatching: proposed from the anatomy around, seen in no image. Whole outlines: seen." } }
                @if !fused.is_empty() {
                    h2 { "MRI over CT" }
                    p.quiet { (super::fusion::LEGEND) }
                    div.row.fused { @for p in fused { (figure(p)) } }
                }
                h2 { "Level by level" }
                p.quiet { "Across the spine at each level, in the radiological convention: seen from below, the patient's right (R) on the left, the front (A) up." }
                div.row.levels { @for p in levels { (figure(p)) } }
                @if !facts.canal.is_empty() {
                    h2 { "Area of the canal" }
                    table {
                        tr { th { "Where" } th.n { "Dural sac with cord, mm²" } th { "Narrower nearby, mm²" } th { "Source" } th { "" } }
                        @for c in &facts.canal {
                            @let proposed = if c.source == Source::Proposed.word() { "proposed" } else { "" };
                            tr { td { (c.place) } td.n { (format!("{:.0}", c.area_mm2)) } td { (c.nearby().unwrap_or_default()) } td class=(proposed) { (c.source) } td { (c.remark()) } }
                        }
                    }
                    p.quiet { "Across the spine at the slices above, and where it is narrower on the way halfway to their neighbours, looked for every millimetre. Healthy sacs have about 152 mm², stenosed ones 80 (Medicine 2017)." }
                }
                h2 { "Structures" }
                table {
                    tr { th { "Structure" } th.n { "Volume, mm³" } th.n { "Mean HU" } th { "Source" } th.n { "Confidence" } th.n { "Uncertainty, mm" } }
                    @for (level, rows) in &by_level {
                        tr.level { td colspan="6" { @if level.is_empty() { "All levels" } @else { (level) } } }
                        @for (name, s) in rows { (row(name, s)) }
                    }
                }
                p.quiet { "Mean HU is taken from every third voxel inside. A dash means not known, which is not zero." }
                @if facts.structures.values().any(|s| s.confidence.is_some()) { p.quiet { (CONFIDENCE) } }
                h2 { "Geometry" }
                table {
                    tr { th { "What" } th { "Value" } }
                    tr { td { "Fields of the case" } td { (format!("{x:.0} × {y:.0} × {z:.0} mm at {:.1} mm", facts.voxel_mm)) } }
                    @if let Some(ct) = &facts.ct {
                        @let [a, b, c] = ct.size;
                        @let [i, j, k] = ct.spacing_mm;
                        tr { td { "CT as the case keeps it" } td { (format!("{a} × {b} × {c} voxels of {i:.3} × {j:.3} × {k:.3} mm")) } }
                        tr { td { "CT axes (LPS)" } td { @for k in 0..3 { (format!("({:.3}, {:.3}, {:.3}) ", ct.direction[0][k], ct.direction[1][k], ct.direction[2][k])) } } }
                    } @else { tr { td { "CT" } td { "not at hand when this report was written" } } }
                    tr { td { "MRI onto CT" } td { (facts.mr_registration.as_deref().unwrap_or("no MRI")) } }
                }
                p.quiet { "This report names no patient; a case holds no identity." }
            } }
        }
    };
    markup.into_string()
}
