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

#[cfg(test)]
mod tests {
    use super::plural;

    #[test]
    fn plurals() {
        for (one, many) in [("Order", "Orders"), ("Dish", "Dishes"), ("Enquiry", "Enquiries"), ("Address", "Addresses")]
        {
            assert_eq!(plural(one), many);
        }
        assert_eq!(plural("Hours"), "Hours");
    }
}
