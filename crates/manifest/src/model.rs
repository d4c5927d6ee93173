//! What an app is, after every default was filled in and every rule checked. Other crates see only this.
//! Names (`&'static str`) are interned: they live as long as the program.

use std::collections::BTreeMap;

/// Milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Millis(pub i64);

/// One app: a product as its team declares it.
#[derive(Clone, Debug)]
pub struct App {
    /// ASCII id: data folder, token issuer.
    pub id: &'static str,
    /// Name for people.
    pub name: String,
    /// One line under the name.
    pub tagline: String,
    /// `#rrggbb`.
    pub color: String,
    /// The app's domain in production; `localhost` on a development server.
    pub domain: String,
    /// ISO 4217 code: all money of an app has one currency.
    pub currency: &'static str,
    /// What a tenant is called and how one is found.
    pub tenant: Tenancy,
    /// At least one; the first is where new tenants go unless told otherwise.
    pub regions: Vec<Region>,
    /// Folder of static files for each tenant's host, relative to the app folder.
    pub site: Option<String>,
    /// Roles in the file's order; index 0 owns the tenant. At most 64.
    pub roles: Vec<Role>,
    /// What a person without an account may do.
    pub visitor: Grants,
    /// Custom roles.
    pub custom_roles: CustomRoles,
    /// Collections in the file's order.
    pub collections: Vec<Collection>,
    /// Public forms.
    pub submissions: Vec<Submission>,
    /// Public links with an optional PIN.
    pub shares: Vec<Share>,
    /// Signing in.
    pub auth: Auth,
    /// Sessions.
    pub sessions: Sessions,
    /// API keys.
    pub keys: ApiKeys,
    /// The SaaS team's own people.
    pub operators: Operators,
    /// Paid features.
    pub modules: Vec<Module>,
    /// Every tier in force, built-in ones included, by name.
    pub limits: Limits,
    /// TLS, HSTS, flood caps.
    pub edge: Edge,
    /// Encryption.
    pub encryption: Encryption,
    /// Audit.
    pub audit: Audit,
    /// Backups.
    pub backups: Backups,
    /// Export, purge, billing retention.
    pub data: Data,
    /// Payments, if any.
    pub payments: Option<Payments>,
    /// Outgoing mail.
    pub mail: Mail,
    /// Outside services.
    pub connectors: Vec<Connector>,
    /// Inbound webhooks.
    pub webhooks_in: Vec<InboundWebhook>,
    /// Outbound webhooks.
    pub webhooks_out: OutboundWebhooks,
    /// Metered secrets.
    pub secrets: Vec<MeteredSecret>,
    /// Logs and error reports.
    pub observability: Observability,
    /// The page's own data.
    pub page: PageInfo,
    /// How to report a weakness.
    pub disclosure: Disclosure,
    /// Attestations.
    pub attest: Attest,
    /// Probing.
    pub verify: Verify,
    /// Demo tenants of a development server.
    pub demo: Vec<DemoTenant>,
    /// Every key of the file with defaults filled in, as a tree: what figures `{key.path}` are printed from.
    pub figures: BTreeMap<String, Figure>,
    /// Paths among the figures that the file does not write: their defaults are in force.
    pub defaults: Vec<String>,
    /// Collections that tenants declare themselves.
    pub content_types: ContentTypes,
    /// A copy in a second region, if the app offers it.
    pub failover: Option<Failover>,
}

/// `[content_types]`.
#[derive(Clone, Copy, Debug)]
pub struct ContentTypes {
    /// How many a tenant may declare; 0: off.
    pub per_tenant: u32,
    /// Fields of one.
    pub fields: u32,
}

/// `[failover]`.
#[derive(Clone, Debug)]
pub struct Failover {
    /// How often the copy is renewed.
    pub every: Millis,
    /// ISO 3166 countries it may lie in; `["EU"]` for any member state.
    pub targets: Vec<String>,
    /// Role that wakes it.
    pub promoted_by: &'static str,
    /// From the click to reading and writing.
    pub ready_in: Millis,
}

