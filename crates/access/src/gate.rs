//! The gate `Principal + Action -> Permit`: the only place where permits are made.

use std::sync::{
    Arc, OnceLock, PoisonError, RwLock,
    atomic::{AtomicU64, Ordering},
};

use kernel::{
    Action, Actor, Clock, Credential, Failure, Grant, Mint, Mode, Outcome, Permit, Permits, Place, Principal, Reason,
    Status, TenantId, UserId, sabotage,
};
use manifest::App;
use store::Lookup;

use crate::{
    Right,
    matrix::{Column, Denied, Matrix, TENANT},
    refusals::Refusals,
    rights,
};

/// Name of the leaf that a refusal leaves.
pub const REFUSED: &str = "access.refused";
/// What an operator may do to records: the command line's bulk transfers, by the leaf that each leaves in the tenant's log.
const TRANSFERS: &[&str] = &["records.imported", "records.exported"];

/// Decides. One per server.
pub struct Access {
    mint: Mint<Permits>,
    lookup: Lookup,
    policy: RwLock<Arc<Policy>>,
    jobs: OnceLock<Vec<(&'static str, Action)>>,
    development: bool,
    clock: Arc<dyn Clock>,
    refusals: Refusals,
    counts: [AtomicU64; 2],
}

/// An app and its compiled rights, swapped together.
pub struct Policy {
    /// The app.
    pub app: Arc<App>,
    /// Its rights.
    pub matrix: Matrix,
}

/// How many requests were refused since the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counts {
    /// Nobody was signed in.
    pub visitors: u64,
    /// Somebody was.
    pub people: u64,
}

