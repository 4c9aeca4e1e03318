// SPDX-License-Identifier: Apache-2.0
// The shell: where we are, who we are, keys, and the view that is shown.
import { h, fill, dialog, toast } from "./dom.js";
import * as api from "./api.js";
import { store, watch, begin, choose, changed } from "./store.js";
import { hostsView } from "./hosts.js";
import { appsView } from "./apps.js";
import { appView } from "./page.js";
import { eventsView } from "./events.js";

const $ = (id) => document.getElementById(id);
const main = $("main");
let end = null; // of the view shown
let ready = false;

function where() {
  const [lattice, view, name] = location.hash.replace(/^#\/?/, "").split("/").map(decodeURIComponent);
  return { lattice: lattice || store.lattice, view: view || "hosts", name };
}

async function show() {
  if (!ready) {
    return;
  }
  const at = where();
  if (at.lattice && at.lattice !== store.lattice) {
    try {
      await choose(at.lattice);
    } catch (e) {
      toast(e.message, true);
    }
  }
  end?.();
  const views = { hosts: hostsView, apps: appsView, events: eventsView };
  end = at.view === "app" && at.name ? appView(main, at.name) : (views[at.view] || hostsView)(main);
  for (const v of ["hosts", "apps", "events"]) {
    const active = v === at.view || (v === "apps" && at.view === "app");
    $("nav-" + v).setAttribute("aria-current", active ? "page" : "false");
  }
  document.title = (at.name ? at.name + " · " : "") + "Trellis";
}

function drawShell() {
  const select = $("lattice"), names = store.lattices.map((x) => x.lattice);
  if (store.lattice && !names.includes(store.lattice)) {
    names.push(store.lattice);
  }
  if (select.dataset.names !== names.join("\n")) {
    select.dataset.names = names.join("\n");
    fill(select, names.map((n) => h("option", { value: n }, n)));
  }
  select.hidden = names.length === 0;
  select.value = store.lattice;
  const l = encodeURIComponent(store.lattice);
  $("nav-hosts").href = `#/${l}/hosts`;
  $("nav-apps").href = `#/${l}/apps`;
  $("nav-events").href = `#/${l}/events`;
  $("who").hidden = !store.session;
  $("who").textContent = store.session ? `${store.session.name} · ${store.session.role}` : "";
}

function askLogin(text) {
  ready = false;
  end?.();
  end = null;
  const field = h("input", { type: "password", id: "token", autocomplete: "off", "aria-label": "Token" });
  fill(main, h("form", { class: "login", onsubmit: (e) => {
    e.preventDefault();
    api.setToken(field.value.trim());
    start();
  } },
  h("h1", null, "Who are you?"), text ? h("p", { class: "bad" }, text) : null,
  h("p", null, "Open the one-time URL that Trellis wrote to its login file, or give a token:"),
  h("p", { class: "actions" }, field, h("button", { class: "main" }, "Go on"))));
  field.focus();
}

async function trade(token) {
  history.replaceState(null, "", "#/");
  try {
    api.setToken("");
    api.setToken((await api.post("/login", { token })).token);
  } catch (e) {
    return e.message;
  }
  return "";
}

async function start() {
  const given = location.hash.match(/^#login=([\w-]+)$/);
  let text = given ? await trade(given[1]) : "";
  if (!api.hasToken()) {
    askLogin(text);
    return;
  }
  try {
    await begin((state) => {
      $("live").dataset.state = state;
      $("live").textContent = state === "on" ? "live" : "offline";
    });
    ready = true;
    drawShell();
    await show();
  } catch (e) {
    if (e.status === 401 || e.status === 429) {
      api.setToken("");
      askLogin(e.message);
    } else {
      fill(main, h("p", { class: "bad" }, e.message),
        h("button", { type: "button", onclick: start }, "Try again"));
    }
  }
}

function help() {
  const keys = [["/", "search"], ["h", "hosts"], ["a", "applications"], ["e", "events"],
    ["j k", "walk through the list"], ["Enter", "open"], ["Escape", "close, leave the search"], ["?", "this"]];
  dialog("Keys", (close) => [h("dl", { class: "facts" }, keys.map(([k, t]) =>
    [h("dt", null, h("kbd", null, k)), h("dd", null, t)])),
  h("p", { class: "actions" }, h("button", { type: "button", onclick: () => close() }, "Close"))]);
}

function onKey(e) {
  if (e.key === "Escape" && e.target === $("search")) {
    $("search").value = store.search = "";
    $("search").blur();
    changed();
    return;
  }
  if (e.ctrlKey || e.metaKey || e.altKey || e.target.matches("input,textarea,select") || document.querySelector("dialog")) {
    return;
  }
  const l = encodeURIComponent(store.lattice);
  if (e.key === "/") {
    $("search").focus();
    e.preventDefault();
  } else if (e.key === "?") {
    help();
  } else if ({ h: 1, a: 1, e: 1 }[e.key] && ready) {
    location.hash = `#/${l}/${{ h: "hosts", a: "apps", e: "events" }[e.key]}`;
  }
}

function theme(next) {
  const root = document.documentElement;
  const dark = matchMedia("(prefers-color-scheme: dark)").matches;
  const now = root.dataset.theme || (dark ? "dark" : "light");
  root.dataset.theme = next || (now === "dark" ? "light" : "dark");
  localStorage.setItem("trellis-theme", root.dataset.theme);
}

const kept = localStorage.getItem("trellis-theme");
if (kept === "dark" || kept === "light") {
  theme(kept);
}
$("theme").addEventListener("click", () => theme());
$("search").addEventListener("input", (e) => {
  store.search = e.target.value;
  changed();
});
$("lattice").addEventListener("change", (e) => {
  location.hash = `#/${encodeURIComponent(e.target.value)}/${where().view === "app" ? "apps" : where().view}`;
});
$("who").addEventListener("click", async () => {
  const leave = await dialog("Leave?", (close) => [h("p", { class: "actions" },
    h("button", { type: "button", class: "main", onclick: () => close(true) }, "Log out"),
    h("button", { type: "button", onclick: () => close() }, "Stay"))]);
  if (leave) {
    await api.post("/logout").catch(() => {});
    api.setToken("");
    location.reload();
  }
});
document.addEventListener("keydown", onKey);
document.addEventListener("login-needed", () => {
  if (ready) {
    api.setToken("");
    askLogin("The session is over.");
  }
});
window.addEventListener("hashchange", () => (location.hash.startsWith("#login=") ? start() : show()));
watch(drawShell);
start();
