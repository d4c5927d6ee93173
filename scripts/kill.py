#!/usr/bin/env python3
"""SIGKILL the server again and again while many clients write, and prove that nothing acknowledged is lost.

    python3 scripts/kill.py [--kills 500] [--at-rest program|volume] [--database URL --owner URL] [--binary PATH]

After the last kill: every acknowledged record is there with its content, every database file passes SQLite's integrity
check (sealed ones are opened by scripts/opened.py, which needs the package `cryptography`), every audit chain is whole, and the house and the tenants agree on who is a member with which role. Exit 1 if not.
"""
import argparse
import http.client
import json
import os
import random
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RECORDS = "/api/v1/collections/items/records"
APP = """
[app]
name = "Kill"
[tenant]
noun = "tenant"
[roles]
owner.floor = "all"
editor.floor = { items = "read create write" }
reader.floor = { items = "read" }
[collections.items.fields]
name = { type = "text", required = true, unique = true }
count = "integer"
[limits]
api = "1000000/s per account"
sign_in = "1000000/s per ip"
[encryption]
at_rest = "{at_rest}"
[disclosure]
contact = "security@kill.example"
[demo]
tenants = ["t0", "t1", "t2", "t3"]
"""
PAGE = "# Security\n\n- Another tenant's records look like records that never existed. [wall](#tenant.cross_read)\n"


class Server:
    def __init__(self, args, folder):
        self.args, self.folder, self.process = args, folder, None
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            self.port = s.getsockname()[1]

    def start(self):
        ready = self.folder / "ready.json"
        ready.unlink(missing_ok=True)
        command = [self.args.binary, "serve", self.folder / "kill", "--data", self.folder / "data", "--no-watch", "--listen",
                   f"127.0.0.1:{self.port}", "--ready-file", ready, "--log", self.folder / "log"]
        environment = dict(os.environ)
        if self.args.database:
            command += ["--database", self.args.database]
            environment["VOUCHSAFE_DATABASE_OWNER"] = self.args.owner
        self.process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=(self.folder / "stderr").open("ab"))
        end = time.monotonic() + 60
        while not ready.exists():
            if self.process.poll() is not None or time.monotonic() > end:
                sys.exit("the server did not come back:\n" + (self.folder / "stderr").read_text()[-2000:])
            time.sleep(0.005)
        self.ready = json.loads(ready.read_text())

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


class Client:
    def __init__(self, server, tenant, member=0):
        self.server, self.tenant, self.token = server, tenant, None
        self.host = tenant["url"].split("//")[1]
        self.member, self.connection = tenant["members"][member], None

    def call(self, method, path, body=None):
        if self.connection is None:
            self.connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=20)
        headers = {"host": self.host, "content-type": "application/json"}
        if self.token:
            headers["authorization"] = f"Bearer {self.token}"
        try:
            self.connection.request(method, path, None if body is None else json.dumps(body), headers)
            answer = self.connection.getresponse()
            text = answer.read()
        except (OSError, http.client.HTTPException):
            self.connection.close()
            self.connection = None
            raise
        return answer.status, (json.loads(text) if text else None)

    def sign_in(self):
        path = self.tenant["sign_in_url"].split(self.host, 1)[1]
        self.token = None
        status, answer = self.call("POST", path, {"email": self.member["email"], "password": self.member["password"]})
        if status != 200:
            raise OSError(f"sign-in: {status}")
        self.token = answer["access_token"]


class Writer(threading.Thread):
    """Writes records with unique names and remembers those that were acknowledged."""

    def __init__(self, server, tenant, number, stop):
        super().__init__(daemon=True)
        self.client, self.number, self.stop, self.acknowledged, self.sent = Client(server, tenant), number, stop, [], 0

    def run(self):
        while not self.stop.is_set():
            try:
                if self.client.token is None:
                    self.client.sign_in()
                name = f"w{self.number}-{self.sent}"
                self.sent += 1
                status, answer = self.client.call("POST", RECORDS, {"name": name, "count": self.sent})
                if status == 201:
                    self.acknowledged.append((answer["id"], name, self.sent))
                elif status == 401:
                    self.client.token = None
            except (OSError, http.client.HTTPException, ValueError):
                time.sleep(0.01)