/// A value a page may print, with its type so that it prints as speech.
#[derive(Clone, Debug, PartialEq)]
pub enum Figure {
    /// Text, printed as it is.
    Text(String),
    /// A whole number.
    Number(i64),
    /// "15 minutes".
    Duration(Millis),
    /// "8 MB"; bytes.
    Size(u64),
    /// "12 a minute per address".
    Rates(Vec<Rate>),
    /// "yes" or "no".
    Flag(bool),
    /// "a, b and c"; `none` when empty. `.count` prints its length.
    List(Vec<String>),
    /// Tables: printed by the labels of their members, like a list.
    Table(Vec<String>),
}

/// `[tenant]`.
#[derive(Clone, Debug)]
pub struct Tenancy {
    /// "restaurant".
    pub noun: String,
    /// "restaurants".
    pub plural: String,
    /// "restaurant_id": the tenant's name in exports, events and tokens.
    pub key: String,
    /// Tenants are found by host name (subdomain).
    pub subdomain: bool,
    /// ... and by custom domains.
    pub custom_domain: bool,
    /// Tenants are found by `/w/<slug>` on the shared host, among the caller's memberships. Excludes the others.
    pub membership_slug: bool,
    /// First label of the shared host.
    pub host: String,
    /// Whether two tenants may have one slug.
    pub slug_unique: bool,
    /// Reserved names, the built-in ones included; lower-case ASCII.
    pub reserved: Vec<String>,
    /// Delivery without an account: the path with `{..._id}` in it.
    pub public_path: Option<String>,
    /// Who may make tenants.
    pub sign_up: SignUp,
}

/// Who may make tenants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignUp {
    /// Anybody.
    Open,
    /// Invited people.
    Invite,
    /// Operators.
    Operator,
}

/// `[regions.ID]`.
#[derive(Clone, Debug)]
pub struct Region {
    /// Its id.
    pub id: &'static str,
    /// For people.
    pub label: String,
    /// ISO 3166.
    pub country: Option<String>,
    /// Where its root key comes from.
    pub root_key: Pointer,
    /// Database, if not the default.
    pub database: Option<Pointer>,
    /// Object store, if not the default.
    pub blobs: Option<Pointer>,
    /// Where its backups go; empty: as `[backups] to` says.
    pub backups: Vec<Pointer>,
}

/// A pointer to a secret or setting: never the secret itself.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Pointer {
    /// Environment variable.
    Env(String),
    /// File.
    File(String),
    /// A key service.
    Kms(String),
}

/// `[roles.R]`.
#[derive(Clone, Debug)]
pub struct Role {
    /// Its id.
    pub id: &'static str,
    /// For people.
    pub label: String,
    /// The role of an invitation that names none.
    pub default: bool,
    /// What everybody of the role may do.
    pub floor: Grants,
    /// What a custom role may raise them to; equals the floor when none is written.
    pub ceiling: Grants,
}

/// Rights, compiled: sorted by collection position; `like` and `*` are already resolved.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grants {
    /// By position in `App::collections`; absent: nothing. Parts (`part_of`) hold their parent's rights already.
    pub collections: BTreeMap<usize, CollectionGrant>,
    /// Tenant resources: name -> what.
    pub tenant: BTreeMap<&'static str, Manage>,
}

/// Right on a tenant resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Manage {
    /// See it.
    Read,
    /// See and change it.
    Manage,
}

/// Rights on one collection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CollectionGrant {
    /// Verb (`read`, `read_draft`, `create`, `write`, `delete`, `publish`, `submit`, or a declared action) -> the rows it
    /// reaches. `read_draft` always comes with `read`.
    pub verbs: BTreeMap<&'static str, GrantRows>,
    /// Fields by position that may be read, where `read` is held.
    pub read: kernel::FieldSet,
    /// Fields by position that may be changed, where `write` is held.
    pub write: kernel::FieldSet,
    /// Fields by position that may be set in a new record, where `create` is held.
    pub create: kernel::FieldSet,
}

