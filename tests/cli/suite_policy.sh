# shellcheck shell=bash disable=SC2154,SC2094 # run.sh sets them; no file is read and written at once
# SPDX-License-Identifier: Apache-2.0
# Rules held against cases, and what is wrong with either.
mkdir cases empty
cat >rules.yaml <<'YAML'
rules:
  - name: ours
    unless: {image: {registry: r.example}}
    verdict: deny
    message: not our image
  - name: never-asked
    match: {app: "x-*"}
    verdict: warn
YAML
cat >cases/a.yaml <<'YAML'
cases:
  - {name: ours, point: put, subject: {units: [{name: a, image: "r.example/a:1"}]}, expect: abstain}
  - name: theirs
    point: put
    subject: {units: [{name: a, image: "docker.io/a:1", path: /spec/components/0}]}
    expect: allow
  - {name: by another rule, point: put, subject: {units: [{image: "d.io/a"}]}, expect: deny, rule: [ours, other]}
  - {name: and stopped, point: put, subject: {units: [{image: "d.io/a"}]}, expect: deny, enforce: stop}
YAML
printf '{"cases": [{"name": "of json", "point": "place", "subject": {"unit": {"image": "d.io/a"}}, "expect": "deny"}]}\n' >cases/b.json
cat >broken.yaml <<'YAML'
rules:
  - name: ours
    match:
      image: {registy: "*.example"}
    verdict: deny
YAML
printf 'rules:\n  - name: star\n    match: {app: *}\n' >star.yaml
printf 'cases:\n  - {name: a, point: putt, subject: {}, expect: deny}\n' >point.yaml
printf 'cases:\n  - {name: a, point: put, subject: {}, expect: yes}\n' >expect.yaml
printf 'cases:\n  - {name: a, point: put, subjects: {}, expect: deny}\n' >member.yaml
printf 'cases: [\n' >syntax.yaml
printf 'cases:\n  - {name: a, point: put, manifest: no/app.yaml, expect: deny}\n' >nofile.yaml
printf 'cases:\n  - {name: a, point: place, manifest: app.yaml, expect: deny}\n' >badpoint.yaml
printf 'cases:\n  - {name: a, point: put, manifest: bad-app.yaml, expect: deny}\n' >badapp.yaml
printf 'kind: Application\n' >bad-app.yaml

show trellis policy test rules.yaml cases
show trellis policy test rules.yaml cases/b.json
show trellis policy test rules.yaml cases/b.json -o json
show trellis policy test rules.yaml cases/ -o yaml
for bad in broken star none; do
    show trellis policy test $bad.yaml cases
done
for bad in point expect member syntax nofile badpoint badapp none; do
    show trellis policy test rules.yaml $bad.yaml
done
show trellis policy test rules.yaml empty
show trellis policy test rules.yaml
expect 0 trellis policy test --help
# The examples of docs/policy.md: those in the text, and those beside it.
for what in rules cases; do
    awk -v first="$what:" '/^```yaml$/ { inside = 1; text = ""; next } /^```$/ { if (text ~ "^" first) printf "%s", text; inside = 0 }
        inside { text = text $0 "\n" }' "$root/docs/policy.md" >"doc-$what.yaml"
done
trellis policy test doc-rules.yaml doc-cases.yaml >out || { fail "the rule in docs/policy.md is not what its case says"; cat out >&2; }
grep -q '^1 case, 0 failed$' out || fail "docs/policy.md has no case that can be tried"
trellis policy test "$root/docs/examples/policy/rules.yaml" "$root/docs/examples/policy/cases" >out ||
    fail "the examples are not decided as they say"
grep -q '^22 cases, 0 failed$' out || fail "not every example was tried: $(tail -3 out)"
grep 'no case makes' out && fail "a rule of the examples is not tried"

# In force: a denied manifest changes nothing; what runs and is denied later says so, and can go.
cat >live.yaml <<'YAML'
rules:
  - {name: ours, unless: {image: {registry: registry.good}}, verdict: deny, message: not our image, remedy: push it}
YAML
printf 'policy:\n  all: [{plugin: rules, file: %s/live.yaml, poll_ms: 20}]\n' "$work" >up.yaml
printf 'transport: {plugin: inproc}\nstore: {plugin: memory}\n' >>up.yaml
sed 's#registry.example/#registry.good/#' "$root/docs/examples/wasm/hello.yaml" >good.yaml
denied() { trellis app status hello | grep -q 'denied by policy: not our image'; }
start_up -c up.yaml --hosts 2 || exit 1
trellis app apply "$root/docs/examples/wasm/hello.yaml" >out 2>&1
[ $? -eq 6 ] || { fail "a denied manifest is not refused with 6"; cat out >&2; }
grep -q "hello.yaml:12:7: error: not our image: unit 'web'.*live.yaml:2.*push it" out || { fail "place, rule or remedy is missing"; cat out >&2; }
expect 1 trellis app get hello
expect 0 trellis app apply good.yaml --wait
sed 's/registry.good/other.good/' live.yaml >live.new && mv live.new live.yaml
until_ok denied
expect 0 trellis app undeploy hello --wait
stop_up TERM 0
