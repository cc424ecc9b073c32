//! Numbers with the digits that mean something.

use serde_json::{Number, Value};

/// A number as files hold it: to a thousandth from 1 on, below that to four digits. Nothing here is known better than that.
pub(crate) fn rounded(value: f64) -> f64 {
    let size = value.abs();
    if !size.is_finite() || size < 1e-12 {
        return if size < 1e-12 { 0.0 } else { value };
    }
    let places = if size >= 1.0 { 3 } else { 3 - size.log10().floor() as i32 };
    let scale = 10_f64.powi(places);
    (value * scale).round() / scale
}

/// Rounds all fractions in a value; whole numbers stay as they are.
pub(crate) fn round_all(value: &mut Value) {
    match value {
        Value::Number(number) if number.is_f64() => {
            if let Some(short) = number.as_f64().map(rounded).and_then(Number::from_f64) {
                *number = short;
            }
        }
        Value::Array(list) => list.iter_mut().for_each(round_all),
        Value::Object(map) => map.values_mut().for_each(round_all),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_that_mean_nothing_are_left_out() {
        let mut value = serde_json::json!({ "a": [1.933_333_333_333_333_6, 0.111_309_949_892_627_06, 16_885.004_618_545_372], "b": 126, "c": -3.288 });
        round_all(&mut value);
        assert_eq!(value.to_string(), r#"{"a":[1.933,0.1113,16885.005],"b":126,"c":-3.288}"#);
        assert_eq!([rounded(0.000_123_456), rounded(-1e-13), rounded(0.3), rounded(1.0)], [0.000_123_5, 0.0, 0.3, 1.0]);
    }
}
