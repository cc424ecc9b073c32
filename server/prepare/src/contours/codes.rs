//! Codes of anatomy in DICOM SEG: SNOMED CT, and SNOMED RT as older programs wrote it.
//!
//! Source: DICOM PS3.16 and the concept tables that pydicom 3.0.2 generates from it (`pydicom.sr._concepts_dict`, `_snomed_dict`).

use spinor_volume::Label;

/// Structure, SNOMED CT, SNOMED RT, meaning.
type Row = (u16, &'static str, &'static str, &'static str);

const CODES: [Row; 50] = [
    (11, "14806007", "T-11610", "C1 vertebra"),
    (12, "39976000", "T-11620", "C2 vertebra"),
    (13, "113205007", "T-11630", "C3 vertebra"),
    (14, "5329002", "T-11640", "C4 vertebra"),
    (15, "36978003", "T-11650", "C5 vertebra"),
    (16, "36054005", "T-11660", "C6 vertebra"),
    (17, "87391001", "T-11670", "C7 vertebra"),
    (21, "64864005", "T-11710", "T1 vertebra"),
    (22, "53733008", "T-11720", "T2 vertebra"),
    (23, "1626008", "T-11730", "T3 vertebra"),
    (24, "73071006", "T-11740", "T4 vertebra"),
    (25, "56401006", "T-11750", "T5 vertebra"),
    (26, "45296009", "T-11760", "T6 vertebra"),
    (27, "62487009", "T-11770", "T7 vertebra"),
    (28, "11068009", "T-11780", "T8 vertebra"),
    (29, "82687006", "T-11790", "T9 vertebra"),
    (30, "7610001", "T-117A0", "T10 vertebra"),
    (31, "12989004", "T-117B0", "T11 vertebra"),
    (32, "23215003", "T-117C0", "T12 vertebra"),
    (41, "66794005", "T-11910", "L1 vertebra"),
    (42, "14293000", "T-11920", "L2 vertebra"),
    (43, "36470004", "T-11930", "L3 vertebra"),
    (44, "11994002", "T-11940", "L4 vertebra"),
    (45, "49668003", "T-11950", "L5 vertebra"),
    (50, "54735007", "T-11AD0", "Sacrum"),
    (1, "2748008", "T-A7010", "Spinal cord"),
    (2, "61853006", "T-1151F", "Vertebral canal"),
    (64, "58820006", "", "Intervertebral disc structure of third cervical vertebra"),
    (65, "49400002", "", "Intervertebral disc structure of fourth cervical vertebra"),
    (66, "73959003", "", "Intervertebral disc structure of fifth cervical vertebra"),
    (67, "75095006", "", "Intervertebral disc structure of sixth cervical vertebra"),
    (71, "37414007", "", "Intervertebral disc structure of seventh cervical vertebra"),
    (72, "40908007", "", "Intervertebral disc structure of first thoracic vertebra"),
    (73, "6004007", "", "Intervertebral disc structure of second thoracic vertebra"),
    (74, "2620004", "", "Intervertebral disc structure of third thoracic vertebra"),
    (75, "82965004", "", "Intervertebral disc structure of fourth thoracic vertebra"),
    (76, "72692000", "", "Intervertebral disc structure of fifth thoracic vertebra"),
    (77, "74401007", "", "Intervertebral disc structure of sixth thoracic vertebra"),
    (78, "28693002", "", "Intervertebral disc structure of seventh thoracic vertebra"),
    (79, "9188009", "", "Intervertebral disc structure of eighth thoracic vertebra"),
    (80, "113209001", "", "Intervertebral disc structure of ninth thoracic vertebra"),
    (81, "34959001", "", "Intervertebral disc structure of tenth thoracic vertebra"),
    (82, "1537001", "", "Intervertebral disc structure of eleventh thoracic vertebra"),
    (91, "76206002", "", "Intervertebral disc structure of twelfth thoracic vertebra"),
    (92, "80064006", "", "Intervertebral disc structure of first lumbar vertebra"),
    (93, "67459009", "", "Intervertebral disc structure of second lumbar vertebra"),
    (94, "62551000", "", "Intervertebral disc structure of third lumbar vertebra"),
    (95, "84020006", "", "Intervertebral disc structure of fourth lumbar vertebra"),
    (100, "75782005", "", "Intervertebral disc structure of fifth lumbar vertebra"),
    (100, "715056000", "", "Structure of intervertebral disc of L5 and S1"),
];

/// Our label of a code; none for codes without a level and for what a case does not hold. Schemes are `SCT`, `SRT` and `SNM3`.
///
/// ```
/// use spinor_prepare::contours::label_of_code;
/// use spinor_volume::Label;
/// assert_eq!(label_of_code("SCT", "49668003"), Some(Label::lumbar(5)));
/// assert_eq!(label_of_code("SRT", "T-11950"), Some(Label::lumbar(5)));
/// assert_eq!(label_of_code("99LOCAL", "49668003"), None);
/// ```
pub fn label_of_code(scheme: &str, value: &str) -> Option<Label> {
    let fits = |row: &&Row| match scheme {
        "SCT" => row.1 == value,
        "SRT" | "SNM3" | "99SDM" => !row.2.is_empty() && row.2 == value,
        _ => false,
    };
    CODES.iter().find(fits).map(|row| Label(row.0))
}

/// SNOMED CT's code and meaning of a structure; none where it has none with a level (flava, roots, a sixth lumbar vertebra).
pub fn code_of_label(label: Label) -> Option<(&'static str, &'static str)> {
    CODES.iter().find(|row| row.0 == label.0).map(|row| (row.1, row.3))
}

#[cfg(test)]
mod tests {
    //! Codes go round, and each stands once.

    use super::*;

    #[test]
    fn codes_go_round() {
        for (number, sct, srt, meaning) in CODES {
            assert_eq!(label_of_code("SCT", sct), Some(Label(number)), "{meaning}");
            assert!(Label(number).class().is_some(), "{meaning}");
            assert!(srt.is_empty() || label_of_code("SRT", srt) == Some(Label(number)), "{meaning}");
            assert_eq!(CODES.iter().filter(|row| row.1 == sct).count(), 1, "{meaning}");
            assert_eq!(code_of_label(Label(number)).and_then(|(code, _)| label_of_code("SCT", code)), Some(Label(number)));
        }
    }

    /// The meaning's level is the label's.
    #[test]
    fn meanings_name_the_level() {
        for (number, _, _, meaning) in CODES.iter().filter(|row| row.3.ends_with("vertebra") && row.3.len() < 14) {
            assert_eq!(Label(*number).level().as_deref(), meaning.split(' ').next());
        }
        let (number, ..) = CODES.iter().find(|row| row.3.contains("fourth lumbar")).unwrap();
        assert_eq!(Label(*number).name(), "intervertebral_disc_L4_L5");
    }

    #[test]
    fn nothing_is_guessed() {
        assert_eq!(label_of_code("SCT", "51282000"), None, "a vertebra without a level");
        assert_eq!(label_of_code("SRT", ""), None);
        assert_eq!(code_of_label(Label::root(5, true)), None);
    }
}
