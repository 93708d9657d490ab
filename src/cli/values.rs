//! Values of options as people write them: `30s`, `4GiB`, `60s,4GiB`, `{"x":0}`.

use crate::history::Value;
use serde_json::Value as Json;
use std::time::Duration;

/// A duration such as `500ms`, `30s`, `2m`, `1h`; a bare number is seconds.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let unit_at = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(unit_at);
    let number: f64 = number.parse().map_err(|_| format!("'{text}' is no duration; write 500ms, 30s, 2m or 1h"))?;
    let seconds = match unit {
        "ms" => number / 1e3,
        "" | "s" => number,
        "m" | "min" => number * 60.0,
        "h" => number * 3600.0,
        _ => return Err(format!("'{unit}' is no unit of time; write 500ms, 30s, 2m or 1h")),
    };
    Duration::try_from_secs_f64(seconds).map_err(|error| format!("'{text}': {error}"))
}

/// A number of bytes such as `512MiB`, `4GiB`, `2GB`.
pub(super) fn bytes(text: &str) -> Result<u64, String> {
    let unit_at = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(unit_at);
    let number: f64 = number.parse().map_err(|_| format!("'{text}' is no size; write 512MiB or 4GiB"))?;
    let scale: f64 = match unit {
        "B" => 1.0,
        "kB" | "KB" => 1e3,
        "KiB" | "K" => 1024.0,
        "MB" => 1e6,
        "MiB" | "M" => 1_048_576.0,
        "GB" => 1e9,
        "GiB" | "G" => 1_073_741_824.0,
        _ => return Err(format!("'{unit}' is no unit of memory; write 512MiB or 4GiB")),
    };
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "saturates, and sizes are not negative"
    )]
    Ok((number * scale) as u64)
}

/// What one judgement may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BudgetArg {
    /// Time.
    pub time: Duration,
    /// Memory of the whole process, in bytes.
    pub bytes: u64,
}

/// A budget such as `60s,4GiB`; either part may be left out.
pub(super) fn budget(text: &str) -> Result<BudgetArg, String> {
    let mut budget = BudgetArg { time: DEFAULT_TIME, bytes: default_bytes() };
    for part in text.split(',').map(str::trim) {
        if part.ends_with(['B', 'K', 'M', 'G']) {
            budget.bytes = bytes(part)?;
        } else {
            budget.time = duration(part)?;
        }
    }
    Ok(budget)
}

/// The time of a judgement when nothing is said.
pub(super) const DEFAULT_TIME: Duration = Duration::from_secs(60);

/// The memory of a judgement when nothing is said: a third of the machine's, at most 8 GiB.
pub(super) fn default_bytes() -> u64 {
    let system = rustix::system::sysinfo();
    #[expect(clippy::useless_conversion, reason = "the fields are 32 bits wide on some machines")]
    let total = u64::from(system.totalram).saturating_mul(u64::from(system.mem_unit));
    (total / 3).min(8 << 30)
}

/// A `name=value` pair.
pub(super) fn setting(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or_else(|| format!("'{text}' is not NAME=VALUE"))?;
    Ok((name.to_owned(), value.to_owned()))
}

/// An initial value: nil, JSON without floats, or a plain word. What looks like JSON must be it.
pub(super) fn initial(text: &str) -> Result<Value, String> {
    match serde_json::from_str(text) {
        _ if text == "nil" => Ok(Value::Nil),
        Ok(json) => value(json),
        Err(error) if text.starts_with(['{', '[', '"']) => Err(format!("'{text}' is not JSON: {error}")),
        Err(_) => Ok(Value::text(text)),
    }
}

fn value(json: Json) -> Result<Value, String> {
    Ok(match json {
        Json::Null => Value::Nil,
        Json::Bool(truth) => Value::Bool(truth),
        Json::Number(number) => number
            .as_i64()
            .map(Value::Int)
            .ok_or_else(|| format!("{number} is not a whole number of 64 bits; quote it to mean a text"))?,
        Json::String(text) => Value::text(&text),
        Json::Array(items) => Value::List(items.into_iter().map(value).collect::<Result<_, _>>()?),
        Json::Object(pairs) => {
            let pairs = pairs.into_iter().map(|(name, json)| Ok((key(&name), value(json)?)));
            let mut pairs = pairs.collect::<Result<Vec<_>, String>>()?;
            pairs.sort();
            Value::Map(pairs.into())
        }
    })
}

/// The key of a map. As in histories, one that is spelled like a whole number is one.
fn key(name: &str) -> Value {
    let number = name.parse::<i64>().ok().filter(|number| number.to_string() == name);
    number.map_or_else(|| Value::text(name), Value::Int)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn initial_values_are_nil_words_or_json_without_floats() {
        let [x, zero] = [Value::text("x"), Value::Int(0)];
        let good = [
            ("nil", Value::Nil),
            ("null", Value::Nil),
            ("-7", Value::Int(-7)),
            ("true", Value::Bool(true)),
            ("x", x.clone()),
            ("\"x\"", x.clone()),
            ("\"7\"", Value::text("7")),
            ("two words", Value::text("two words")),
            ("[0, \"x\", null]", Value::List([zero.clone(), x.clone(), Value::Nil].into())),
            ("{\"x\":0,\"6\":[]}", Value::Map([(Value::Int(6), Value::List([].into())), (x, zero)].into())),
        ];
        for (text, value) in good {
            assert_eq!(initial(text), Ok(value), "{text}");
        }
        for wrong in ["1.5", "[1.5]", "18446744073709551615", "{x:0}", "[1,", "\"x"] {
            assert!(initial(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn durations_sizes_and_budgets_are_read_as_written() {
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(duration("1.5m"), Ok(Duration::from_secs(90)));
        assert_eq!(duration("7"), Ok(Duration::from_secs(7)));
        assert_eq!(bytes("4GiB"), Ok(4 << 30));
        let both = budget("5s,512MiB").expect("is a budget");
        assert_eq!((both.time, both.bytes), (Duration::from_secs(5), 512 << 20));
        assert_eq!(budget("2GiB").expect("is a budget").time, DEFAULT_TIME);
        for wrong in ["x", "5 parsecs", "", "-1s", "1e400s"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
        assert!(budget("5s,zMiB").is_err());
    }
}