/// Rows a verb reaches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GrantRows {
    /// All of the tenant's.
    All,
    /// Rows of any of these named sets; each is a conjunction of equalities.
    Any(Vec<Vec<Equal>>),
}

/// One equality of a row set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Equal {
    /// Column name: a field's, or `created_by`, `published`. In a right that a part inherits, the parent's column
    /// behind the part's reference field: `order.status`.
    pub column: String,
    /// One of these must match.
    pub any: Vec<Literal>,
}

/// A value in the manifest, in stored form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Literal {
    /// Integers, booleans (0, 1), money (minor units), decimals (millionths), date-times (ms).
    Int(i64),
    /// Text, enum values, dates.
    Text(String),
    /// `@me`.
    Me,
}

/// `[custom_roles]`.
#[derive(Clone, Debug)]
pub struct CustomRoles {
    /// Module that gates them.
    pub module: Option<&'static str>,
    /// How many one member may hold.
    pub per_member: u32,
    /// Verbs they may grant.
    pub verbs: Vec<&'static str>,
}

/// `[collections.C]`.
#[derive(Clone, Debug)]
pub struct Collection {
    /// Its id: the table's and the URL's name.
    pub id: &'static str,
    /// For people.
    pub label: String,
    /// Records start as drafts and are published.
    pub drafts: bool,
    /// Versions kept: 0 none, `u32::MAX` all.
    pub versions: u32,
    /// Records are never changed or deleted.
    pub append_only: bool,
    /// (position of the parent collection, position of the reference field here).
    pub part_of: Option<(usize, usize)>,
    /// Keys of several fields, by position.
    pub unique: Vec<Vec<usize>>,
    /// Field that holds who a record is assigned to.
    pub assigned_to: Option<usize>,
    /// Field that holds the team.
    pub team: Option<usize>,
    /// Field that says whose data a row is.
    pub subject: Option<usize>,
    /// At most 128, in the file's order.
    pub fields: Vec<Field>,
    /// Named row sets.
    pub rows: BTreeMap<&'static str, Vec<Equal>>,
    /// Declared actions; with `drafts`, `publish` is among them.
    pub actions: Vec<Action>,
}

impl Collection {
    /// Position of the field called `name`.
    #[must_use]
    pub fn position(&self, name: &str) -> Option<usize> {
        self.fields.iter().position(|f| f.id == name)
    }
}

/// One field.
#[derive(Clone, Debug)]
pub struct Field {
    /// Its id: the column's and the JSON member's name.
    pub id: &'static str,
    /// For people.
    pub label: String,
    /// Type with its own parameters.
    pub kind: Kind,
    /// Must be given at creation.
    pub required: bool,
    /// No two records share it.
    pub unique: bool,
    /// Stored form of the default.
    pub default: Option<Literal>,
    /// Personal data.
    pub personal: bool,
    /// Sealed before it is written.
    pub encrypted: bool,
    /// An index is kept for filters.
    pub index: Index,
    /// Never accepted from outside.
    pub read_only: bool,
    /// Lower bound in stored form (length for texts).
    pub min: Option<i64>,
    /// Upper bound in stored form (characters for texts, bytes for json and file).
    pub max: Option<i64>,
    /// Anchored regular expression.
    pub pattern: Option<String>,
    /// Where the value comes from, when not from outside.
    pub derived: Option<Derived>,
    /// Holds several values (text, enum, reference): a JSON array.
    pub many: bool,
}

/// Index of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Index {
    /// None.
    No,
    /// Ordinary.
    Plain,
    /// Keyed hash of an encrypted value: equality only.
    Blind,
}

