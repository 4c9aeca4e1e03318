// SPDX-License-Identifier: Apache-2.0
// One application: state, scalers, versions, plan, places, events, and the buttons.
import { h, fill, badge, dialog, toast, ago } from "./dom.js";
import { store, watch, may, wantApps, wantHosts } from "./store.js";
import * as api from "./api.js";
import { planTable, placeTable, yaml, diffView } from "./plan.js";
import { timeline } from "./events.js";
import { logsTail } from "./logs.js";

const RETRY_MS = 3000; // a server that does not answer

async function attempt(what, fn) {
  try {
    await fn();
    toast(what);
  } catch (e) {
    toast(`${what}: ${e.message}`, true);
  }
  wantApps();
  wantHosts();
}

// Shows what would happen, and asks.
function confirmPlan(title, plan, word) {
  return dialog(title, (close) => [
    planTable(plan),
    h("p", { class: "actions" },
      h("button", { type: "button", class: "main", id: "confirm", onclick: () => close(true) }, word),
      h("button", { type: "button", onclick: () => close() }, "Cancel")),
  ]);
}

// texts: of the columns; or [text, class]
function head_of(texts) {
  return h("thead", null, h("tr", null, texts.map((t) => [t].flat()).map(([text, style]) =>
    text ? h("th", { scope: "col", class: style }, text) : h("td", { class: style }))));
}

