//! `async fn(Asking<In>) -> Result<Out, Failure>` reads;
//! `async fn(Changing<In>) -> Result<Done<Out>, Failure>` changes, and must show a `Receipt`.

use std::{future::Future, pin::Pin, sync::Arc};

use http::{Method, StatusCode};
use kernel::{Action, Failure, Mode, Permit, Read, Write};
use serde_json::Value;
use store::{Receipt, Store, Tx};

use crate::{Input, Intake, Mishap, Output, Raw, Reply};

/// What a handler is given; nothing else of the server reaches it.
pub struct Call<M: Mode, In> {
    /// The store, under the permit.
    pub tx: Tx<M>,
    /// The typed input.
    pub input: In,
}
/// A call that reads.
pub type Asking<In> = Call<Read, In>;
/// A call that changes.
pub type Changing<In> = Call<Write, In>;

/// A form that was refused, to be shown again: path and query as an input, and the mishap.
pub struct Redraw<In> {
    /// Under a permit to read for the same action.
    pub call: Asking<In>,
    /// What is wrong, and what was typed.
    pub mishap: Mishap,
}

/// An answer to a changing call; only a durable commit gives one.
pub struct Done<Out>(StatusCode, Out);
impl<Out> Done<Out> {
    /// 200 (204 when there is nothing to say).
    pub fn ok(_: Receipt, body: Out) -> Self {
        Self(StatusCode::OK, body)
    }
    /// 201.
    pub fn created(_: Receipt, body: Out) -> Self {
        Self(StatusCode::CREATED, body)
    }
    /// 202: it goes on in the background.
    pub fn accepted(_: Receipt, body: Out) -> Self {
        Self(StatusCode::ACCEPTED, body)
    }
}

impl<Out> Done<Out> {
    /// The same change, told in another way: a page's redirect for what the API answers as JSON.
    pub fn answer<New>(self, body: New) -> Done<New> {
        Done(self.0, body)
    }
    /// The same change, told in another way.
    ///
    /// # Errors
    /// Those of `tell`.
    pub fn told<New>(self, tell: impl FnOnce(Out) -> Result<New, Failure>) -> Result<Done<New>, Failure> {
        Ok(Done(self.0, tell(self.1)?))
    }
}

/// An answer on its way.
pub type Pending = Pin<Box<dyn Future<Output = Result<Reply, Failure>> + Send>>;
type Erased<M> = Box<dyn Fn(&Store, Permit<M>, Raw, Prepare<M>) -> Pending + Send + Sync>;
type Again = Box<dyn Fn(&Store, Permit<Read>, Raw, Mishap) -> Pending + Send + Sync>;
type Prepare<M> = Option<Box<dyn FnOnce(&mut Tx<M>) + Send>>;

/// A handler with its types erased.
pub enum Run {
    /// Needs a permit to read.
    Read(Erased<Read>),
    /// Needs a permit to write.
    Write(Erased<Write>),
}

/// A handler and what was read off its types.
pub struct Serve {
    /// HTTP method.
    pub method: Method,
    /// Name of the audit leaf; empty for reads that leave none.
    pub event: &'static str,
    /// How the body is taken.
    pub intake: Intake,
    /// JSON Schema of the input.
    pub takes: Value,
    /// JSON Schema of the output.
    pub gives: Value,
    /// The handler.
    pub run: Run,
    /// A second right that must be held, whatever it reaches.
    pub also: Option<Action>,
    /// Where a browser's form goes wrong: the page again, with what is wrong and what was typed.
    pub redraw: Option<Again>,
}

