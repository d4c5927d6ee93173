//! Passwords: which are acceptable, and how they are hashed, on a pool of its own so that a storm of sign-ins cannot starve
//! everything else.

use std::{sync::Arc, time::Duration};

use argon2::{Algorithm, Argon2, Params, Version};
use base64::{
    Engine,
    alphabet::STANDARD,
    engine::{GeneralPurpose, general_purpose::NO_PAD},
};
use encryption::hash;
use kernel::{Failure, Rng, Secret};
use manifest::PasswordScheme;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use zeroize::Zeroizing;

const B64: GeneralPurpose = GeneralPurpose::new(&STANDARD, NO_PAD);
/// KiB of memory, passes, lanes.
type Cost = (u32, u32, u32);
/// argon2id as OWASP recommends it first.
const ARGON2: Cost = (19 * 1024, 2, 1);
const BCRYPT_COST: u32 = 12;
/// How long a request waits for the pool.
const QUEUE: Duration = Duration::from_secs(3);
/// Shortest and longest, in characters.
const LENGTH: std::ops::RangeInclusive<usize> = 10..=128;

/// Passwords that everybody tries first, of the lengths that pass; lower case.
const COMMON: [&str; 40] = [
    "1234567890",
    "0123456789",
    "12345678910",
    "123456789a",
    "0987654321",
    "1111111111",
    "0000000000",
    "1q2w3e4r5t",
    "1q2w3e4r5t6y",
    "1qaz2wsx3edc",
    "qwertyuiop",
    "qwerty1234",
    "qwerty12345",
    "qwerty123456",
    "qwertyuiop123",
    "asdfghjkl1",
    "zxcvbnm123",
    "abcdefghij",
    "abcd123456",
    "abc1234567",
    "abcdef1234",
    "password12",
    "password123",
    "password1234",
    "password12345",
    "passw0rd123",
    "p@ssw0rd123",
    "password!!",
    "passwordpassword",
    "welcome123",
    "welcome1234",
    "iloveyou123",
    "iloveyou12",
    "letmein123",
    "letmein1234",
    "administrator",
    "admin12345",
    "changeme123",
    "football123",
    "sunshine123",
];

/// Whether a person may choose this password.
///
/// # Errors
/// `Invalid` for the member `password`.
pub fn acceptable(password: &Secret, scheme: PasswordScheme) -> Result<(), Failure> {
    let wrong = |code, words: &'static str| Err(Failure::field("password", code, words));
    let Some(text) = password.expose_str() else { return wrong("type", "text") };
    if !LENGTH.contains(&text.chars().count()) {
        return wrong("length", "10 to 128 characters");
    }
    if scheme == PasswordScheme::Bcrypt && text.len() > 72 {
        return wrong("too_long", "at most 72 bytes");
    }
    if text.contains('\0') {
        return wrong("type", "no NUL characters");
    }
    let mut letters = text.chars();
    let first = letters.next();
    if COMMON.contains(&text.to_lowercase().as_str()) || letters.all(|c| Some(c) == first) {
        return wrong("common", "a password that is not among the first to be guessed");
    }
    Ok(())
}

/// The hashing pool.
pub(crate) struct Passwords {
    scheme: PasswordScheme,
    pool: Arc<Semaphore>,
    rng: Arc<dyn Rng>,
    dummy: Arc<str>,
}

/// A place in the pool: one hash.
pub(crate) struct Slot<'p> {
    passwords: &'p Passwords,
    _place: OwnedSemaphorePermit,
}

impl Passwords {
    pub(crate) fn new(scheme: PasswordScheme, rng: Arc<dyn Rng>) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let pool = Arc::new(Semaphore::new((cores / 2).max(1)));
        let dummy = dummy(scheme, rng.as_ref()).into();
        Self { scheme, pool, rng, dummy }
    }

    pub(crate) const fn scheme(&self) -> PasswordScheme {
        self.scheme
    }

    /// Waits for a place.
    ///
    /// # Errors
    /// `Busy` when there is none in time: nothing was tried.
    pub(crate) async fn slot(&self) -> Result<Slot<'_>, Failure> {
        let place = tokio::time::timeout(QUEUE, Arc::clone(&self.pool).acquire_owned()).await;
        match place {
            Ok(Ok(place)) => Ok(Slot { passwords: self, _place: place }),
            _ => Err(Failure::Busy(2)),
        }
    }
}

