//! Files come in forms of their own: one file each, streamed, by the same functions as the API's.

use std::{fmt, sync::Arc};

use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use kernel::Failure;
use manifest::{Field as Def, Kind};
use maud::{Markup, html};
use route::{
    BodyStream, Changing, Done, Html, Input, Intake, Mishap, Raw, Redraw, Reply,
    page::{Button, Field, Notice, Screen, form_files, see_other},
};
use serde_json::Value as Json;

use super::{Tray, ask::Asked, look, member, record, words};
use crate::http::{Upload, keep, put_file};

/// Name of the one part.
const PART: &str = "file";
/// Bytes of a form around its file.
pub(crate) const AROUND: u64 = 64 * 1024;

/// Largest file of a field, in bytes.
pub(crate) fn cap(field: &Def) -> u64 {
    field.max.and_then(|m| u64::try_from(m).ok()).unwrap_or(10_000_000)
}

/// A form for one file.
pub(crate) fn form(field: &Def, action: &str, error: Option<&str>) -> Markup {
    let Kind::File { accept } = &field.kind else { return html! {} };
    let kinds = if accept.is_empty() { String::new() } else { format!(" Of type {}.", words::either(accept)) };
    let hint = format!("At most {}.{kinds}", look::size(cap(field)));
    let inside = html! {
        (Field::file(PART, field.label.clone()).required(true).hint(hint).error(error).attr("accept", accept.join(",")).id(format!("f-{}", field.id)))
        div.actions { (Button::submit("Upload").primary()) }
    };
    form_files(action, inside)
}

/// A form with one file, as it arrives.
pub(crate) struct Sent {
    pub(crate) asked: Asked,
    boundary: Option<String>,
    /// Shared between nobody; the lock makes it `Sync`.
    body: std::sync::Mutex<Option<BodyStream>>,
}

impl Input for Sent {
    const INTAKE: Intake = Intake::Stream(10_000_000);
    fn read(mut raw: Raw) -> Result<Self, Failure> {
        let boundary = raw.header("content-type").and_then(|t| multer::parse_boundary(t).ok());
        let body = std::sync::Mutex::new(raw.stream.take());
        Ok(Self { asked: Asked::read(raw)?, boundary, body })
    }
    fn schema() -> Json {
        Json::Null
    }
}

/// A failure on its way through the reader of parts.
#[derive(Debug)]
struct Carried(Failure);
impl fmt::Display for Carried {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the body ended badly")
    }
}
impl std::error::Error for Carried {}

fn failure(error: multer::Error) -> Failure {
    let told = match &error {
        multer::Error::StreamReadFailed(inner) => inner.downcast_ref::<Carried>().map(|c| c.0.clone()),
        _ => None,
    };
    told.unwrap_or_else(|| Failure::bad("the form is not whole"))
}

impl Sent {
    /// The file, as it streams in.
    ///
    /// # Errors
    /// `Invalid` when none was chosen.
    pub(crate) async fn file(&self) -> Result<Upload, Failure> {
        let taken = self.body.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
        let (Some(body), Some(boundary)) = (taken, &self.boundary) else {
            return Err(Failure::UnsupportedType("multipart/form-data".into()));
        };
        let body = Locked(body).map(|piece| piece.map_err(Carried));
        let mut parts = multer::Multipart::new(body, boundary.clone());
        while let Some(part) = parts.next_field().await.map_err(failure)? {
            if part.name() != Some(PART) {
                continue;
            }
            let name = part.file_name().map(str::to_owned).filter(|n| !n.is_empty());
            let kind = part.content_type().map(|m| m.essence_str().to_ascii_lowercase());
            if name.is_none() {
                return Err(Failure::field(PART, "required", "choose a file"));
            }
            let pieces = stream::unfold((part, parts), |(mut part, parts)| async move {
                let piece = part.chunk().await.transpose()?.map_err(failure);
                Some((piece, (part, parts)))
            });
            return Ok(Upload { name, kind, body: Box::pin(pieces) });
        }
        Err(Failure::field(PART, "required", "choose a file"))
    }
}

/// The stream, as the reader of parts takes it.
struct Locked(BodyStream);
impl Stream for Locked {
    type Item = Result<Bytes, Failure>;
    fn poll_next(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Self::Item>> {
        self.0.poll_next_unpin(cx)
    }
}

/// A file for a record that is still to be made: then the rest of its form.
pub(super) async fn add(tray: Arc<Tray>, call: Changing<Sent>) -> Result<Done<Reply>, Failure> {
    let (tx, input) = (call.tx, call.input);
    let who = tx.permit().principal().clone();
    member(&who)?;
    let upload = input.file().await?;
    let (receipt, metadata, _) = keep(&tray.drawer, tx, upload).await.map_err(named)?;
    let (id, field) = (metadata.get("id").and_then(Json::as_str).unwrap_or(""), field(&tray).map_or("", |f| f.id));
    Ok(Done::created(receipt, see_other(format!("{}/new?{field}={id}", tray.room.home(&who)))))
}

pub(super) async fn add_again(tray: Arc<Tray>, again: Redraw<Asked>) -> Result<Html, Failure> {
    let who = again.call.tx.permit().principal();
    member(who)?;
    let home = tray.room.home(who);
    let screen = Screen::new("That file was not taken", super::place(tray.room.shelf())).notice(told(&again.mishap));
    let form = field(&tray).map(|f| form(f, &format!("{home}/files/{}", f.id), again.mishap.error(PART)));
    Ok(tray.room.frame.page(who, screen.body(form.unwrap_or_default())))
}

/// A file for a record that is there.
pub(super) async fn set(tray: Arc<Tray>, call: Changing<Sent>) -> Result<Done<Reply>, Failure> {
    let (tx, input) = (call.tx, call.input);
    let who = tx.permit().principal().clone();
    member(&who)?;
    let (id, expected) = (input.asked.id()?, input.asked.get("version").and_then(|v| v.parse().ok()));
    let upload = input.file().await?;
    let receipt = put_file(&tray.drawer, tx, &id, expected, upload).await.map_err(named)?;
    Ok(Done::ok(receipt, see_other(format!("{}/{id}?said=file", tray.room.home(&who)))))
}

pub(super) async fn set_again(tray: Arc<Tray>, again: Redraw<Asked>) -> Result<Html, Failure> {
    let (tx, id) = (&again.call.tx, again.call.input.id()?);
    member(tx.permit().principal())?;
    record::page(&tray.room, tx, &id, None, Some(told(&again.mishap))).await
}

fn field(tray: &Tray) -> Option<&Def> {
    tray.room.shelf().field(tray.drawer.field)
}

/// What the API says of the whole body is said of the one part here.
fn named(failure: Failure) -> Failure {
    match failure {
        Failure::UnsupportedType(_) => Failure::field(PART, "type", "not a file of a type that is taken here"),
        Failure::TooLarge(most) => Failure::Invalid(vec![kernel::FieldError {
            field: PART.to_owned(),
            code: "too_large",
            detail: format!("at most {}", look::size(most)).into(),
        }]),
        other => other,
    }
}

fn told(mishap: &Mishap) -> Notice {
    match mishap.error(PART) {
        Some(detail) => Notice::bad(format!("The file was not taken: {detail}.")),
        None => mishap.notice(),
    }
}
