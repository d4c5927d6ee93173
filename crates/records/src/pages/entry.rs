//! What was typed into a form, as the JSON that an API call would send. Values are not judged here.

use kernel::{Failure, FieldError, Mode};
use manifest::{Field as Def, Kind, Target, amount};
use serde_json::{Map, Value as Json};
use store::Tx;

use super::{
    Room,
    form::{Choices, EMPTY, Slot, records},
    sieve,
};
use crate::body;

/// Members of the API's object: those fields that the form held. `unchanged`: fields whose text is still the slot's are
/// left out.
///
/// # Errors
/// `Invalid` for what cannot be said in JSON at all: text that is no JSON, a name that is no record's.
pub(crate) async fn given<M: Mode>(
    room: &Room,
    tx: &Tx<M>,
    slots: &[Slot<'_>],
    form: &[(String, String)],
    unchanged: bool,
) -> Result<Map<String, Json>, Failure> {
    let (mut given, mut errors) = (Map::new(), Vec::new());
    for slot in slots {
        let def = slot.def;
        let typed: Vec<String> = form.iter().filter(|(n, _)| n == def.id).map(|(_, v)| lines(v)).collect();
        let empties = form.iter().any(|(n, _)| n.strip_prefix(EMPTY) == Some(def.id));
        if typed.is_empty() && !empties {
            continue;
        }
        let typed = values(slot, typed);
        let same = if slot.hidden { typed.is_empty() && !empties } else { unchanged && typed == slot.values };
        if same {
            continue;
        }
        match value(room, tx, slot, &typed).await? {
            Ok(value) => drop(given.insert(def.id.to_owned(), value)),
            Err((code, detail)) => errors.push(FieldError { field: def.id.to_owned(), code, detail: detail.into() }),
        }
    }
    if errors.is_empty() { Ok(given) } else { Err(Failure::Invalid(errors)) }
}

/// Browsers end lines with CR LF.
fn lines(text: &str) -> String {
    text.replace("\r\n", "\n")
}

/// The values that were typed; none where nothing was.
fn values(slot: &Slot<'_>, typed: Vec<String>) -> Vec<String> {
    let def = slot.def;
    let several = def.many && (def.kind == Kind::Text || matches!(slot.choices, Choices::Many(_)));
    let split = |text: String| text.lines().map(|l| l.trim().to_owned()).collect::<Vec<_>>();
    let all: Vec<String> = match &def.kind {
        // The hidden `false` comes first, the ticked box after it.
        Kind::Boolean => typed.into_iter().next_back().into_iter().collect(),
        _ if several => typed.into_iter().flat_map(split).collect(),
        _ if def.many => typed,
        _ => typed.into_iter().take(1).collect(),
    };
    all.into_iter().filter(|v| !v.is_empty()).collect()
}

type Unsaid = (&'static str, &'static str);

async fn value<M: Mode>(
    room: &Room,
    tx: &Tx<M>,
    slot: &Slot<'_>,
    typed: &[String],
) -> Result<Result<Json, Unsaid>, Failure> {
    let def = slot.def;
    if !def.many {
        return match typed.first() {
            None => Ok(Ok(Json::Null)),
            Some(text) => one(room, tx, slot, text).await,
        };
    }
    let mut all = Vec::with_capacity(typed.len());
    for text in typed {
        match one(room, tx, slot, text).await? {
            Ok(value) => all.push(value),
            Err(unsaid) => return Ok(Err(unsaid)),
        }
    }
    Ok(Ok(Json::Array(all)))
}

async fn one<M: Mode>(room: &Room, tx: &Tx<M>, slot: &Slot<'_>, text: &str) -> Result<Result<Json, Unsaid>, Failure> {
    if let (Kind::Reference { to: Target::Collection(at), only, .. }, Choices::Many(_)) =
        (&slot.def.kind, &slot.choices)
        && text.parse::<kernel::Id>().is_err()
    {
        let found = records(room, tx, *at, only.as_deref().unwrap_or_default(), Some(text.trim())).await?;
        return Ok(match found {
            Choices::Few(all) => match all.as_slice() {
                [(id, _)] => Ok(id.as_str().into()),
                [] => Err(("reference", "no record has this name")),
                _ => Err(("reference", "several records have this name; write the id instead")),
            },
            _ => Err(("reference", "several records have this name; write the id instead")),
        });
    }
    Ok(plain(slot.def, text, room.app().currency))
}

/// A text as the JSON of its kind; what does not parse stays a text and is refused as one.
fn plain(def: &Def, text: &str, currency: &str) -> Result<Json, Unsaid> {
    let trimmed = text.trim();
    Ok(match def.kind {
        Kind::Integer => trimmed.parse::<i64>().map_or_else(|_| text.into(), Json::from),
        Kind::Decimal => {
            let pointed = trimmed.replace(',', ".");
            let exact = amount::parse_decimal(&pointed).and_then(|_| pointed.parse::<f64>().ok());
            exact.map_or_else(|| text.into(), Json::from)
        }
        Kind::Money => money(trimmed, currency).into(),
        Kind::Boolean => match trimmed {
            "true" => true.into(),
            "false" => false.into(),
            _ => text.into(),
        },
        Kind::DateTime => sieve::instant(trimmed).into(),
        Kind::Json => body::parse(text.as_bytes()).map_err(|_| ("json", "this is not JSON"))?,
        Kind::Date | Kind::Email | Kind::Url | Kind::Reference { .. } | Kind::Enum(_) => trimmed.into(),
        Kind::Text | Kind::RichText | Kind::Secret | Kind::File { .. } => text.into(),
    })
}

/// `12`, `12,5` and `1 200.50` in the app's currency, with the digits it has.
fn money(text: &str, currency: &str) -> String {
    let number = text.strip_suffix(currency).unwrap_or(text);
    let packed: String =
        number.chars().filter(|c| !c.is_whitespace()).map(|c| if c == ',' { '.' } else { c }).collect();
    let digits = usize::try_from(amount::exponent(currency)).unwrap_or(2);
    let (whole, rest) = packed.split_once('.').unwrap_or((&packed, ""));
    if digits == 0 {
        return format!("{packed} {currency}");
    }
    // More digits than the currency has are left for the reader to refuse.
    format!("{whole}.{rest:0<digits$} {currency}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_completed_never_rounded() {
        for (typed, sent) in [
            ("12", "12.00 EUR"),
            ("12,5", "12.50 EUR"),
            ("1 200.50 EUR", "1200.50 EUR"),
            ("1.234", "1.234 EUR"),
            ("-3", "-3.00 EUR"),
            ("x", "x.00 EUR"),
        ] {
            assert_eq!(money(typed, "EUR"), sent);
        }
        assert_eq!(money("12", "JPY"), "12 JPY");
    }
}