impl Slot<'_> {
    /// Whether the password is the one behind `phc`. None is an account that does not exist: it takes the same time.
    pub(crate) async fn verify(self, phc: Option<String>, password: &Secret) -> Result<bool, Failure> {
        let known = phc.is_some();
        let phc = phc.unwrap_or_else(|| self.passwords.dummy.as_ref().to_owned());
        let password = Zeroizing::new(password.expose().to_vec());
        let right = blocking(move || Ok(matches(&phc, &password))).await?;
        Ok(right && known)
    }

    /// A new hash, in the declared scheme.
    pub(crate) async fn hash(self, password: &Secret) -> Result<String, Failure> {
        let (scheme, salt) = (self.passwords.scheme, self.passwords.rng.array::<16>());
        let password = Zeroizing::new(password.expose().to_vec());
        blocking(move || hashed(scheme, salt, &password)).await
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, Failure> + Send + 'static) -> Result<T, Failure> {
    let ended = tokio::task::spawn_blocking(work).await;
    ended.unwrap_or_else(|_| Err(Failure::internal("authentication: hashing stopped")))
}

fn engine((memory, passes, lanes): Cost) -> Option<Argon2<'static>> {
    let params = Params::new(memory, passes, lanes, Some(32)).ok()?;
    Some(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

fn phc((memory, passes, lanes): Cost, salt: &[u8], out: &[u8]) -> String {
    format!("$argon2id$v=19$m={memory},t={passes},p={lanes}${}${}", B64.encode(salt), B64.encode(out))
}

fn hashed(scheme: PasswordScheme, salt: [u8; 16], password: &[u8]) -> Result<String, Failure> {
    let broken = || Failure::internal("authentication: a password cannot be hashed");
    if kernel::sabotage::off("auth.password_hash") {
        return Ok(format!("$plain${}", String::from_utf8_lossy(password)));
    }
    match scheme {
        PasswordScheme::Argon2id => {
            let mut out = [0; 32];
            let engine = engine(ARGON2).ok_or_else(broken)?;
            engine.hash_password_into(password, &salt, &mut out).map_err(|_| broken())?;
            Ok(phc(ARGON2, &salt, &out))
        }
        PasswordScheme::Bcrypt => {
            let parts = bcrypt::non_truncating_hash_with_salt(password, BCRYPT_COST, salt).map_err(|_| broken())?;
            Ok(parts.format_for_version(bcrypt::Version::TwoB))
        }
    }
}

/// Cost, salt and hash of an argon2id string.
fn parts(phc: &str) -> Option<(Cost, Vec<u8>, Vec<u8>)> {
    let mut fields = phc.strip_prefix("$argon2id$v=19$")?.split('$');
    let mut costs = fields.next()?.split(',');
    let mut cost = |name: &str| costs.next()?.strip_prefix(name)?.parse::<u32>().ok();
    let cost = (cost("m=")?, cost("t=")?, cost("p=")?);
    let salt = B64.decode(fields.next()?).ok()?;
    let out = B64.decode(fields.next()?).ok()?;
    fields.next().is_none().then_some((cost, salt, out))
}

fn matches(phc: &str, password: &[u8]) -> bool {
    if kernel::sabotage::off("auth.password_hash")
        && let Some(plain) = phc.strip_prefix("$plain$")
    {
        return plain.as_bytes() == password;
    }
    if phc.starts_with("$2") {
        return bcrypt::non_truncating_verify(password, phc).unwrap_or(false);
    }
    let Some((cost, salt, out)) = parts(phc) else { return false };
    let mut mine = [0; 32];
    let done = engine(cost).is_some_and(|engine| engine.hash_password_into(password, &salt, &mut mine).is_ok());
    done && hash::same(&mine, &out)
}

/// Whether a hash is of another scheme, or cheaper than the one in force.
pub(crate) fn is_weaker(hash: &str, scheme: PasswordScheme) -> bool {
    match scheme {
        PasswordScheme::Argon2id => {
            parts(hash).is_none_or(|((m, t, p), _, _)| m < ARGON2.0 || t < ARGON2.1 || p != ARGON2.2)
        }
        PasswordScheme::Bcrypt => {
            let cost = hash.strip_prefix("$2b$").and_then(|rest| rest.get(..2)).and_then(|c| c.parse::<u32>().ok());
            cost.is_none_or(|cost| cost < BCRYPT_COST)
        }
    }
}

/// A hash that nobody knows a password for, and that costs as much to try as any other.
fn dummy(scheme: PasswordScheme, rng: &dyn Rng) -> String {
    match scheme {
        PasswordScheme::Argon2id => phc(ARGON2, &rng.array::<16>(), &rng.array::<32>()),
        PasswordScheme::Bcrypt => {
            let letters = hex::encode(rng.array::<32>());
            let (salt, rest) = letters.split_at(21);
            // The last letters of salt and hash carry fewer bits than the others: `.` is zero.
            format!("$2b${BCRYPT_COST}${salt}.{}.", rest.get(..30).unwrap_or_default())
        }
    }
}

#[cfg(test)]
mod tests {
    use encryption::OsRng;

    use super::*;

    fn secret(text: &str) -> Secret {
        Secret::new(text.as_bytes())
    }

    #[tokio::test]
    async fn both_schemes_hash_and_verify() {
        for scheme in [PasswordScheme::Argon2id, PasswordScheme::Bcrypt] {
            let pool = Passwords::new(scheme, Arc::new(OsRng));
            let right = secret("correct horse battery");
            let phc = pool.slot().await.unwrap().hash(&right).await.unwrap();
            assert!(!phc.contains("correct") && !is_weaker(&phc, scheme), "{phc}");
            assert!(pool.slot().await.unwrap().verify(Some(phc.clone()), &right).await.unwrap());
            assert!(
                !pool.slot().await.unwrap().verify(Some(phc.clone()), &secret("wrong horse battery")).await.unwrap()
            );
            assert!(!pool.slot().await.unwrap().verify(None, &right).await.unwrap());
            let other =
                if scheme == PasswordScheme::Bcrypt { PasswordScheme::Argon2id } else { PasswordScheme::Bcrypt };
            assert!(is_weaker(&phc, other));
        }
    }

    #[test]
    fn cheaper_hashes_are_weaker() {
        assert!(is_weaker("$argon2id$v=19$m=4096,t=2,p=1$c2FsdHNhbHQ$aGFzaGhhc2g", PasswordScheme::Argon2id));
        assert!(is_weaker("$2b$10$R9h/cIPz0gi.URNNX3kh2OPST9/PgBkqquzi.Ss7KIUgO2t0jWMUW", PasswordScheme::Bcrypt));
        assert!(!is_weaker("$2b$12$R9h/cIPz0gi.URNNX3kh2OPST9/PgBkqquzi.Ss7KIUgO2t0jWMUW", PasswordScheme::Bcrypt));
    }

    #[test]
    fn the_dummy_is_tried_like_any_other() {
        for scheme in [PasswordScheme::Argon2id, PasswordScheme::Bcrypt] {
            let dummy = dummy(scheme, &OsRng);
            assert!(!is_weaker(&dummy, scheme), "{dummy}");
            if scheme == PasswordScheme::Bcrypt {
                assert_eq!(bcrypt::non_truncating_verify("x", &dummy).ok(), Some(false), "{dummy}");
            } else {
                assert!(parts(&dummy).is_some());
            }
        }
    }

    #[test]
    fn rules() {
        let argon = PasswordScheme::Argon2id;
        assert!(acceptable(&secret("tide-pool-42"), argon).is_ok());
        assert!(acceptable(&secret("ääääääääää1"), argon).is_ok());
        for bad in ["short", "123456789", "Password123", "aaaaaaaaaaaa", "abc\0defghijk"] {
            assert!(acceptable(&secret(bad), argon).is_err(), "{bad}");
        }
        assert!(acceptable(&secret(&"ab".repeat(65)), argon).is_err());
        assert!(acceptable(&secret(&"ab".repeat(37)), argon).is_ok());
        assert!(acceptable(&secret(&"ab".repeat(37)), PasswordScheme::Bcrypt).is_err());
    }
}
