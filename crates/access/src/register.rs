//! "Only those with a written reason have that access": the register of the team's own people who may act from inside.
//!
//! Until somebody was added, any name may act: a server that is being built has no team yet. From then on a name acts that
//! stands in the register and whose day has not come. When nobody is left in force, the one thing that goes is adding.

use kernel::{DAY, Failure, Mode, Rng, TenantId, Time};
use store::{Batch, Control, FromRow, Row, Tx};

use crate::{Access, sql};

/// The longest that anybody stands in the register without being looked at again, in milliseconds: a year.
pub const LONGEST: i64 = 366 * DAY;
/// Bytes of a name at most.
const NAME: usize = 64;
/// How long a line is kept after its removal, in milliseconds.
pub(crate) const MEMORY: i64 = 730 * DAY;
/// The prober's name at the admin socket: it never stands in the register, and reaches canaries alone.
pub const PROBER: &str = "verify";

/// A line of the register.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operator {
    /// Their name: what `--as` says.
    pub name: String,
    /// Why they may act.
    pub reason: String,
    /// Who answers for it.
    pub owner: String,
    /// Who added them.
    pub added_by: String,
    /// When.
    pub added_at: Time,
    /// Until when they may act.
    pub expires: Time,
}

impl Operator {
    /// Whether their day has not come.
    #[must_use]
    pub const fn in_force(&self, now: Time) -> bool {
        now.0 < self.expires.0
    }
}

impl FromRow for Operator {
    fn from_row(row: &Row<'_>) -> Result<Self, Failure> {
        Ok(Self {
            name: row.get(0)?,
            reason: row.get(1)?,
            owner: row.get(2)?,
            added_by: row.get(3)?,
            added_at: row.get(4)?,
            expires: row.get(5)?,
        })
    }
}

/// Somebody to be added.
#[derive(Clone, Debug)]
pub struct Newcomer {
    /// What `--as` will say.
    pub name: String,
    /// Why.
    pub reason: String,
    /// Who answers for it.
    pub owner: String,
    /// Until when.
    pub expires: Time,
}

/// Where a name stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Nobody was ever added: any name may act.
    Open,
    /// In the register, until then.
    Listed(Time),
    /// In the register, and their day has come.
    Expired,
    /// Not in it.
    Unknown,
    /// Not in it, or expired; and nobody else is in force who could add them.
    Deserted,
}

impl Standing {
    /// Pure: what the register says of a name. `all`: lines there ever were; `force`: how many are in force.
    const fn of(all: i64, force: i64, until: Option<Time>, now: Time) -> Self {
        match until {
            _ if all == 0 => Self::Open,
            Some(until) if now.0 < until.0 => Self::Listed(until),
            _ if force == 0 => Self::Deserted,
            Some(_) => Self::Expired,
            None => Self::Unknown,
        }
    }
    /// Whether the name may act.
    #[must_use]
    pub const fn acts(self) -> bool {
        matches!(self, Self::Open | Self::Listed(_))
    }
    /// Why not, for the terminal.
    #[must_use]
    pub const fn why(self) -> &'static str {
        match self {
            Self::Open | Self::Listed(_) => "",
            Self::Expired => "your day in the register of operators has come; somebody in it can add you again",
            Self::Unknown => "this name is not in the register of operators (`vouchsafe operator list`)",
            Self::Deserted => {
                "nobody in the register of operators is in force; add somebody (`vouchsafe operator add`)"
            }
        }
    }
}

impl Access {
    /// Where a name stands in the register now: asked for every act, so that a removal counts from the next one on.
    ///
    /// # Errors
    /// The store's.
    pub async fn standing(&self, name: &str, now: Time) -> Result<Standing, Failure> {
        let counted = self.lookup().maybe(TenantId::HOUSE, &sql::OPERATORS_COUNTED, (now,)).await?;
        let (all, force) = counted.unwrap_or_default();
        let until = self.lookup().maybe(TenantId::HOUSE, &sql::OPERATOR_UNTIL, (name.to_owned(),)).await?;
        Ok(Standing::of(all, force.unwrap_or(0), until.map(|(until,)| until), now))
    }
}

/// Everybody in the register, also those whose day has come.
///
/// # Errors
/// The store's.
pub async fn all<M: Mode>(tx: &Tx<M>) -> Result<Vec<Operator>, Failure> {
    tx.all(&sql::OPERATORS, ()).await
}

fn text(field: &'static str, value: &str, least: usize, most: usize) -> Result<(), Failure> {
    let length = value.trim().chars().count();
    if length < least || length > most || value.chars().any(char::is_control) {
        return Err(Failure::field(field, "length", format!("one line of {least} to {most} characters")));
    }
    Ok(())
}

