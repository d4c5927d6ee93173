//! A declared action: the page with its inputs, and what its button does.

use std::sync::Arc;

use kernel::{Failure, Read};
use maud::{Markup, html};
use route::{
    Asking, Changing, Done, Html, Mishap, Redraw, Reply,
    page::{Button, Notice, Screen, form, see_other},
};
use store::Tx;

use super::{Stage, ask::Asked, deeds, entry, form::VERSION, form::controls, form::inputs, label, member, words};
use crate::{action, answer, write::Writer};

pub(super) async fn ask(stage: Arc<Stage>, call: Asking<Asked>) -> Result<Html, Failure> {
    page(&stage, &call.tx, &call.input.id()?, None).await
}

pub(super) async fn again(stage: Arc<Stage>, again: Redraw<Asked>) -> Result<Html, Failure> {
    let Redraw { call, mishap } = again;
    page(&stage, &call.tx, &call.input.id()?, Some(&mishap)).await
}

async fn page(stage: &Stage, tx: &Tx<Read>, id: &str, mishap: Option<&Mishap>) -> Result<Html, Failure> {
    let (room, plan) = (&stage.room, &stage.deed.plan);
    let (who, shelf) = (tx.permit().principal(), room.shelf());
    member(who)?;
    let reading = room.reader(tx).await?;
    let (record, version) = room.one(&reading, id).await?;
    let readable = answer::readable(shelf, reading.permit().reach());
    let name = label::name(shelf, label::naming(shelf, readable), &record);
    let barred = deeds::list(room, &reading, id, readable).await?;
    let barred = barred.into_iter().find(|d| d.id == plan.def.id).and_then(|d| d.barred);
    let slots = inputs(room, &reading, &plan.def.input).await?;
    let place = super::place(shelf);
    let home = format!("{}/{id}", room.home(who));
    let path = format!("{home}/actions/{}", plan.def.id);
    let inside = html! {
        input type="hidden" name=(VERSION) value=(version);
        (controls(room, &slots, true, mishap))
        div.actions { (Button::submit(plan.def.label.clone()).primary()) (Button::link("Back", home.clone())) }
    };
    let body = html! { div.stack {
        @if let Some(why) = &barred {
            (Notice::warn(format!("Not possible now. {why}")))
            div.actions { (Button::link("Back", home.clone())) }
        } @else {
            (foreword(stage))
            (form(&path, inside))
        }
    } };
    let small = words::small(&shelf.def.label);
    let mut screen = Screen::new(format!("{} {name}", plan.def.label), format!("{place}/{id}/actions/{}", plan.def.id))
        .crumb(words::plural(&shelf.def.label), place.clone())
        .crumb(name, format!("{place}/{id}"))
        .protects(&["access.role_floor", "access.server_side", "audit.coverage"])
        .body(body);
    if let Some(mishap) = mishap {
        screen = screen.notice(notice(mishap, &small, &path));
    }
    Ok(room.frame.page(who, screen))
}

/// What pressing the button means.
fn foreword(stage: &Stage) -> Markup {
    let plan = &stage.deed.plan;
    let shelf = stage.room.shelf();
    html! {
        @match plan.def.published {
            Some(true) => { p { "Everybody will see it as it is now." } },
            Some(false) => { p { "It becomes a draft again; visitors no longer see it." } },
            None => {
                @if plan.def.input.is_empty() { p { "Do this with this " (words::small(&shelf.def.label)) "?" } }
            },
        }
        @if plan.def.step_up.is_some() { p.muted { "For this you must have signed in lately; if you have not, you are asked to." } }
    }
}

fn notice(mishap: &Mishap, small: &str, path: &str) -> Notice {
    match (mishap.problem.status, mishap.problem.code) {
        (403, Some("StepUp")) => Notice::warn("This needs a fresh sign-in.").detail(html! {
            p { a href={ "/sign-in?next=" (super::sieve::encoded(path)) } { "Sign in again" } ", then you come back here." }
        }),
        (412, _) => Notice::warn(format!("Somebody changed this {small} meanwhile. It is shown as it is now; nothing was done.")),
        _ => mishap.notice(),
    }
}

pub(super) async fn act(stage: Arc<Stage>, call: Changing<Asked>) -> Result<Done<Reply>, Failure> {
    let (tx, input) = (call.tx, call.input);
    let (room, plan) = (&stage.room, &stage.deed.plan);
    let who = tx.permit().principal().clone();
    member(&who)?;
    let (id, expected) = (input.id()?, input.version()?);
    let slots = inputs(room, &tx, &plan.def.input).await?;
    let given = entry::given(room, &tx, &slots, &input.form, false).await?;
    let receipt = {
        let w = Writer::new(room.records(), room.shelf(), tx.permit());
        action::run(&w, plan, tx, &id, &given, Some(expected)).await?
    };
    let home = room.home(&who);
    let next = if room.may(&who, "read") { format!("{home}/{id}?said=done") } else { home };
    Ok(Done::ok(receipt, see_other(next)))
}
