#!/usr/bin/env python3
"""Rotate keys again and again under load and SIGKILL the server in the middle of it.

    python3 scripts/rotate_kill.py [--kills 50] [--rows 4000] [--database URL --owner URL] [--binary PATH]

Readers and writers go on all the time. At the end every value opens (as last acknowledged), is found by its blind index,
drafts and earlier versions are sealed anew with it, nothing is left under an old key, and every old key is retired. Exit 1 if not.
"""
import argparse
import http.client
import json
import random
import shutil
import signal
import socket
import sys
import tempfile
import threading
import time
from pathlib import Path

import kill
from kill import ROOT, Client, Server

RECORDS = "/api/v1/collections/people/records"
APP = """
[app]
name = "Kill"
[tenant]
noun = "tenant"
[roles]
owner.floor = "all"
[collections.people]
drafts = true
versions = 3
[collections.people.fields]
name = { type = "text", required = true, unique = true }
mail = { type = "email", encrypted = true, index = "blind" }
note = { type = "text", encrypted = true, max = 200 }
[limits]
api = "1000000/s per account"
sign_in = "1000000/s per ip"
imports = "1000/h per tenant"
[disclosure]
contact = "security@kill.example"
[demo]
tenants = ["t0", "t1"]
"""


def order(server, **words):
    with socket.socket(socket.AF_UNIX) as s:
        s.connect(str(server.folder / "data/admin.sock"))
        s.sendall(json.dumps({"as": "rotate_kill", **words}).encode() + b"\n")
        answer = json.loads(s.makefile().readline())
    if "ok" not in answer:
        raise OSError(answer)
    return answer["ok"]


class Worker(threading.Thread):
    """Changes rows and reads them back. What was acknowledged last must be there, or something sent after it."""

    def __init__(self, server, tenant, rows, stop):
        super().__init__(daemon=True)
        self.client, self.rows, self.stop = Client(server, tenant), rows, stop
        self.changes = self.reads = self.tries = 0
        self.wrong = []

    def run(self):
        while not self.stop.is_set():
            try:
                if self.client.token is None:
                    self.client.sign_in()
                row = random.choice(list(self.rows))
                known = self.rows[row]
                status, found = self.client.call("GET", f"{RECORDS}/{row}")
                if status == 401:
                    self.client.token = None
                    continue
                if status != 200 or found["mail"] not in known["mails"]:
                    self.wrong.append(f"read {row}: {status} {found}")
                    continue
                self.reads += 1
                self.tries += 1
                mail = f"m{id(self)}-{self.tries}@kill.example"
                known["mails"].append(mail)
                status, _ = self.client.call("PATCH", f"{RECORDS}/{row}", {"mail": mail, "note": f"note of {mail}"})
                if status == 200:
                    known["mails"] = [mail]
                    self.changes += 1
                elif status not in (409, 412, 428, 503):
                    self.wrong.append(f"change {row}: {status}")
            except (OSError, http.client.HTTPException, ValueError):
                time.sleep(0.01)


def fill(server, tenant, count):
    client = Client(server, tenant)
    client.sign_in()
    lines = "".join(json.dumps({"name": f"p{n}", "mail": f"p{n}@kill.example", "note": f"note of {n}"}) + "\n" for n in range(count))
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=120)
    connection.request("POST", f"{RECORDS}/import", lines, {"host": client.host, "content-type": "application/x-ndjson",
                                                            "authorization": f"Bearer {client.token}"})
    answer = connection.getresponse()
    text = answer.read()
    assert answer.status == 200, (answer.status, text)
    rows, cursor = {}, ""
    while cursor is not None:
        _, page = client.call("GET", f"{RECORDS}?limit=200" + (f"&cursor={cursor}" if cursor else ""))
        rows.update({item["id"]: {"mails": [item["mail"]]} for item in page["items"]})
        cursor = page["next"]
    assert len(rows) == count, len(rows)
    # Some published ones with a change waiting in the draft: sealed values inside a text.
    for row in list(rows)[:40]:
        _, found = client.call("GET", f"{RECORDS}/{row}")
        status, _ = client.call("POST", f"{RECORDS}/{row}/actions/publish", {})
        assert status == 200, status
        status, answer = client.call("PATCH", f"{RECORDS}/{row}", {"note": "waits in the draft"})
        assert status == 200, (status, answer)
    return {row: known for row, known in list(rows.items())[40:]}, len(rows)