/// A field's type. Column type in brackets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Plain text [TEXT].
    Text,
    /// HTML, sanitised on write and at display [TEXT].
    RichText,
    /// [INTEGER].
    Integer,
    /// Up to six fractional digits, stored as millionths [INTEGER]; a number in JSON.
    Decimal,
    /// Minor units of the app's currency [INTEGER]; "12.50 EUR" in JSON.
    Money,
    /// 0 or 1 [INTEGER].
    Boolean,
    /// `2026-05-04` [TEXT].
    Date,
    /// Milliseconds since the epoch [INTEGER]; RFC 3339 in JSON.
    DateTime,
    /// One of these [TEXT].
    Enum(Vec<String>),
    /// [TEXT].
    Email,
    /// http or https [TEXT].
    Url,
    /// Any JSON [TEXT].
    Json,
    /// Another collection's record, or a member [TEXT].
    Reference {
        /// Where it points.
        to: Target,
        /// Only published records may be referred to, or those of the named row set.
        only: Option<Vec<Equal>>,
        /// What deleting the target does.
        on_delete: OnDelete,
    },
    /// An uploaded file's metadata [TEXT].
    File {
        /// Accepted types: `image/png`, `image/*`.
        accept: Vec<String>,
    },
    /// Sealed, never read back [BLOB].
    Secret,
}

/// Where a reference points.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// A collection by position.
    Collection(usize),
    /// A member of the tenant.
    Members,
}

/// What deleting the target of a reference does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnDelete {
    /// The deletion is refused.
    Refuse,
    /// The record goes too.
    Cascade,
    /// The reference is emptied.
    Clear,
}

/// Where a derived field's value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Derived {
    /// 1, 2, 3, ... per tenant.
    Sequence,
    /// Sum of a field of the parts: (collection, field).
    Sum(usize, usize),
    /// Product of two fields here.
    Product(usize, usize),
    /// Value of a field of the referred record at creation: (reference field here, field there).
    Copy(usize, usize),
}

/// `[collections.C.actions.A]`.
#[derive(Clone, Debug)]
pub struct Action {
    /// Its id: the verb's and the URL's name.
    pub id: &'static str,
    /// For people.
    pub label: String,
    /// Inputs, typed like fields.
    pub input: Vec<Field>,
    /// Must hold before.
    pub when: Vec<Guard>,
    /// What changes.
    pub set: Vec<(usize, Set)>,
    /// Must hold after.
    pub ensure: Vec<Guard>,
    /// Publishes (`true`) or unpublishes (`false`) the record.
    pub published: Option<bool>,
    /// Field that schedules publishing.
    pub at: Option<usize>,
    /// Records made besides: (collection, its fields).
    pub create: Vec<(usize, Vec<(usize, Set)>)>,
    /// Name of the audit leaf.
    pub audit: &'static str,
    /// Name of the outgoing event.
    pub event: &'static str,
    /// Limit tier.
    pub limit: &'static str,
    /// The person must have proved who they are within this time.
    pub step_up: Option<Millis>,
    /// Asks before acting.
    pub confirm: bool,
}

/// One comparison.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Guard {
    /// What is compared.
    pub left: Operand,
    /// How.
    pub is: Test,
}

/// What a guard compares or a set takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operand {
    /// A field of the record, by position.
    Field(usize),
    /// Whether the record is published.
    Published,
    /// An input of the action, by position.
    Input(usize),
    /// A literal in stored form.
    Value(Literal),
    /// The present moment.
    Now,
}

/// How a guard compares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Test {
    /// One of these values.
    In(Vec<Literal>),
    /// Has a value.
    Set,
    /// Has none.
    Unset,
    /// `<`.
    Less(Operand),
    /// `<=`.
    AtMost(Operand),
    /// `>`.
    More(Operand),
    /// `>=`.
    AtLeast(Operand),
}

/// What an action writes into a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Set {
    /// A literal.
    Value(Literal),
    /// Nothing.
    Empty,
    /// The acting member.
    Me,
    /// The present moment.
    Now,
    /// The record's id (in `create`).
    Record,
    /// An input, by position.
    Input(usize),
    /// Adds a number or an input.
    Add(Operand),
    /// Takes it away.
    Subtract(Operand),
    /// The literal, if after the change the two fields are equal.
    ValueIf(Literal, usize, usize),
}

