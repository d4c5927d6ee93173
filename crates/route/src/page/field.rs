use std::borrow::Cow;

use maud::{Markup, Render, html};

#[derive(Clone, Debug)]
enum Shape {
    Line,
    Area(u32),
    Select(Vec<(String, String)>),
    Check,
    File,
    Hidden,
    Given(Markup),
}

/// A field of a form: label, hint, control, what is wrong. Its id is `f-<name>`.
#[derive(Clone, Debug)]
pub struct Field {
    shape: Shape,
    name: String,
    label: Cow<'static, str>,
    kind: &'static str,
    id: String,
    values: Vec<String>,
    hint: Option<Cow<'static, str>>,
    error: Option<String>,
    required: bool,
    checked: bool,
    multiple: bool,
    autocomplete: Option<&'static str>,
    disabled: Option<Cow<'static, str>>,
    more: Vec<(&'static str, String)>,
}

impl Field {
    fn new(shape: Shape, name: impl Into<String>, label: impl Into<Cow<'static, str>>) -> Self {
        let name = name.into();
        Self {
            shape,
            // An id has no blanks; a name may.
            id: format!("f-{}", name.replace(char::is_whitespace, "-")),
            name,
            label: label.into(),
            kind: "text",
            values: Vec::new(),
            hint: None,
            error: None,
            required: false,
            checked: false,
            multiple: false,
            autocomplete: None,
            disabled: None,
            more: Vec::new(),
        }
    }
    /// One line.
    pub fn text(name: impl Into<String>, label: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Shape::Line, name, label)
    }
    /// Several lines.
    pub fn area(name: impl Into<String>, label: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Shape::Area(6), name, label)
    }
    /// One of `(value, label)`, or several with [`Field::multiple`].
    pub fn select(
        name: impl Into<String>,
        label: impl Into<Cow<'static, str>>,
        options: Vec<(String, String)>,
    ) -> Self {
        Self::new(Shape::Select(options), name, label)
    }
    /// Yes or no; sends `true`, or what [`Field::value`] says.
    pub fn check(name: impl Into<String>, label: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Shape::Check, name, label)
    }
    /// A file.
    pub fn file(name: impl Into<String>, label: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Shape::File, name, label)
    }
    /// Sent along, not shown.
    pub fn hidden(name: impl Into<String>, value: impl Into<String>) -> Self {
        Self::new(Shape::Hidden, name, "").value(value)
    }
    /// A control of one's own, whose id is `f-<name>`.
    pub fn of(name: impl Into<String>, label: impl Into<Cow<'static, str>>, control: Markup) -> Self {
        Self::new(Shape::Given(control), name, label)
    }
    /// The `type` of a line.
    #[must_use]
    pub const fn kind(mut self, kind: &'static str) -> Self {
        self.kind = kind;
        self
    }
    /// What stands in it; for a select, what is chosen (several calls choose several).
    #[must_use]
    pub fn value(mut self, value: impl Into<String>) -> Self {
        self.values.push(value.into());
        self
    }
    /// Must be given.
    #[must_use]
    pub const fn required(mut self, required: bool) -> Self {
        self.required = required;
        self
    }
    /// A sentence below the label.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<Cow<'static, str>>) -> Self {
        self.hint = Some(hint.into());
        self
    }
    /// What is wrong with it.
    #[must_use]
    pub fn error(mut self, error: Option<&str>) -> Self {
        self.error = error.map(str::to_owned);
        self
    }
    /// The `autocomplete` token.
    #[must_use]
    pub const fn autocomplete(mut self, token: &'static str) -> Self {
        self.autocomplete = Some(token);
        self
    }
    /// Another attribute: `minlength`, `maxlength`, `min`, `max`, `step`, `pattern`, `list`, `placeholder`, `inputmode`,
    /// `spellcheck`, `accept`, `autofocus`, `data-send` (choosing sends the form). Others are left out.
    #[must_use]
    pub fn attr(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.more.push((name, value.into()));
        self
    }
    /// Several values.
    #[must_use]
    pub const fn multiple(mut self) -> Self {
        self.multiple = true;
        self
    }
    /// Ticked.
    #[must_use]
    pub const fn checked(mut self, checked: bool) -> Self {
        self.checked = checked;
        self
    }
    /// An example in grey; never the only label.
    #[must_use]
    pub fn placeholder(self, text: impl Into<String>) -> Self {
        self.attr("placeholder", text)
    }
    /// Another id, where a name stands twice on a page.
    #[must_use]
    pub fn id(mut self, id: impl Into<String>) -> Self {
        self.id = id.into();
        self
    }
    /// Height of an area in lines.
    #[must_use]
    pub fn rows(mut self, rows: u32) -> Self {
        if let Shape::Area(held) = &mut self.shape {
            *held = rows;
        }
        self
    }
    /// Shown, not to be changed, and why.
    #[must_use]
    pub fn disabled_because(mut self, why: impl Into<Cow<'static, str>>) -> Self {
        self.disabled = Some(why.into());
        self
    }
    fn other(&self, name: &str) -> Option<&str> {
        self.more.iter().find(|(n, _)| *n == name).map(|(_, value)| value.as_str())
    }
    /// Ids of what describes the control.
    fn described(&self) -> Option<String> {
        let parts = [("hint", self.hint.is_some() || self.disabled.is_some()), ("error", self.error.is_some())];
        let ids: Vec<String> = parts.iter().filter(|p| p.1).map(|p| format!("{}-{}", self.id, p.0)).collect();
        (!ids.is_empty()).then(|| ids.join(" "))
    }
    fn control(&self) -> Markup {
        let (described, invalid) = (self.described(), self.error.as_ref().map(|_| "true"));
        let (required, disabled, multiple) = (self.required, self.disabled.is_some(), self.multiple);
        let (id, name, value) = (&self.id, &self.name, self.values.first());
        let at = |n| self.other(n);
        match &self.shape {
            Shape::Given(control) => control.clone(),
            Shape::Hidden => html! { input type="hidden" name=(name) value=[value]; },
            Shape::Area(rows) => html! {
                textarea id=(id) name=(name) rows=(rows) required[required] disabled[disabled] aria-invalid=[invalid]
                    aria-describedby=[described] maxlength=[at("maxlength")] placeholder=[at("placeholder")]
                    spellcheck=[at("spellcheck")] { (value.map_or("", String::as_str)) }
            },
            Shape::Select(options) => html! {
                select id=(id) name=(name) required[required] disabled[disabled] multiple[multiple]
                    aria-invalid=[invalid] aria-describedby=[described] data-send=[at("data-send")] {
                    @for (option, label) in options {
                        option value=(option) selected[self.values.contains(option)] { (label) }
                    }
                }
            },
            Shape::Check => html! {
                input type="checkbox" id=(id) name=(name) value=(value.map_or("true", String::as_str))
                    checked[self.checked] required[required] disabled[disabled] aria-invalid=[invalid]
                    aria-describedby=[described];
            },
            Shape::File => html! {
                input type="file" id=(id) name=(name) required[required] disabled[disabled] multiple[multiple]
                    accept=[at("accept")] aria-invalid=[invalid] aria-describedby=[described];
            },
            Shape::Line => html! {
                input type=(self.kind) id=(id) name=(name) value=[value] required[required] disabled[disabled]
                    multiple[multiple] aria-invalid=[invalid] aria-describedby=[described]
                    autocomplete=[self.autocomplete] minlength=[at("minlength")] maxlength=[at("maxlength")]
                    min=[at("min")] max=[at("max")] step=[at("step")] pattern=[at("pattern")] list=[at("list")]
                    placeholder=[at("placeholder")] inputmode=[at("inputmode")] spellcheck=[at("spellcheck")]
                    autofocus[at("autofocus").is_some()];
            },
        }
    }
}

impl Render for Field {
    fn render(&self) -> Markup {
        if matches!(self.shape, Shape::Hidden) {
            return self.control();
        }
        let hint = self.disabled.as_ref().or(self.hint.as_ref());
        let below = html! {
            @if let Some(hint) = hint { p.hint id={ (self.id) "-hint" } { (hint) } }
            @if let Some(error) = &self.error { p.error id={ (self.id) "-error" } { (error) } }
        };
        if matches!(self.shape, Shape::Check) {
            return html! { div class="field check" { (self.control()) label for=(self.id) { (self.label) } (below) } };
        }
        html! {
            div.field {
                label for=(self.id) { (self.label) @if !self.required { " " span.optional { "optional" } } }
                (below)
                (self.control())
            }
        }
    }
}