class Changer(threading.Thread):
    """Changes a member's role to and fro: a change of the house and of the tenant."""

    def __init__(self, server, tenant, stop):
        super().__init__(daemon=True)
        self.client, self.stop, self.changes, self.user = Client(server, tenant), stop, 0, None

    def run(self):
        while not self.stop.is_set():
            try:
                if self.client.token is None:
                    self.client.sign_in()
                if self.user is None:
                    _, answer = self.client.call("GET", "/api/v1/members")
                    self.user = next(m["user"] for m in answer["members"] if m["role"] != "owner")
                status, _ = self.client.call("PATCH", f"/api/v1/members/{self.user}",
                                             {"role": random.choice(["editor", "reader"])})
                self.changes += status < 300
                if status == 401:
                    self.client.token = None
            except (OSError, http.client.HTTPException, ValueError, KeyError, StopIteration):
                time.sleep(0.01)


def check(server, writers, args):
    wrong = []
    for writer in writers:
        client = Client(server, writer.client.tenant)
        client.sign_in()
        for identity, name, count in writer.acknowledged:
            status, found = client.call("GET", f"{RECORDS}/{identity}")
            if status != 200 or found["name"] != name or found["count"] != count:
                wrong.append(f"lost: {identity} {name}: {status}")
    for tenant in server.ready["tenants"]:
        client = Client(server, tenant)
        client.sign_in()
        status, answer = client.call("GET", "/api/v1/audit/check")
        if status != 200 or not answer["intact"]:
            wrong.append(f"audit chain of {tenant['slug']}: {status} {answer}")
    return wrong


def files(folder):
    wrong, roster = [], {}
    for file in folder.rglob("*.db"):
        with sqlite3.connect(file) as db:
            answer = db.execute("PRAGMA integrity_check").fetchone()[0]
            if answer != "ok":
                wrong.append(f"{file.name}: {answer}")
            if db.execute("SELECT 1 FROM sqlite_master WHERE name = '_member'").fetchone():
                roster.update({(file.stem, user): role for user, role in db.execute('SELECT "user", role FROM _member')})
    with sqlite3.connect(folder / "control.db") as db:
        index = {(tenant, user): role for tenant, user, role in db.execute('SELECT tenant, "user", role FROM member_index')}
    if index != roster:
        wrong.append(f"house and tenants disagree on members: {set(index.items()) ^ set(roster.items())}")
    return wrong


def main():
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("--kills", type=int, default=500)
    args.add_argument("--binary", type=Path, default=ROOT / "target/release/vouchsafe")
    args.add_argument("--at-rest", choices=["program", "volume"], default="program")
    args.add_argument("--database")
    args.add_argument("--owner")
    args.add_argument("--seed", type=int, default=1)
    args = args.parse_args()
    random.seed(args.seed)
    folder = Path(tempfile.mkdtemp(prefix="kill-"))
    (folder / "kill").mkdir()
    (folder / "kill/app.toml").write_text(APP.replace("{at_rest}", args.at_rest))
    (folder / "kill/security.md").write_text(PAGE)
    server, stop = Server(args, folder), threading.Event()
    server.start()
    tenants = server.ready["tenants"]
    writers = [Writer(server, tenants[n % len(tenants)], n, stop) for n in range(12)]
    changers = [Changer(server, tenants[0], stop)]
    for thread in [*writers, *changers]:
        thread.start()
    for kill in range(args.kills):
        time.sleep(random.uniform(0.02, 0.5))
        server.kill()
        server.start()
        if (kill + 1) % 25 == 0:
            print(f"  {kill + 1} kills, {sum(len(w.acknowledged) for w in writers)} writes acknowledged, "
                  f"{sum(c.changes for c in changers)} role changes", flush=True)
    time.sleep(1)
    stop.set()
    for thread in [*writers, *changers]:
        thread.join(30)
    wrong = check(server, writers, args)
    server.kill()
    server.start()
    server.process.send_signal(signal.SIGTERM)
    server.process.wait(30)
    if not args.database:
        data = folder / "data"
        if args.at_rest == "program":
            import opened

            opened.open_all(data, folder / "opened")
            data = folder / "opened"
        wrong += files(data)
    total = sum(len(w.acknowledged) for w in writers)
    print(f"  {args.kills} kills, {total} acknowledged writes, {len(wrong)} faults")
    for fault in wrong[:20]:
        print("   ", fault)
    if wrong:
        sys.exit(f"kept for inspection: {folder}")
    shutil.rmtree(folder)
    if not total:
        sys.exit("nothing was written: this proves nothing")


if __name__ == "__main__":
    main()