def check(server, tenant, rows, total):
    wrong, client, seen, cursor = [], Client(server, tenant), {}, ""
    client.sign_in()
    while cursor is not None:
        status, page = client.call("GET", f"{RECORDS}?limit=200" + (f"&cursor={cursor}" if cursor else ""))
        if status != 200:
            return [f"list: {status} {page}"]
        seen.update({item["id"]: item for item in page["items"]})
        cursor = page["next"]
    if len(seen) != total:
        wrong.append(f"{len(seen)} rows of {total}")
    for row, known in rows.items():
        if seen[row]["mail"] not in known["mails"]:
            wrong.append(f"{row}: {seen[row]['mail']} is not {known['mails']}")
    for row in random.sample(sorted(rows), 50):
        mail = seen[row]["mail"].upper()
        status, page = client.call("GET", f"{RECORDS}?filter=mail%20%3D%20%22{mail}%22")
        if status != 200 or [item["id"] for item in page["items"]] != [row]:
            wrong.append(f"filter for {mail}: {status} {page}")
    return wrong


def main():
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("--kills", type=int, default=50)
    args.add_argument("--rows", type=int, default=4000)
    args.add_argument("--binary", type=Path, default=ROOT / "target/release/vouchsafe")
    args.add_argument("--database")
    args.add_argument("--owner")
    args.add_argument("--seed", type=int, default=1)
    args = args.parse_args()
    random.seed(args.seed)
    folder = Path(tempfile.mkdtemp(prefix="rotate-kill-"))
    (folder / "kill").mkdir()
    (folder / "kill/app.toml").write_text(APP)
    (folder / "kill/security.md").write_text(kill.PAGE)
    server, stop = Server(args, folder), threading.Event()
    server.start()
    tenants = server.ready["tenants"]
    filled = [fill(server, tenant, args.rows) for tenant in tenants]
    workers = [Worker(server, tenants[n % 2], filled[n % 2][0], stop) for n in range(2)]
    for worker in workers:
        worker.start()
    inside = 0
    for n in range(args.kills):
        if n % 2 == 0:
            order(server, **{"do": "keys.rotate"})
        time.sleep(random.uniform(0.0, 0.6))
        inside += any(left["values"] for left in order(server, **{"do": "keys.status"})["left"])
        server.kill()
        server.start()
        if (n + 1) % 10 == 0:
            print(f"  {n + 1} kills, {inside} of them in the middle, {sum(w.changes for w in workers)} changes acknowledged, "
                  f"{sum(w.reads for w in workers)} reads", flush=True)
    began, left = time.monotonic(), [1]
    while left and time.monotonic() - began < 300:
        time.sleep(1)
        left = order(server, **{"do": "keys.status"})["left"]
    stop.set()
    for worker in workers:
        worker.join(30)
    status = order(server, **{"do": "keys.status"})
    region = status["regions"][0]
    wrong = [fault for worker in workers for fault in worker.wrong]
    if left or region["versions"] - region["retired"] != len(tenants):
        wrong.append(f"not retired: {left[:3]} {region}")
    for tenant, (rows, total) in zip(tenants, filled):
        wrong += check(server, tenant, rows, total)
    server.process.send_signal(signal.SIGTERM)
    server.process.wait(30)
    changes = sum(w.changes for w in workers)
    print(f"  {args.kills} kills, {inside} in the middle of a rotation, {changes} acknowledged changes, "
          f"{region['versions']} keys made, {region['retired']} retired, {len(wrong)} faults")
    for fault in wrong[:20]:
        print("   ", fault)
    if wrong:
        sys.exit(f"kept for inspection: {folder}")
    shutil.rmtree(folder)
    if not changes or inside < args.kills // 2:
        sys.exit("too few changes, or too few kills in the middle: this proves nothing")


main()
