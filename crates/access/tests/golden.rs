//! The access matrix of each app as its file says it today. A difference is a change of somebody's rights: read it, then
//! delete the file and run the test once more to accept it.

use std::{fs, path::Path};

#[test]
fn matrices_are_as_they_were() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut different = Vec::new();
    let mut seen = 0;
    for entry in fs::read_dir(here.join("../../apps")).unwrap() {
        let file = entry.unwrap().path().join("app.toml");
        let Ok(text) = fs::read_to_string(&file) else { continue };
        let app = manifest::read(&text, "app.toml").unwrap_or_else(|faults| panic!("{}: {faults:?}", file.display()));
        let now = access::golden(&app, []);
        let golden = here.join("tests/golden").join(format!("{}.txt", app.id));
        seen += 1;
        match fs::read_to_string(&golden) {
            Ok(before) if before == now => {}
            Ok(before) => different.extend(
                before
                    .lines()
                    .zip(now.lines())
                    .find(|(a, b)| a != b)
                    .map(|(a, b)| format!("{}:\n- {a}\n+ {b}", app.id)),
            ),
            Err(_) => {
                fs::write(&golden, now).unwrap();
                different.push(format!("{}: written anew", app.id));
            }
        }
    }
    assert!(different.is_empty() && seen >= 5, "{}", different.join("\n"));
}
