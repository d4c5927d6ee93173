#!/usr/bin/env python3
"""A verifier that nobody here wrote reads what a running server publishes of a tenant's log.

Needs `aics-tlog` (PyPI, Apache-2.0). Usage: judge_log.py URL TOKEN
URL is the tenant's; TOKEN an access token that may read its audit log; at least one day must be closed.
"""
import json
import sys
import urllib.request
from base64 import b64decode

import aics_tlog as tlog


def main(url: str, token: str) -> None:
    host = url.split("://")[1].split("/")[0]
    base = url.replace(host, "127.0.0.1:" + host.split(":")[1]) if ".localhost" in host else url

    def get(path: str) -> bytes:
        ask = urllib.request.Request(base + path, headers={"Host": host, "Authorization": f"Bearer {token}"})
        with urllib.request.urlopen(ask) as answer:
            return answer.read()

    keys = json.loads(get("/.well-known/jwks.json"))
    key = tlog.parse_vkey(keys["keys"][0]["vkey"])

    def opened(text: str) -> tlog.Checkpoint:
        result = tlog.verify_checkpoint(tlog.parse_note(text), key, expected_origin=keys["origin"])
        assert result.ok if hasattr(result, "ok") else result, "a checkpoint"
        return tlog.parse_checkpoint(tlog.parse_note(text).text)

    days = [opened(day["checkpoint"]) for day in keys["checkpoints"]]
    newest = days[0]
    leaves = get("/api/v1/audit/export?format=jsonl").splitlines()

    for day in days:
        tree = tlog.MerkleTree(leaves[: day.size])
        assert tree.root() == day.root, f"the root of {day.size} leaves"
        said = json.loads(get(f"/api/v1/audit/consistency?from={day.size}"))
        proof = [b64decode(h) for h in said["proof"]]
        assert tlog.verify_consistency(day.size, newest.size, day.root, newest.root, proof), "consistency"
    for at in range(newest.size):
        head, _, note = get(f"/api/v1/audit/proofs/{at}").decode().partition("\n\n")
        lines = head.split("\n")
        assert lines[0] == "c2sp.org/tlog-proof@v1" and lines[1] == f"index {at}"
        proof = [b64decode(h) for h in lines[2:]]
        root = opened(note).root
        assert tlog.verify_leaf_inclusion(leaves[at], at, newest.size, proof, root), "inclusion"
        assert not tlog.verify_leaf_inclusion(leaves[at] + b" ", at, newest.size, proof, root), "a changed leaf"
    width = newest.size % 256
    hashes = get(f"/audit/tile/0/000.p/{width}") if newest.size < 256 else get("/audit/tile/0/000")
    first = [hashes[n : n + 32] for n in range(0, len(hashes), 32)]
    assert first == [tlog.leaf_hash(leaf) for leaf in leaves[: len(first)]], "the first tile"
    print(f"{len(days)} checkpoints, {newest.size} inclusion proofs, {len(days)} consistency proofs, 1 tile: all hold")


if __name__ == "__main__":
    main(*sys.argv[1:3])
