//! Telling a judgement: in words, on a terminal, as JSON. Nothing here decides anything.

pub mod additions;
pub mod drawing;
pub mod json;
mod orders;
pub mod service;
mod sides;
pub mod staleness;
pub mod terminal;
pub mod words;

/// `1234567` as `1,234,567`.
#[must_use]
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// So many of what the singular names: `1 operation`, `1,234 operations`.
#[must_use]
pub fn counted(number: u64, singular: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {singular}{plural}", grouped(number))
}

#[cfg(test)]
mod tests {
    use super::{counted, grouped};

    #[test]
    fn one_thing_is_not_called_many() {
        assert_eq!(
            [0, 1, 1_000].map(|number| counted(number, "operation")),
            ["0 operations", "1 operation", "1,000 operations"]
        );
    }

    #[test]
    fn thousands_are_grouped() {
        assert_eq!([0, 999, 1_000, 1_234_567].map(grouped), ["0", "999", "1,000", "1,234,567"]);
    }
}
