use std::borrow::Cow;

use maud::{Markup, Render, html};

/// A button of a form, or a link that looks like one.
#[derive(Clone, Debug)]
pub struct Button {
    label: Cow<'static, str>,
    href: Option<String>,
    look: &'static str,
    small: bool,
    name: Option<(String, String)>,
    blocked: Option<Cow<'static, str>>,
}

impl Button {
    /// Sends its form.
    pub fn submit(label: impl Into<Cow<'static, str>>) -> Self {
        Self { label: label.into(), href: None, look: "quiet", small: false, name: None, blocked: None }
    }
    /// Goes somewhere.
    pub fn link(label: impl Into<Cow<'static, str>>, href: impl Into<String>) -> Self {
        Self { href: Some(href.into()), ..Self::submit(label) }
    }
    /// The one thing to do here.
    #[must_use]
    pub const fn primary(mut self) -> Self {
        self.look = "primary";
        self
    }
    /// Destroys something.
    #[must_use]
    pub const fn danger(mut self) -> Self {
        self.look = "danger";
        self
    }
    /// For rows of tables.
    #[must_use]
    pub const fn small(mut self) -> Self {
        self.small = true;
        self
    }
    /// Sends a member of its own.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.name = Some((name.into(), value.into()));
        self
    }
    /// Cannot be pressed now, and says why.
    #[must_use]
    pub fn blocked(mut self, why: impl Into<Cow<'static, str>>) -> Self {
        self.blocked = Some(why.into());
        self
    }
}

impl Render for Button {
    fn render(&self) -> Markup {
        let class = format!("button {}{}", self.look, if self.small { " small" } else { "" });
        let (name, value) = self.name.clone().unzip();
        match (&self.blocked, &self.href) {
            // Of type `button`: pressing it sends nothing, also without a script.
            (Some(why), _) => html! {
                span.blocked {
                    button type="button" class=(class) aria-disabled="true" { (self.label) }
                    span.why { (why) }
                }
            },
            (None, Some(href)) => html! { a class=(class) href=(href) { (self.label) } },
            (None, None) => html! { button class=(class) name=[name] value=[value] { (self.label) } },
        }
    }
}
