// SPDX-License-Identifier: Apache-2.0
// The picture: hosts as boxes, instances as cells, coloured by the state of their application.
import { h, fill, keyed, dialog, badge } from "./dom.js";
import { store, watch } from "./store.js";

const CELLS_MAX = 48; // of one entry; beyond that a number says the rest

function counted(n, what) {
  return `${n} ${what}${n === 1 ? "" : "s"}`;
}

function appStates() {
  return new Map(store.apps.map((a) => [a.name, a.type]));
}

function cellState(r, states) {
  if (r.health === "failing") {
    return "failed";
  }
  return r.managed ? states.get(r.app) || "foreign" : "foreign";
}

function describe(r, states) {
  return `${r.app || "not of Trellis"}: ${r.id} ×${r.count}, ${cellState(r, states)}`;
}

function cells(host, states) {
  return host.running.flatMap((r) => {
    const state = cellState(r, states), n = Math.min(r.count, CELLS_MAX);
    const link = { class: "cell", "data-state": state, "data-kind": r.kind,
      title: describe(r, states), "data-app": r.managed ? r.app : null };
    const out = Array.from({ length: n }, () => h("span", link));
    return r.count > n ? [...out, h("span", { class: "more" }, `+${r.count - n}`)] : out;
  });
}

function showHost(host) {
  const states = appStates();
  dialog(host.name || host.id, (close) => [
    h("dl", { class: "facts" },
      h("dt", null, "Id"), h("dd", { class: "mono" }, host.id),
      h("dt", null, "State"), h("dd", null, badge(host.state), host.cordoned ? " cordoned" : ""),
      h("dt", null, "Version"), h("dd", null, host.version),
      h("dt", null, "Up"), h("dd", null, `${host.uptime_s} s, seen ${Math.round(host.seen_ms_ago / 1000)} s ago`),
      h("dt", null, "Labels"), h("dd", null, Object.entries(host.labels).map(([k, v]) =>
        h("span", { class: "label" }, `${k}=${v}`)))),
    h("table", null,
      h("thead", null, h("tr", null, ["Application", "Unit", "Count", "Image", "State"].map((t) =>
        h("th", { scope: "col" }, t)))),
      h("tbody", null, host.running.map((r) => h("tr", null,
        h("td", null, r.managed ? h("a", { href: `#/${encodeURIComponent(store.lattice)}/app/${encodeURIComponent(r.app)}`, onclick: () => close() }, r.app) : "–"),
        h("td", { class: "mono" }, r.id), h("td", null, String(r.count)),
        h("td", { class: "mono" }, r.image), h("td", null, badge(cellState(r, states))))))),
    h("p", { class: "actions" }, h("button", { type: "button", onclick: () => close() }, "Close")),
  ]);
}

function box(host, states) {
  const said = host.running.map((r) => describe(r, states)).join("; ");
  return h("li", { class: "host", "data-state": host.state },
    h("button", { type: "button", class: "host-name", onclick: () => showHost(host),
      "aria-label": `${host.name || host.id}, ${host.state}, ${host.instances} instances. ${said}` },
      h("span", { class: "dot", "data-state": host.state }), h("span", { class: "name" }, host.name || host.id.slice(0, 12)),
      h("small", null, String(host.instances))),
    h("div", { class: "cells", "aria-hidden": "true" }, cells(host, states)));
}

function fits(host, words) {
  const text = [host.id, host.name, host.state, ...Object.entries(host.labels).map((x) => x.join("=")),
    ...host.running.flatMap((r) => [r.app, r.id, r.image])].join(" ").toLowerCase();
  return words.every((w) => text.includes(w));
}

export function hostsView(main) {
  const summary = h("p", { class: "summary" }), list = h("ul", { class: "hosts" });
  const legend = h("p", { class: "legend", "aria-hidden": "true" },
    ["deployed", "reconciling", "waiting", "unhealthy", "failed", "foreign"].map((s) =>
      h("span", null, h("span", { class: "cell", "data-state": s }), s === "foreign" ? "not of Trellis" : s)));
  list.addEventListener("click", (e) => {
    const app = e.target.dataset?.app;
    if (app) {
      location.hash = `#/${encodeURIComponent(store.lattice)}/app/${encodeURIComponent(app)}`;
    }
  });
  fill(main, h("h1", null, "Hosts"), summary, legend, list);
  const draw = () => {
    const words = store.search.toLowerCase().split(/\s+/).filter(Boolean), states = appStates();
    const hosts = words.length ? store.hosts.filter((x) => fits(x, words)) : store.hosts;
    const ready = store.hosts.filter((x) => x.state === "ready").length;
    const n = store.hosts.reduce((sum, x) => sum + x.instances, 0);
    summary.textContent = store.hosts.length === 0
      ? "No host is known in this lattice. Start one, and it appears here."
      : `${hosts.length === store.hosts.length ? "" : hosts.length + " of "}${counted(store.hosts.length, "host")}, ${ready} ready, ${counted(n, "instance")}`;
    keyed(list, hosts, (x) => x.id,
      (x) => `${x.state}|${x.name}|${x.cordoned}|` + x.running.map((r) =>
        `${r.id},${r.count},${cellState(r, states)},${r.image}`).join(";"),
      (x) => box(x, states));
  };
  draw();
  return watch(draw);
}
