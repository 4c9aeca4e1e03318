# SPDX-License-Identifier: Apache-2.0
"""Every operation over REST."""
import json
import re

from rig import SOURCE, Trellis, manifest

L = "/api/v1/lattices/default"


def test_life_of_an_app():
    t = Trellis()
    c = t.client()  # one connection for everything: keep-alive works
    put = t.ask("POST", L + "/apps", manifest("shop", version="v1"), client=c)
    assert put.data["result"] == "created", put.body
    assert t.get(L + "/apps", client=c).data[0]["type"] == "undeployed"
    v1 = t.get(L + "/apps/shop?version=v1", client=c).data
    assert v1["manifest"]["metadata"]["name"] == "shop"
    t.until_synced()
    plan = t.get(L + "/apps/shop/plan", client=c).data
    assert sum(a["count"] for a in plan["actions"] if a["verb"] == "scale") == 2, plan
    t.deploy("shop", version="v1")
    t.deploy("shop", version="v2", image="reg/web:2")
    versions = t.get(L + "/apps/shop/versions", client=c).data
    assert [(v["version"], v["deployed"]) for v in versions] == [("v1", False), ("v2", True)]
    assert t.get(L + "/apps/shop/history", client=c).data == versions
    back = t.ask("POST", L + "/apps/shop/rollback", {}, client=c)
    assert back.data["version"] == "v1", back.body
    status = t.get(L + "/apps/shop/status", client=c).data
    assert status["deployed_version"] == "v1" and status["scalers"][0]["wanted"] == 2
    assert t.ask("POST", L + "/apps/shop/deploy", {"version": "v2"}, client=c).status == 200
    assert t.ask("POST", L + "/apps/shop/undeploy", {}, client=c).data["result"] == "undeployed"
    assert t.ask("DELETE", L + "/apps/shop?version=v1", client=c).data["result"] == "deleted"
    assert t.ask("DELETE", L + "/apps/shop", client=c).status == 200
    assert t.get(L + "/apps/shop", client=c).status == 404
    kinds = {e["kind"] for e in t.get(L + "/apps/shop/events?limit=1000", client=c).data}
    assert {"app_put", "app_deployed", "command", "audit"} <= kinds, kinds
    t.end()


def test_the_callers_trace_goes_on():
    t = Trellis()
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    t.deploy("shop", version="v1")
    assert t.get(L + "/apps/shop/trace").data["trace"] != trace
    got = t.ask("POST", L + "/apps/shop/deploy", {"version": "v1"},
                headers={"Traceparent": "00-%s-00f067aa0ba902b7-01" % trace})
    assert got.status == 200, got.body
    kept = t.get(L + "/apps/shop/trace").data
    assert kept["trace"] == trace, kept
    call = [s for s in kept["spans"] if s["name"] == "app.deploy"]
    assert len(call) == 1 and call[0]["parent"] == "00f067aa0ba902b7", kept
    older = [o["trace"] for o in kept["traces"] if o["trace"] != trace]
    first = t.get(L + "/apps/shop/trace?trace=" + older[0]).data
    assert first["trace"] == older[0] and first["spans"], first
    assert t.get(L + "/apps/shop/trace?trace=short").status == 400
    t.end()


def test_hosts_and_lattices():
    t = Trellis()
    t.deploy("web", instances=6)
    lattices = t.get("/api/v1/lattices").data["lattices"]
    assert lattices[0]["lattice"] == "default" and lattices[0]["hosts"] == 3
    hosts = t.get(L + "/hosts").data
    assert len(hosts) == 3 and "running" not in hosts[0]
    full = t.get(L + "/hosts?running=true").data
    assert sum(r["count"] for h in full for r in h["running"]) == 6
    one = t.get(L + "/hosts/" + hosts[0]["id"]).data
    assert one["running"][0]["app"] == "web"
    assert t.get(L + "/hosts/NOSUCH").status == 404
    assert t.get("/api/v1/server").data["server"] == "trellis"
    assert t.get("/api/v1/session", role="read").data == {"name": "the-read", "role": "read"}
    assert len(t.get("/api/v1/lattices/_/events?limit=5").data) == 5
    t.end()


def test_manifests_without_deploying():
    t = Trellis()
    broken = manifest("shop").replace("component\n      properties", "nonsense\n      properties")
    check = t.ask("POST", L + "/validate", broken)
    assert check.status == 200 and check.data["valid"] is False and check.json["findings"]
    assert t.ask("POST", L + "/validate", manifest("shop")).data["valid"] is True
    t.until_synced()
    assert t.ask("POST", L + "/plan", manifest("shop")).data["actions"]
    refused = t.ask("POST", L + "/apply", broken)
    assert refused.status == 422 and refused.json["findings"][0]["line"] > 0, refused.body
    as_json = json.dumps({"apiVersion": "core.oam.dev/v1beta1", "kind": "Application",
                          "metadata": {"name": "j"}, "spec": {"components": []}})
    got = t.ask("POST", L + "/apply", as_json.encode(), type="application/json; charset=utf-8")
    assert got.status in (200, 422), got.body
    assert t.get(L + "/apps").data == [] or t.get(L + "/apps").data[0]["name"] == "j"
    t.end()