impl Newcomer {
    /// # Errors
    /// `Invalid` for what is missing, too long, or a day that is over or too far away.
    fn checked(&self, now: Time) -> Result<(), Failure> {
        // What is typed after `--as` and read in logs: one spelling, no look-alikes.
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._@+-".contains(&b);
        if !(1..=NAME).contains(&self.name.len()) || !self.name.bytes().all(plain) {
            return Err(Failure::field("name", "letters", "1 to 64 of a-z, 0-9 and . _ @ + -"));
        }
        text("owner", &self.owner, 1, 100)?;
        if self.name == PROBER {
            return Err(Failure::field("name", "reserved", "that is the prober's own name"));
        }
        if kernel::sabotage::off("gov.named_operators") {
            return Ok(());
        }
        text("reason", &self.reason, 10, 300)?;
        if self.expires.0 <= now.0 || self.expires.0 > now.plus(LONGEST).0 {
            return Err(Failure::field("expires", "range", "later than now, and within a year"));
        }
        Ok(())
    }
}

/// Adds somebody. Who expired and is added again gets a new line.
///
/// # Errors
/// `Invalid`.
pub fn add(
    batch: Batch<Control>,
    rng: &dyn Rng,
    new: &Newcomer,
    by: &str,
    now: Time,
) -> Result<Batch<Control>, Failure> {
    new.checked(now)?;
    let row = vec![
        rng.id(now).into(),
        new.name.clone().into(),
        new.reason.trim().to_owned().into(),
        new.owner.trim().to_owned().into(),
        by.to_owned().into(),
        now.into(),
        new.expires.into(),
    ];
    let there = Failure::Conflict("they are in the register; remove them first".into());
    Ok(batch
        .any(&sql::OPERATOR_LAPSED, (new.name.clone(), now, by.to_owned()))
        .expect(1, &sql::OPERATOR_ADD, row, there)
        .fact("operator", new.name.clone())
        .fact("owner", new.owner.clone())
        .fact("expires_at", new.expires.to_string()))
}

/// Takes somebody out, and ends what they have open in browsers. The store answers `NotFound` when they are not in it, and
/// `Conflict` when nobody in force would be left: then anybody could add themselves.
#[must_use]
pub fn remove(batch: Batch<Control>, name: &str, by: &str, now: Time) -> Batch<Control> {
    let last = Failure::Conflict("nobody in force would be left; add somebody first".into());
    let batch = batch.expect(1, &sql::OPERATOR_THERE, (name.to_owned(),), Failure::NotFound).expect(
        1,
        &sql::OPERATOR_REMOVE,
        (name.to_owned(), now, by.to_owned()),
        last,
    );
    authentication::operator::close(batch, name, now)
}

#[cfg(test)]
mod tests {
    use kernel::{Actor, Clock as _};

    use super::*;
    use crate::bench::{Office, apex};

    #[test]
    fn a_name_acts_while_it_stands_in_the_register() {
        let (now, later, before) = (Time(1000), Some(Time(1001)), Some(Time(1000)));
        assert_eq!(Standing::of(0, 0, None, now), Standing::Open);
        assert_eq!(Standing::of(1, 1, later, now), Standing::Listed(Time(1001)));
        assert_eq!(Standing::of(2, 1, before, now), Standing::Expired);
        assert_eq!(Standing::of(2, 1, None, now), Standing::Unknown);
        // A register that was emptied does not open again.
        assert_eq!(Standing::of(1, 0, None, now), Standing::Deserted);
        assert_eq!(Standing::of(1, 0, before, now), Standing::Deserted);
        for (standing, acts) in [
            (Standing::Open, true),
            (Standing::Listed(now), true),
            (Standing::Expired, false),
            (Standing::Unknown, false),
            (Standing::Deserted, false),
        ] {
            assert_eq!((standing.acts(), standing.why().is_empty()), (acts, acts));
        }
    }

    #[test]
    fn a_line_needs_a_reason_an_owner_and_a_day_within_a_year() {
        let now = Time(0);
        let good = Newcomer {
            name: "ann".into(),
            reason: "on call for the database".into(),
            owner: "Head of operations".into(),
            expires: Time(LONGEST),
        };
        assert!(good.checked(now).is_ok());
        let wrong = |edit: fn(&mut Newcomer)| {
            let mut new = good.clone();
            edit(&mut new);
            assert!(new.checked(now).is_err(), "{new:?}");
        };
        wrong(|n| n.name.clear());
        wrong(|n| n.name = PROBER.into());
        wrong(|n| n.name = "a\nb".into());
        wrong(|n| n.reason = "because".into());
        wrong(|n| n.owner = "  ".into());
        wrong(|n| n.expires = Time(0));
        wrong(|n| n.expires = Time(LONGEST + 1));
    }

    fn newcomer(name: &str, expires: Time) -> Newcomer {
        let (reason, owner) = ("on call for the database".to_owned(), "Head of operations".to_owned());
        Newcomer { name: name.into(), reason, owner, expires }
    }

