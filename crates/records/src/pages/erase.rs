//! Deleting a record: a page that asks, and what its button does.

use std::sync::Arc;

use kernel::{Failure, Read};
use maud::html;
use route::{
    Asking, Changing, Done, Html, Redraw, Reply,
    page::{Button, Notice, Screen, form, see_other},
};
use store::Tx;

use super::{Room, ask::Asked, children, form::VERSION, label, member, words};
use crate::{answer, change};

pub(super) async fn ask(room: Arc<Room>, call: Asking<Asked>) -> Result<Html, Failure> {
    page(&room, &call.tx, &call.input.id()?, None).await
}

pub(super) async fn again(room: Arc<Room>, again: Redraw<Asked>) -> Result<Html, Failure> {
    let Redraw { call, mishap } = again;
    let notice = match mishap.problem.status {
        409 => Notice::bad("Other records still refer to this one; it stays."),
        412 => Notice::warn("Somebody changed this meanwhile. Look again before you delete it."),
        _ => mishap.notice(),
    };
    page(&room, &call.tx, &call.input.id()?, Some(notice)).await
}

async fn page(room: &Room, tx: &Tx<Read>, id: &str, notice: Option<Notice>) -> Result<Html, Failure> {
    let (who, shelf) = (tx.permit().principal(), room.shelf());
    member(who)?;
    crate::write::before(shelf, tx, id).await?;
    let reading = room.reader(tx).await?;
    let (record, version) = room.one(&reading, id).await?;
    let naming = label::naming(shelf, answer::readable(shelf, reading.permit().reach()));
    let name = label::name(shelf, naming, &record);
    let follow = children::goes_along(room, &reading, id).await?;
    let (small, place) = (words::small(&shelf.def.label), super::place(shelf));
    let home = format!("{}/{id}", room.home(who));
    let inside = html! {
        input type="hidden" name=(VERSION) value=(version);
        div.actions {
            (Button::submit(format!("Delete this {small}")).danger())
            (Button::link("Keep it", home.clone()))
        }
    };
    let mut screen = Screen::new(format!("Delete {name}?"), format!("{place}/{id}/delete"))
        .crumb(words::plural(&shelf.def.label), place.clone())
        .crumb(name, format!("{place}/{id}"))
        .protects(&["audit.coverage"])
        .body(html! {
            p { "It is gone at once and cannot be brought back from here. The history keeps that it was there, and who deleted it." }
            @if !follow.is_empty() { p { "With it: " (words::both(&follow)) "." } }
            (form(&format!("{home}/delete"), inside))
        });
    if let Some(notice) = notice {
        screen = screen.notice(notice);
    }
    Ok(room.frame.page(who, screen))
}

pub(super) async fn erase(room: Arc<Room>, call: Changing<Asked>) -> Result<Done<Reply>, Failure> {
    let (tx, input) = (call.tx, call.input);
    let who = tx.permit().principal().clone();
    member(&who)?;
    let (id, expected) = (input.id()?, input.version()?);
    let receipt = change::erase(room.records(), room.shelf(), tx, &id, Some(expected)).await?;
    Ok(Done::ok(receipt, see_other(format!("{}?said=deleted", room.home(&who)))))
}
