//! Which names a tenant may take. Pure.

use kernel::Failure;
use manifest::Tenancy;

/// Longest name, in characters.
pub const LONGEST: usize = 40;

/// Whether `name` has the shape of a tenant's name: 1 to 40 of `a-z 0-9 -`, a letter or digit at both ends, and no `--` in
/// third place (RFC 5891 keeps those for punycode).
#[must_use]
pub fn shaped(name: &str) -> bool {
    let bytes = name.as_bytes();
    let edge = |b: Option<&u8>| b.is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    let inner = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit() || *b == b'-';
    let hyphens = bytes.get(2..4).is_some_and(|b| b == b"--");
    bytes.len() <= LONGEST && edge(bytes.first()) && edge(bytes.last()) && bytes.iter().all(inner) && !hyphens
}

/// Whether a new tenant may be called `name`. Only lower-case ASCII is taken, so every other spelling (capitals, full-width
/// letters, other alphabets, punycode, a trailing dot) is refused by its shape; lookalikes within ASCII are compared by
/// their skeleton.
///
/// # Errors
/// `Invalid` for the member `slug`.
pub fn acceptable(name: &str, tenancy: &Tenancy) -> Result<(), Failure> {
    let reserved = !kernel::sabotage::off("tenant.reserved_names")
        && (tenancy.reserved.iter().any(|r| alike(name, r)) || alike(name, &tenancy.host));
    if reserved {
        return Err(Failure::field("slug", "reserved", "this name is reserved"));
    }
    if !shaped(name) {
        let words = "1 to 40 characters of a-z, 0-9 and -, beginning and ending with a letter or digit";
        return Err(Failure::field("slug", "pattern", words));
    }
    if name.parse::<kernel::Id>().is_ok() {
        return Err(Failure::field("slug", "pattern", "a name, not an id"));
    }
    Ok(())
}

/// Whether two names look the same, in a hurry.
fn alike(name: &str, reserved: &str) -> bool {
    let folded = fold(name);
    let name = folded.as_str();
    let (name, reserved) = (skeleton(name), skeleton(reserved));
    // The digit 1 passes for an l and for an i, each time anew: `10g1n`.
    let one = |a: char, b: char| a == '1' && matches!(b, 'l' | 'i');
    name.chars().count() == reserved.chars().count()
        && name.chars().zip(reserved.chars()).all(|(a, b)| a == b || one(a, b) || one(b, a))
}

/// Capitals, surrounding dots and spaces, and full-width forms (what NFKC would make of them) folded away.
fn fold(name: &str) -> String {
    let narrow = |c: char| match u32::from(c) {
        wide @ 0xFF01..=0xFF5E => char::from_u32(wide - 0xFEE0).unwrap_or(c),
        _ => c,
    };
    name.trim_matches(|c: char| c == '.' || c == '\u{3002}' || c.is_whitespace())
        .chars()
        .map(narrow)
        .flat_map(char::to_lowercase)
        .collect()
}

/// Letters that pass for another: digits other than 1, and pairs that run together.
fn skeleton(name: &str) -> String {
    let letter = |c: char| match c {
        '0' => 'o',
        '3' => 'e',
        '4' => 'a',
        '5' => 's',
        '7' => 't',
        other => other,
    };
    let plain: String = name.chars().map(letter).collect();
    plain.replace("rn", "m").replace("vv", "w")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tenancy() -> Tenancy {
        Tenancy {
            noun: "firm".into(),
            plural: "firms".into(),
            key: "firm_id".into(),
            subdomain: true,
            custom_domain: false,
            membership_slug: false,
            host: "studio".into(),
            slug_unique: true,
            reserved: ["admin", "www", "api", "mail", "billing", "support", "sign"].map(str::to_owned).to_vec(),
            public_path: None,
            sign_up: manifest::SignUp::Open,
        }
    }

    #[test]
    fn reserved_names_are_refused_in_every_spelling() {
        for name in [
            "admin",
            "Admin",
            "ADMIN",
            "admin.",
            ".admin",
            " admin",
            "adm1n",
            "adrnin",
            "4dmin",
            "4drn1n",
            "www",
            "vvww",
            "wvvw",
            "ap1",
            "mail",
            "ma1l",
            "bi11ing",
            "b1lling",
            "supp0rt",
            "5upport",
            "s1gn",
            "studio",
            "stud10",
            "\u{ff41}\u{ff44}\u{ff4d}\u{ff49}\u{ff4e}",
            "\u{430}dmin",
            "adm\u{456}n",
            "admin\u{200b}",
            "admi\u{307}n",
            "admın",
            "xn--dmin-7nd",
            "xn--admin",
            "www\u{3002}",
        ] {
            assert!(acceptable(name, &tenancy()).is_err(), "{name}");
        }
    }

    #[test]
    fn ordinary_names_pass() {
        for name in
            ["acme", "north", "cafe-5", "a", "hq", "mall", "x1y", "admin-tools", "signal", "3d-print", "a-b", "modern"]
        {
            assert_eq!(acceptable(name, &tenancy()), Ok(()), "{name}");
        }
    }

    #[test]
    fn shapes() {
        for bad in ["", "-a", "a-", "a.b", "a_b", "Ab", "ab--c", "xn--abc", "é", "a b", &"a".repeat(41)] {
            assert!(!shaped(bad), "{bad}");
        }
        assert!(shaped(&"a".repeat(40)) && shaped("a--b"));
        assert!(acceptable("01890a5d-ac96-774b-bcce-b302099a8057", &tenancy()).is_err());
    }
}
