# SPDX-License-Identifier: Apache-2.0
"""/livez and /readyz: they mean something."""
import os
import shutil
import socket
import subprocess

from rig import PATIENCE, Skip, Trellis


def test_ready_with_reasons():
    t = Trellis()
    t.until_synced()
    r = t.get("/readyz", role=None)
    checks = {c["name"]: c for c in r.json["checks"]}
    assert r.status == 200 and r.json["ok"] is True
    assert set(checks) >= {"loop", "store", "transport", "serving", "leadership"}
    assert all(c["reason"] for c in checks.values())
    assert "1 of 1" in checks["leadership"]["reason"], checks
    live = t.get("/livez", role=None)
    assert live.status == 200 and live.json["checks"][0]["reason"] == "ticking"
    t.end()


def test_not_ready_without_its_broker():
    """The process lives, the API answers, but neither store nor transport does."""
    if not shutil.which("nats-server"):
        raise Skip("no nats-server")
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    import tempfile
    with tempfile.TemporaryDirectory(prefix="trlnats.") as d:
        nats = subprocess.Popen(["nats-server", "-a", "127.0.0.1", "-p", str(port), "-js", "-sd", d],
                                stderr=subprocess.PIPE, text=True)
        try:
            for line in nats.stderr:
                if "Server is ready" in line:
                    break
            url = f'"nats://127.0.0.1:{port}"'
            t = Trellis(args=["serve"], config="transport: { plugin: nats, url: %s }\n"
                        "store: { plugin: nats-kv, url: %s, api_timeout_ms: 1000 }\n" % (url, url))
            assert t.get("/readyz", role=None).status == 200
            nats.kill()
            nats.wait(PATIENCE)
            r = t.get("/readyz", role=None)
            while r.status == 200:  # until the loss is noticed
                r = t.get("/readyz", role=None)
            bad = {c["name"] for c in r.json["checks"] if c["needed"] and not c["ok"]}
            assert r.status == 503 and bad & {"store", "transport"}, r.json
            assert t.get("/livez", role=None).status == 200
        finally:
            nats.kill()
            nats.wait(PATIENCE)
            nats.stderr.close()
        t.end(check=False)


def test_an_address_in_use():
    t = Trellis()
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        s.listen()
        path = os.path.join(t.dir, "second.yaml")
        with open(path, "w") as f:
            f.write('extensions: [{ plugin: http, listen: "127.0.0.1:%d" }]\n' % s.getsockname()[1])
        import rig
        p = subprocess.run([rig.build + "/bin/trellis", "up", "--memory", "-c", path],
                           env=dict(os.environ, TRELLIS_SOCKET=t.dir + "/s2", XDG_RUNTIME_DIR=t.dir),
                           capture_output=True, text=True, timeout=PATIENCE)
    assert p.returncode != 0 and "cannot listen on 127.0.0.1" in p.stderr, p.stderr
    assert "Sanitizer" not in p.stderr, p.stderr
    t.end()
