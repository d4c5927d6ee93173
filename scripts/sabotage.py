#!/usr/bin/env python3
"""Proves that each probe can fail: with one control off in a test build, `verify` must exit 1 and name that check's claims.

    python3 scripts/sabotage.py [--binary target/sabotage/debug/vouchsafe] [--only CHECK] [--jobs 2]

Reads the committed catalogue for which app's page makes the promise. A check whose probe stays green under its own sabotage
is an error; so is one that cannot be judged. Exit 1 then.
"""
import argparse
import concurrent.futures
import csv
import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
APPS = {"KWE": "kwestra", "NOR": "nordkestrel", "KON": "kontraktr", "EST": "estokad", "CON": "connectwyze"}


def run(binary, app, check, off):
    environment = dict(os.environ, VOUCHSAFE_SABOTAGE=off)
    command = [binary, "verify", ROOT / "apps" / app, "--only", check, "--format", "json"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, cwd=ROOT)
    try:
        return done.returncode, json.loads(done.stdout)
    except json.JSONDecodeError:
        return done.returncode, [{"id": "?", "verdict": "no report", "evidence": done.stderr.strip()[-400:]}]


def judge(binary, check, apps):
    """Red on one of the apps whose page names the check; the last answer otherwise."""
    seen = {}
    for app in apps:
        code, promises = run(binary, app, check, check)
        verdicts = {p["id"]: p["verdict"] for p in promises}
        if code == 1 and any("failing" in str(p) for p in promises):
            return check, app, True, verdicts
        seen[app] = verdicts
    return check, ",".join(apps), False, seen


def exceptions():
    """Checks without a switch, each with its reason. The list may only shrink."""
    with open(ROOT / "ledger/unswitched.tsv", newline="") as file:
        return {row["check"]: row["why"] for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)}


def main():
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("--binary", type=Path, default=ROOT / "target/sabotage/debug/vouchsafe")
    args.add_argument("--only")
    args.add_argument("--jobs", type=int, default=2)
    args = args.parse_args()
    listed = subprocess.run([args.binary, "checks", "--probed"], capture_output=True, text=True, check=True).stdout.split()
    with open(ROOT / "ledger/checks.tsv", newline="") as file:
        serves = {row["check"]: row["serves"] for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)}
    known = exceptions()
    for check in known.keys() - set(listed):
        sys.exit(f"ledger/unswitched.tsv names {check}, which has no probe")
    for check, why in known.items():
        print(f"  no switch {check:<26} {why}")
    wanted = [c for c in listed if c not in known and args.only in (None, c)]
    # A promise may be missing from a page; every app that speaks of the check is a candidate, in a fixed order.
    apps = {c: list(dict.fromkeys(APPS[p.split("-")[0]] for p in serves[c].split(","))) for c in wanted}
    wrong = 0
    with concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
        for check, app, red, verdicts in pool.map(lambda c: judge(args.binary, c, apps[c]), wanted):
            print(f"  {'caught' if red else 'MISSED':<7} {check:<26} {app:<12} {verdicts}", flush=True)
            wrong += not red
    print(f"{len(wanted) - wrong} passed, {wrong} failed")
    sys.exit(1 if wrong or not wanted else 0)


main()
