//! What the operating system says about the server's process: its sockets, its limits, its files, its links to services.

use std::{net::SocketAddr, os::unix::fs::PermissionsExt as _, path::Path};

use manifest::Pointer;
use serde_json::{Value, json};

use super::{
    probe,
    side::{Side, Start, Wish, edited},
    sockets,
};
use crate::{
    evidence::{Evidence, Miss, Outcome, broken},
    plan::Probe,
    random,
    run::Scene,
};

pub(super) const PROBES: &[Probe] = &[
    probe!("ops.exposed_ports", Together, exposed_ports),
    probe!("ops.host_hardening", Together, host_hardening),
    probe!("ops.private_links", Together, private_links),
];

fn pid(scene: &Scene) -> Result<u32, Miss> {
    scene.stage.instance.pid.ok_or_else(|| Miss::Unclear("the server's process is not known".to_owned()))
}

/// What the server says it found on its machine.
fn posture(status: &Value) -> &Value {
    status.get("posture").unwrap_or(&Value::Null)
}

fn told(posture: &Value) -> Vec<SocketAddr> {
    let listed = posture.get("listens").and_then(Value::as_array).into_iter().flatten();
    let mut out: Vec<SocketAddr> = listed.filter_map(|l| l.get(1)?.as_str()?.parse().ok()).collect();
    out.sort();
    out
}

async fn exposed_ports(scene: &Scene) -> Outcome {
    let instance = &scene.stage.instance;
    let open: Vec<sockets::Socket> = sockets::of(pid(scene)?)?.into_iter().filter(|s| s.listens).collect();
    let mut asked: Vec<SocketAddr> = instance.plain.into_iter().chain([instance.net.address]).collect();
    asked.sort();
    let found: Vec<SocketAddr> = open.iter().map(|s| s.here).collect();
    if found != asked {
        let did = "listing the sockets that the server's process listens on";
        return broken(did, format!("the {} it was told to open", asked.len()), format!("{}", found.len()));
    }
    let status = instance.admin(&json!({"do": "status", "as": "verify"})).await?;
    if told(posture(&status)) != asked {
        return broken("asking the server where it listens", "the same sockets as the system shows", "others");
    }
    let stray =
        open.iter().filter(|s| !sockets::private(s.here.ip()) && !scene.app.edge.ports.contains(&s.here.port()));
    let stray = stray.count();
    if stray > 0 {
        return broken("comparing public addresses with `edge.ports`", "0 others", format!("{stray}"));
    }
    // A listener for the inside does not go on an address for the outside.
    for place in ["0.0.0.0:0", "[::]:0", "203.0.113.7:0"] {
        match Side::start(scene, &Wish { arguments: &["--metrics", place], ..Wish::default() }).await? {
            Start::Refused(2, said) if said.contains("--metrics") => {}
            Start::Refused(code, _) => {
                return broken(format!("starting with --metrics {place}"), "exit 2, naming it", format!("exit {code}"));
            }
            Start::Up(_) => return broken(format!("starting with --metrics {place}"), "refused", "it listens"),
        }
    }
    let side = Side::up(scene, &Wish { arguments: &["--metrics", "127.0.0.1:0"], ..Wish::default() }).await?;
    let inner: Vec<SocketAddr> = sockets::of(side.pid)?.into_iter().filter(|s| s.listens).map(|s| s.here).collect();
    let status = side.admin(&json!({"do": "status", "as": "verify"})).await?;
    if inner.len() != 2 || told(posture(&status)) != inner {
        let saw = format!("{} sockets", inner.len());
        return broken("a start with --metrics on loopback", "one more socket, told to its operator", saw);
    }
    Ok(Evidence::new()
        .count("listening sockets, all declared", found.len())
        .count("others", 0)
        .count("inner listeners on public addresses refused", 3))
}

/// A line of `/proc/<pid>/status` or `limits`.
fn line(pid: u32, file: &str, name: &str) -> Result<Vec<String>, Miss> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/{file}"))?;
    let line = text.lines().find_map(|l| l.strip_prefix(name)).unwrap_or_default();
    Ok(line.split_whitespace().map(str::to_owned).collect())
}

/// Files and folders below that somebody else than their owner may open.
fn open_to_others(folder: &Path) -> Result<(usize, usize), Miss> {
    let (mut all, mut open, mut rest) = (0, 0, vec![folder.to_owned()]);
    while let Some(path) = rest.pop() {
        let Ok(meta) = std::fs::symlink_metadata(&path) else { continue };
        all += 1;
        open += usize::from(!meta.is_symlink() && meta.permissions().mode() & 0o077 != 0);
        if meta.is_dir() {
            rest.extend(std::fs::read_dir(&path)?.flatten().map(|e| e.path()));
        }
    }
    Ok((all, open))
}

