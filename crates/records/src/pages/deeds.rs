//! What can be done with a record here and now, and why not where it cannot. The gate and the action's own guards decide;
//! this only asks them beforehand, and the statement decides again.

use access::Column;
use kernel::{Bind, Failure, FieldSet, Mode, Reason, RowSet, Rows, may};
use maud::{Markup, html};
use route::page::{Button, form};
use store::Tx;

use super::{Room, form::VERSION, words};
use crate::{action, write, write::Writer};

/// Something that can be done with a record, or cannot.
pub(crate) struct Deed {
    pub(crate) id: &'static str,
    pub(crate) label: String,
    /// Its page asks first: inputs, a confirmation.
    asks: bool,
    danger: bool,
    /// Brings the record on: sets its state, or publishes it.
    moves: bool,
    /// Why not.
    pub(crate) barred: Option<String>,
}

/// Everything that the collection declares, in its order; then change and deletion.
pub(crate) async fn list<M: Mode>(room: &Room, tx: &Tx<M>, id: &str, readable: FieldSet) -> Result<Vec<Deed>, Failure> {
    let mut deeds = Vec::new();
    for plan in &room.shelf().actions {
        let asks = !plan.def.input.is_empty() || plan.def.confirm || plan.def.step_up.is_some();
        let barred = match reached(room, tx, id, plan.verb, readable).await? {
            Err(why) => Some(why),
            Ok((reading, before)) => {
                let w = Writer::new(room.records(), room.shelf(), reading.permit());
                let guard = action::hindered(&w, plan, &before);
                guard.map(|g| words::wants(room.app(), &room.shelf().def, g, readable)).or_else(|| idle(plan, &before))
            }
        };
        let state = |at: &usize| room.shelf().field(*at).is_some_and(super::look::is_state);
        let onward = plan.def.published == Some(true) || plan.def.set.iter().any(|(at, _)| state(at));
        let moves = onward && !ENDS.contains(&plan.def.id);
        deeds.push(Deed { id: plan.def.id, label: plan.def.label.clone(), asks, danger: false, moves, barred });
    }
    if !room.shelf().def.append_only {
        for (verb, id_of, label, danger) in [("write", "edit", "Edit", false), ("delete", "delete", "Delete", true)] {
            let barred = reached(room, tx, id, verb, readable).await?.err();
            deeds.push(Deed { id: id_of, label: label.to_owned(), asks: true, danger, moves: false, barred });
        }
    }
    Ok(deeds)
}

/// What the API would do and nobody would press: publishing what is public and unchanged, taking back what is not.
fn idle(plan: &action::Plan, before: &write::Before) -> Option<String> {
    match plan.def.published {
        Some(true) if before.published && before.draft.is_none() => {
            Some("Published already, nothing waits.".to_owned())
        }
        Some(false) if !before.published => Some("Not published.".to_owned()),
        _ => None,
    }
}

/// The record under the right's own permit, or why that right does not reach it.
async fn reached<M: Mode>(
    room: &Room,
    tx: &Tx<M>,
    id: &str,
    verb: &'static str,
    readable: FieldSet,
) -> Result<Result<(Tx<kernel::Read>, write::Before), String>, Failure> {
    let who = tx.permit().principal();
    let grant = match room.access.weigh(who, may(room.shelf().def.id, verb)) {
        Ok(grant) => grant,
        Err(failure) => return Ok(Err(refusal(room, verb, &failure))),
    };
    let Some(reading) = room.beside(tx, room.shelf().def.id, verb).await? else {
        return Ok(Err(refusal(room, verb, &Failure::NotFound)));
    };
    match write::before(room.shelf(), &reading, id).await {
        Ok(before) => Ok(Ok((reading, before))),
        Err(Failure::NotFound) => Ok(Err(limits(room, &grant.rows, readable))),
        Err(other) => Err(other),
    }
}

fn refusal(room: &Room, verb: &'static str, failure: &Failure) -> String {
    match failure {
        Failure::ModuleOff(module) => {
            let label = room.app().modules.iter().find(|m| m.id == *module).map_or(*module, |m| m.label.as_str());
            format!("Belongs to the module “{label}”, which is off here.")
        }
        Failure::Refused(Reason::TenantSuspended | Reason::UserSuspended) => "Suspended.".to_owned(),
        _ => match holders(room, verb).as_slice() {
            [] => "No role may do this.".to_owned(),
            who => format!("Only for {}.", words::both(who)),
        },
    }
}