impl Serve {
    /// A browser whose form was refused gets `handler`'s page, under the failure's status, instead of a problem document.
    #[must_use]
    pub fn redrawn<In, Out, F, Fut>(mut self, handler: F) -> Self
    where
        F: Fn(Redraw<In>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Out, Failure>> + Send + 'static,
        In: Input,
        Out: Output,
    {
        self.redraw = Some(Box::new(move |store, permit, raw, mishap| {
            let tx = Tx::open(store, permit);
            let status = StatusCode::from_u16(mishap.problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            let pending = In::read(raw).map(|input| handler(Redraw { call: Call { tx, input }, mishap }));
            Box::pin(async move { pending?.await?.reply(status) })
        }));
        self
    }
    /// With schemas known only at start, such as a collection's.
    #[must_use]
    pub fn described(mut self, takes: Value, gives: Value) -> Self {
        self.takes = takes;
        self.gives = gives;
        self
    }
    /// For those alone who hold this too.
    #[must_use]
    pub const fn also(mut self, action: Action) -> Self {
        self.also = Some(action);
        self
    }
    /// With another cap or way of taking the body.
    #[must_use]
    pub const fn taking(mut self, intake: Intake) -> Self {
        self.intake = intake;
        self
    }
}

/// A read.
pub fn get<In, Out, F, Fut>(handler: F) -> Serve
where
    F: Fn(Asking<In>) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<Out, Failure>> + Send + 'static,
    In: Input,
    Out: Output,
{
    let run = Run::Read(erase(handler, |out| (StatusCode::OK, out)));
    let (takes, gives) = (In::schema(), Out::schema());
    Serve { method: Method::GET, event: "", intake: Intake::None, takes, gives, run, also: None, redraw: None }
}

/// A POST that changes nothing: no leaf, no receipt.
pub fn post_read<In, Out, F, Fut>(handler: F) -> Serve
where
    F: Fn(Asking<In>) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<Out, Failure>> + Send + 'static,
    In: Input,
    Out: Output,
{
    Serve { method: Method::POST, intake: In::INTAKE, ..get(handler) }
}

/// A read that leaves a leaf: exports, reads of the log.
pub fn get_audited<In, Out, F, Fut>(event: &'static str, handler: F) -> Serve
where
    F: Fn(Changing<In>) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<Done<Out>, Failure>> + Send + 'static,
    In: Input,
    Out: Output,
{
    Serve { method: Method::GET, intake: Intake::None, ..post(event, handler) }
}

/// A change by POST. `event` names the leaf.
pub fn post<In, Out, F, Fut>(event: &'static str, handler: F) -> Serve
where
    F: Fn(Changing<In>) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<Done<Out>, Failure>> + Send + 'static,
    In: Input,
    Out: Output,
{
    let run = Run::Write(erase(handler, |Done(status, out)| (status, out)));
    let (takes, gives) = (In::schema(), Out::schema());
    Serve { method: Method::POST, event, intake: In::INTAKE, takes, gives, run, also: None, redraw: None }
}

macro_rules! methods {
    ($($(#[$doc:meta])* $name:ident $method:ident;)*) => {$(
        $(#[$doc])*
        pub fn $name<In, Out, F, Fut>(event: &'static str, handler: F) -> Serve
        where
            F: Fn(Changing<In>) -> Fut + Send + Sync + 'static,
            Fut: Future<Output = Result<Done<Out>, Failure>> + Send + 'static,
            In: Input,
            Out: Output,
        {
            Serve { method: Method::$method, ..post(event, handler) }
        }
    )*};
}
methods! {
    /// A change by PUT.
    put PUT;
    /// A change by PATCH.
    patch PATCH;
    /// A change by DELETE.
    delete DELETE;
}

/// Gives a handler its section's service: `post("note.created", with(&notes, create))`.
pub fn with<S, C, F, Fut>(service: &Arc<S>, handler: F) -> impl Fn(C) -> Fut + Send + Sync + 'static
where
    S: Send + Sync + 'static,
    F: Fn(Arc<S>, C) -> Fut + Send + Sync + 'static,
    Fut: Future,
{
    let service = Arc::clone(service);
    move |call| handler(Arc::clone(&service), call)
}

fn erase<M, In, Got, Out, F, Fut>(handler: F, answer: fn(Got) -> (StatusCode, Out)) -> Erased<M>
where
    M: Mode,
    F: Fn(Call<M, In>) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<Got, Failure>> + Send + 'static,
    In: Input,
    Got: Send + 'static,
    Out: Output,
{
    Box::new(move |store, permit, raw, prepare| {
        let mut tx = Tx::open(store, permit);
        if let Some(prepare) = prepare {
            prepare(&mut tx);
        }
        let pending = In::read(raw).map(|input| handler(Call { tx, input }));
        Box::pin(async move {
            let (status, body) = answer(pending?.await?);
            body.reply(status)
        })
    })
}
