use std::sync::Arc;

use kernel::Failure;
use maud::html;
use route::{
    Asking, Html,
    page::{Ask, Empty, Screen, table_region},
};

use super::page;
use crate::Disclosure;

pub(super) async fn list(d: Arc<Disclosure>, call: Asking<Ask<()>>) -> Result<Html, Failure> {
    let mut seen = (d.setup()?.violations)();
    seen.sort_by_key(|one| std::cmp::Reverse(one.times));
    let body = html! {
        @if seen.is_empty() {
            (Empty::new("Nothing was blocked", "When a browser stops a script, a style or a connection on one of our pages, it tells us, and the kinds of \
                it are counted here since the server started. Nothing here is the usual state."))
        } @else {
            (table_region("Blocked by browsers", html! {
                table.table {
                    thead { tr { th.num scope="col" { "Times" } th scope="col" { "Rule" } th scope="col" { "Page" } th scope="col" { "What was blocked" } } }
                    tbody { @for one in &seen { tr {
                        td.num data-label="Times" { (one.times) }
                        td.main data-label="Rule" { code { (one.directive) } }
                        td data-label="Page" { (one.page) }
                        td data-label="What was blocked" { (one.blocked) }
                    } } }
                }
            }))
        }
    };
    let lead = html! { "What the content security policy stopped, as browsers reported it. The most frequent first." };
    page(&d, call.tx.permit().principal(), Screen::new("Blocked by browsers", "/operator/violations").lead(lead), body)
}
