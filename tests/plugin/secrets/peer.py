# SPDX-License-Identifier: Apache-2.0
"""A client of the nats-kv backend that shares no code with it: keys and boxes by PyNaCl, buckets by
nats-py's own key-value store. Usage: peer.py URL AT_REST_SEED_FILE TRANSIT_SEED_FILE ENTITY
Says "ok", or what differs, on subject peer.done."""
import asyncio
import base64
import binascii
import json
import sys

import nats
from nacl.public import Box, PrivateKey, PublicKey

PREFIX = "wasmcloud.secrets.v1alpha1.nats-kv."


def private_key(path):
    with open(path, encoding="ascii") as f:
        raw = base64.b32decode(f.read().strip() + "======")
    assert binascii.crc_hqx(raw[:34], 0) == int.from_bytes(raw[34:], "little"), "checksum"
    assert raw[0] & 0xF8 == 0x90 and (raw[0] & 7) << 5 | raw[1] >> 3 == 0xB8, "kind of key"
    return PrivateKey(raw[2:34])


def public_text(key):
    raw = b"\xb8" + bytes(key)
    raw += binascii.crc_hqx(raw, 0).to_bytes(2, "little")
    return base64.b32encode(raw).decode().rstrip("=")


def seal(private, public, plain):
    return b"xkv1" + bytes(Box(private, public).encrypt(plain))


def unseal(private, public, box):
    assert box[:4] == b"xkv1", "mark of a box"
    return Box(private, public).decrypt(box[4:])


def same(what, have, want):
    assert have == want, f"{what}: {have!r}, not {want!r}"


async def put_secret(nc, transit, secret):
    mine = PrivateKey.generate()
    reply = await nc.request(
        PREFIX + "put_secret",
        seal(mine, PublicKey(bytes(transit.public_key)), json.dumps(secret).encode()),
        timeout=10,
        headers={"WasmCloud-Host-Xkey": public_text(mine.public_key)},
    )
    return json.loads(reply.data)


async def run(nc, rest, transit, entity):
    js = nc.jetstream()
    secret = {"key": "from/put", "version": "", "string_secret": "grüße\n", "binary_secret": None}
    same("put", await put_secret(nc, transit, secret), {"revision": 1, "error": None})
    secret = {"key": "from.bytes", "version": "", "string_secret": None, "binary_secret": [0, 255]}
    same("put", await put_secret(nc, transit, secret), {"revision": 2, "error": None})
    kv = await js.key_value("WASMCLOUD_SECRETS")
    entry = await kv.get("from/put")
    same("revision", entry.revision, 1)
    same("value", unseal(rest, rest.public_key, entry.value).decode(), "grüße\n")
    same("bytes", unseal(rest, rest.public_key, (await kv.get("from.bytes")).value), b"\x00\xff")
    same("history", (await kv.status()).history, 64)
    for i in range(3):
        await kv.put("by-peer", seal(rest, rest.public_key, f"value {i}".encode()))
    await kv.put("deleted", seal(rest, rest.public_key, b"x"))
    await kv.delete("deleted")
    for what, keys in (("add", ["from/put", "by-peer", "no"]), ("remove", ["no", "other"])):
        body = json.dumps(keys).encode()
        reply = await nc.request(f"{PREFIX}{what}_mapping.{entity}", body, timeout=10)
        same(what, reply.data, b"ok")
    state = await js.key_value("SECRETS_nats-kv_state")
    same("grants", set(json.loads((await state.get(entity)).value)), {"from/put", "by-peer"})


async def main(url, rest_file, transit_file, entity):
    nc = await nats.connect(url)
    try:
        await run(nc, private_key(rest_file), private_key(transit_file), entity)
        said = "ok"
    except Exception as e:  # told to the test, which counts it as a failure
        said = f"{type(e).__name__}: {e}"
    await nc.publish("peer.done", said.encode())
    await nc.close()


asyncio.run(main(*sys.argv[1:]))