/// `[submissions.S]`.
#[derive(Clone, Debug)]
pub struct Submission {
    /// Its id: the URL's name.
    pub id: &'static str,
    /// Collection that gets the record.
    pub creates: usize,
    /// Fields accepted, by position.
    pub fields: Vec<usize>,
    /// Parts accepted: (collection, its fields, at most so many).
    pub children: Vec<(usize, Vec<usize>, u32)>,
    /// References made along: (field here, fields there).
    pub references: Vec<(usize, Vec<usize>)>,
    /// Fields set by us.
    pub sets: Vec<(usize, Literal)>,
    /// Limit tier.
    pub limit: &'static str,
    /// A hidden member `website` must stay empty.
    pub honeypot: bool,
    /// Sent too fast after the form was loaded is refused.
    pub timing: bool,
}

/// `[shares.S]`.
#[derive(Clone, Debug)]
pub struct Share {
    /// Its id.
    pub id: &'static str,
    /// What is shown: (collection, fields); the first is the shared record's.
    pub shows: Vec<(usize, Vec<usize>)>,
    /// Digits of the PIN; 0: none.
    pub pin: u8,
    /// How long a link lives.
    pub ttl: Millis,
    /// Limit tier.
    pub limit: &'static str,
}

/// Sign-in methods.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Password.
    Password,
    /// WebAuthn.
    Passkey,
    /// Time-based codes.
    Totp,
    /// Mailed links.
    MagicLink,
    /// Google.
    Google,
    /// SAML.
    Saml,
}

impl Method {
    /// Its name in the manifest.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Password => "password",
            Self::Passkey => "passkey",
            Self::Totp => "totp",
            Self::MagicLink => "magic_link",
            Self::Google => "google",
            Self::Saml => "saml",
        }
    }
}

/// `[auth]`.
#[derive(Clone, Debug)]
pub struct Auth {
    /// In the file's order; empty in delegated mode.
    pub methods: Vec<Method>,
    /// Delegated mode.
    pub issuer: Option<Issuer>,
    /// Second factor.
    pub mfa: Mfa,
    /// Scheme of password hashes.
    pub password: PasswordScheme,
    /// At sign-in a hidden member `website` must stay empty.
    pub honeypot: bool,
    /// What an outage of the breach list does.
    pub breach_closed: bool,
    /// Lockout.
    pub lockout: Lockout,
    /// Life of a magic link.
    pub magic_link: Millis,
    /// Life of a reset token.
    pub reset: Millis,
    /// Life of a verification token.
    pub verify: Millis,
    /// A passkey is offered only after the first sign-in.
    pub passkey_later: bool,
    /// SAML.
    pub saml: Saml,
    /// Module that gates SCIM.
    pub scim: Option<&'static str>,
    /// Google's client id and secret.
    pub google: Option<(Pointer, Pointer)>,
}

/// `saml`.
#[derive(Clone, Copy, Debug)]
pub struct Saml {
    /// Module that gates it.
    pub module: Option<&'static str>,
    /// Clock skew allowed.
    pub skew: Millis,
    /// Whether sign-in may start at the identity provider.
    pub idp_initiated: bool,
}

/// An outside issuer.
#[derive(Clone, Debug)]
pub struct Issuer {
    /// `iss`.
    pub url: String,
    /// `aud`.
    pub audience: String,
    /// Claim that names the tenant.
    pub tenant_claim: String,
}

/// Whether a second factor is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mfa {
    /// Each decides.
    Optional,
    /// The tenant decides.
    Tenant,
    /// Always.
    Required,
}

/// Scheme of password hashes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PasswordScheme {
    /// argon2id, 19 MiB, t=2, p=1.
    Argon2id,
    /// bcrypt, cost 12.
    Bcrypt,
}

/// `lockout`.
#[derive(Clone, Copy, Debug)]
pub struct Lockout {
    /// Consecutive failures.
    pub failures: u32,
    /// For how long.
    pub lasts: Millis,
}

