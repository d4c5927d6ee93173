//! Access tokens: JWT (RFC 7519), HS256 and nothing else (RFC 8725, 3.1), one key per purpose, named by `kid`.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD as B64};
use encryption::hash;
use kernel::{Failure, Secret, SessionId, TenantId, Time, UserId};
use serde::{Deserialize, Serialize};

/// What a token says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Claims {
    pub user: UserId,
    pub session: SessionId,
    pub tenant: Option<TenantId>,
    /// When the person last proved who they are.
    pub proved: Time,
    /// Whole seconds.
    pub issued: Time,
    /// Whole seconds; the token is refused from this moment on.
    pub expires: Time,
}

#[derive(Serialize, Deserialize)]
struct Wire<'w> {
    iss: &'w str,
    sub: UserId,
    sid: SessionId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tid: Option<TenantId>,
    auth: Time,
    iat: i64,
    exp: i64,
}

struct Key {
    /// The encoded header: compared as a whole, so a token cannot choose its algorithm.
    header: String,
    secret: Secret,
}

/// Signs and verifies.
pub(crate) struct AccessTokens {
    keys: Vec<Key>,
    issuer: &'static str,
}

impl AccessTokens {
    /// `keys`: the one that signs first, then those that still verify.
    pub(crate) fn new(issuer: &'static str, keys: Vec<Secret>) -> Result<Self, Failure> {
        if keys.is_empty() || keys.iter().any(|k| k.expose().len() < 32) {
            return Err(Failure::internal("authentication: a session key needs at least 256 bits"));
        }
        let named = |secret: Secret| {
            let name = hash::hmac_sha256(secret.expose(), b"vouchsafe session kid");
            let kid = hex::encode(name.get(..8).unwrap_or_default());
            let header = B64.encode(format!(r#"{{"alg":"HS256","typ":"JWT","kid":"{kid}"}}"#));
            Key { header, secret }
        };
        Ok(Self { keys: keys.into_iter().map(named).collect(), issuer })
    }

    pub(crate) fn sign(&self, claims: &Claims) -> Result<String, Failure> {
        let wire = Wire {
            iss: self.issuer,
            sub: claims.user,
            sid: claims.session,
            tid: claims.tenant,
            auth: claims.proved,
            iat: claims.issued.seconds(),
            exp: claims.expires.seconds(),
        };
        let broken = || Failure::internal("authentication: a token cannot be written");
        let key = self.keys.first().ok_or_else(broken)?;
        let payload = serde_json::to_vec(&wire).map_err(|_| broken())?;
        let mut token = String::with_capacity(400);
        token.push_str(&key.header);
        token.push('.');
        B64.encode_string(payload, &mut token);
        let mac = hash::hmac_sha256(key.secret.expose(), token.as_bytes());
        token.push('.');
        B64.encode_string(mac, &mut token);
        Ok(token)
    }

    /// The claims of a token that is ours and has not expired.
    pub(crate) fn verify(&self, token: &str, now: Time) -> Option<Claims> {
        if token.len() > 1024 {
            return None;
        }
        let (signed, mac) = token.rsplit_once('.')?;
        let (header, payload) = signed.split_once('.')?;
        let unchecked = kernel::sabotage::off("auth.session_jwt");
        if !unchecked {
            let key = self.keys.iter().find(|key| key.header == header)?;
            let mut given = [0_u8; 33];
            let size = B64.decode_slice(mac, &mut given).ok()?;
            if !hash::same(&hash::hmac_sha256(key.secret.expose(), signed.as_bytes()), given.get(..size)?) {
                return None;
            }
        }
        let mut bytes = [0_u8; 768];
        let size = B64.decode_slice(payload, &mut bytes).ok()?;
        let wire: Wire<'_> = serde_json::from_slice(bytes.get(..size)?).ok()?;
        let expires = Time(wire.exp.saturating_mul(1000));
        let lives = now < expires || kernel::sabotage::off("auth.access_token");
        (lives && wire.iss == self.issuer).then_some(Claims {
            user: wire.sub,
            session: wire.sid,
            tenant: wire.tid,
            proved: wire.auth,
            issued: Time(wire.iat.saturating_mul(1000)),
            expires,
        })
    }
}

#[cfg(test)]
mod tests {
    use kernel::Id;

    use super::*;

    fn tokens(byte: u8) -> AccessTokens {
        AccessTokens::new("nord", vec![Secret::new([byte; 32])]).unwrap()
    }
    fn claims() -> Claims {
        Claims {
            user: UserId(Id::v7(Time(1), [1; 10])),
            session: SessionId(Id::v7(Time(2), [2; 10])),
            tenant: Some(TenantId(Id::v7(Time(3), [3; 10]))),
            proved: Time(1_700_000_000_123),
            issued: Time(1_700_000_000_000),
            expires: Time(1_700_000_900_000),
        }
    }

    #[test]
    fn a_token_says_what_was_signed_until_it_expires() {
        let t = tokens(1);
        let token = t.sign(&claims()).unwrap();
        assert_eq!(t.verify(&token, Time(1_700_000_899_999)), Some(claims()));
        assert_eq!(t.verify(&token, Time(1_700_000_900_000)), None);
        let open = Claims { tenant: None, ..claims() };
        assert_eq!(t.verify(&t.sign(&open).unwrap(), Time(0)), Some(open));
    }

    #[test]
    fn nothing_else_passes() {
        let t = tokens(1);
        let token = t.sign(&claims()).unwrap();
        let parts: Vec<&str> = token.split('.').collect();
        let none = B64.encode(r#"{"alg":"none"}"#);
        let forged = B64.encode(r#"{"iss":"nord","sub":"x"}"#);
        for bad in [
            String::new(),
            "..".into(),
            format!("{none}.{}.", parts[1]),
            format!("{}.{}.", parts[0], parts[1]),
            format!("{}.{forged}.{}", parts[0], parts[2]),
            format!("{token}a"),
            format!("{token}.x"),
            token[..token.len() - 1].to_owned(),
            tokens(2).sign(&claims()).unwrap(),
            AccessTokens::new("other", vec![Secret::new([1; 32])]).unwrap().sign(&claims()).unwrap(),
        ] {
            assert_eq!(t.verify(&bad, Time(0)), None, "{bad}");
        }
        for at in 0..token.len() {
            let mut bytes = token.clone().into_bytes();
            bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
            assert_ne!(t.verify(std::str::from_utf8(&bytes).unwrap(), Time(0)), Some(claims()), "byte {at}");
        }
    }

    #[test]
    fn the_key_before_still_verifies() {
        let old = tokens(1).sign(&claims()).unwrap();
        let both = AccessTokens::new("nord", vec![Secret::new([2; 32]), Secret::new([1; 32])]).unwrap();
        assert!(both.verify(&old, Time(0)).is_some());
        assert!(tokens(2).verify(&old, Time(0)).is_none());
        assert!(AccessTokens::new("nord", vec![Secret::new([1; 31])]).is_err());
    }
}