def test_errors_say_what():
    t = Trellis()
    for method, path, body, status, code in [
            ("GET", "/api/v1/nothing", None, 404, "NOT_FOUND"),
            ("GET", L + "/apps/nope", None, 404, "NOT_FOUND"),
            ("GET", L + "/apps/nope/status", None, 404, "NOT_FOUND"),
            ("POST", L + "/apps/nope/deploy", {}, 404, "NOT_FOUND"),
            ("GET", L + "/apps?colour=red", None, 400, "INVALID"),
            ("GET", L + "/events?limit=many", None, 400, "INVALID"),
            ("GET", L + "/hosts?running=perhaps", None, 400, "INVALID"),
            ("GET", "/api/v1/lattices/a.b/apps", None, 400, "INVALID"),
            ("GET", L + "/apps/a.b", None, 400, "INVALID"),
            ("GET", L + "/apps/a%20b", None, 400, "INVALID"),
            ("POST", L + "/call/app.nothing", {}, 400, "INVALID"),
            ("POST", L + "/apps/nope/deploy", b"{", 400, "INVALID"),
            ("PATCH", L + "/apps/nope", None, 405, "METHOD")]:
        r = t.ask(method, path, body, type="application/json" if body == b"{" else None)
        assert (r.status, r.json["code"]) == (status, code), (method, path, r.status, r.body)
        assert len(r.json["message"]) > 10
    assert t.ask("POST", L + "/hosts", {}).headers["Allow"] == "GET"
    t.ask("POST", L + "/apps", manifest("x", version="v1"))
    again = t.ask("POST", L + "/apps", manifest("x", version="v1", image="reg/other:1"))
    assert again.status == 409 and again.json["code"] == "EXISTS", again.body
    assert t.ask("HEAD", "/livez", role=None).body == b""
    t.end()


def test_any_operation_by_name():
    t = Trellis()
    assert t.ask("POST", L + "/call/app.list", {}).data == []
    assert t.ask("POST", L + "/call/model.list", {}).json == []
    wadm = t.ask("POST", L + "/call/model.put", json.loads(
        '{"apiVersion":"core.oam.dev/v1beta1","kind":"Application","metadata":{"name":"w","annotations":{}},'
        '"spec":{"components":[{"name":"web","type":"component",'
        '"properties":{"image":"reg/web:1"}}]}}'))
    assert wadm.json["result"] == "created", wadm.body
    assert t.ask("POST", L + "/call/model.get/w", {}).json["result"] == "success"
    assert t.ask("POST", L + "/call/model.get/nope", {}).status == 404
    t.end()


def handler_table():
    """The operations as the core's table has them."""
    with open(SOURCE + "/core/api/api.c") as f:
        rows = re.findall(r'^ *\{"([a-z]+)", "([a-z]+)", NAME_', f.read(), re.M)
    return {".".join(r) for r in rows}


def test_document_and_handlers_agree():
    t = Trellis()
    doc = t.get("/api/openapi.json", role="read").json
    table = handler_table()
    assert len(table) >= 27
    by_path = {op.get("x-trellis-operation") for p in doc["paths"].values() for op in p.values()}
    by_name = set()
    for p in doc["paths"]["/api/v1/lattices/{lattice}/call/{operation}"]["post"]["parameters"]:
        by_name |= set(p.get("schema", {}).get("enum", []))
    assert by_name == table, by_name ^ table
    assert by_path - {None} <= table, by_path - table
    old = {"app.put", "app.apply", "app.validate", "app.get", "app.list", "app.versions",
           "app.history", "app.deploy", "app.undeploy", "app.rollback", "app.delete", "app.status",
           "app.plan", "host.list", "host.inspect", "lattice.list", "server.info", "events.list"}
    assert old <= by_path, old - by_path
    t.deploy("web")
    host = t.get(L + "/hosts").data[0]["id"]
    for path, ops in doc["paths"].items():  # every path is served by the methods it names
        for method, op in ops.items():
            real = path.replace("{lattice}", "default").replace("{operation}", "app.status")
            real = real.replace("{name}", host if "/hosts/" in path else "web")
            if "stream" in path:
                continue
            body = None if method in ("get", "delete") else {}
            if "Manifest" in json.dumps(op.get("requestBody", {})):
                body = manifest("web")
            r = t.ask(method.upper(), real, body)
            assert r.status not in (405, 421, 500, 501), (method, real, r.status, r.body)
            assert r.status != 404 or path.count("{name}"), (method, real, r.body)
    t.end()
