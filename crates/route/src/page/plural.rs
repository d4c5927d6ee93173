/// `order` as `orders`, `dish` as `dishes`, `enquiry` as `enquiries`: collections are named in the singular.
#[must_use]
pub fn plural(label: &str) -> String {
    let lower = label.to_lowercase();
    let before = lower.chars().rev().nth(1).unwrap_or(' ');
    if lower.ends_with('y') && !matches!(before, 'a' | 'e' | 'i' | 'o' | 'u') {
        return format!("{}ies", label.get(..label.len() - 1).unwrap_or(label));
    }
    if ["s", "x", "ch", "sh"].iter().any(|end| lower.ends_with(end)) {
        return if lower.ends_with("ss") || !lower.ends_with('s') { format!("{label}es") } else { label.to_owned() };
    }
    format!("{label}s")
}

/// `a project`, `an invoice`: the article by how the word begins to be said.
#[must_use]
pub fn with_article(label: &str) -> String {
    let lower = label.to_lowercase();
    // Said with a y or a w before them, against their spelling; or with a letter that is not heard.
    let consonant = ["uni", "use", "usu", "uti", "eu", "one", "once"].iter().any(|start| lower.starts_with(start));
    let silent = ["hour", "heir", "honest", "honour"].iter().any(|start| lower.starts_with(start));
    let vowel = lower.starts_with(['a', 'e', 'i', 'o', 'u', 'å', 'æ', 'ø', 'ä', 'ö', 'é']);
    format!("{} {label}", if vowel && !consonant || silent { "an" } else { "a" })
}

#[cfg(test)]
mod tests {
    use super::{plural, with_article};

    #[test]
    fn articles() {
        for said in ["a project", "an invoice", "an Enquiry", "a user", "an hour", "an asset", "a unit", "a "] {
            assert_eq!(with_article(said.split_once(' ').unwrap().1), said);
        }
    }

    #[test]
    fn plurals() {
        for (one, many) in [("Order", "Orders"), ("Dish", "Dishes"), ("Enquiry", "Enquiries"), ("Address", "Addresses")]
        {
            assert_eq!(plural(one), many);
        }
        assert_eq!(plural("Hours"), "Hours");
    }
}
