# SPDX-License-Identifier: Apache-2.0
"""What other people's tools say of our documents."""
import json
import subprocess

from rig import PATIENCE, Trellis, manifest, python_with

L = "/api/v1/lattices/default"

READ_METRICS = """
import sys
from prometheus_client.parser import text_string_to_metric_families as read
families = list(read(sys.stdin.read()))
names = [f.name for f in families]
assert len(names) == len(set(names)), "a family is told twice"
for f in families:
    assert f.documentation and f.type in ("counter", "gauge", "histogram"), f
    keys = [(s.name, tuple(sorted(s.labels.items()))) for s in f.samples]
    assert len(keys) == len(set(keys)), "a series is told twice: " + f.name
    if f.type == "histogram":
        sums = [s.value for s in f.samples if s.name.endswith("_bucket")]
        assert f.samples and sums == sorted(sums) or len({s.labels.get("lattice") for s in f.samples}) > 1
print("\\n".join(names))
"""

CHECK_DOCUMENT = """
import json, sys
from openapi_spec_validator import validate
given = json.load(sys.stdin)
doc = given["doc"]
validate(doc)
from jsonschema import Draft202012Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012
registry = Registry().with_resource("urn:doc", Resource(contents=doc, specification=DRAFT202012))
bad = 0
for path, method, answer in given["answers"]:
    schema = doc["paths"][path][method]["responses"]["200"]["content"]["application/json"]["schema"]
    # references are to the document
    text = json.dumps(schema).replace('"#/', '"urn:doc#/')
    inner = json.loads(text)
    v = Draft202012Validator(inner, registry=registry)
    for e in v.iter_errors(answer):
        bad += 1
        print(method, path, "/".join(map(str, e.absolute_path)), e.message[:200])
assert not bad
print(len(given["answers"]), "answers fit")
"""


def run(python, code, text):
    p = subprocess.run([python, "-c", code], input=text, capture_output=True, text=True,
                       timeout=PATIENCE)
    assert p.returncode == 0, p.stdout + p.stderr
    return p.stdout


def test_metrics_are_prometheus_text():
    t = Trellis()
    t.deploy("shop")
    answer = t.get("/metrics", role=None)
    assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    text = answer.body.decode()
    for needle in ['trellis_commands_total{lattice="default",verb="scale",outcome="done"} ',
                   'trellis_apps{lattice="default",type="deployed"} 1',
                   'trellis_hosts{lattice="default",state="ready"} 3',
                   'trellis_convergence_seconds_count{lattice="default"} 1',
                   'trellis_plan_seconds_bucket{lattice="default",le="+Inf"} ',
                   'trellis_queue_depth{lattice="default"} ',
                   'trellis_lattice_leader{lattice="default"} 1',
                   'trellis_plugin_operations_total{kind="store/1",plugin="memory",outcome="OK"} ',
                   "process_resident_memory_bytes ", "trellis_http_streams "]:
        assert needle in text, (needle, text)
    t.end()


def test_metrics_by_prometheus_own_parser():
    python = python_with("prometheus_client==0.21.1")
    t = Trellis()
    t.deploy("shop")
    names = run(python, READ_METRICS, t.get("/metrics").body.decode()).split()
    assert {"trellis_commands", "trellis_convergence_seconds", "trellis_hosts"} <= set(names), names
    t.end()


def test_openapi_document_and_answers():
    python = python_with("openapi-spec-validator==0.7.1")
    t = Trellis()
    t.deploy("shop", version="v1")
    t.deploy("shop", version="v2", image="reg/web:2")
    host = t.get(L + "/hosts").data[0]["id"]
    A = "/api/v1/lattices/{lattice}"
    answers = []
    for method, path, body in [
            ("get", "/api/v1/server", None), ("get", "/api/v1/lattices", None),
            ("get", "/api/v1/session", None), ("get", "/livez", None), ("get", "/readyz", None),
            ("get", A + "/apps", None), ("get", A + "/apps/{name}", None),
            ("get", A + "/apps/{name}/versions", None), ("get", A + "/apps/{name}/history", None),
            ("get", A + "/apps/{name}/status", None), ("get", A + "/apps/{name}/plan", None),
            ("get", A + "/apps/{name}/events", None), ("get", A + "/events", None),
            ("get", A + "/apps/{name}/trace", None),
            ("get", A + "/hosts", None), ("get", A + "/hosts/{name}", None),
            ("post", A + "/apps", manifest("other", version="v1")),
            ("put", A + "/apps/{name}", manifest("shop", version="v3", instances=3)),
            ("post", A + "/validate", manifest("x")), ("post", A + "/validate", "a: b"),
            ("post", A + "/plan", manifest("shop", instances=5)),
            ("post", A + "/apply", manifest("other", version="v1")),
            ("post", A + "/apps/{name}/rollback", {}), ("post", A + "/apps/{name}/undeploy", {}),
            ("post", A + "/apps/{name}/deploy", {"version": "v2"}),
            ("delete", A + "/apps/{name}", None)]:
        real = path.replace("{lattice}", "default")
        real = real.replace("{name}", host if "/hosts/" in path else "shop")
        answers.append((path, method, t.ask(method.upper(), real, body).json))
    doc = t.get("/api/openapi.json").json
    out = run(python, CHECK_DOCUMENT, json.dumps({"doc": doc, "answers": answers}))
    assert "26 answers fit" in out, out
    t.end()