impl Access {
    /// `lookup` is for leaves of refusals; `development` opens the resource of that name.
    #[must_use]
    pub fn new(mint: Mint<Permits>, lookup: Lookup, app: Arc<App>, development: bool, clock: Arc<dyn Clock>) -> Self {
        let matrix = Matrix::compile(&app);
        let policy = RwLock::new(Arc::new(Policy { app, matrix }));
        let counts = [AtomicU64::new(0), AtomicU64::new(0)];
        Self { mint, lookup, policy, jobs: OnceLock::new(), development, clock, refusals: Refusals::default(), counts }
    }
    /// What each job may do: its own declared action and nothing else. Said once, when every section is known; until then
    /// no job may do anything.
    pub fn jobs(&self, jobs: Vec<(&'static str, Action)>) {
        drop(self.jobs.set(jobs));
    }
    /// Takes an edited app; requests under way keep what was decided.
    pub fn reload(&self, app: Arc<App>) {
        let matrix = Matrix::compile(&app);
        *self.policy.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(Policy { app, matrix });
    }
    pub(crate) const fn lookup(&self) -> &Lookup {
        &self.lookup
    }
    /// The rights in force.
    #[must_use]
    pub fn policy(&self) -> Arc<Policy> {
        Arc::clone(&self.policy.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The permit for a request, or its refusal. `noted`: the route changes something or reads something sensitive, so a
    /// refusal of a known person leaves a leaf; `event` is the route's own leaf, named in the refusal's.
    ///
    /// # Errors
    /// `SignInNeeded` for visitors, `NotFound` for people who are no members, `Refused` or `ModuleOff` for members; the
    /// store's, when the leaf of a refusal cannot be written.
    pub async fn permit<M: Mode>(
        &self,
        who: Principal,
        action: Action,
        event: &'static str,
        noted: bool,
    ) -> Result<Permit<M>, Failure> {
        match self.weighed(&who, action, event) {
            Ok(grant) => Ok(Permit::grant(&self.mint, who, event, grant)),
            Err(failure) if noted => Err(self.refused(&who, action, event, failure).await),
            Err(failure) => {
                self.count(&who);
                Err(failure)
            }
        }
    }

    /// The decision without a permit: for handlers that must know of a second action, and for consoles.
    ///
    /// # Errors
    /// As [`Access::permit`], without the store's.
    pub fn weigh(&self, who: &Principal, action: Action) -> Result<Grant, Failure> {
        self.weighed(who, action, "")
    }

    fn weighed(&self, who: &Principal, action: Action, event: &str) -> Result<Grant, Failure> {
        match self.judge(who, action, event) {
            Err(Failure::Refused(Reason::NotGranted | Reason::Ceiling) | Failure::SignInNeeded)
                if sabotage::off("access.server_side") =>
            {
                Ok(Grant::PLAIN)
            }
            judged => judged,
        }
    }

    fn judge(&self, who: &Principal, action: Action, event: &str) -> Result<Grant, Failure> {
        match who.actor() {
            Actor::System(job) => self.job(job, action),
            Actor::Operator(_) => self.operator(who, action, event),
            _ => self.person(who, action),
        }
    }

    /// INVARIANT: a job holds its own declared action and nothing else.
    fn job(&self, job: &'static str, action: Action) -> Result<Grant, Failure> {
        let own = self.jobs.get().is_some_and(|all| all.contains(&(job, action)));
        if own { Ok(Grant::PLAIN) } else { Err(Failure::Refused(Reason::NotGranted)) }
    }

    /// INVARIANT: an operator manages tenants, and reaches records only in transfers that leave a leaf in the tenant's log.
    fn operator(&self, who: &Principal, action: Action, event: &str) -> Result<Grant, Failure> {
        let house = who.tenant() == TenantId::HOUSE;
        if matches!(who.credential(), Credential::Desk(_)) {
            return desk(who, action);
        }
        if action.resource == "public"
            || TENANT.contains(&action.resource)
            || ["house", "operator"].contains(&action.resource) && house
        {
            return Ok(Grant::PLAIN);
        }
        let whole = || self.policy().matrix.cell(Column::Role(0), action).cloned();
        let transfer = !house && TRANSFERS.contains(&event);
        transfer.then(whole).flatten().ok_or(Failure::Refused(Reason::NotGranted))
    }

    /// INVARIANT: nobody gets through at a tenant that is suspended or deleted, and a suspended member holds only what is
    /// open to everybody.
    fn person(&self, who: &Principal, action: Action) -> Result<Grant, Failure> {
        match who.home().status {
            Status::Active => {}
            Status::Suspended => return Err(Failure::Refused(Reason::TenantSuspended)),
            Status::Deleted => return Err(Failure::NotFound),
        }
        let house = who.tenant() == TenantId::HOUSE;
        let known = who.user().is_some();
        match action.resource {
            "public" => Ok(Grant::PLAIN),
            "house" | "development" => {
                let open = if action.resource == "house" { house } else { self.development };
                if open { Ok(Grant::PLAIN) } else { Err(Failure::NotFound) }
            }
            _ if who.suspended() => Err(Failure::Refused(Reason::UserSuspended)),
            // The door of the team's own pages, on the apex host; everything behind it is for operators alone.
            "operator" if action.verb == "enter" && house && matches!(who.place(), Place::House) => Ok(Grant::PLAIN),
            "operator" => Err(Failure::NotFound),
            "account" if known => Ok(Grant::PLAIN),
            "account" => Err(Failure::SignInNeeded),
            _ if house => Err(Failure::NotFound),
            _ => self.declared(who, action),
        }
    }

    /// Collections and tenant resources: outsiders get 404, insiders the reason.
    fn declared(&self, who: &Principal, action: Action) -> Result<Grant, Failure> {
        let column = match *who.actor() {
            Actor::Member { role, .. } => Column::Role(role),
            _ => Column::Visitor,
        };
        let policy = self.policy.read().unwrap_or_else(PoisonError::into_inner);
        if action.resource == "audit" && sabotage::off("audit.per_tenant") {
            return Ok(Grant::PLAIN);
        }
        policy.matrix.decide(column, action, who.home()).cloned().map_err(|denied| match (who.actor(), denied) {
            (_, Denied::ModuleOff(module)) => Failure::ModuleOff(module),
            (Actor::Member { .. }, Denied::Reason(reason)) => Failure::Refused(reason),
            (Actor::Account { .. }, _) => Failure::NotFound,
            _ => Failure::SignInNeeded,
        })
    }

    /// What a refusal leaves behind: a leaf for a known person, within their budget. Also for refusals that only a handler
    /// can decide (a ceiling, the last owner, a proof that is too old): the pipeline passes them here. Answers `failure`, or
    /// the store's when the leaf cannot be written.
    pub async fn refused(&self, who: &Principal, action: Action, event: &str, failure: Failure) -> Failure {
        self.count(who);
        let user = match who.actor() {
            Actor::Visitor => return failure,
            Actor::Member { user, .. } | Actor::Account { user } => *user,
            Actor::Operator(_) | Actor::System(_) => UserId::default(),
        };
        if sabotage::off("audit.coverage") {
            return failure;
        }
        let mut leaf = who.event(REFUSED, format!("{}.{}", action.resource, action.verb), Outcome::Refused);
        if !event.is_empty() {
            leaf.fields.push(("event", event.to_owned()));
        }
        let leaves = self.refusals.count(who.tenant(), user, leaf, who.at());
        let single = leaves.single.map(|leaf| (who.tenant(), leaf));
        for (tenant, leaf) in leaves.summary.into_iter().chain(single) {
            if let Err(unwritten) = self.lookup.note(tenant, leaf).await {
                return unwritten;
            }
        }
        failure
    }

    fn count(&self, who: &Principal) {
        let [visitors, people] = &self.counts;
        let counter = if *who.actor() == Actor::Visitor { visitors } else { people };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// Writes the summaries of minutes that are over; to be called about once a minute, and at shutdown with `all`.
    ///
    /// # Errors
    /// The store's.
    pub async fn summarise(&self, all: bool) -> Result<(), Failure> {
        for (tenant, leaf) in self.refusals.due(self.clock.now(), all) {
            self.lookup.note(tenant, leaf).await?;
        }
        Ok(())
    }

    /// How many were refused since the start.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let [visitors, people] = &self.counts;
        Counts { visitors: visitors.load(Ordering::Relaxed), people: people.load(Ordering::Relaxed) }
    }

    /// What the principal may do here: for consoles and `GET /api/v1/me/rights`.
    #[must_use]
    pub fn rights(&self, who: &Principal) -> Vec<Right> {
        let policy = self.policy();
        rights::list(&policy, |action| self.weigh(who, action).ok())
    }
}

/// INVARIANT: a browser's operator reaches the team's own desk and nothing of any tenant.
fn desk(who: &Principal, action: Action) -> Result<Grant, Failure> {
    let own = action.resource == "operator" && who.tenant() == TenantId::HOUSE && matches!(who.place(), Place::House);
    if own || action.resource == "public" { Ok(Grant::PLAIN) } else { Err(Failure::NotFound) }
}

#[cfg(test)]
mod tests {
    use kernel::{Home, Read, Write, may};

    use super::*;
    use crate::{
        bench::{self, House, LEAD, READER, WRITER, apex, user},
        refusals::{BUDGET, WINDOW},
    };

    async fn gate(development: bool) -> (House, Access) {
        let mut house = House::open().await;
        let mint = std::mem::replace(&mut house.keys, bench::keys()).permit;
        let lookup = Lookup::new(&mint, &house.store);
        let access = Access::new(mint, lookup, Arc::new(bench::app()), development, house.clock.clone());
        access.jobs(vec![("sweep", may("house", "sweep"))]);
        (house, access)
    }

    fn member(role: u8) -> Actor {
        Actor::Member { user: user(1), role }
    }

    fn why(access: &Access, who: &Principal, resource: &'static str, verb: &'static str) -> Option<Failure> {
        access.weigh(who, may(resource, verb)).err()
    }

    const NOT_GRANTED: Option<Failure> = Some(Failure::Refused(Reason::NotGranted));

    #[tokio::test]
    async fn outsiders_learn_nothing_and_insiders_the_reason() {
        let (house, access) = gate(false).await;
        let [visitor, account, reader] = [Actor::Visitor, Actor::Account { user: user(2) }, member(READER)]
            .map(|actor| house.who(bench::home(), actor));
        for who in [&visitor, &account, &reader] {
            assert_eq!(why(&access, who, "public", "read"), None);
            assert_eq!(why(&access, who, "pages", "read"), None);
            assert_eq!(why(&access, who, "pages", "submit"), None);
            assert_eq!(why(&access, who, "house", "read"), Some(Failure::NotFound));
            assert_eq!(why(&access, who, "development", "read"), Some(Failure::NotFound));
        }
        for (resource, verb) in [("notes", "write"), ("members", "read"), ("nothing", "read")] {
            assert_eq!(why(&access, &visitor, resource, verb), Some(Failure::SignInNeeded));
            assert_eq!(why(&access, &account, resource, verb), Some(Failure::NotFound));
            assert_eq!(why(&access, &reader, resource, verb), NOT_GRANTED);
        }
        assert_eq!(why(&access, &visitor, "account", "read"), Some(Failure::SignInNeeded));
        assert_eq!(why(&access, &account, "account", "read"), None);
        assert_eq!(why(&access, &house.who(bench::home(), member(99)), "notes", "read"), NOT_GRANTED);
    }

    #[tokio::test]
    async fn the_apex_has_no_collections() {
        let (house, access) = gate(true).await;
        for actor in [Actor::Visitor, Actor::Account { user: user(2) }] {
            let who = house.who(apex(), actor);
            assert_eq!(why(&access, &who, "house", "write"), None);
            assert_eq!(why(&access, &who, "development", "read"), None);
            assert_eq!(why(&access, &who, "pages", "read"), Some(Failure::NotFound));
            assert_eq!(why(&access, &who, "members", "manage"), Some(Failure::NotFound));
        }
    }

    #[tokio::test]
    async fn suspension_and_deletion_close_everything() {
        let (house, access) = gate(false).await;
        for (status, failure) in
            [(Status::Suspended, Failure::Refused(Reason::TenantSuspended)), (Status::Deleted, Failure::NotFound)]
        {
            for actor in [Actor::Visitor, Actor::Account { user: user(2) }, member(0)] {
                let who = house.who(Home { status, ..bench::home() }, actor);
                for resource in ["public", "account", "pages", "members"] {
                    assert_eq!(why(&access, &who, resource, "read"), Some(failure.clone()));
                }
            }
        }
        let who = bench::principal(&house.keys, bench::home(), member(0), true, bench::START);
        for resource in ["account", "pages", "notes", "members"] {
            assert_eq!(why(&access, &who, resource, "read"), Some(Failure::Refused(Reason::UserSuspended)));
        }
        assert_eq!(why(&access, &who, "public", "read"), None);
        assert!(access.rights(&who).is_empty());
    }

    #[tokio::test]
    async fn modules_are_named_to_those_who_hold_the_right() {
        let (house, access) = gate(false).await;
        let off = Home { modules: Vec::new(), ..bench::home() };
        let failure = |role| why(&access, &house.who(off.clone(), member(role)), "notes", "pay");
        assert_eq!(failure(LEAD), Some(Failure::ModuleOff("extra")));
        assert_eq!(failure(READER), NOT_GRANTED);
    }

    #[tokio::test]
    async fn jobs_do_their_own_thing_and_operators_read_no_record() {
        let (house, access) = gate(false).await;
        let job = house.who(apex(), Actor::System("sweep"));
        assert_eq!(why(&access, &job, "house", "sweep"), None);
        assert_eq!(why(&access, &job, "house", "other"), NOT_GRANTED);
        assert_eq!(why(&access, &house.who(apex(), Actor::System("other")), "house", "sweep"), NOT_GRANTED);
        for home in [bench::home(), Home { status: Status::Suspended, ..bench::home() }] {
            let operator = house.who(home, Actor::Operator("ann".into()));
            assert_eq!(why(&access, &operator, "members", "manage"), None);
            assert_eq!(why(&access, &operator, "notes", "read"), NOT_GRANTED);
            assert_eq!(why(&access, &operator, "house", "manage"), NOT_GRANTED);
            let ask = async |event| {
                access.permit::<Write>(operator.clone(), may("notes", "create"), event, false).await.err()
            };
            assert_eq!(ask("record.created").await, NOT_GRANTED);
            assert_eq!(ask("records.imported").await, None);
        }
        assert_eq!(why(&access, &house.who(apex(), Actor::Operator("ann".into())), "house", "manage"), None);
    }

    #[tokio::test]
    async fn a_browsers_operator_reaches_the_desk_and_no_tenant() {
        let (house, access) = gate(false).await;
        let desk = |home: Home| {
            let who = bench::principal(&house.keys, home, Actor::Visitor, false, bench::START);
            let site = kernel::Site::at(&house.keys.site, who.peer().clone(), who.place().clone());
            let caller = kernel::Caller::known(&house.keys.caller, site, Credential::Desk("ann".into()));
            let tenant = kernel::Tenant::found(&house.keys.tenant, caller, Arc::clone(who.home()));
            Principal::known(&house.keys.principal, tenant, Actor::Operator("ann".into()), false)
        };
        for (resource, verb) in
            [("operator", "read"), ("operator", "manage"), ("operator", "enter"), ("public", "read")]
        {
            assert_eq!(why(&access, &desk(apex()), resource, verb), None);
        }
        for (resource, verb) in [("house", "manage"), ("members", "manage"), ("audit", "read"), ("notes", "read")] {
            assert_eq!(why(&access, &desk(apex()), resource, verb), Some(Failure::NotFound));
            assert_eq!(why(&access, &desk(bench::home()), resource, verb), Some(Failure::NotFound));
        }
        assert_eq!(why(&access, &desk(bench::home()), "operator", "read"), Some(Failure::NotFound));
        // The door is everybody's on the apex host, and nobody's elsewhere.
        let visitor = |home| house.who(home, Actor::Visitor);
        assert_eq!(why(&access, &visitor(apex()), "operator", "enter"), None);
        assert_eq!(why(&access, &visitor(apex()), "operator", "read"), Some(Failure::NotFound));
        assert_eq!(why(&access, &visitor(bench::home()), "operator", "enter"), Some(Failure::NotFound));
    }

    #[tokio::test]
    async fn a_refused_change_leaves_a_leaf_within_a_budget() {
        let (house, access) = gate(false).await;
        house.settle().await;
        let told = async |home| {
            let mut leaves = house.leaves(home).await;
            leaves.retain(|(action, ..)| action == REFUSED);
            leaves
        };
        let refuse = async |actor: Actor, noted: bool| {
            let who = house.who(bench::home(), actor);
            access.permit::<Write>(who, may("notes", "delete"), "record.deleted", noted).await.err()
        };
        assert_eq!(refuse(Actor::Visitor, true).await, Some(Failure::SignInNeeded));
        assert_eq!(refuse(member(READER), false).await, NOT_GRANTED);
        assert!(told(bench::home()).await.is_empty());
        for _ in 0..BUDGET + 5 {
            assert_eq!(refuse(member(READER), true).await, NOT_GRANTED);
        }
        let leaf = |target: &str| ("access.refused".to_owned(), target.to_owned(), "refused".to_owned());
        assert_eq!(told(bench::home()).await, vec![leaf("notes.delete"); BUDGET as usize]);
        access.summarise(false).await.unwrap();
        assert_eq!(told(bench::home()).await.len(), BUDGET as usize);
        house.clock.advance(WINDOW);
        access.summarise(false).await.unwrap();
        assert_eq!(told(bench::home()).await.last(), Some(&leaf("refusals")));
        // At the house there is a log too.
        let account = house.who(apex(), Actor::Account { user: user(3) });
        let refused = access.permit::<Write>(account, may("members", "manage"), "member.removed", true).await.err();
        assert_eq!(refused, Some(Failure::NotFound));
        assert_eq!(told(apex()).await, [leaf("members.manage")]);
        assert_eq!(access.counts(), Counts { visitors: 1, people: u64::from(BUDGET) + 7 });
    }

    #[tokio::test]
    async fn a_permit_says_who_what_and_how_far() {
        let (house, access) = gate(false).await;
        let who = house.who(bench::home(), member(WRITER));
        let permit = access.permit::<Read>(who, may("notes", "read"), "", false).await.unwrap();
        assert_eq!(permit.principal().actor(), &member(WRITER));
        assert_eq!(permit.reach().visible.as_ref(), Some(&permit.reach().rows));
    }

    #[tokio::test]
    async fn rights_are_listed() {
        let (house, access) = gate(false).await;
        let rights = access.rights(&house.who(bench::home(), member(READER)));
        let notes = rights.iter().find(|r| r.resource == "notes").unwrap();
        assert_eq!((notes.verbs.clone(), notes.read.clone()), ([("read", "some")].into(), vec!["title"]));
        assert!(rights.iter().all(|r| r.resource != "members"));
        let visitor = access.rights(&house.who(bench::home(), Actor::Visitor));
        assert_eq!(visitor.iter().map(|r| r.resource).collect::<Vec<_>>(), ["pages", "blocks"]);
    }
}