async fn host_hardening(scene: &Scene) -> Outcome {
    let (instance, pid) = (&scene.stage.instance, pid(scene)?);
    let core = line(pid, "limits", "Max core file size")?;
    if core.iter().take(2).any(|limit| limit != "0") {
        return broken("reading the server's limit on memory dumps", "0, soft and hard", core.join(" "));
    }
    let umask = line(pid, "status", "Umask:")?.join("");
    if !umask.ends_with("077") {
        return broken("reading the server's file mode mask", "077", umask);
    }
    // Written through every door first: records, files of sessions, logs, the admin socket.
    let (at, field) = scene.carrier()?;
    scene.make(&scene.a, at, Some((field, "modes"))).await?;
    let (files, open) = open_to_others(instance.data())?;
    if open > 0 {
        let did = "reading the modes of the data folder and everything in it";
        return broken(did, "nothing that others may open", format!("{open} of {files}"));
    }
    let root = line(pid, "status", "Uid:")?.get(1).is_some_and(|uid| uid == "0");
    let status = instance.admin(&json!({"do": "status", "as": "verify"})).await?;
    let flag = |name: &str| posture(&status).get(name).and_then(Value::as_bool);
    if flag("root") != Some(root) || flag("core_dumps") != Some(false) {
        return broken("asking the server what it found", "what the system shows", "something else");
    }
    // What is wrong with a machine is told: a key that others can read, an app's folder that others can write.
    let scratch = instance.scratch();
    let key = scratch.join(format!("open-{}.pem", random::hex(4)));
    std::fs::copy(scratch.join("key.pem"), &key)?;
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644))?;
    let folder = edited(scene, |app, page| (app, page))?;
    std::fs::set_permissions(folder.join("app.toml"), std::fs::Permissions::from_mode(0o666))?;
    let side = Side::up(scene, &Wish { folder: Some(&folder), key: Some(&key), ..Wish::default() }).await?;
    let status = side.admin(&json!({"do": "status", "as": "verify"})).await?;
    let findings = posture(&status).get("findings").and_then(Value::as_array).cloned().unwrap_or_default();
    let said = |what: &str| findings.iter().any(|f| f.as_str().is_some_and(|f| f.contains(what)));
    for (fault, present) in [("TLS key", true), ("app folder", true), ("root", root)] {
        if said(fault) != present {
            let did = "a start on a machine with faults";
            return broken(did, format!("the {fault} named in its findings, or not, as it is"), "the contrary");
        }
    }
    Ok(Evidence::new()
        .word("memory dumps", "off")
        .count("files, none open to others", files)
        .word("account", if root { "root, and it says so" } else { "not root" })
        .count("planted faults named at start", 2))
}

async fn private_links(scene: &Scene) -> Outcome {
    let alone = scene.app.edge.private_services;
    let Pointer::Env(mail) = &scene.app.mail.smtp else {
        return Err(Miss::Unbuilt("the mail transport is not named by a variable"));
    };
    let public = "203.0.113.7";
    let database = |host: &str| format!("postgres://role@{host}/name");
    // Which starts are refused before anything is connected, and which settings they name.
    let hidden = format!("postgres://role@127.0.0.1/name?host={public}");
    for url in [
        database(public),
        database("[2001:db8::7]"),
        database("127.0.0.1,203.0.113.7"),
        database("nobody.invalid"),
        hidden,
    ] {
        match Side::start(scene, &Wish { arguments: &["--database", &url], ..Wish::default() }).await? {
            Start::Refused(2, said)
                if said.contains("--database") && !said.contains("role") && said.contains("private") => {}
            Start::Refused(code, _) => {
                let did = "starting with a database that has to be reached in the open";
                return broken(did, "exit 2 before connecting, for that reason", format!("exit {code} for another"));
            }
            Start::Up(_) => return broken("starting with a database in the open", "refused", "it listens"),
        }
    }
    let mut tried = 5;
    for (url, fine) in
        [("smtps://u:p@203.0.113.7", !alone), ("starttls://u:p@203.0.113.7", !alone), ("smtp://127.0.0.1:9", true)]
    {
        let variables = [(mail.as_str(), url), ("VOUCHSAFE_SMTP_URL", url)];
        let start = Side::start(scene, &Wish { variables: &variables, ..Wish::default() }).await?;
        let (up, named) = match &start {
            Start::Up(_) => (true, true),
            Start::Refused(code, said) => (false, *code == 2 && said.contains("mail.smtp") && !said.contains("u:p")),
        };
        if up != fine || !named {
            let expected = if fine { "it starts" } else { "exit 2, naming mail.smtp" };
            return broken("starting with a mail server", expected, if up { "it starts" } else { "refused" });
        }
        tried += 1;
    }
    // And what it is connected to now.
    let ends: Vec<_> = sockets::of(pid(scene)?)?.into_iter().filter(|s| !s.listens && s.there.port() != 0).collect();
    let outside = ends.iter().filter(|s| !sockets::private(s.there.ip())).count();
    if outside > 0 && alone {
        return broken("listing the server's connections", "private addresses only", format!("{outside} others"));
    }
    Ok(Evidence::new()
        .count("starts judged", tried)
        .word("services", if alone { "private addresses only" } else { "private addresses or verified TLS" })
        .count("connections seen, all private", ends.len()))
}
