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


def main():
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("--binary", type=Path, default=ROOT / "target/debug/vouchsafe")
    args = args.parse_args()
    verdicts = {}
    for app in APPS:
        done = subprocess.run([args.binary, "verify", f"apps/{app}", "--format", "json"], capture_output=True, text=True, cwd=ROOT)
        if done.returncode == 2:
            sys.exit(done.stderr)
        for promise in json.loads(done.stdout):
            verdicts[promise["id"]] = promise
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
            waiting = [c for c in checks if c not in probed]
            note = f"no probe yet: {', '.join(waiting)}" if waiting and verdict == "unproven" else ""
            file.write(f"{row['id']}\t{row['checks']}\t{verdict}\t{note}\n")
            counts[verdict] = counts.get(verdict, 0) + 1
    print("  " + ", ".join(f"{n} {verdict}" for verdict, n in sorted(counts.items())))


main()
