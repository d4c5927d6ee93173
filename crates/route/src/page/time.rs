use maud::{Markup, Render, html};

/// A moment in milliseconds since the epoch, for people and machines; in UTC, and it says so.
#[derive(Clone, Copy, Debug)]
pub struct Stamp(pub i64);

impl Stamp {
    /// The time of day alone, where the day is said already.
    #[must_use]
    pub fn clock(self) -> Markup {
        jiff::Timestamp::from_millisecond(self.0)
            .map_or_else(|_| html! {}, |at| html! { (at.strftime("%H:%M:%S").to_string()) })
    }
}

impl Render for Stamp {
    fn render(&self) -> Markup {
        match jiff::Timestamp::from_millisecond(self.0) {
            Ok(at) => {
                let machine = at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
                html! { time datetime=(machine) title={ (machine) } { (at.strftime("%-d %b %Y, %H:%M UTC").to_string()) } }
            }
            Err(_) => html! { "unknown" },
        }
    }
}
