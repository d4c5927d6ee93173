#!/usr/bin/env python3
"""Checks OSCAL documents as `vouchsafe oscal APP --out DIR` writes them: every reference resolves, ids are unique, nothing is
claimed that was not observed. `trestle validate` accepts dangling references; this does not.

    python3 scripts/oscal.py DIR [--trestle PATH]

With --trestle (the program of PyPI's compliance-trestle) the documents are imported into a fresh workspace and validated too.
Exit 1 when anything is wrong.
"""
import argparse
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

NAMES = ["catalog", "component-definition", "assessment-plan", "assessment-results"]
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[45][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


def walk(value, path=""):
    """Every (path, key, value) below."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield path, key, inner
            yield from walk(inner, f"{path}/{key}")
    elif isinstance(value, list):
        for inner in value:
            yield from walk(inner, path)


def check(documents):
    wrong = []
    every = [(name, path, key, value) for name, document in documents.items() for path, key, value in walk(document)]
    of = lambda key: [(name, value) for name, _, k, value in every if k == key and isinstance(value, str)]
    # What is defined. The service is described in more than one document under one id.
    uuids, controls, parts = {}, set(), set()
    for name, path, key, value in every:
        if key == "uuid":
            uuids.setdefault(value, []).append(f"{name}{path}")
            if not UUID.fullmatch(value):
                wrong.append(f"{name}{path}: {value} is no UUID of version 4 or 5")
    for uuid, places in uuids.items():
        kinds = {re.sub(r".*/", "", place) for place in places}
        if len(places) > 1 and kinds not in ({"components"}, {"parties"}):
            wrong.append(f"{uuid} is there {len(places)} times: {places}")
    seen = []
    for group in documents["catalog"]["catalog"]["groups"]:
        for control in group["controls"]:
            controls.add(control["id"])
            seen.append(control["id"])
            for _, key, value in walk(control):
                if key == "id":
                    seen.append(value)
                    parts.add(value)
    # A control's own id is met once as a control and not among its parts.
    double = {i for i in seen if seen.count(i) > 1}
    if double - controls:
        wrong.append(f"ids given twice in the catalogue: {sorted(double - controls)[:5]}")
    # What is referred to.
    for key, known in [("control-id", controls), ("objective-id", parts), ("target-id", parts)]:
        named = of(key)
        if not named:
            wrong.append(f"no {key} anywhere")
        wrong += [f"{name}: {key} {value} leads nowhere" for name, value in named if value not in known]
    for key in ["observation-uuid", "subject-uuid", "actor-uuid", "component-uuid"]:
        wrong += [f"{name}: {key} {value} leads nowhere" for name, value in of(key) if value not in uuids]
    for name, _, key, value in every:
        if key == "party-uuids":
            wrong += [f"{name}: party {uuid} leads nowhere" for uuid in value if uuid not in uuids]
    for key in ["href", "source"]:
        for name, value in of(key):
            inner = value.startswith("#") and any(p.startswith(name) for p in uuids.get(value[1:], []))
            if not inner and value.removesuffix(".json") not in documents:
                wrong.append(f"{name}: {key} {value} leads nowhere")
    # What is said to be satisfied was seen.
    for result in documents["assessment-results"]["assessment-results"]["results"]:
        verdicts = {}
        for observation in result.get("observations", []):
            props = {p["name"]: p["value"] for p in observation["props"]}
            verdicts[observation["uuid"]] = props["verdict"]
        for finding in result["findings"]:
            related = [verdicts[o["observation-uuid"]] for o in finding.get("related-observations", [])]
            state = finding["target"]["status"]["state"]
            if state == "satisfied" and not (related and all(v in ("proven", "attested") for v in related)):
                wrong.append(f"{finding['title']} is satisfied and nobody saw it: {related}")
    return wrong, {"controls": len(controls), "uuids": len(uuids)}


def trestle(program, folder):
    """Imports each document into a fresh trestle workspace, which validates it."""
    wrong = []
    with tempfile.TemporaryDirectory() as work:
        subprocess.run([program, "init", "--local"], cwd=work, check=True, capture_output=True)
        for name in NAMES:
            done = subprocess.run([program, "import", "-f", str((folder / f"{name}.json").resolve()), "-o", f"our-{name}"],
                                  cwd=work, capture_output=True, text=True)
            if done.returncode:
                wrong.append(f"trestle import {name}: {(done.stdout + done.stderr).strip()[-600:]}")
        done = subprocess.run([program, "validate", "-a"], cwd=work, capture_output=True, text=True)
        if done.returncode:
            wrong.append(f"trestle validate: {(done.stdout + done.stderr).strip()[-600:]}")
    return wrong


def main():
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("folder", type=Path)
    args.add_argument("--trestle")
    args = args.parse_args()
    documents = {name: json.loads((args.folder / f"{name}.json").read_text()) for name in NAMES}
    wrong, counts = check(documents)
    if args.trestle:
        wrong += trestle(args.trestle, args.folder)
    for words in wrong:
        print(f"  wrong  {words}")
    print(f"{counts['controls']} controls, {counts['uuids']} things with an id, {len(wrong)} wrong")
    sys.exit(1 if wrong else 0)


main()
