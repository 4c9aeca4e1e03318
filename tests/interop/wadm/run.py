#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Trellis beside the real wadm 0.21.1. Not part of `./dev test`: building wadm takes minutes, and wadm
needs a nats-server of 2.10 or newer, where Debian 12 has 2.9.

    NATS_SERVER=/path/to/nats-server $(tests/tools/nats-py.sh) tests/interop/wadm/run.py BUILD_DIR

1. wadm's client library makes every call, good and bad, of `trellis serve` and of wadm: the same comes back.
2. wadm schedules two `trellis agent`s: deploy, scale, image, config, link, and what goes wrong with them.
"""
import asyncio
import difflib
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import nats

HERE = pathlib.Path(__file__).resolve().parent
TRELLIS = pathlib.Path(sys.argv[1]).resolve() / "bin/trellis"
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", tempfile.gettempdir() + "/trellis-wadm-peers"))
PEERS = TARGET / "debug"
PORT = int(os.environ.get("PORT", "14666"))
URL = f"nats://127.0.0.1:{PORT}"
HEARTBEAT_S = 2


class Place:
    """A directory and the processes that were started for it."""

    def __init__(self):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="trellis-wadm-"))
        self.started = []
        self.start("nats", os.environ.get("NATS_SERVER", "nats-server"), "-js", "-p", str(PORT), "-sd", self.dir / "js")
        time.sleep(1)

    def start(self, log, *args):
        env = dict(os.environ, WADM_NATS_SERVER=f"127.0.0.1:{PORT}", RUST_BACKTRACE="0")
        with open(self.dir / f"{log}.log", "a") as out:
            p = subprocess.Popen([str(a) for a in args], stdout=out, stderr=out, env=env)
        self.started.append(p)
        return p

    def agent(self, zone):
        return self.start(f"agent-{zone}", TRELLIS, "agent", "--nats-url", URL, "--label", f"zone={zone}", "--heartbeat",
                          HEARTBEAT_S, "--state-dir", self.dir / f"agent-{zone}")

    def program(self, name):
        path = self.dir / name
        path.write_text("#!/bin/sh\nwhile :; do sleep 1; done\n")
        path.chmod(0o755)

    def running(self, name):
        lines = subprocess.run(["ps", "-eo", "pid,args"], capture_output=True, text=True).stdout.splitlines()
        return [int(x.split()[0]) for x in lines if f"{self.dir}/{name}" in x and "keeper" not in x]

    def end(self):
        for p in reversed(self.started):
            if p.poll() is None:
                p.send_signal(signal.SIGTERM)
        for p in self.started:
            p.wait()
        shutil.rmtree(self.dir)


def calls_of_the_client(server):
    place = Place()
    try:
        place.start("sim", TRELLIS, "sim", "--hosts", "3", "--heartbeat", f"{HEARTBEAT_S}s", "--nats-url", URL)
        if server == "wadm":
            place.start("wadm", PEERS / "wadm")
        else:
            place.start("serve", TRELLIS, "serve", "--nats-url", URL)
        time.sleep(5)
        return subprocess.run([PEERS / "client", URL], capture_output=True, text=True, timeout=200,
                              env=dict(os.environ, RUST_BACKTRACE="0")).stdout.splitlines()
    finally:
        place.end()


def same_answers():
    theirs, ours = calls_of_the_client("wadm"), calls_of_the_client("trellis")
    diff = list(difflib.unified_diff(theirs, ours, "wadm", "trellis", lineterm="", n=0))
    print("\n".join(diff) if diff else f"client library: {len(ours)} lines, the same from wadm and from trellis")
    return not diff and len(ours) > 25


def manifest(place, version, image="web1", instances=2, words="hello"):
    halves = [{"name": z, "weight": 50, "requirements": {"zone": z}} for z in "ab"]
    link = {"target": "store", "namespace": "acme", "package": "kv", "interfaces": ["get"],
            "target_config": [{"name": "bucket", "properties": {"name": "b1"}}]}
    web = {"name": "web", "type": "component",
           "properties": {"image": f"file://{place.dir}/{image}",
                          "config": [{"name": "words", "properties": {"greeting": words}}]},
           "traits": [{"type": "spreadscaler", "properties": {"instances": instances, "spread": halves}},
                      {"type": "link", "properties": link}]}
    store = {"name": "store", "type": "capability", "properties": {"image": f"file://{place.dir}/store"},
             "traits": [{"type": "daemonscaler",
                         "properties": {"replicas": 1, "spread": [{"name": "one", "requirements": {"zone": "a"}}]}}]}
    return {"apiVersion": "core.oam.dev/v1beta1", "kind": "Application",
            "metadata": {"name": "live", "annotations": {"version": version, "description": "under wadm"}},
            "spec": {"components": [web, store]}}


class Story:
    def __init__(self, place, nc):
        self.place, self.nc, self.good = place, nc, True

    async def ask(self, operation, body=None):
        name = "" if operation == "put" else ".live"
        data = json.dumps(body).encode() if body is not None else b""
        reply = await self.nc.request(f"wadm.api.default.model.{operation}{name}", data, timeout=10)
        return json.loads(reply.data)

    async def status(self):
        return (await self.ask("status"))["status"]["status"]["type"]

    async def until(self, what, fulfilled, limit_s=60):
        begun = time.monotonic()
        while time.monotonic() - begun < limit_s:
            if await fulfilled() if asyncio.iscoroutinefunction(fulfilled) else fulfilled():
                print(f"ok    {what}")
                return
            await asyncio.sleep(0.1)
        print(f"FAIL  {what}: {json.dumps(await self.ask('status'))[:700]}")
        self.good = False

    async def until_status(self, want):
        async def there():
            return await self.status() == want
        await self.until(f"wadm says {want}", there)

    async def deploy(self, version, **changes):
        await self.ask("put", manifest(self.place, version, **changes))
        await self.ask("deploy", {"version": version})

    async def tell(self):
        run, agents = self.place.running, {z: self.place.agent(z) for z in "ab"}
        await asyncio.sleep(3 * HEARTBEAT_S)
        await self.deploy("v1")
        await self.until("two processes and the provider run", lambda: len(run("web1")) == 2 and len(run("store")) == 1)
        await self.until_status("deployed")
        await self.deploy("v2", instances=4)
        await self.until("four run", lambda: len(run("web1")) == 4)
        await self.until_status("deployed")
        store = run("store")
        await self.deploy("v3", image="web2", instances=4)
        await self.until("the other image runs, the first one is gone", lambda: len(run("web2")) == 4 and not run("web1"))
        await self.until_status("deployed")
        await self.deploy("v4", image="web2", instances=4, words="good day")
        await self.until("the new config is at the processes", lambda: subprocess.run(
            ["grep", "-rqs", "good day", self.place.dir / "agent-a"]).returncode == 0)
        await self.until("the provider was left alone", lambda: run("store") == store)
        victim = run("web2")[0]
        os.kill(victim, signal.SIGKILL)
        await self.until("a killed process is replaced", lambda: len(run("web2")) == 4 and victim not in run("web2"))
        agents["b"].terminate()
        agents["b"].wait()
        await self.until("an agent that leaves takes its processes along", lambda: len(run("web2")) == 2)
        agents["b"] = self.place.agent("b")
        await self.until("it comes back and gets its share", lambda: len(run("web2")) == 4)
        await self.until_status("deployed")
        before = sorted(run("web2") + run("store"))
        agents["a"].kill()
        agents["a"].wait()
        agents["a"] = self.place.agent("a")
        await asyncio.sleep(4 * HEARTBEAT_S)
        await self.until("kill -9 of an agent restarts nothing", lambda: sorted(run("web2") + run("store")) == before)
        await self.until_status("deployed")
        await self.ask("undeploy")
        await self.until("nothing of it runs any more", lambda: not run("web2") and not run("store"))
        await self.until_status("undeployed")


async def agents_under_wadm():
    place = Place()
    try:
        for name in ("web1", "web2", "store"):
            place.program(name)
        place.start("wadm", PEERS / "wadm")
        await asyncio.sleep(2)
        nc = await nats.connect(URL)
        story = Story(place, nc)
        await story.tell()
        await nc.close()
        return story.good
    finally:
        place.end()


def main():
    subprocess.run(["cargo", "build", "--locked", "--target-dir", TARGET], cwd=HERE, check=True)
    good = same_answers()
    good = asyncio.run(agents_under_wadm()) and good
    print("all good" if good else "not the same")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
