//! Documents: the console's, the narrow one, a refusal's.

use std::borrow::Cow;

use kernel::{Actor, Home, Principal, TenantId};
use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::{
    Frame, Notice, Screen, assets,
    frame::{Promise, below_host},
    nav::{self, Group},
};
use crate::{Html, Problem, wait};

/// The app's name and colour.
#[derive(Clone, Debug)]
pub(crate) struct Look {
    pub(crate) app: String,
    pub(crate) light: String,
    pub(crate) dark: String,
}

impl Look {
    /// The one place that knows the app's colour: a few bytes beside the shared sheet.
    fn style(&self, nonce: &str, sheet: &str) -> Markup {
        let colors = format!("{}:root{{--brand:{};--brand-dark:{}}}", assets::faces(), self.light, self.dark);
        html! { style nonce=(nonce) { (PreEscaped(colors)) (PreEscaped(sheet)) } }
    }
    /// A dot in the app's colour.
    fn icon(&self) -> String {
        let color = self.light.trim_start_matches('#');
        format!(
            "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 32 32'%3E%3Ccircle cx='16' cy='16' \
             r='13' fill='%23{color}'/%3E%3C/svg%3E"
        )
    }
    fn head(&self, title: &str, rest: &Markup) -> Markup {
        html! {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="robots" content="noindex";
                meta name="color-scheme" content="light dark";
                title { (title) " · " (self.app) }
                link rel="icon" href=(self.icon());
                (assets::letters())
                (rest)
            }
        }
    }
}

/// A narrow page: sign-in, a shared link, an invitation.
pub struct Card {
    title: Cow<'static, str>,
    over: Option<String>,
    body: Markup,
    foot: Option<Markup>,
    refresh: Option<String>,
    protects: Vec<&'static str>,
    notice: Option<Notice>,
    wide: bool,
}

impl Card {
    /// Title and content.
    pub fn new(title: impl Into<Cow<'static, str>>, body: Markup) -> Self {
        Self {
            title: title.into(),
            over: None,
            body,
            foot: None,
            refresh: None,
            protects: Vec::new(),
            notice: None,
            wide: false,
        }
    }
    /// A small line over the title instead of the tenant's name.
    #[must_use]
    pub fn over(mut self, words: impl Into<String>) -> Self {
        self.over = Some(words.into());
        self
    }
    /// Below the card: other ways to go.
    #[must_use]
    pub fn foot(mut self, foot: Markup) -> Self {
        self.foot = Some(foot);
        self
    }
    /// What the person should read first.
    #[must_use]
    pub fn notice(mut self, notice: Option<Notice>) -> Self {
        self.notice = notice;
        self
    }
    /// Ids of the checks that protect this page.
    #[must_use]
    pub fn protects(mut self, checks: &[&'static str]) -> Self {
        self.protects.extend_from_slice(checks);
        self
    }
    /// Goes on by itself to an address of this site.
    #[must_use]
    pub fn refresh(mut self, to: impl Into<String>) -> Self {
        self.refresh = Some(to.into());
        self
    }
    /// A reading column instead of a form's width.
    #[must_use]
    pub const fn wide(mut self) -> Self {
        self.wide = true;
        self
    }
}

fn sabotaged() -> Markup {
    html! { @if kernel::sabotage::BUILT_IN { p.sabotage { "Test build: +sabotage" } } }
}

fn footer(promises: &[&Promise]) -> Markup {
    html! {
        footer.claims {
            @if promises.is_empty() {
                a href="/trust" { "Security" }
            } @else {
                details {
                    summary {
                        @if promises.len() == 1 { "One promise protects this page" }
                        @else { (promises.len()) " promises protect this page" }
                    }
                    ul {
                        @for promise in promises {
                            li { a href={ "/trust#" (promise.id) } { (promise.id) } " " (promise.words) }
                        }
                    }
                }
            }
        }
    }
}

pub(crate) fn console(frame: &Frame, who: &Principal, screen: Screen) -> Html {
    let look = frame.look().clone();
    let base = frame.base(who);
    let groups = nav::groups(frame, who);
    let rail = rail(frame, who, &base, &groups, &screen.here);
    let footer = footer(&frame.promises(&screen.protects));
    let home = who.home().name.clone();
    Html(Box::new(move |nonce| {
        let head = html! { (assets::links(nonce)) (look.style(nonce, "")) };
        let main = main(&base, screen, &footer);
        html! {
            (DOCTYPE)
            html lang="en" {
                (look.head(&format!("{} · {home}", main.title), &head))
                body.console {
                    a.skip href="#main" { "Skip to content" }
                    (rail)
                    (main.markup)
                    div #toasts role="status" aria-live="polite" {}
                    (sabotaged())
                }
            }
        }
        .into_string()
    }))
}

struct Main {
    title: String,
    markup: Markup,
}

fn main(base: &str, screen: Screen, footer: &Markup) -> Main {
    let Screen { title, crumbs, lead, actions, notice, wide, body, .. } = screen;
    let markup = html! {
        main #main tabindex="-1" class=(if wide { "wide" } else { "" }) {
            @if !crumbs.is_empty() {
                nav.crumbs aria-label="Breadcrumb" {
                    ol { @for (label, path) in &crumbs { li { a href={ (base) (path) } { (label) } } } }
                }
            }
            header.title {
                div { h1 { (title) } @if let Some(lead) = lead { div.lead { (lead) } } }
                @if let Some(actions) = actions { div.actions { (actions) } }
            }
            @if let Some(notice) = notice { (notice) }
            @if let Some(body) = body { (body) }
            (footer)
        }
    };
    Main { title: title.into_owned(), markup }
}

