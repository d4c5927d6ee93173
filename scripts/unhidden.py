#!/usr/bin/env python3
"""Proves on running servers that a broken promise cannot be hidden.

    python3 scripts/unhidden.py [--binary PATH]        a binary built with the feature `sabotage`

1. A server whose control is off says so on its own trust page within a minute: the continuous prober found it.
2. The same data served with the control on: proven again, and the failure stays in the promise's history.
3. The same data served with the sentence reworded, then removed: old and new words stand there with their dates.
4. The signed report verifies with the published key, and not with one byte changed.

Needs the package `cryptography`. Prints the seconds until each was seen. Exit 1 when one was not.
"""
import argparse
import atexit
import base64
import json
import os
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
APP, CHECK, PROMISE = "kontraktr", "edge.referrer", "KON-4.8"
A_MINUTE = 60


class Server:
    """One `vouchsafe serve` over the folders given; its trust page is read as a customer reads it."""

    def __init__(self, binary, app, data, off=""):
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            port = s.getsockname()[1]
        self.url = f"http://localhost:{port}"
        command = [binary, "serve", app, "--data", data, "--listen", f"127.0.0.1:{port}"]
        self.process = subprocess.Popen(command, env=dict(os.environ, VOUCHSAFE_SABOTAGE=off), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        atexit.register(self.stop)
        self.began = time.monotonic()
        self.until("ready", lambda: self.get("/readyz"), 60)

    def get(self, path):
        try:
            with urllib.request.urlopen(self.url + path, timeout=10) as answer:
                return answer.read().decode()
        except OSError:
            return None

    def told(self):
        text = self.get("/trust.json")
        return json.loads(text) if text else {"promises": [], "former_wordings": []}

    def promise(self):
        return next((p for p in self.told()["promises"] if p["id"] == PROMISE), None)

    def until(self, what, seen, seconds):
        while time.monotonic() < self.began + seconds:
            found = seen()
            if found:
                return found
            time.sleep(0.5)
        self.stop()
        sys.exit(f"  NOT SEEN in {seconds} s: {what}")

    def wait(self, what, seen):
        self.until(what, seen, A_MINUTE)
        print(f"  {time.monotonic() - self.began:5.1f} s  {what}", flush=True)

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(30)


def verdict_is(server, wanted):
    promise = server.promise()
    return promise is not None and promise["verdict"] == wanted


def former(server, words):
    """Wordings that are no longer on the page: of promises that are still there, and of those that are not."""
    told = server.told()
    every = [*told["former_wordings"], *(w for p in told["promises"] for w in p["former_wordings"])]
    return [w for w in every if w["words"] == words and w["until"]]


def signature(server):
    """The report's detached JWS (RFC 7515, appendix F), judged with the published key by the package `cryptography`."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    raw = lambda text: base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    with urllib.request.urlopen(server.url + "/trust/report.json", timeout=10) as answer:
        report, (head, _, seal) = answer.read(), answer.headers["X-JWS-Signature"].split(".")
    keys = json.loads(server.get("/trust/keys.json"))["keys"]
    key = Ed25519PublicKey.from_public_bytes(raw(next(k["x"] for k in keys if k["kid"] == json.loads(raw(head))["kid"])))
    signed = lambda body: f"{head}.".encode() + base64.urlsafe_b64encode(body).rstrip(b"=")
    key.verify(raw(seal), signed(report))
    changed = bytearray(report)
    changed[len(changed) // 2] ^= 1
    try:
        key.verify(raw(seal), signed(bytes(changed)))
    except InvalidSignature:
        return True
    return False


def main():
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("--binary", type=Path, default=ROOT / "target/sabotage/debug/vouchsafe")
    binary = args.parse_args().binary
    with tempfile.TemporaryDirectory(prefix="vouchsafe-unhidden-") as home:
        app, data = Path(home) / APP, Path(home) / "data"
        shutil.copytree(ROOT / "apps" / APP, app)
        page = app / "security.md"
        lines = page.read_text().splitlines(keepends=True)
        at = next(n for n, line in enumerate(lines) if PROMISE in line)

        server = Server(binary, app, data, off=CHECK)
        words = server.promise()["words"]
        server.wait(f"{PROMISE} stands failing on /trust, {CHECK} is off", lambda: verdict_is(server, "failing"))
        strip = server.get("/trust").partition("What does not hold now")[2].partition("</section>")[0]
        if f"#{PROMISE}" not in strip or "failing" not in strip:
            sys.exit("  /trust.json says failing and the strip above /trust does not")
        server.stop()

        server = Server(binary, app, data)
        server.wait("proven again, the control is on", lambda: verdict_is(server, "proven"))
        if server.promise()["times_broken"] < 1 or "failing" not in server.get(f"/trust/history/{PROMISE}").lower():
            sys.exit("  the failure is gone from the history")
        print(f"          its history keeps the failure: broken {server.promise()['times_broken']} time(s)")
        server.until("a signed report", lambda: server.get("/trust/report.json"), A_MINUTE)
        if not signature(server):
            sys.exit("  a changed report still verifies")
        print("          the report's signature holds, and breaks with one byte changed")
        server.stop()

        first = max(n for n in range(at + 1) if lines[n].startswith("- "))
        others = lines[first].replace("- ", "- In other words: ", 1)
        for what, edited in [("reworded", [others, *lines[first + 1 : at + 1]]), ("removed", [])]:
            page.write_text("".join(lines[:first] + edited + lines[at + 1 :]))
            server = Server(binary, app, data)
            server.wait(f"{what}: the former words and their date are on /trust", lambda: former(server, words))
            if words[:30] not in server.get("/trust").partition("What this page used to say")[2]:
                sys.exit("  the former words are not on /trust itself")
            if edited:
                words = server.promise()["words"]
            server.stop()
    print("nothing was hidden")


main()
