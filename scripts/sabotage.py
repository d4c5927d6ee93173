#!/usr/bin/env python3
"""Proves that each probe can fail: with one control off in a test build, `verify` must exit 1 and name that check's claims.

    python3 scripts/sabotage.py [--binary PATH] [--only CHECK] [--jobs N]
    python3 scripts/sabotage.py --record FILE [--plain PATH]
    python3 scripts/sabotage.py --matrix [--tenth today|0..9] [--only CHECK] [--write]

--record also runs every app once with the program as it is (--plain, of the same sources) and writes both verdicts of each
check, for `vouchsafe tests FILE` or VOUCHSAFE_SECURITY_TESTS: the server signs and shows them.
Without --matrix each sabotage is run against its own claims: a check whose probe stays green under its own sabotage is an
error; so is one that cannot be judged. With --matrix each is run against one app's whole page: it must turn red its own check
and those that ledger/needs.tsv says need it, and change no other: a check that is left undecided needs a row there too. What is neither must be seen twice to count.
--tenth takes a tenth of the sabotages, `today` by the day's number; --write puts what was seen into ledger/matrix.tsv, each row
with the commit it was seen at. Exit 1 when anything is wrong.
"""
import argparse
import concurrent.futures
import csv
import datetime
import json
import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
APPS = {"KWE": "kwestra", "NOR": "nordkestrel", "KON": "kontraktr", "EST": "estokad", "CON": "connectwyze"}
COLUMNS = ["check", "app", "red", "unclear", "seconds", "commit"]


def table(name):
    with open(ROOT / "ledger" / name, newline="") as file:
        return list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))


def verify(binary, app, off, only=None):
    """Exit code and promises of one run."""
    environment = dict(os.environ, VOUCHSAFE_SABOTAGE=off)
    command = [binary, "verify", ROOT / "apps" / app, "--format", "json", *(["--only", only] if only else [])]
    try:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600, cwd=ROOT)
        return done.returncode, json.loads(done.stdout)
    except json.JSONDecodeError:
        return done.returncode, [{"id": "?", "verdict": "no report", "evidence": {"?": {"verdict": done.stderr.strip()[-400:]}}}]
    except subprocess.TimeoutExpired:
        return 3, [{"id": "?", "verdict": "no report", "evidence": {"?": {"verdict": "took longer than 600 s"}}}]


def checks_of(promises):
    """Verdict of each check."""
    return {check: told["verdict"] for promise in promises for check, told in promise["evidence"].items()}


def own(binary, check, apps):
    """Red on one of the apps whose page names the check, with the check's verdict; what was seen on all of them otherwise."""
    seen, last = {}, "no report"
    for app in apps:
        code, promises = verify(binary, app, check, check)
        verdicts = {p["id"]: p["verdict"] for p in promises}
        last = checks_of(promises).get(check, "no report")
        if code == 1 and last == "failing":
            return check, app, last, verdicts
        seen[app] = verdicts
    return check, ",".join(apps), last if last != "failing" else "no report", seen


def wanted(binary, only):
    """Checks with a switch, and the apps that promise each."""
    listed = subprocess.run([binary, "checks", "--probed"], capture_output=True, text=True, check=True).stdout.split()
    serves = {row["check"]: row["serves"] for row in table("checks.tsv")}
    # Checks without a switch, each with its reason. The list may only shrink.
    known = {row["check"]: row["why"] for row in table("unswitched.tsv")}
    for check in known.keys() - set(listed):
        sys.exit(f"ledger/unswitched.tsv names {check}, which has no probe")
    if not only:
        for check, why in known.items():
            print(f"  no switch {check:<26} {why}")
    # A promise may be missing from a page; every app that speaks of the check is a candidate, in a fixed order.
    apps = lambda c: list(dict.fromkeys(APPS[p.split("-")[0]] for p in serves[c].split(",")))
    return {c: apps(c) for c in listed if c not in known and only in (None, c)}


def identity(binary):
    return json.loads(subprocess.run([binary, "identity"], capture_output=True, text=True, check=True).stdout)


def now():
    return datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds").replace("+00:00", "Z")


def record(args, began, seen):
    """Both runs of each check: with its control off as just seen, with it on by the program that has no switches."""
    plain = identity(args.plain)
    on = {app: checks_of(verify(args.plain, app, "")[1]) for app in sorted({app for _, app, _ in seen})}
    told = lambda off: "inconclusive" if off == "no report" else off
    pairs = {check: {"on": on[app].get(check, "unproven"), "off": told(off), "app": app} for check, app, off in seen}
    reasons = {row["check"]: row["why"] for row in table("unswitched.tsv")}
    told = {"version": plain["version"], "sources": plain["sources"], "began": began, "ended": now(), "checks": pairs, "unswitched": reasons}
    args.record.write_text(json.dumps(told, indent=1, sort_keys=True) + "\n")
    green = sum(p["on"] == "proven" and p["off"] == "failing" for p in pairs.values())
    print(f"{args.record}: {green} of {len(pairs)} green and red")


