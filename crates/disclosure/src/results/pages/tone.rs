//! The app's colour, made readable on the page's two grounds. Pure.

/// Ground by day.
pub(crate) const PAPER: [u8; 3] = [0xfc, 0xfb, 0xf8];
/// Ground by night.
pub(crate) const NIGHT: [u8; 3] = [0x17, 0x16, 0x14];
/// WCAG 2.2, 1.4.3, with some room.
const CONTRAST: f64 = 5.5;

fn parse(colour: &str) -> Option<[u8; 3]> {
    let digits = colour.strip_prefix('#').filter(|d| d.len() == 6)?;
    <[u8; 3]>::try_from(hex::decode(digits).ok()?).ok()
}

/// Relative luminance (WCAG 2.2).
fn luminance(colour: [u8; 3]) -> f64 {
    let line = |c: u8| {
        let c = f64::from(c) / 255.0;
        if c <= 0.040_45 { c / 12.92 } else { ((c + 0.055) / 1.055).powf(2.4) }
    };
    let [r, g, b] = colour.map(line);
    0.2126 * r + 0.7152 * g + 0.0722 * b
}

fn contrast(a: [u8; 3], b: [u8; 3]) -> f64 {
    let (a, b) = (luminance(a), luminance(b));
    (a.max(b) + 0.05) / (a.min(b) + 0.05)
}

/// The colour, moved towards ink (or light, on a dark ground) until it can be read.
pub(crate) fn readable(colour: &str, ground: [u8; 3]) -> String {
    let goal = if luminance(ground) > 0.5 { 0.0 } else { 255.0 };
    let from = parse(colour).unwrap_or([0x33, 0x44, 0x55]);
    let mixed = |part: f64| {
        from.map(|c| {
            let value = f64::from(c) + (goal - f64::from(c)) * part;
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and 255")]
            let byte = value.round().clamp(0.0, 255.0) as u8;
            byte
        })
    };
    let fits = |part: &f64| contrast(mixed(*part), ground) >= CONTRAST;
    let part = (0..=20).map(|n| f64::from(n) / 20.0).find(fits).unwrap_or(1.0);
    format!("#{}", hex::encode(mixed(part)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_colour_can_be_read_by_day_and_by_night() {
        for colour in ["#1f5c4a", "#ffff00", "#000000", "#ffffff", "#ff0000", "#0000ff", "#7f7f7f", "nonsense"] {
            for ground in [PAPER, NIGHT] {
                let made = parse(&readable(colour, ground)).unwrap();
                assert!(contrast(made, ground) >= 4.5, "{colour} on {ground:?}");
            }
        }
        assert_eq!(readable("#1f5c4a", PAPER), "#1f5c4a", "what can be read stays");
    }
}
