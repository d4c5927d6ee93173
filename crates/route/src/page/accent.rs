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
        0.2126 * linear(self.0) + 0.7152 * linear(self.1) + 0.0722 * linear(self.2)
    }
    fn contrast(self, other: Self) -> f64 {
        let (a, b) = (self.luminance(), other.luminance());
        (a.max(b) + 0.05) / (a.min(b) + 0.05)
    }
    /// The same hue, at `percent` of the way from its lightness to black (0) or white (1), with as much of its colour as
    /// sRGB has there.
    fn at(self, end: f64, percent: u32) -> Self {
        let (l, a, b) = self.oklab();
        let l = (end - l).mul_add(f64::from(percent) / 100.0, l);
        let kept = (0..=20).map(|step| 1.0 - f64::from(step) / 20.0);
        kept.filter_map(|chroma| Self::of_oklab(l, a * chroma, b * chroma)).next().unwrap_or(self)
    }
    /// Lightness and the two axes of colour (B. Ottosson, "A perceptual color space for image processing").
    fn oklab(self) -> (f64, f64, f64) {
        let [r, g, b] = [self.0, self.1, self.2].map(linear);
        let l = (0.412_221_470_8 * r + 0.536_332_536_3 * g + 0.051_445_992_9 * b).cbrt();
        let m = (0.211_903_498_2 * r + 0.680_699_545_1 * g + 0.107_396_956_6 * b).cbrt();
        let s = (0.088_302_461_9 * r + 0.281_718_837_6 * g + 0.629_978_700_5 * b).cbrt();
        (
            0.210_454_255_3 * l + 0.793_617_785_0 * m - 0.004_072_046_8 * s,
            1.977_998_495_1 * l - 2.428_592_205_0 * m + 0.450_593_709_9 * s,
            0.025_904_037_1 * l + 0.782_771_766_2 * m - 0.808_675_766_0 * s,
        )
    }
    /// None outside sRGB.
    fn of_oklab(light: f64, a: f64, b: f64) -> Option<Self> {
        let cube = |x: f64| x * x * x;
        let l = cube(light + 0.396_337_777_4 * a + 0.215_803_757_3 * b);
        let m = cube(light - 0.105_561_345_8 * a - 0.063_854_172_8 * b);
        let s = cube(light - 0.089_484_177_5 * a - 1.291_485_548_0 * b);
        let channel = |c: f64| {
            let c = if c <= 0.003_130_8 { 12.92 * c } else { 1.055_f64.mul_add(c.powf(1.0 / 2.4), -0.055) };
            let whole = (c * 255.0).round();
            // In range by the test before, so that nothing is cut off.
            (-0.5..=255.5).contains(&whole).then(|| (0..=255_u8).find(|n| f64::from(*n) >= whole).unwrap_or(255))
        };
        Some(Self(
            channel(4.076_741_662_1 * l - 3.307_711_591_3 * m + 0.230_969_929_2 * s)?,
            channel(-1.268_438_004_6 * l + 2.609_757_401_1 * m - 0.341_319_396_5 * s)?,
            channel(-0.004_196_086_3 * l - 0.703_418_614_7 * m + 1.707_614_701_0 * s)?,
        ))
    }
}

/// One channel of sRGB as light.
fn linear(c: u8) -> f64 {
    let c = f64::from(c) / 255.0;
    if c <= 0.04045 { c / 12.92 } else { ((c + 0.055) / 1.055).powf(2.4) }
}

/// The colour for light and for dark screens: as given, or just as much darker or lighter as reading needs.
pub(crate) fn pair(given: &str) -> (String, String) {
    let given = Color::read(given).unwrap_or(Color(0x33, 0x44, 0x55));
    let nearest = |ground: Color, end: f64, last: Color| {
        let mut steps = (0..=100).map(|percent| given.at(end, percent));
        steps.find(|c| c.contrast(ground) >= WANTED).unwrap_or(last)
    };
    let light = nearest(LIGHT_GROUND, 0.0, Color(0, 0, 0));
    (light.text(), nearest(DARK_GROUND, 1.0, Color(255, 255, 255)).text())
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
    fn a_lighter_colour_keeps_its_hue() {
        for given in ["#7a3b2e", "#1f5c4a", "#3a3f8f", "#0f5a7a"] {
            let hue = |text: &str| {
                let (_, a, b) = Color::read(text).unwrap().oklab();
                b.atan2(a).to_degrees()
            };
            let dark = pair(given).1;
            assert!((hue(given) - hue(&dark)).abs() < 3.0, "{given} became {dark}");
        }
    }

    #[test]
    fn contrast_is_the_standards_own() {
        assert!((Color(0, 0, 0).contrast(Color(255, 255, 255)) - 21.0).abs() < 0.01);
        assert!((Color(0x77, 0x77, 0x77).contrast(Color(255, 255, 255)) - 4.48).abs() < 0.01);
    }
}
