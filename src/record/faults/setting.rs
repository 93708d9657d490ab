//! What is written after the equals sign of a fault: times and rates, as they are printed.

use std::time::Duration;

/// The longest time that a fault may be set to: a minute.
const TIME_MAX: Duration = Duration::from_secs(60);

/// A time such as `100ms` or `2s`.
///
/// # Errors
/// What it may be, in words.
pub(super) fn time(text: &str) -> Result<Duration, String> {
    let wrong = || format!("'{text}' is no time from 1ms to 60s, such as 100ms or 2s");
    let (number, unit) = match text.strip_suffix("ms") {
        Some(number) => (number, 1),
        None => (text.strip_suffix('s').ok_or_else(wrong)?, 1000),
    };
    let millis = number.parse::<u64>().ok().and_then(|number| number.checked_mul(unit)).ok_or_else(wrong)?;
    Some(Duration::from_millis(millis)).filter(|time| !time.is_zero() && *time <= TIME_MAX).ok_or_else(wrong)
}

/// A time as [`time`] reads it.
pub(super) fn in_words(time: Duration) -> String {
    match time.as_millis() {
        millis if millis % 1000 == 0 => format!("{}s", millis / 1000),
        millis => format!("{millis}ms"),
    }
}

/// A rate such as `1mbit` or `500kbit` a second, in kilobits.
///
/// # Errors
/// What it may be, in words.
pub(super) fn kilobits(text: &str) -> Result<u32, String> {
    let wrong = || format!("'{text}' is no rate from 8kbit to 10000mbit");
    let (number, unit) = match text.strip_suffix("kbit") {
        Some(number) => (number, 1),
        None => (text.strip_suffix("mbit").ok_or_else(wrong)?, 1000),
    };
    let rate = number.parse::<u32>().ok().and_then(|number| number.checked_mul(unit));
    rate.filter(|rate| (8..=10_000_000).contains(rate)).ok_or_else(wrong)
}

/// A rate as [`kilobits`] reads it.
pub(super) fn rate_in_words(kilobits: u32) -> String {
    if kilobits.is_multiple_of(1000) { format!("{}mbit", kilobits / 1000) } else { format!("{kilobits}kbit") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_rates_are_printed_as_they_are_read() {
        for text in ["1ms", "100ms", "1500ms", "2s", "60s"] {
            assert_eq!(time(text).map(in_words), Ok(text.to_owned()));
        }
        for text in ["8kbit", "500kbit", "1mbit", "10000mbit"] {
            assert_eq!(kilobits(text).map(rate_in_words), Ok(text.to_owned()));
        }
        for text in ["", "0ms", "100", "-1s", "61s", "1.5s", "99999999999999999999s", "ms"] {
            assert!(time(text).is_err(), "{text}");
        }
        for text in ["", "7kbit", "1", "10001mbit", "4294967295mbit", "mbit"] {
            assert!(kilobits(text).is_err(), "{text}");
        }
    }
}
