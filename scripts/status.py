#!/usr/bin/env python3
"""Writes ledger/status.tsv: each promise of the five pages with the verdict that `verify` gives it, here and now.

    python3 scripts/status.py [--binary target/debug/vouchsafe]
"""
import argparse
import csv
import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
APPS = ["kwestra", "nordkestrel", "kontraktr", "estokad", "connectwyze"]
# What a check without a probe waits for: the longest beginning counts.
SURFACES = {
    "access.field_grants": "grants by field in custom roles",
    "access.module_gate": "modules switched over HTTP",
    "access.no_expand": "custom roles over HTTP",
    "access.operator": "sign-in of operators with a hardware key",
    "apikey.": "API keys",
    "auth.": "further ways to sign in (codes, passkeys, OAuth, SAML, breach check)",
    "data.": "deletion and subject rights",
    "edge.breaker": "the outbound client",
    "edge.ssrf": "the outbound client",
    "gov.monitoring_live": "an alert sink",
    "gov.": "its probe",
    "hook.": "webhooks",
    "limit.": "counters shared over nodes",
    "notify.": "messages to Slack",
    "obs.": "shipping of logs and errors",
    "recovery.": "backups and recovery",
    "tenant.byo_storage": "a customer's own storage",
    "tenant.custom_domain": "custom domains",
    "vault.decrypt_on_use": "connectors",
}


def verify(binary, app, *more):
    return subprocess.run([binary, "verify", f"apps/{app}", "--format", "json", *more], capture_output=True, text=True, cwd=ROOT)


def surface(check):
    return SURFACES[max((s for s in SURFACES if check.startswith(s)), key=len)]


def note(promise, checks, probed):
    """Why it is not proven: what a probe said, and what checks without one wait for."""
    if promise["verdict"] != "unproven":
        return ""
    said = [told["note"] for told in promise["evidence"].values() if told["verdict"] == "unproven" and told.get("note")]
    waits = [f"{check} waits for {surface(check)}" for check in checks if check not in probed]
    return "; ".join(dict.fromkeys(w for w in said + waits if w != "no probe yet"))


def main():
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("--binary", type=Path, default=ROOT / "target/debug/vouchsafe")
    args = args.parse_args()
    verdicts = {}
    for app in APPS:
        done = verify(args.binary, app)
        if done.returncode == 2:
            sys.exit(done.stderr)
        promises = {p["id"]: p for p in json.loads(done.stdout)}
        # A busy machine leaves some undecided: those are asked again by themselves.
        for undecided in [i for i, p in promises.items() if p["verdict"] == "inconclusive"]:
            print(f"  {app}: {undecided} was undecided and is asked again")
            promises.update((p["id"], p) for p in json.loads(verify(args.binary, app, "--only", undecided).stdout))
        verdicts.update(promises)
        print(f"  {app}: exit {done.returncode}")
    probed = set(subprocess.run([args.binary, "checks", "--probed"], capture_output=True, text=True, check=True).stdout.split())
    with open(ROOT / "ledger/promises.tsv", newline="") as file:
        ledger = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    counts = {}
    with open(ROOT / "ledger/status.tsv", "w") as file:
        file.write("promise\tchecks\tverdict\tnote\n")
        for row in ledger:
            checks = row["checks"].split(",")
            verdict = verdicts[row["id"]]["verdict"]
            file.write(f"{row['id']}\t{row['checks']}\t{verdict}\t{note(verdicts[row['id']], checks, probed)}\n")
            counts[verdict] = counts.get(verdict, 0) + 1
    print("  " + ", ".join(f"{n} {verdict}" for verdict, n in sorted(counts.items())))


main()