export function appView(main, name) {
  const base = api.app(store.lattice, name);
  const head = h("div", { class: "title" }), says = h("p", { class: "quiet", "aria-live": "polite" });
  const scalers = h("tbody"), versions = h("tbody"), places = h("div"), plan = h("div");
  const events = h("ol", { class: "timeline" });
  const logs = h("section", { "aria-label": "Logs" }), endLogs = logsTail(logs, base);
  let status = null, known = [], earlier = [], alive = true, again = 0;

  const reading = async () => {
    try {
      [status, known] = await Promise.all([api.get(base + "/status"), api.get(base + "/versions").catch(() => [])]);
    } catch (e) {
      if (alive && e.status === 404) {
        fill(main, h("h1", null, name), h("p", { class: "quiet" }, "There is no such application (any more)."),
          h("p", null, h("a", { href: `#/${encodeURIComponent(store.lattice)}/apps` }, "All applications")));
      } else if (alive) {
        says.textContent = e.message;
        clearTimeout(again);
        again = setTimeout(reading, RETRY_MS);
      }
      return;
    }
    if (alive) {
      draw();
    }
  };
  const explain = async () => {
    try {
      const p = await api.get(base + "/plan" + (status?.deployed_version
        ? "?version=" + encodeURIComponent(status.deployed_version) : ""));
      fill(places, p.places.length ? placeTable(p.places) : h("p", { class: "quiet" }, "Nothing is to be placed."));
    } catch (e) {
      fill(places, h("p", { class: "quiet" }, e.message));
    }
  };

  const deploy = async (version) => {
    try {
      const p = await api.get(`${base}/plan?version=${encodeURIComponent(version)}`);
      if (await confirmPlan(`Deploy ${name} ${version}`, p, "Deploy")) {
        await attempt(`${name}: deploying ${version}`, () => api.post(base + "/deploy", { version }));
      }
    } catch (e) {
      toast(e.message, true);
    }
  };
  const undeploy = async () => {
    try {
      const p = await api.get(base + "/plan?undeploy=true");
      if (await confirmPlan(`Undeploy ${name}`, p, "Undeploy")) {
        await attempt(`${name}: undeploying`, () => api.post(base + "/undeploy"));
      }
    } catch (e) {
      toast(e.message, true);
    }
  };
  // The version stored before the deployed one, as the server has it.
  const earlierOne = () => known[known.findIndex((v) => v.deployed) - 1];
  const rollback = async () => {
    const { version } = earlierOne();
    try {
      const p = await api.get(`${base}/plan?version=${encodeURIComponent(version)}`);
      if (await confirmPlan(`Roll ${name} back to ${version}`, p, "Roll back")) {
        await attempt(`${name}: rolling back`, () => api.post(base + "/rollback", { version }));
      }
    } catch (e) {
      toast(e.message, true);
    }
  };
  const remove = async () => {
    const sure = await dialog(`Delete ${name}`, (close) => [
      h("p", null, `${name} is taken down and all its ${known.length} versions are forgotten.`),
      h("p", { class: "actions" },
        h("button", { type: "button", class: "danger", id: "confirm", onclick: () => close(true) }, "Delete"),
        h("button", { type: "button", onclick: () => close() }, "Cancel"))]);
    if (sure) {
      await attempt(`${name}: deleting`, () => api.del(base));
    }
  };
  const compare = async (version) => {
    const against = known.find((v) => v.deployed && v.version !== version) ||
      known[known.findIndex((v) => v.version === version) - 1];
    try {
      const [a, b] = await Promise.all([against ? api.get(`${base}?version=${encodeURIComponent(against.version)}`) : null,
        api.get(`${base}?version=${encodeURIComponent(version)}`)]);
      dialog(against ? `${against.version} → ${version}` : version, (close) => [
        a ? diffView(yaml(a.manifest), yaml(b.manifest)) : h("pre", { class: "diff" }, yaml(b.manifest)),
        h("p", { class: "actions" }, h("button", { type: "button", onclick: () => close() }, "Close"))]);
    } catch (e) {
      toast(e.message, true);
    }
  };
  const showPlan = async () => {
    try {
      fill(plan, planTable(await api.get(base + "/plan")));
    } catch (e) {
      fill(plan, h("p", { class: "bad" }, e.message));
    }
  };

  const drawHead = () => {
    const newest = known.at(-1)?.version;
    const off = !may("operate");
    fill(head, h("h1", null, name), badge(status.deleting ? "deleting" : status.type), h("span", { class: "spring" }),
      h("button", { type: "button", class: "main", id: "deploy", disabled: off || !newest, onclick: () => deploy(newest) }, "Deploy"),
      h("button", { type: "button", id: "rollback", disabled: off || !earlierOne(), onclick: rollback }, "Roll back"),
      h("button", { type: "button", id: "undeploy", disabled: off || !status.deployed_version, onclick: undeploy }, "Undeploy"),
      h("button", { type: "button", id: "delete", class: "danger", disabled: !may("admin"), onclick: remove }, "Delete"));
  };
  const draw = () => {
    drawHead();
    says.textContent = status.message || (status.type === "deployed" ? "Everything runs as wanted." : "");
    fill(scalers, status.scalers.map((s) => h("tr", null, h("td", null, s.name), h("td", null, badge(s.type)),
      h("td", { class: "number" }, `${s.running}/${s.wanted}`),
      h("td", { class: "wide" }, h("meter", { min: "0", max: String(s.wanted || 1), value: String(Math.min(s.running, s.wanted || 1)), "aria-label": `${s.running} of ${s.wanted}` })),
      h("td", { class: "quiet wide" }, s.message))));
    fill(versions, [...known].reverse().map((v) => h("tr", { class: v.deployed ? "current" : "" },
      h("td", { class: "mono" }, v.version), h("td", null, v.deployed ? badge("deployed") : ""),
      h("td", { class: "wide" }, h("time", { datetime: new Date(v.created_ms).toISOString(), title: new Date(v.created_ms).toLocaleString() }, ago(v.created_ms))),
      h("td", null, h("button", { type: "button", class: "plain", onclick: () => compare(v.version) }, "Diff"),
        h("button", { type: "button", class: "plain", disabled: !may("operate") || v.deployed, onclick: () => deploy(v.version) }, "Deploy")))));
  };

  fill(head, h("h1", null, name)); // the rest as soon as it is known
  fill(main, head, says,
    h("section", { "aria-label": "Scalers" }, h("h2", null, "What should run"), h("table", null, head_of(["Unit or link", "State", ["Runs", "number"], ["", "wide"], ["What it says", "wide"]]), scalers)),
    h("section", { "aria-label": "Versions" }, h("h2", null, "Versions"), h("table", { id: "versions" }, head_of(["Version", "State", ["Stored", "wide"], ""]), versions)),
    h("section", { "aria-label": "Plan" }, h("h2", null, "Plan ", h("button", { type: "button", class: "plain", id: "show-plan", onclick: showPlan }, "Show")), plan),
    h("section", { "aria-label": "Places" }, h("h2", null, "Why here, and why not there ", h("button", { type: "button", class: "plain", id: "show-places", onclick: explain }, "Explain")), places),
    logs, h("section", { "aria-label": "Events" }, h("h2", null, "Events"), events));

  let mark = "";
  const update = () => {
    const app = store.apps.find((a) => a.name === name);
    const now = app ? `${app.type}|${app.message}|${app.generation}|${app.versions}|${app.deleting}|${app.deployed_version}` : "";
    const mine = store.events.filter((e) => e.app === name && e.lattice === store.lattice);
    timeline(events, [...earlier.filter((e) => !mine.some((m) => m.seq === e.seq)), ...mine]);
    if (now !== mark) {
      mark = now;
      reading();
      if (places.childElementCount) {
        explain();
      }
    }
  };
  reading();
  api.get(base + "/events?limit=200").then((list) => {
    earlier = list;
    update();
  }).catch(() => {});
  update();
  const end = watch(update);
  return () => {
    alive = false;
    clearTimeout(again);
    endLogs();
    end();
  };
}
