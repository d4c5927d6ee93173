//! A link to one record for people without an account: the page that says what it will show, and the one that shows it and
//! its PIN, once.

use std::sync::Arc;

use http::StatusCode;
use kernel::{DAY, Failure, Principal, Read};
use manifest::Share;
use maud::{Markup, html};
use route::{
    Asking, Changing, Done, Html, Output as _, Redraw, Reply,
    page::{Button, Notice, Screen, Stamp, facts, form},
};
use store::Tx;

use super::{Room, ask::Asked, label, member, words};
use crate::{answer, share};

/// A share's pages at the records of its collection.
pub(crate) struct Lending {
    pub(crate) room: Arc<Room>,
    pub(crate) share: Share,
}

const PROTECTS: &[&str] = &["access.field_grants", "limit.tiers", "audit.coverage"];

/// The shares of a collection's records.
pub(crate) fn of(room: &Room) -> impl Iterator<Item = &Share> {
    let first = |s: &&Share| s.shows.first().is_some_and(|(at, _)| *at == room.shelf().at);
    room.app().shares.iter().filter(first)
}

/// What it is called on a button.
fn called(room: &Room, share: &Share) -> String {
    match of(room).count() {
        1 => "Share by link".to_owned(),
        _ => format!("Share by link: {}", words::small(&words::human(share.id))),
    }
}

/// A button for each share that the person may make.
pub(crate) fn buttons(room: &Room, who: &Principal, home: &str) -> Markup {
    html! {
        @for share in of(room).filter(|share| share::within(room.records(), &room.access, who, share)) {
            (Button::link(called(room, share), format!("{home}/shares/{}", share.id)))
        }
    }
}

pub(super) async fn ask(lending: Arc<Lending>, call: Asking<Asked>) -> Result<Html, Failure> {
    page(&lending, &call.tx, &call.input.id()?, None).await
}

pub(super) async fn again(lending: Arc<Lending>, again: Redraw<Asked>) -> Result<Html, Failure> {
    page(&lending, &again.call.tx, &again.call.input.id()?, Some(again.mishap.notice())).await
}

async fn page(lending: &Lending, tx: &Tx<Read>, id: &str, notice: Option<Notice>) -> Result<Html, Failure> {
    let Lending { room, share } = lending;
    let who = tx.permit().principal();
    member(who)?;
    let grant = tx.permit().reach();
    let (record, _) = room.one(tx, id).await?;
    let name = label::name(room.shelf(), label::naming(room.shelf(), answer::readable(room.shelf(), grant)), &record);
    let home = format!("{}/{id}", room.home(who));
    let days = share.ttl.0.div_euclid(DAY);
    let small = words::small(&room.shelf().def.label);
    let shown = share.shows.iter().filter_map(|(at, fields)| {
        let shelf = room.records().shelf(*at)?;
        let fields: Vec<String> =
            fields.iter().filter_map(|f| shelf.field(*f)).map(|f| words::small(&f.label)).collect();
        let of = if shelf.at == room.shelf().at { format!("Of the {small}") } else { words::plural(&shelf.def.label) };
        Some((of, words::both(&fields)))
    });
    let shown: Vec<(String, String)> = shown.collect();
    let pairs: Vec<(&str, Markup)> = shown.iter().map(|(of, fields)| (of.as_str(), html! { (fields) })).collect();
    let body = html! { div.stack {
        @if share::within(room.records(), &room.access, who, share) {
            p {
                "Whoever has the link" @if share.pin > 0 { " and its PIN of " (share.pin) " digits" }
                " sees this " (small) " as it is when they look, without an account"
                @if days > 0 { ", for " (days) " " (if days == 1 { "day" } else { "days" }) } "."
            }
            (facts(&pairs))
            (form(&format!("{home}/shares/{}", share.id), html! {
                div.actions { (Button::submit("Make the link").primary()) (Button::link("Back", home.clone())) }
            }))
        } @else {
            (Notice::warn(format!("This link would show more of the {small} than you may see.")))
            div.actions { (Button::link("Back", home.clone())) }
        }
    } };
    let mut screen = screen(lending, id, &name).body(body);
    if let Some(notice) = notice {
        screen = screen.notice(notice);
    }
    Ok(room.frame.page(who, screen))
}

fn screen(lending: &Lending, id: &str, name: &str) -> Screen {
    let place = super::place(lending.room.shelf());
    Screen::new(format!("Share {name}"), format!("{place}/{id}/shares/{}", lending.share.id))
        .crumb(words::plural(&lending.room.shelf().def.label), place.clone())
        .crumb(name, format!("{place}/{id}"))
        .protects(PROTECTS)
}

pub(super) async fn make(lending: Arc<Lending>, call: Changing<Asked>) -> Result<Done<Reply>, Failure> {
    let Lending { room, share } = lending.as_ref();
    let who = call.tx.permit().principal().clone();
    member(&who)?;
    let id = call.input.id()?;
    let (record, _) = room.one(&call.tx, &id).await?;
    let naming = label::naming(room.shelf(), answer::readable(room.shelf(), call.tx.permit().reach()));
    let name = label::name(room.shelf(), naming, &record);
    let (receipt, link) = share::create(room.records(), &room.access, share, call.tx, &id).await?;
    let mut pairs = vec![("Link", html! { code { (link.page(who.home())) } })];
    pairs.extend(link.pin.as_ref().map(|pin| ("PIN", html! { code { (pin) } })));
    pairs.push(("Works until", html! { (Stamp(link.expires.0)) }));
    let body = html! { div.stack {
        (facts(&pairs))
        @if link.pin.is_some() { p { "Send the PIN another way than the link." } }
        p.muted { "Neither is kept here in a form that opens anything, so neither is shown again. Each opening stands in the history." }
        div.actions { (Button::link("Back", format!("{}/{id}", room.home(&who)))) }
    } };
    let screen = screen(&lending, &id, &name).notice(Notice::good("The link is made.")).body(body);
    Ok(Done::ok(receipt, room.frame.page(&who, screen).reply(StatusCode::OK)?))
}
