//! Durations, sizes and rates: how they are written and how they are said.

use std::ops::Range;

use crate::{Millis, Per, Rate, near};

const DAY: i64 = 86_400_000;

/// Days of `months` calendar months at most: a promise of "3 months" is kept whichever months they are. 12 months
/// are 366 days, 2 years are 731.
fn month_days(months: i64) -> Option<i64> {
    const LONGEST: [i64; 12] = [0, 31, 62, 92, 123, 153, 184, 215, 245, 276, 306, 337];
    let years = months / 12;
    let rest = LONGEST.get(usize::try_from(months % 12).ok()?)?;
    let leap = (years + 3) / 4;
    years.checked_mul(365)?.checked_add(leap)?.checked_add(*rest)
}

/// Words for lengths of time: (words, milliseconds), calendar units apart.
const UNITS: [(&[&str], i64); 6] = [
    (&["ms"], 1),
    (&["s", "sec", "second", "seconds"], 1000),
    (&["min", "minute", "minutes"], 60_000),
    (&["h", "hour", "hours"], 3_600_000),
    (&["d", "day", "days"], DAY),
    (&["week", "weeks"], 7 * DAY),
];

/// `"15 min"`, `"12 months"`: its length, and its words when the unit is a calendar one.
pub(crate) fn duration(text: &str) -> Option<(Millis, Option<String>)> {
    let (count, unit) = text.trim().split_once(' ')?;
    let count: i64 = count.parse().ok().filter(|n| (0..=1_000_000).contains(n))?;
    let unit = unit.trim();
    let months = match unit {
        "month" | "months" => Some(count),
        "year" | "years" => Some(count.checked_mul(12)?),
        _ => None,
    };
    if let Some(months) = months {
        let words = plural(count, unit.trim_end_matches('s'));
        return Some((Millis(month_days(months)?.checked_mul(DAY)?), Some(words)));
    }
    let (_, size) = UNITS.iter().find(|(words, _)| words.contains(&unit))?;
    Some((Millis(count.checked_mul(*size)?), None))
}

/// `"8 MB"`, `"16 KiB"` in bytes.
pub(crate) fn size(text: &str) -> Option<u64> {
    let (count, unit) = text.trim().split_once(' ')?;
    let scale: u64 = match unit.trim() {
        "B" | "bytes" => 1,
        "KB" => 1000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return None,
    };
    count.parse::<u64>().ok()?.checked_mul(scale).filter(|n| *n <= 1 << 40)
}

const WHO: [(&str, Per); 6] = [
    ("ip", Per::Ip),
    ("account", Per::Account),
    ("key", Per::Key),
    ("tenant", Per::Tenant),
    ("source", Per::Source),
    ("route", Per::Route),
];

/// `"12/15 min per ip"`. The error: bytes of the text, what is wrong, help.
pub(crate) fn rate(text: &str) -> Result<Rate, (Range<usize>, String, String)> {
    const FORM: &str = "Write it as \"12/min per ip\" or \"5/15 min per account\".";
    let whole = || (0..text.len(), format!("`{text}` is no rate."), FORM.to_owned());
    let (count, rest) = text.split_once('/').ok_or_else(whole)?;
    let (window, who) = rest.split_once(" per ").ok_or_else(whole)?;
    let count_is = || (0..count.len(), format!("`{count}` is no count from 1 to 1000000."), FORM.to_owned());
    let number = count.trim().parse::<u32>().ok().filter(|n| (1..=1_000_000).contains(n)).ok_or_else(count_is)?;
    let start = count.len() + 1;
    let spoken = if window.trim_start().starts_with(|c: char| c.is_ascii_digit()) {
        window.trim().to_owned()
    } else {
        format!("1 {}", window.trim())
    };
    let window_is = || {
        let words = format!("`{window}` is no window of time.");
        (start..start + window.len(), words, near::hint(window, "Units", ["s", "min", "h", "day", "month"]))
    };
    let (millis, _) = duration(&spoken).filter(|(m, _)| m.0 > 0).ok_or_else(window_is)?;
    let at = start + window.len() + 5;
    let who_is = || {
        let words = format!("a rate is not counted per `{}`.", who.trim());
        (at..at + who.len(), words, near::hint(who.trim(), "It is per", WHO.iter().map(|w| w.0)))
    };
    let per = WHO.iter().find(|w| w.0 == who.trim()).map(|w| w.1).ok_or_else(who_is)?;
    Ok(Rate { count: number, window: millis, per })
}

/// "1 minute", "2 minutes".
pub(crate) fn plural(count: i64, noun: &str) -> String {
    let s = if count == 1 { "" } else { "s" };
    format!("{} {noun}{s}", grouped(count))
}

