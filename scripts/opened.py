#!/usr/bin/env python3
"""Opens a data folder's sealed databases without any of our code: plain SQLite files, as copies, for checks from outside.

    VOUCHSAFE_ROOT_EU=<64 hex digits> python3 scripts/opened.py DATA TO

The server must have ended. Needs the package `cryptography`; root keys come from the environment, or from a development server's
`secrets.json`. The formats are those at the heads of crates/encryption/src/lib.rs and crates/sqlite/src/lib.rs.
"""
import hashlib
import json
import os
import struct
import sys
from pathlib import Path

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.keywrap import aes_key_unwrap_with_padding

HOUSE = "00000000-0000-0000-0000-000000000000"


def framed(*pieces):
    return b"".join(len(p).to_bytes(4, "big") + p for p in pieces)


def derive(key, purpose, region, *context):
    words = [purpose.encode(), region.encode()]
    salt = hashlib.sha256(framed(*words)).digest()
    return HKDF(SHA256(), 32, salt, framed(*words, *context)).derive(key)


def xaes(key, nonce, bound, sealed):
    """XAES-256-GCM (C2SP)."""
    block = lambda b: Cipher(algorithms.AES(key), modes.ECB()).encryptor().update(b)
    zero = int.from_bytes(block(bytes(16)), "big")
    subkey = (zero << 1) & (1 << 128) - 1 ^ (0x87 if zero >> 127 else 0)
    half = lambda n: block((int.from_bytes(bytes([0, n]) + b"X\0" + nonce[:12], "big") ^ subkey).to_bytes(16, "big"))
    return AESGCM(half(1) + half(2)).decrypt(nonce[12:], sealed, bound)


def roots(data):
    kept = data / "secrets.json"
    found = json.loads(kept.read_text()) if kept.exists() else {}
    return {**{k: v for k, v in found.items() if isinstance(v, str)}, **os.environ}


def data_key(data, database):
    """The key of a database's pages: its envelope, under the tenant's key, under the region's root."""
    envelope = database.with_suffix(".key").read_bytes().removeprefix(b"vouchsafe key 1\n")
    tenant = HOUSE if database.stem == "control" else database.stem[:36]
    version = int.from_bytes(envelope[2:6], "big")
    if tenant == HOUSE:  # under an id of its region, made in 1970
        files = sorted((data / "keys-house").glob("*.json"))
    else:
        files = [data / "keys" / f"{tenant}-{version}.json"]
    wrapped = json.loads(files[0].read_text())
    region = wrapped["region"]
    root = bytes.fromhex(roots(data)[f"VOUCHSAFE_ROOT_{region.upper().replace('-', '_')}"])
    wrapping = derive(root, "wrap", region, wrapped["tenant"].encode(), wrapped["version"].to_bytes(4, "big"))
    kek = aes_key_unwrap_with_padding(wrapping, bytes.fromhex(wrapped["wrapped"]))
    bound = envelope[:6] + framed(region.encode(), tenant.encode(), b"database", b"")
    return xaes(derive(kek, "bulk", region, tenant.encode()), envelope[6:30], bound, envelope[30:])


def folded(sealed, log):
    """A database file with the committed frames of its log (SQLite's file format, 4): all of it still sealed."""
    out = bytearray(sealed)
    if len(log) < 32:
        return out
    order = ">" if int.from_bytes(log[:4], "big") & 1 else "<"
    size = int.from_bytes(log[8:12], "big")

    def summed(sums, part):
        a, b = sums
        for x, y in struct.iter_unpack(order + "II", part):
            a = a + x + b & 0xFFFFFFFF
            b = b + y + a & 0xFFFFFFFF
        return a, b

    sums, waiting = summed((0, 0), log[:24]), []
    for at in range(32, len(log) - size - 23, size + 24):
        head, page = log[at:at + 24], log[at + 24:at + 24 + size]
        sums = summed(summed(sums, head[:8]), page)
        if head[8:16] != log[16:24] or struct.unpack(">II", head[16:]) != sums:
            break
        number, end = struct.unpack(">II", head[:8])
        waiting.append((number, page))
        if end:  # a commit
            for number, page in waiting:
                out[:] = out.ljust(number * size, b"\0")
                out[(number - 1) * size:number * size] = page
            del out[end * size:]
            waiting = []
    return out


def pages(sealed, key):
    """The database in the clear; an exception names nothing and means that a page does not open."""
    size = int.from_bytes(sealed[16:18], "big") or 4096
    size = 65536 if size == 1 else size
    out = bytearray()
    for at in range(0, len(sealed), size):
        page, number = sealed[at:at + size], at // size + 1
        clear = page[:24] if number == 1 else b""
        body, tag, nonce = page[len(clear):-40], page[-40:-24], page[-24:]
        plain = xaes(key, nonce, number.to_bytes(4, "big") + clear, body + tag)
        out += (b"SQLite format 3\0" + clear[16:] if clear else b"") + plain + bytes(40)
    return bytes(out)


def open_all(data, to):
    """Opens every database below `data` into `to`, under the same names; plain ones are copied."""
    for file in sorted(data.rglob("*.db")):
        log = file.with_name(file.name + "-wal")
        content = bytes(folded(file.read_bytes(), log.read_bytes() if log.exists() else b""))
        target = to / file.relative_to(data)
        target.parent.mkdir(parents=True, exist_ok=True)
        sealed = not content.startswith(b"SQLite format 3\0")
        target.write_bytes(pages(content, data_key(data, file)) if sealed else content)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    open_all(Path(sys.argv[1]), Path(sys.argv[2]))
