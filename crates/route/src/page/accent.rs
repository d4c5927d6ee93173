//! The app's colour, made readable: WCAG 2.2 wants 4.5 : 1 between text and what it stands on.

/// Ground and text on it, light and dark, of `app.css`.
const LIGHT_GROUND: Color = Color(0xf6, 0xf5, 0xf2);
const DARK_GROUND: Color = Color(0x23, 0x23, 0x22);
const WANTED: f64 = 4.9;

#[derive(Clone, Copy, Debug, PartialEq)]
struct Color(u8, u8, u8);

impl Color {
    fn read(text: &str) -> Option<Self> {
        let digits = text.strip_prefix('#').filter(|d| d.len() == 6)?;
        let at = |n: usize| u8::from_str_radix(digits.get(n..n + 2)?, 16).ok();
        Some(Self(at(0)?, at(2)?, at(4)?))
    }
    fn text(self) -> String {
        format!("#{:02x}{:02x}{:02x}", self.0, self.1, self.2)
    }
    /// WCAG 2.2, relative luminance.
    fn luminance(self) -> f64 {
        let linear = |c: u8| {
            let c = f64::from(c) / 255.0;
            if c <= 0.04045 { c / 12.92 } else { ((c + 0.055) / 1.055).powf(2.4) }
        };
        0.2126 * linear(self.0) + 0.7152 * linear(self.1) + 0.0722 * linear(self.2)
    }
    fn contrast(self, other: Self) -> f64 {
        let (a, b) = (self.luminance(), other.luminance());
        (a.max(b) + 0.05) / (a.min(b) + 0.05)
    }
    /// `percent` of the way to `other`.
    fn towards(self, other: Self, percent: u16) -> Self {
        let mix = |a: u8, b: u8| {
            let sum = u16::from(a) * (100 - percent) + u16::from(b) * percent;
            u8::try_from(sum / 100).unwrap_or(u8::MAX)
        };
        Self(mix(self.0, other.0), mix(self.1, other.1), mix(self.2, other.2))
    }
}

/// The colour for light and for dark screens: as given, or just as much darker or lighter as reading needs.
pub(crate) fn pair(given: &str) -> (String, String) {
    let given = Color::read(given).unwrap_or(Color(0x33, 0x44, 0x55));
    let nearest = |ground: Color, end: Color| {
        let steps = (0..=100).map(|percent| given.towards(end, percent));
        steps.into_iter().find(|c| c.contrast(ground) >= WANTED).unwrap_or(end)
    };
    let light = nearest(LIGHT_GROUND, Color(0, 0, 0));
    (light.text(), nearest(DARK_GROUND, Color(255, 255, 255)).text())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_colour_becomes_readable() {
        for given in ["#000000", "#ffffff", "#ffff00", "#00ff00", "#0000ff", "#7a3b2e", "#1f5c4a", "#808080", "red", ""]
        {
            let (light, dark) = pair(given);
            let (light, dark) = (Color::read(&light).unwrap(), Color::read(&dark).unwrap());
            for ground in [LIGHT_GROUND, Color(255, 255, 255)] {
                assert!(light.contrast(ground) >= 4.5, "{given} on light");
            }
            for ground in [DARK_GROUND, Color(0x16, 0x16, 0x15)] {
                assert!(dark.contrast(ground) >= 4.5, "{given} on dark");
            }
        }
    }

    #[test]
    fn a_readable_colour_stays_as_it_is() {
        assert_eq!(pair("#1f5c4a").0, "#1f5c4a");
        assert_eq!(pair("#7a3b2e").0, "#7a3b2e");
    }

    #[test]
    fn contrast_is_the_standards_own() {
        assert!((Color(0, 0, 0).contrast(Color(255, 255, 255)) - 21.0).abs() < 0.01);
        assert!((Color(0x77, 0x77, 0x77).contrast(Color(255, 255, 255)) - 4.48).abs() < 0.01);
    }
}
