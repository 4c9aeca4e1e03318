// SPDX-License-Identifier: Apache-2.0
// The applications of a lattice, with their live state; and a place to hand in a manifest.
import { h, fill, keyed, badge, dialog, toast } from "./dom.js";
import { store, watch, may, wantApps } from "./store.js";
import * as api from "./api.js";
import { planTable, findingList } from "./plan.js";

const ORDER = ["failed", "unhealthy", "reconciling", "waiting", "deployed", "undeployed"];
let only = "";

const hashOf = (name) => `#/${encodeURIComponent(store.lattice)}/app/${encodeURIComponent(name)}`;

function row(a) {
  return h("tr", { "data-state": a.type },
    h("td", null, h("a", { href: hashOf(a.name), class: "app-link" }, a.name),
      a.description ? h("small", { class: "quiet" }, a.description) : null),
    h("td", null, badge(a.deleting ? "deleting" : a.type)),
    h("td", { class: "mono wide" }, a.deployed_version || "–"),
    h("td", { class: "number wide" }, String(a.versions)),
    h("td", { class: "quiet wide" }, a.message));
}

function tally(summary, draw) {
  fill(summary, ORDER.map((s) => {
    const n = store.apps.filter((a) => a.type === s).length;
    return n || only === s ? h("button", { type: "button", class: "tally", "data-state": s,
      "aria-pressed": String(only === s), onclick: () => {
        only = only === s ? "" : s;
        draw();
      } }, `${n} ${s}`) : null;
  }));
}

function handIn() {
  let text, out;
  const busy = async (fn) => {
    try {
      fill(out, h("p", { class: "quiet" }, "…"));
      fill(out, await fn());
    } catch (e) {
      fill(out, h("p", { class: "bad" }, e.message), findingList(e.findings || []));
    }
  };
  const path = api.lattice(store.lattice);
  dialog("A manifest for " + store.lattice, (close) => {
    text = h("textarea", { rows: "18", class: "mono", "aria-label": "Manifest, YAML or JSON",
      spellcheck: "false", placeholder: "apiVersion: core.oam.dev/v1beta1\nkind: Application\n…" });
    out = h("div", { class: "result", "aria-live": "polite" });
    return [text, h("p", { class: "actions" },
      h("button", { type: "button", onclick: () => busy(async () => {
        const r = await api.postManifest(path + "/validate", text.value);
        return [h("p", null, r.data.valid ? "It is valid." : r.data.message), findingList(r.findings || [])];
      }) }, "Validate"),
      h("button", { type: "button", onclick: () => busy(async () =>
        planTable((await api.postManifest(path + "/plan", text.value)).data)) }, "Plan"),
      h("button", { type: "button", class: "main", onclick: () => busy(async () => {
        const r = await api.postManifest(path + "/apply", text.value);
        toast(`${r.data.name}: ${r.data.result}`);
        wantApps();
        close();
        location.hash = hashOf(r.data.name);
        return [];
      }) }, "Deploy"),
      h("button", { type: "button", onclick: () => close() }, "Close")), out];
  });
}

// j and k, or the arrows, walk through the list.
function walk(e, body) {
  const step = { j: 1, ArrowDown: 1, k: -1, ArrowUp: -1 }[e.key];
  if (!step || e.target.matches("input,textarea,select") || document.querySelector("dialog")) {
    return;
  }
  const links = [...body.querySelectorAll("a.app-link")];
  const at = links.indexOf(document.activeElement);
  links[at < 0 ? (step > 0 ? 0 : links.length - 1) : at + step]?.focus();
  e.preventDefault();
}

export function appsView(main) {
  const summary = h("p", { class: "summary" }), body = h("tbody");
  const empty = h("p", { class: "quiet", hidden: true });
  const table = h("table", { class: "apps" }, h("thead", null, h("tr", null,
    h("th", { scope: "col" }, "Application"), h("th", { scope: "col" }, "State"),
    h("th", { scope: "col", class: "wide" }, "Deployed"), h("th", { scope: "col", class: "wide" }, "Versions"),
    h("th", { scope: "col", class: "wide" }, "What it says"))), body);
  fill(main, h("div", { class: "title" }, h("h1", null, "Applications"),
    may("operate") ? h("button", { type: "button", id: "hand-in", onclick: handIn }, "New manifest") : null),
  summary, table, empty);
  const draw = () => {
    const words = store.search.toLowerCase().split(/\s+/).filter(Boolean);
    const apps = store.apps.filter((a) => (!only || a.type === only) && words.every((w) =>
      `${a.name} ${a.type} ${a.description || ""} ${a.message}`.toLowerCase().includes(w)));
    tally(summary, draw);
    table.hidden = apps.length === 0;
    empty.hidden = apps.length > 0;
    empty.textContent = store.apps.length ? "Nothing fits the search." : "No application yet.";
    keyed(body, apps, (a) => a.name, (a) => JSON.stringify(a), row);
  };
  const keys = (e) => walk(e, body);
  document.addEventListener("keydown", keys);
  draw();
  const end = watch(draw);
  return () => {
    end();
    document.removeEventListener("keydown", keys);
  };
}
