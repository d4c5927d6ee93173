use std::borrow::Cow;

use maud::{Markup, Render, html};

/// What something means; always said in a word too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tone {
    /// Nothing in particular.
    #[default]
    Plain,
    /// Fine.
    Good,
    /// Look at it.
    Warn,
    /// Wrong.
    Bad,
    /// The app's own colour.
    Accent,
}

impl Tone {
    const fn class(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Good => "good",
            Self::Warn => "warn",
            Self::Bad => "bad",
            Self::Accent => "accent",
        }
    }
}

macro_rules! tones {
    ($type:ident: $($(#[$doc:meta])* $name:ident $tone:ident;)*) => {
        impl $type {$(
            $(#[$doc])*
            pub fn $name(words: impl Into<Cow<'static, str>>) -> Self {
                Self::new(Tone::$tone, words)
            }
        )*}
    };
}

/// A word about a state: "Draft".
#[derive(Clone, Debug)]
pub struct Tag {
    tone: Tone,
    words: Cow<'static, str>,
}

impl Tag {
    /// Of any tone.
    pub fn new(tone: Tone, words: impl Into<Cow<'static, str>>) -> Self {
        Self { tone, words: words.into() }
    }
}
tones! { Tag:
    /// Nothing in particular.
    plain Plain;
    /// Fine.
    good Good;
    /// Look at it.
    warn Warn;
    /// Wrong.
    bad Bad;
    /// The app's own colour.
    accent Accent;
}

impl Render for Tag {
    fn render(&self) -> Markup {
        html! { span class={ "tag " (self.tone.class()) } { (self.words) } }
    }
}

/// A sentence the person should read now.
#[derive(Clone, Debug)]
pub struct Notice {
    tone: Tone,
    words: Cow<'static, str>,
    detail: Option<Markup>,
}

impl Notice {
    /// Of any tone.
    pub fn new(tone: Tone, words: impl Into<Cow<'static, str>>) -> Self {
        Self { tone, words: words.into(), detail: None }
    }
    /// With more below the sentence.
    #[must_use]
    pub fn detail(mut self, detail: Markup) -> Self {
        self.detail = Some(detail);
        self
    }
}
tones! { Notice:
    /// Good to know.
    info Plain;
    /// It worked.
    good Good;
    /// Look at it.
    warn Warn;
    /// It did not work.
    bad Bad;
}

impl Render for Notice {
    fn render(&self) -> Markup {
        let role = if self.tone == Tone::Bad { "alert" } else { "status" };
        html! {
            div class={ "notice " (self.tone.class()) } role=(role) {
                p { (self.words) }
                @if let Some(detail) = &self.detail { (detail) }
            }
        }
    }
}

/// Where a list would stand: what belongs here, and how the first one comes to be.
#[derive(Clone, Debug)]
pub struct Empty {
    title: Cow<'static, str>,
    words: Cow<'static, str>,
    action: Option<Markup>,
}

impl Empty {
    /// A title and a sentence that teaches.
    pub fn new(title: impl Into<Cow<'static, str>>, words: impl Into<Cow<'static, str>>) -> Self {
        Self { title: title.into(), words: words.into(), action: None }
    }
    /// With something to press.
    #[must_use]
    pub fn action(mut self, action: Markup) -> Self {
        self.action = Some(action);
        self
    }
}

impl Render for Empty {
    fn render(&self) -> Markup {
        html! {
            div.empty {
                h2 { (self.title) }
                p { (self.words) }
                @if let Some(action) = &self.action { div.actions { (action) } }
            }
        }
    }
}
