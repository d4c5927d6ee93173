//! Systems outside: payments, mail, connectors, webhooks, telemetry.

use super::{Guard, Millis, Pointer, Set};

/// `[payments]`.
#[derive(Clone, Debug)]
pub struct Payments {
    /// "stripe".
    pub processor: String,
    /// "direct" or "connect".
    pub model: String,
    /// "hosted" or "frame".
    pub card_entry: String,
    /// The processor's API token.
    pub token: Option<Pointer>,
}

/// `[mail]`.
#[derive(Clone, Debug)]
pub struct Mail {
    /// From header.
    pub from: String,
    /// Where the SMTP URL comes from.
    pub smtp: Pointer,
    /// Region stated.
    pub region: Option<String>,
}

/// `[connectors.K]`.
#[derive(Clone, Debug)]
pub struct Connector {
    /// Its id.
    pub id: &'static str,
    /// Allowed domains.
    pub domains: Vec<String>,
    /// Signed in to by OAuth 2; otherwise by a token.
    pub oauth2: bool,
    /// OAuth client: id and secret.
    pub client: Option<(Pointer, Pointer)>,
}

/// `[webhooks.in.W]`.
#[derive(Clone, Debug)]
pub struct InboundWebhook {
    /// Its id.
    pub id: &'static str,
    /// Signature scheme.
    pub scheme: String,
    /// Secrets, newest first.
    pub secrets: Vec<Pointer>,
    /// What events do.
    pub on: Vec<InboundEvent>,
}

/// What one inbound event does, as the system.
#[derive(Clone, Debug)]
pub struct InboundEvent {
    /// The event's name at its sender.
    pub event: String,
    /// Collection of the record it is about.
    pub collection: usize,
    /// Unique field that finds the record; `None`: its id.
    pub field: Option<usize>,
    /// JSON pointer into the event (RFC 6901) to the value to find.
    pub pointer: String,
    /// Must hold before.
    pub when: Vec<Guard>,
    /// What changes.
    pub set: Vec<(usize, Set)>,
}

/// `[webhooks.out]`.
#[derive(Clone, Debug)]
pub struct OutboundWebhooks {
    /// Header's name.
    pub header: String,
    /// Event patterns.
    pub events: Vec<String>,
    /// How long attempts are kept.
    pub history: Millis,
    /// Waits between attempts.
    pub retries: Vec<Millis>,
}

/// `[observability]`.
#[derive(Clone, Debug, Default)]
pub struct Observability {
    /// Sentry DSN.
    pub sentry: Option<Pointer>,
    /// OpenTelemetry endpoint.
    pub otlp: Option<Pointer>,
}