/// `[sessions]`.
#[derive(Clone, Debug)]
pub struct Sessions {
    /// Life of an access token.
    pub access_token: Millis,
    /// Window in which the last spent refresh token is answered again.
    pub reuse_window: Millis,
    /// A session unused for so long ends.
    pub idle: Millis,
    /// Every session ends after so long.
    pub absolute: Millis,
    /// Where the signing key comes from; none: derived from the region's root.
    pub key: Option<Pointer>,
    /// Least length of that key, in bits.
    pub min_bits: u32,
    /// Access tokens are signed with Ed25519 instead of HMAC.
    pub eddsa: bool,
}

/// `[keys]`.
#[derive(Clone, Debug)]
pub struct ApiKeys {
    /// Text before the key.
    pub prefix: String,
    /// Scope of a new key.
    pub default: &'static str,
    /// Calls a minute.
    pub minute: u64,
    /// Calls a month.
    pub month: u64,
    /// Scope -> verbs; `all` stands for every verb, `actions` for the declared ones.
    pub scopes: Vec<(&'static str, Vec<&'static str>)>,
}

/// `[operators]`.
#[derive(Clone, Debug)]
pub struct Operators {
    /// Their mail addresses.
    pub names: Vec<String>,
    /// Longest elevation.
    pub elevate: Millis,
    /// Longest time between reviews.
    pub review: Millis,
}

/// `[modules.M]`.
#[derive(Clone, Debug)]
pub struct Module {
    /// Its id.
    pub id: &'static str,
    /// For people.
    pub label: String,
    /// Text.
    pub price: String,
    /// On for new tenants.
    pub on: bool,
    /// What it gates: `custom_roles`, `keys`, `auth.saml`, `auth.scim`, `failover`, a collection, or `C.action`.
    pub gates: Vec<String>,
    /// What must be signed to switch it on: (role, file of the text).
    pub consent: Option<(&'static str, String)>,
}

/// `[limits]`.
#[derive(Clone, Debug)]
pub struct Limits {
    /// By name.
    pub tiers: BTreeMap<&'static str, Vec<Rate>>,
    /// How repeat offences lengthen the block.
    pub repeat: Vec<Millis>,
    /// Tiers that the file writes itself.
    pub own: Vec<&'static str>,
}

/// One rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// So many.
    pub count: u32,
    /// In so long.
    pub window: Millis,
    /// For each.
    pub per: Per,
}

/// What a rate counts for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Per {
    /// Client address (/64 for IPv6).
    Ip,
    /// Account: the signed-in user, or the address that a sign-in names.
    Account,
    /// API key.
    Key,
    /// Tenant.
    Tenant,
    /// Source of an inbound webhook.
    Source,
    /// The route as a whole.
    Route,
}

/// `[edge]`.
#[derive(Clone, Debug)]
pub struct Edge {
    /// Least TLS version: "1.2" or "1.3".
    pub tls_min: String,
    /// Preferred.
    pub tls_prefer: String,
    /// HSTS.
    pub hsts: Hsts,
    /// Public ports.
    pub ports: Vec<u16>,
    /// CIDRs, or `env:` pointers to lists of them, whose forwarding headers are believed.
    pub proxies: Vec<String>,
    /// Caps.
    pub flood: Flood,
    /// Who may reach the origin past a proxy.
    pub origin_lock: OriginLock,
    /// Sources of addresses turned away.
    pub blocklist: Vec<Pointer>,
    /// Oldest list in force.
    pub blocklist_age: Millis,
    /// Databases and stores may be reached over private addresses only; otherwise over verified TLS too.
    pub private_services: bool,
}

/// How the origin is locked against whoever goes around the proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OriginLock {
    /// Not at all.
    None,
    /// The proxy shows a client certificate.
    ClientCertificate,
    /// The proxy sends a shared secret.
    Secret(Pointer),
}

/// HSTS.
#[derive(Clone, Copy, Debug)]
pub struct Hsts {
    /// How long.
    pub max_age: Millis,
    /// Subdomains too.
    pub include_subdomains: bool,
    /// Says so to the lists.
    pub preload: bool,
}

