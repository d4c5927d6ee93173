//! Money and decimals between their text and their stored form (minor units, millionths). No floats anywhere.

/// ISO 4217 currencies whose minor unit is not a hundredth, with their fractional digits.
const EXPONENTS: [(&str, u32); 25] = [
    ("BHD", 3),
    ("BIF", 0),
    ("CLF", 4),
    ("CLP", 0),
    ("DJF", 0),
    ("GNF", 0),
    ("IQD", 3),
    ("ISK", 0),
    ("JOD", 3),
    ("JPY", 0),
    ("KMF", 0),
    ("KRW", 0),
    ("KWD", 3),
    ("LYD", 3),
    ("OMR", 3),
    ("PYG", 0),
    ("RWF", 0),
    ("TND", 3),
    ("UGX", 0),
    ("UYI", 0),
    ("UYW", 4),
    ("VND", 0),
    ("VUV", 0),
    ("XAF", 0),
    ("XOF", 0),
];

/// Active ISO 4217 codes of money people pay with (no funds codes, metals or test codes).
const CURRENCIES: &str = "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BRL BSD BTN BWP BYN \
    BZD CAD CDF CHF CLP CNY COP CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GNF GTQ \
    GYD HKD HNL HTG HUF IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL \
    LYD MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN \
    PYG QAR RON RSD RUB RWF SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TND TOP TRY TTD \
    TWD TZS UAH UGX USD UYU UZS VED VES VND VUV WST XAF XCD XCG XOF XPF YER ZAR ZMW ZWG";

/// Whether `code` is a currency an app may use.
#[must_use]
pub fn is_currency(code: &str) -> bool {
    code.len() == 3 && CURRENCIES.split_ascii_whitespace().any(|c| c == code)
}

/// Digits after the point of an amount in `currency`.
#[must_use]
pub fn exponent(currency: &str) -> u32 {
    EXPONENTS.iter().find(|(code, _)| *code == currency).map_or(2, |(_, digits)| *digits)
}

/// `"12.50 EUR"` to minor units. `None` for another currency, more digits than the currency has, or overflow.
#[must_use]
pub fn parse_money(text: &str, currency: &str) -> Option<i64> {
    let (amount, code) = text.split_once(' ')?;
    if code != currency {
        return None;
    }
    parse_scaled(amount, exponent(currency))
}

/// Minor units to `"12.50 EUR"`.
#[must_use]
pub fn write_money(minor: i64, currency: &str) -> String {
    let digits = exponent(currency);
    let scale = 10_u64.pow(digits);
    let (sign, size) = (if minor < 0 { "-" } else { "" }, minor.unsigned_abs());
    if digits == 0 {
        return format!("{sign}{size} {currency}");
    }
    let width = usize::try_from(digits).unwrap_or(0);
    format!("{sign}{}.{:0width$} {currency}", size / scale, size % scale)
}

/// `"12.5"` to millionths. `None` for more than six fractional digits, an exponent, or overflow.
#[must_use]
pub fn parse_decimal(text: &str) -> Option<i64> {
    parse_scaled(text, 6)
}

/// Millionths to the shortest text: `12.5`, `3`, `-0.25`. It is a JSON number.
#[must_use]
pub fn write_decimal(millionths: i64) -> String {
    let (sign, size) = (if millionths < 0 { "-" } else { "" }, millionths.unsigned_abs());
    let (whole, rest) = (size / 1_000_000, size % 1_000_000);
    if rest == 0 {
        return format!("{sign}{whole}");
    }
    let fraction = format!("{rest:06}");
    format!("{sign}{whole}.{}", fraction.trim_end_matches('0'))
}

/// One spelling only: an optional minus, digits without needless zeros in front, at most `digits` after the point.
fn parse_scaled(text: &str, digits: u32) -> Option<i64> {
    let (negative, size) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (whole, fraction) = match size.split_once('.') {
        Some((_, "")) => return None,
        Some(parts) => parts,
        None => (size, ""),
    };
    let plain = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
    let places = u32::try_from(fraction.len()).ok().filter(|n| *n <= digits)?;
    if whole.is_empty() || !plain(whole) || !plain(fraction) || (whole.len() > 1 && whole.starts_with('0')) {
        return None;
    }
    let whole = whole.parse::<i64>().ok()?.checked_mul(10_i64.checked_pow(digits)?)?;
    let fraction = match fraction {
        "" => 0,
        some => some.parse::<i64>().ok()?.checked_mul(10_i64.checked_pow(digits - places)?)?,
    };
    let value = whole.checked_add(fraction)?;
    Some(if negative { -value } else { value })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_is_exact_in_every_currency() {
        assert_eq!(parse_money("12.50 EUR", "EUR"), Some(1250));
        assert_eq!(parse_money("12.5 EUR", "EUR"), Some(1250));
        assert_eq!(parse_money("-0.05 EUR", "EUR"), Some(-5));
        assert_eq!(parse_money("900 JPY", "JPY"), Some(900));
        assert_eq!(parse_money("1.234 KWD", "KWD"), Some(1234));
        for bad in
            ["12.505 EUR", "12,50 EUR", "12.50 USD", "12.50EUR", "1e2 EUR", ". EUR", "5. EUR", "05 EUR", "+5 EUR"]
        {
            assert_eq!(parse_money(bad, "EUR"), None, "{bad}");
        }
        assert_eq!(parse_money("900.0 JPY", "JPY"), None);
        assert_eq!(parse_money("99999999999999999999 EUR", "EUR"), None);
        assert_eq!(parse_money("92233720368547758.08 EUR", "EUR"), None);
        for (minor, currency) in [(0, "EUR"), (-1, "EUR"), (i64::MAX, "KWD"), (i64::MIN + 1, "JPY"), (123, "CLF")] {
            assert_eq!(parse_money(&write_money(minor, currency), currency), Some(minor));
        }
        assert_eq!(write_money(-1250, "EUR"), "-12.50 EUR");
        assert!(is_currency("NOK") && !is_currency("XXX") && !is_currency("eur"));
    }

    #[test]
    fn decimals_print_as_they_parse() {
        for (text, value) in [("0", 0), ("0.25", 250_000), ("-3", -3_000_000), ("12.000001", 12_000_001)] {
            assert_eq!(parse_decimal(text), Some(value));
            assert_eq!(write_decimal(value), text);
        }
        for bad in ["", "-", "1.", ".5", "1.0000001", "1e3", "00", "nan", "9999999999999"] {
            assert_eq!(parse_decimal(bad), None, "{bad}");
        }
        assert_eq!(parse_decimal("1.50"), Some(1_500_000));
    }
}
