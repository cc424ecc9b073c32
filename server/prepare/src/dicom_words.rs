//! The words of a series description that may be shown: technique and anatomy, never whatever else somebody typed there.

/// Words that describe a series; anything else in a description could be a name.
const WORDS: &[&str] = &[
    "3d",
    "2d",
    "abd",
    "abdomen",
    "adc",
    "arterial",
    "artery",
    "ax",
    "axial",
    "bone",
    "brain",
    "cervical",
    "chest",
    "cor",
    "coronal",
    "cor.",
    "cspine",
    "csp",
    "ct",
    "cube",
    "dixon",
    "dti",
    "dwi",
    "ep2d",
    "fat",
    "ffe",
    "flair",
    "flash",
    "fl3d",
    "fse",
    "ge",
    "gd",
    "gre",
    "haste",
    "head",
    "helical",
    "inphase",
    "ir",
    "ivim",
    "knochen",
    "kv",
    "l1",
    "l2",
    "l3",
    "l4",
    "l5",
    "lat",
    "lspine",
    "lumbal",
    "lumbar",
    "lung",
    "lws",
    "mar",
    "medium",
    "merge",
    "mip",
    "mm",
    "mpr",
    "mprage",
    "mr",
    "mri",
    "myelo",
    "native",
    "ncct",
    "neck",
    "opposed",
    "pd",
    "pelvis",
    "post",
    "pre",
    "proton",
    "radial",
    "recon",
    "s1",
    "sag",
    "sagittal",
    "scout",
    "se",
    "sequence",
    "sharp",
    "si",
    "smooth",
    "soft",
    "space",
    "spair",
    "spine",
    "spir",
    "spiral",
    "standard",
    "std",
    "stir",
    "survey",
    "swi",
    "t1",
    "t1w",
    "t2",
    "t2w",
    "t2*",
    "thick",
    "thin",
    "thoracic",
    "thorax",
    "tirm",
    "topogram",
    "tra",
    "trans",
    "transverse",
    "tse",
    "tspine",
    "turbo",
    "vertebra",
    "vertebrae",
    "vibe",
    "vista",
    "vol",
    "volume",
    "water",
    "with",
    "without",
    "contrast",
    "wo",
    "w",
    "bws",
    "hws",
    "wirbelsaeule",
    "tissue",
    "knee",
    "hip",
    "sacrum",
    "sacral",
    "whole",
];

/// The known words of a description, in their order.
pub(crate) fn description(text: &str) -> String {
    let mut words = Vec::new();
    for token in text.split([' ', '_', ',', ';', '(', ')', '^', '[', ']', '+', '/', '-', '=', ':']) {
        let word = token.trim_matches('.').to_lowercase();
        if WORDS.contains(&word.as_str()) || is_thickness(&word) {
            words.push(word);
        }
    }
    words.truncate(16);
    words.join(" ")
}

/// `2.5mm`, and no other number: bare ones may be dates.
fn is_thickness(word: &str) -> bool {
    let Some(number) = word.strip_suffix("mm") else { return false };
    (1..=5).contains(&number.len()) && number.parse::<f64>().is_ok_and(|mm| (0.1..=20.0).contains(&mm))
}

/// The kernel's code, when it looks like one: a known word, or at most two letters around a number (`B30f`, `FC08`, `Br40d`).
pub(crate) fn kernel(values: &[String]) -> Option<String> {
    let first = values.first()?;
    let words: Vec<&str> = first.split([' ', '/', '_']).filter(|word| is_kernel(word)).take(3).collect();
    (!words.is_empty()).then(|| words.join(" "))
}

fn is_kernel(word: &str) -> bool {
    const NAMES: &[&str] =
        &["standard", "soft", "bone", "boneplus", "detail", "edge", "lung", "chst", "smooth", "sharp", "yes", "ya"];
    if NAMES.contains(&word.to_lowercase().as_str()) {
        return true;
    }
    let letters = word.bytes().take_while(u8::is_ascii_alphabetic).count();
    let digits = word.bytes().skip(letters).take_while(u8::is_ascii_digit).count();
    let rest = word.len() - letters - digits;
    (1..=2).contains(&letters) && (1..=3).contains(&digits) && rest <= 2 && word.is_ascii()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn technique_passes_and_names_do_not() {
        assert_eq!(description("SAG T2 TSE 4.0mm L-Spine"), "sag t2 tse 4.0mm spine");
        assert_eq!(description("Miller^John lumbar 20140122 22.01.14 #4711"), "lumbar");
        assert_eq!(kernel(&["B30f".to_owned()]), Some("B30f".to_owned()));
        assert_eq!(kernel(&["FC08".to_owned()]), Some("FC08".to_owned()));
        assert_eq!(kernel(&["MILLER".to_owned()]), None);
        assert_eq!(kernel(&["20140122".to_owned()]), None);
    }
}
