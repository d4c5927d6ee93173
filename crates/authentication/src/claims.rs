use kernel::Claim;

/// Checks this section keeps.
pub const CLAIMS: [Claim; 16] = [
    Claim { check: "auth.password_hash", keeps: "Passwords exist only as hashes of the declared scheme" },
    Claim { check: "auth.hash_upgrade", keeps: "A weaker hash is replaced at the next sign-in" },
    Claim { check: "auth.lockout", keeps: "The declared number of failures in a row locks an account, known or not" },
    Claim {
        check: "auth.email_verify",
        keeps: "An account is made when its address is confirmed, by a token that works once",
    },
    Claim { check: "auth.password_reset", keeps: "A reset token works once, is stored hashed, and ends every session" },
    Claim { check: "auth.magic_link", keeps: "A sign-in link is consumed by a POST, once, within its time" },
    Claim { check: "auth.access_token", keeps: "An access token is refused after its declared life" },
    Claim { check: "auth.refresh_rotation", keeps: "Every refresh yields a new token and spends the old one" },
    Claim { check: "auth.refresh_reuse", keeps: "A spent token that comes back outside the window ends the session" },
    Claim { check: "auth.session_revoke", keeps: "A changed or reset password ends every session at once" },
    Claim { check: "auth.deactivation", keeps: "A deactivated user's tokens are refused from the next request on" },
    Claim { check: "auth.session_cookie", keeps: "Session cookies are __Host-, Secure, HttpOnly and SameSite" },
    Claim { check: "auth.session_jwt", keeps: "Access tokens have one algorithm, a key of 256 bits and a key id" },
    Claim { check: "auth.external_jwt", keeps: "An outside issuer's token passes only with every claim right" },
    Claim {
        check: "auth.delegated_mode",
        keeps: "With a declared issuer there is no password route and no password row",
    },
    Claim { check: "access.roster", keeps: "Membership is read before data; removal acts on the next request" },
];
