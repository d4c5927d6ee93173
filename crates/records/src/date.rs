//! Moments as text, without a calendar library on the hot path.

/// Days since 1970-01-01 as (year, month, day), proleptic Gregorian.
const fn civil(days: i64) -> (i64, i64, i64) {
    // Eras of 400 years, years that begin in March: the leap day is then a year's last.
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    (year_of_era + era * 400 + if month <= 2 { 1 } else { 0 }, month, day)
}

fn digits<const N: usize>(out: &mut Vec<u8>, value: i64) {
    let mut text = [b'0'; N];
    let mut rest = value;
    for slot in text.iter_mut().rev() {
        *slot = b'0' + u8::try_from(rest % 10).unwrap_or(0);
        rest /= 10;
    }
    out.extend_from_slice(&text);
}

/// `2026-05-04T09:30:00.000Z` of milliseconds since the epoch; times outside the years 0 to 9999 are cut to them.
pub(crate) fn moment(out: &mut Vec<u8>, millis: i64) {
    let millis = millis.clamp(-62_167_219_200_000, 253_402_300_799_999);
    let (days, rest) = (millis.div_euclid(kernel::DAY), millis.rem_euclid(kernel::DAY));
    let (year, month, day) = civil(days);
    digits::<4>(out, year);
    out.push(b'-');
    digits::<2>(out, month);
    out.push(b'-');
    digits::<2>(out, day);
    out.push(b'T');
    digits::<2>(out, rest / 3_600_000);
    out.push(b':');
    digits::<2>(out, rest / 60_000 % 60);
    out.push(b':');
    digits::<2>(out, rest / 1000 % 60);
    out.push(b'.');
    digits::<3>(out, rest % 1000);
    out.push(b'Z');
}

#[cfg(test)]
mod tests {
    use kernel::Time;

    use super::*;

    #[test]
    fn it_agrees_with_the_calendar_library() {
        let mut at = -62_167_219_200_000_i64;
        while at < 253_402_300_799_999 {
            let mut text = Vec::new();
            moment(&mut text, at);
            assert_eq!(String::from_utf8(text).unwrap(), Time(at).to_string());
            at += 86_399_997 * 31;
        }
    }
}