    #[tokio::test]
    async fn the_register_closes_behind_the_first_and_never_opens_again() {
        let office = Office::open().await;
        let (access, clock) = (&office.desk.access, &office.house.clock);
        let now = || clock.now();
        let tx =
            |event| office.house.tx::<kernel::Write>(office.house.who(apex(), Actor::Operator("ann".into())), event);
        let batch = |event| tx(event).batch::<Control>("operator");
        let add = async |name: &str, days: i64| {
            let new = newcomer(name, now().plus(days * DAY));
            add(batch("operator.added"), office.desk.rng.as_ref(), &new, "ann", now())?.commit().await
        };
        assert_eq!(access.standing("anybody", now()).await, Ok(Standing::Open));
        add("ann", 2).await.unwrap();
        add("bob", 9).await.unwrap();
        assert!(matches!(add("ann", 5).await, Err(Failure::Conflict(_))));
        assert_eq!(access.standing("ann", now()).await, Ok(Standing::Listed(now().plus(2 * DAY))));
        assert_eq!(access.standing("anybody", now()).await, Ok(Standing::Unknown));
        // A day that has come ends it; a new line begins anew.
        clock.advance(2 * DAY);
        assert_eq!(access.standing("ann", now()).await, Ok(Standing::Expired));
        assert_eq!(all(&tx("")).await.unwrap().iter().filter(|o| !o.in_force(now())).count(), 1);
        add("ann", 5).await.unwrap();
        assert!(access.standing("ann", now()).await.unwrap().acts());
        clock.advance(1);
        // Who is removed is unknown with the next act, and removing twice says so.
        remove(batch("operator.removed"), "bob", "ann", now()).commit().await.unwrap();
        assert_eq!(
            remove(batch("operator.removed"), "bob", "ann", now()).commit().await.err(),
            Some(Failure::NotFound)
        );
        assert_eq!(access.standing("bob", now()).await, Ok(Standing::Unknown));
        // The last one in force stays, until their day comes.
        assert!(matches!(
            remove(batch("operator.removed"), "ann", "ann", now()).commit().await,
            Err(Failure::Conflict(_))
        ));
        assert!(access.standing("ann", now()).await.unwrap().acts());
        clock.advance(5 * DAY);
        assert_eq!(access.standing("ann", now()).await, Ok(Standing::Deserted));
    }

    #[tokio::test]
    async fn a_link_works_once_for_five_minutes_and_what_it_opens_for_eight_hours() {
        use authentication::operator;
        let office = Office::open().await;
        let (clock, rng) = (&office.house.clock, office.desk.rng.as_ref());
        let now = || clock.now();
        let tx = |event| office.house.tx::<kernel::Write>(office.house.who(apex(), Actor::Visitor), event);
        let link = async || {
            let (batch, token) = operator::mint(tx("operator.link_made").batch("operator"), rng, "ann", now());
            batch.commit().await.unwrap();
            token
        };
        let enter = async |token: &str| {
            let (batch, reply) = operator::enter(tx("operator.entered").batch("operator"), rng, token, "ann", now())?;
            batch.commit().await.map(|_| reply)
        };
        // Late, unknown and malformed ones are answered alike.
        let late = link().await;
        clock.advance(operator::LINK - 1);
        assert_eq!(operator::find(&tx(""), &late, now()).await, Ok("ann".to_owned()));
        clock.advance(1);
        for token in [late.as_str(), &"0".repeat(64), "", "g"] {
            assert_eq!(operator::find(&tx(""), token, now()).await, Err(Failure::Gone), "{token}");
            assert_eq!(enter(token).await.err(), Some(Failure::Gone), "{token}");
        }
        // Of two at the same moment one goes in.
        let token = link().await;
        let (one, two) = tokio::join!(enter(&token), enter(&token));
        let (reply, gone) = if one.is_ok() { (one, two) } else { (two, one) };
        assert_eq!(gone.err(), Some(Failure::Gone));
        let line = reply.unwrap().headers[http::header::SET_COOKIE].to_str().unwrap().to_owned();
        assert!(line.starts_with("__Host-operator=") && line.ends_with("SameSite=Strict; Max-Age=28800"), "{line}");
        let mut headers = http::HeaderMap::new();
        headers.insert(http::header::COOKIE, line.split(';').next().unwrap().parse().unwrap());
        let shown = async || office.desk.authentication.at_desk(&headers, now()).await.unwrap();
        assert_eq!(shown().await.as_deref(), Some("ann"));
        clock.advance(operator::SESSION - 1);
        assert_eq!(shown().await.as_deref(), Some("ann"));
        clock.advance(1);
        assert_eq!(shown().await, None);
        // Removal ends sessions and links that are open.
        let (used, open) = (link().await, link().await);
        let reply = enter(&used).await.unwrap();
        let line = reply.headers[http::header::SET_COOKIE].to_str().unwrap().to_owned();
        headers.insert(http::header::COOKIE, line.split(';').next().unwrap().parse().unwrap());
        let shown = async || office.desk.authentication.at_desk(&headers, now()).await.unwrap();
        assert_eq!(shown().await.as_deref(), Some("ann"));
        operator::close(tx("operator.removed").batch("operator"), "ann", now()).commit().await.unwrap();
        assert_eq!(shown().await, None);
        assert_eq!(enter(&open).await.err(), Some(Failure::Gone));
    }
}