def each(args):
    wrong, checks = 0, wanted(args.binary, args.only)
    began, seen = now(), []
    if args.record:
        plain, built = identity(args.plain), identity(args.binary)
        if plain["sources"] != built["sources"] or plain["sabotage"]:
            sys.exit("--plain is not the same build without its switches: build both from the same sources")
        # Its own green needs the record that this run makes.
        checks.pop("gov.security_tests", None)
    with concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
        for check, app, verdict, verdicts in pool.map(lambda c: own(args.binary, c, checks[c]), checks):
            red = verdict == "failing"
            print(f"  {'caught' if red else 'MISSED':<7} {check:<26} {app:<12} {verdicts}", flush=True)
            wrong += not red
            seen.append((check, app.split(",")[0], verdict))
    if args.record:
        record(args, began, seen)
    print(f"{len(checks) - wrong} passed, {wrong} failed")
    return wrong or not checks


def decided(binary, app, off, verdicts):
    """A busy machine leaves some checks undecided: those are asked again by themselves."""
    for other in [check for check, verdict in verdicts.items() if verdict == "inconclusive"]:
        verdicts[other] = checks_of(verify(binary, app, off, other)[1]).get(other, "inconclusive")
    return verdicts


def look(binary, app, check, plain, needs):
    """Seconds, what changed on the whole page with the control off, and of it what ledger/needs.tsv does not say."""
    began = time.monotonic()
    now = checks_of(verify(binary, app, check)[1])
    seconds = round(time.monotonic() - began)
    now = decided(binary, app, check, now)
    changed = {c: verdict for c, verdict in now.items() if verdict != plain.get(c)}
    alien = [f"{c} ({v})" for c, v in sorted(changed.items()) if c != check and needs.get((check, c)) != v]
    return seconds, changed, alien


def matrix(args):
    checks = wanted(args.binary, args.only)
    # What a sabotage may do to which other check: turn it red, or keep the prober from telling (no budget left, no tenant).
    needs = {(row["check"], row["needed_by"]): row["becomes"] for row in table("needs.tsv")}
    names = sorted(checks)
    if args.tenth is not None:
        tenth = datetime.date.today().toordinal() % 10 if args.tenth == "today" else int(args.tenth)
        names = [c for n, c in enumerate(names) if n % 10 == tenth]
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, cwd=ROOT).stdout.strip()
    plain, rows, wrong = {}, [], 0
    for check in names:
        # The app whose page it is seen on: the first where nothing else is the matter and the check is proven.
        for app in checks[check]:
            if app not in plain:
                plain[app] = decided(args.binary, app, "", checks_of(verify(args.binary, app, "")[1]))
            if plain[app].get(check) == "proven":
                break
        seconds, changed, alien = look(args.binary, app, check, plain[app], needs)
        if alien:
            # Some other trouble of the machine does not come twice.
            _, again, too = look(args.binary, app, check, plain[app], needs)
            alien = [c for c in alien if c in too]
            changed = {c: verdict for c, verdict in changed.items() if again.get(c) == verdict}
        red = sorted(c for c, verdict in changed.items() if verdict == "failing")
        unclear = sorted(changed.keys() - set(red))
        fine = check in red and not alien
        wrong += not fine
        what = "its own stays green" if check not in red else f"also {' '.join(alien)}" if alien else ""
        print(f"  {'as said' if fine else 'WRONG':<8} {check:<26} {app:<12} {seconds:>4} s  {what}", flush=True)
        rows.append(dict(zip(COLUMNS, [check, app, ",".join(red), ",".join(unclear), seconds, commit])))
    if args.write:
        known = {row["check"]: row for row in (table("matrix.tsv") if (ROOT / "ledger/matrix.tsv").exists() else [])}
        known.update({row["check"]: row for row in rows})
        with open(ROOT / "ledger/matrix.tsv", "w", newline="") as file:
            writer = csv.DictWriter(file, COLUMNS, delimiter="\t", quoting=csv.QUOTE_NONE, lineterminator="\n")
            writer.writeheader()
            writer.writerows(known[check] for check in sorted(known))
    print(f"{len(names) - wrong} as said, {wrong} not")
    return wrong or not names


def main():
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("--binary", type=Path, default=ROOT / "target/sabotage/debug/vouchsafe")
    args.add_argument("--plain", type=Path, default=ROOT / "target/debug/vouchsafe")
    args.add_argument("--record", type=Path)
    args.add_argument("--only")
    args.add_argument("--jobs", type=int, default=3)
    args.add_argument("--matrix", action="store_true")
    args.add_argument("--tenth")
    args.add_argument("--write", action="store_true")
    args = args.parse_args()
    sys.exit(1 if (matrix if args.matrix else each)(args) else 0)


main()