/// Navigation: a column beside the page, a menu above it on a phone. One list, written once.
fn rail(frame: &Frame, who: &Principal, base: &str, groups: &[Group], here: &str) -> Markup {
    let present = nav::present(groups, here);
    let role = match *who.actor() {
        Actor::Member { role, .. } => frame.app().roles.get(usize::from(role)).map(|r| r.label.clone()),
        _ => None,
    };
    let current = |path: &str| (present == Some(path)).then(|| if path == here { "page" } else { "true" });
    let operator = match who.actor() {
        Actor::Operator(name) => Some(&**name),
        _ => None,
    };
    let links = || links(base, groups, &current, (role.as_deref(), operator), here);
    html! {
        header.rail {
            a.brand href={ (base) (if operator.is_some() { "/operator" } else { "/console" }) } {
                span.app { (frame.app().name) }
                @if operator.is_some() { span.home { "Operators" } }
                @if who.tenant() != TenantId::HOUSE { span.home { (who.home().name) } }
            }
            details.menu {
                summary { "Menu" }
                (links())
            }
            div.side { (links()) }
        }
    }
}

fn links(
    base: &str,
    groups: &[Group],
    current: &dyn Fn(&str) -> Option<&'static str>,
    (role, operator): (Option<&str>, Option<&str>),
    here: &str,
) -> Markup {
    let account = (here == "/console/account").then_some("page");
    html! {
        nav aria-label=(if operator.is_some() { "Operators" } else { "Console" }) {
            @for group in groups {
                @if !group.title.is_empty() { p.group { (group.title) } }
                ul {
                    @for link in &group.links {
                        li { a href={ (base) (link.path) } aria-current=[current(&link.path)] { (link.label) } }
                    }
                }
            }
        }
        @if let Some(name) = operator {
            div.who {
                p { "Acting as" span.muted { (name) } }
                form method="post" action="/operator/leave" { button.link { "Sign out" } }
            }
        } @else { div.who {
            a href={ (base) "/console/account" } aria-current=[account] {
                "Your account" @if let Some(role) = role { span.muted { (role) } }
            }
            form method="post" action={ (base) "/sign-out" } { button.link { "Sign out" } }
        } }
    }
}

pub(crate) fn card(frame: &Frame, home: Option<&Home>, card: Card) -> Html {
    let look = frame.look().clone();
    let footer = footer(&frame.promises(&card.protects));
    let over = card.over.or_else(|| home.filter(|h| h.id != TenantId::HOUSE).map(|h| h.name.clone()));
    Html(Box::new(move |nonce| {
        let head = html! {
            meta name="referrer" content="same-origin";
            @if let Some(to) = &card.refresh { meta http-equiv="refresh" content={ "0; url=" (to) }; }
            (look.style(nonce, assets::STYLE))
        };
        html! {
            (DOCTYPE)
            html lang="en" {
                (look.head(&card.title, &head))
                body.card {
                    a.skip href="#main" { "Skip to content" }
                    header.masthead { a.app href="/" { (look.app) } }
                    main #main tabindex="-1" class=(if card.wide { "wide" } else { "" }) {
                        @if let Some(over) = over.filter(|over| !over.is_empty()) { p.over { (over) } }
                        h1 { (card.title) }
                        @if let Some(notice) = card.notice { (notice) }
                        (card.body)
                        @if let Some(foot) = card.foot { div.foot { (foot) } }
                    }
                    (footer)
                    (sabotaged())
                }
            }
        }
        .into_string()
    }))
}

pub(crate) fn problem(frame: &Frame, home: Option<&Home>, problem: &Problem) -> Html {
    let base = home.map(|home| below_host(&home.url)).unwrap_or_default();
    let closed = problem.code == Some("TenantSuspendedError");
    let body = html! {
        @if let Some(detail) = &problem.detail { p { (nav::capital(detail)) "." } }
        @for error in &problem.errors { p { (error.field) ": " (error.detail) } }
        @if let Some(seconds) = problem.retry_after { p { (wait(seconds)) } }
        @if let Some(advice) = advice(problem.status, problem.code) { p.muted { (advice) } }
        @match (problem.status, home.is_some() && !closed) {
            (401, true) => { p.actions { a class="button primary" href="/sign-in" { "Sign in" } } },
            (402..=499, true) => { p.actions { a class="button quiet" href={ (base) "/console" } { "Go to the console" } } },
            _ => {},
        }
    };
    card(frame, home, Card::new(problem.title, body).over(format!("{}", problem.status)))
}

/// What the person can do about it.
fn advice(status: u16, code: Option<&str>) -> Option<&'static str> {
    match (status, code) {
        (401, _) => Some(
            "If you were filling in a form: sign in in another tab, come back here with your browser's Back button, and \
             send it again.",
        ),
        (403, Some("NotGranted" | "Ceiling")) => Some("An owner can change what your role allows."),
        (403, Some("TenantSuspendedError")) => Some("Nothing is lost. Ask the team behind this service."),
        (403, Some("UserSuspended")) => Some("Whoever runs this place can let you in again."),
        (403, Some("CrossSite")) => Some("Go to the page yourself and send the form from there."),
        (404, _) => Some("It may have moved, or it belongs to somebody else; the answer is the same for both."),
        (412, _) => Some("Go back, reload, and make your change again."),
        (500, _) => Some("It is on record with the request's id. Nothing needs to be done by you."),
        _ => None,
    }
}