/// 200000 as "200,000".
pub(crate) fn grouped(n: i64) -> String {
    let digits = n.unsigned_abs().to_string();
    let mut out = String::new();
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(c);
    }
    if n < 0 { format!("-{out}") } else { out }
}

/// "15 minutes": the largest unit that divides it; days only from two on, since "24 hours" is how people say it.
pub(crate) fn say_duration(millis: Millis) -> String {
    let units = [(DAY, "day", 2), (3_600_000, "hour", 1), (60_000, "minute", 1), (1000, "second", 0)];
    let fits = |(size, _, least): &(i64, &str, i64)| millis.0 % size == 0 && millis.0 / size >= *least;
    match units.iter().find(|u| fits(u)) {
        Some((size, noun, _)) => plural(millis.0 / size, noun),
        None => plural(millis.0, "millisecond"),
    }
}

/// "8 MB".
pub(crate) fn say_size(bytes: u64) -> String {
    const UNITS: [(u64, &str); 6] =
        [(1_000_000_000, "GB"), (1 << 30, "GiB"), (1_000_000, "MB"), (1 << 20, "MiB"), (1000, "KB"), (1 << 10, "KiB")];
    match UNITS.iter().find(|(scale, _)| bytes >= *scale && bytes.is_multiple_of(*scale)) {
        Some((scale, unit)) => format!("{} {unit}", bytes / scale),
        None => format!("{bytes} bytes"),
    }
}

/// "12 a minute per address".
pub(crate) fn say_rate(rate: &Rate, noun: &str) -> String {
    let per = match rate.per {
        Per::Ip => "address",
        Per::Account => "account",
        Per::Key => "key",
        Per::Tenant => noun,
        Per::Source => "source",
        Per::Route => "route",
    };
    let window = match rate.window.0 {
        1000 => "a second".to_owned(),
        60_000 => "a minute".to_owned(),
        3_600_000 => "an hour".to_owned(),
        DAY => "a day".to_owned(),
        w if Some(w / DAY) == month_days(1) => "a month".to_owned(),
        w => format!("in {}", say_duration(Millis(w))),
    };
    format!("{} {window} per {per}", grouped(i64::from(rate.count)))
}

/// "a, b and c"; "none" when empty.
pub(crate) fn say_list(items: &[String]) -> String {
    match items {
        [] => "none".to_owned(),
        [one] => one.clone(),
        [rest @ .., last] => format!("{} and {last}", rest.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calendar_units_take_their_longest() {
        let days = |text: &str| duration(text).map(|(m, _)| m.0 / DAY);
        assert_eq!(days("12 months"), Some(366));
        assert_eq!(days("1 year"), Some(366));
        assert_eq!(days("2 years"), Some(731));
        assert_eq!(days("4 years"), Some(1461));
        assert_eq!(days("1 month"), Some(31));
        assert_eq!(days("2 weeks"), Some(14));
        assert_eq!(duration("12 months").unwrap().1.unwrap(), "12 months");
        for bad in ["15", "min", "15 mins ago", "-1 s", "1.5 h", "9999999999 years", ""] {
            assert_eq!(duration(bad), None, "{bad}");
        }
    }

    #[test]
    fn rates_say_where_they_are_wrong() {
        let ok = rate("5/15 min per ip").unwrap();
        assert_eq!((ok.count, ok.window.0, ok.per), (5, 900_000, Per::Ip));
        assert_eq!(rate("5/5 min per acount").unwrap_err().0, 12..18);
        assert_eq!(rate("x/min per ip").unwrap_err().0, 0..1);
        assert_eq!(rate("5/minit per ip").unwrap_err().0, 2..7);
        assert!(rate("5 per ip").is_err() && rate("0/min per ip").is_err());
    }

    #[test]
    fn values_read_like_speech() {
        assert_eq!(say_duration(Millis(900_000)), "15 minutes");
        assert_eq!(say_duration(Millis(DAY)), "24 hours");
        assert_eq!(say_duration(Millis(30 * DAY)), "30 days");
        assert_eq!(say_duration(Millis(0)), "0 seconds");
        assert_eq!(say_size(8_000_000), "8 MB");
        assert_eq!(say_size(16 << 10), "16 KiB");
        assert_eq!(say_rate(&rate("12/min per ip").unwrap(), "shop"), "12 a minute per address");
        assert_eq!(say_rate(&rate("5/15 min per tenant").unwrap(), "shop"), "5 in 15 minutes per shop");
        assert_eq!(say_list(&["a".into(), "b".into(), "c".into()]), "a, b and c");
        assert_eq!(grouped(200_000), "200,000");
    }
}
