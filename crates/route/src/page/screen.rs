use std::borrow::Cow;

use maud::Markup;

use super::Notice;

/// One page of the console. Addresses are below the tenant's own: `/console/...`.
pub struct Screen {
    pub(crate) title: Cow<'static, str>,
    pub(crate) here: Cow<'static, str>,
    pub(crate) crumbs: Vec<(String, String)>,
    pub(crate) lead: Option<Markup>,
    pub(crate) actions: Option<Markup>,
    pub(crate) notice: Option<Notice>,
    pub(crate) protects: Vec<&'static str>,
    pub(crate) wide: bool,
    pub(crate) body: Option<Markup>,
}

impl Screen {
    /// Title, and where the page lies.
    pub fn new(title: impl Into<Cow<'static, str>>, here: impl Into<Cow<'static, str>>) -> Self {
        Self {
            title: title.into(),
            here: here.into(),
            crumbs: Vec::new(),
            lead: None,
            actions: None,
            notice: None,
            protects: Vec::new(),
            wide: false,
            body: None,
        }
    }
    /// A page above this one.
    #[must_use]
    pub fn crumb(mut self, label: impl Into<String>, path: impl Into<String>) -> Self {
        self.crumbs.push((label.into(), path.into()));
        self
    }
    /// A sentence or a row of facts under the title.
    #[must_use]
    pub fn lead(mut self, lead: Markup) -> Self {
        self.lead = Some(lead);
        self
    }
    /// Buttons beside the title.
    #[must_use]
    pub fn actions(mut self, actions: Markup) -> Self {
        self.actions = Some(actions);
        self
    }
    /// What the person should read first.
    #[must_use]
    pub fn notice(mut self, notice: Notice) -> Self {
        self.notice = Some(notice);
        self
    }
    /// What was just done, by the word in the address; other words say nothing.
    #[must_use]
    pub fn said(mut self, word: Option<&str>, known: &[(&str, &'static str)]) -> Self {
        if let Some((_, words)) = known.iter().find(|(name, _)| Some(*name) == word) {
            self.notice = Some(Notice::good(*words));
        }
        self
    }
    /// Ids of the checks that protect this page: the footer links their claims.
    #[must_use]
    pub fn protects(mut self, checks: &[&'static str]) -> Self {
        self.protects.extend_from_slice(checks);
        self
    }
    /// As wide as the window, for grids.
    #[must_use]
    pub const fn wide(mut self) -> Self {
        self.wide = true;
        self
    }
    /// The page.
    #[must_use]
    pub fn body(mut self, body: Markup) -> Self {
        self.body = Some(body);
        self
    }
}