/// Labels of the roles that hold a right.
pub(crate) fn holders(room: &Room, verb: &'static str) -> Vec<String> {
    let (policy, action) = (room.access.policy(), may(room.shelf().def.id, verb));
    let holds = |at: usize| u8::try_from(at).is_ok_and(|at| policy.matrix.cell(Column::Role(at), action).is_some());
    room.app().roles.iter().enumerate().filter(|(at, _)| holds(*at)).map(|(_, r)| r.label.clone()).collect()
}

/// Which records a right reaches, in words; nothing of fields that may not be read.
fn limits(room: &Room, rows: &Rows, readable: FieldSet) -> String {
    let Rows::Set(set) = rows else { return "Not this record.".to_owned() };
    let RowSet { any, .. } = set.as_ref();
    let cell = |cell: &kernel::Cell| {
        let at = room.shelf().def.position(&cell.column).filter(|at| readable.has(*at))?;
        let field = room.shelf().field(at)?;
        let value = |bind: &Bind| match bind {
            Bind::Me => "you".to_owned(),
            Bind::Text(text) => words::human(text),
            Bind::Int(n) if field.kind == manifest::Kind::Boolean => words::yes(*n != 0).to_owned(),
            Bind::Int(n) => n.to_string(),
        };
        let values: Vec<String> = cell.any.iter().map(value).collect();
        Some(format!("{} is {}", field.label, words::either(&values)))
    };
    let known: Option<Vec<String>> = match any.as_slice() {
        [only] => only.iter().map(cell).collect(),
        _ => None,
    };
    match known {
        Some(all) if !all.is_empty() => format!("Your role may do this only while {}.", words::both(&all)),
        _ => "Your role may not do this with this record.".to_owned(),
    }
}

/// Actions that take something back or end it: never the first thing to do.
const ENDS: [&str; 14] = [
    "unpublish",
    "cancel",
    "refund",
    "reject",
    "decline",
    "void",
    "archive",
    "close",
    "revoke",
    "stop",
    "withdraw",
    "pause",
    "lose",
    "terminate",
];

/// Buttons for what can be done, the first of them as the thing to do.
pub(crate) fn buttons(deeds: &[Deed], home: &str, version: i64) -> Markup {
    let open: Vec<&Deed> = deeds.iter().filter(|d| d.barred.is_none()).collect();
    let first = open.iter().find(|d| d.moves).map(|d| d.id);
    html! {
        @for deed in open.iter().filter(|d| !d.danger) { (button(deed, home, version, Some(deed.id) == first)) }
    }
}

/// Deletion, apart from everything else.
pub(crate) fn ends(deeds: &[Deed], home: &str) -> Markup {
    html! {
        @for deed in deeds.iter().filter(|d| d.danger && d.barred.is_none()) {
            p { (Button::link(format!("{}…", deed.label), format!("{home}/{}", deed.id)).danger().small()) }
        }
    }
}

fn button(deed: &Deed, home: &str, version: i64, primary: bool) -> Markup {
    let href = match deed.id {
        "edit" | "delete" => format!("{home}/{}", deed.id),
        action => format!("{home}/actions/{action}"),
    };
    let look = |button: Button| if primary { button.primary() } else { button };
    if deed.asks {
        return html! { (look(Button::link(deed.label.clone(), href))) };
    }
    let inside = html! {
        input type="hidden" name=(VERSION) value=(version);
        (look(Button::submit(deed.label.clone())))
    };
    form(&href, inside)
}

/// What cannot be done now, with the reason of each.
pub(crate) fn reasons(deeds: &[Deed]) -> Markup {
    let barred: Vec<(&str, &str)> =
        deeds.iter().filter_map(|d| Some((d.label.as_str(), d.barred.as_deref()?))).collect();
    html! {
        @if !barred.is_empty() {
            details.reasons {
                summary { "Not possible now (" (barred.len()) ")" }
                dl.facts { @for (label, why) in barred { div { dt { (label) } dd { (why) } } } }
            }
        }
    }
}