/// Caps against floods.
#[derive(Clone, Copy, Debug)]
pub struct Flood {
    /// Connections of one address.
    pub connections_per_ip: u32,
    /// Until the header is read.
    pub header: Millis,
    /// Between two pieces of a body.
    pub body_idle: Millis,
    /// For the whole request.
    pub total: Millis,
    /// Header bytes.
    pub header_bytes: u64,
    /// Body bytes of ordinary requests.
    pub body: u64,
}

/// `[encryption]`.
#[derive(Clone, Debug)]
pub struct Encryption {
    /// "program" or "volume".
    pub at_rest: String,
    /// Age at which keys rotate.
    pub rotate: Millis,
}

/// `[audit]`.
#[derive(Clone, Debug)]
pub struct Audit {
    /// How long leaves are kept.
    pub retention: Millis,
    /// Patterns of sensitive events.
    pub sensitive: Vec<String>,
}

/// `[backups]`.
#[derive(Clone, Debug)]
pub struct Backups {
    /// Newest so many are kept.
    pub keep: u32,
    /// Every so often.
    pub every: Millis,
    /// Point-in-time window.
    pub window: Millis,
    /// Longest archive lag.
    pub lag: Millis,
    /// Where they go; empty: a folder `backups/`.
    pub to: Vec<Pointer>,
}

/// `[data]`.
#[derive(Clone, Debug)]
pub struct Data {
    /// Formats.
    pub formats: Vec<String>,
    /// Collections exported, by position.
    pub export: Vec<usize>,
    /// Deleted tenants are gone after.
    pub purge: Millis,
    /// Billing rows stay for.
    pub billing: Millis,
}

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

/// `[secrets.S]`.
#[derive(Clone, Debug)]
pub struct MeteredSecret {
    /// Its id.
    pub id: &'static str,
    /// Where it comes from.
    pub from: Pointer,
    /// Longest age.
    pub max_age: Option<Millis>,
    /// Events that demand a new one.
    pub on: Vec<String>,
}

/// `[observability]`.
#[derive(Clone, Debug, Default)]
pub struct Observability {
    /// Sentry DSN.
    pub sentry: Option<Pointer>,
    /// OpenTelemetry endpoint.
    pub otlp: Option<Pointer>,
}

/// `[page]`.
#[derive(Clone, Debug, Default)]
pub struct PageInfo {
    /// Version.
    pub version: String,
    /// Date of the last review, as written.
    pub reviewed: String,
    /// Who owns the page.
    pub owner: String,
    /// Longest time between reviews.
    pub cadence: Option<Millis>,
}

/// `[disclosure]`.
#[derive(Clone, Debug, Default)]
pub struct Disclosure {
    /// Mail address.
    pub contact: String,
    /// Whether the file names it, as it must outside loopback.
    pub declared: bool,
    /// Time to the first answer, as written: "3 business days".
    pub ack: String,
    /// Time until disclosure.
    pub clock: Option<Millis>,
    /// What a report should hold.
    pub asks: Vec<String>,
    /// Whether reports are paid for.
    pub bounty: bool,
    /// Page of thanks.
    pub credit: String,
    /// Links by name.
    pub policies: Vec<(String, String)>,
}

/// `[attest]`.
#[derive(Clone, Debug)]
pub struct Attest {
    /// Longest age of a statement.
    pub default: Millis,
    /// Certificates held.
    pub certifications: Vec<String>,
    /// Frameworks followed.
    pub modelled_on: Vec<String>,
    /// PCI DSS questionnaire.
    pub pci: Option<String>,
}

/// `[verify]`.
#[derive(Clone, Debug)]
pub struct Verify {
    /// Between two rounds.
    pub every: Millis,
    /// Longest age of a verdict, by check.
    pub ages: BTreeMap<String, Millis>,
}

/// A demo tenant.
#[derive(Clone, Debug)]
pub struct DemoTenant {
    /// Slug.
    pub slug: String,
    /// Name.
    pub name: String,
    /// Region id.
    pub region: &'static str,
    /// Host part of its people's addresses: `<slug>.example`, counted on for a repeated slug.
    pub people: String,
}
