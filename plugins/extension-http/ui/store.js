// SPDX-License-Identifier: Apache-2.0
// What the page knows: read once, then kept up to date by events. Views subscribe to it.
import * as api from "./api.js";

export const store = {
  session: null, lattices: [], lattice: "", apps: [], hosts: [], events: [], search: "",
};
const watchers = new Set();

export function watch(fn) {
  watchers.add(fn);
  return () => watchers.delete(fn);
}

let told = false;
export function changed() {
  if (told) {
    return;
  }
  told = true;
  requestAnimationFrame(() => {
    told = false;
    for (const fn of [...watchers]) {
      fn();
    }
  });
}

// Runs fn soon, and at most once per gap_ms, however often it is asked for.
function soon(fn, gap_ms) {
  let timer = 0, last = 0, running = false;
  const run = async () => {
    timer = 0;
    running = true;
    last = Date.now();
    try {
      await fn();
    } catch { /* the next event or tick tries again */ }
    running = false;
  };
  return () => {
    if (!timer) {
      timer = setTimeout(run, running ? gap_ms : Math.max(30, last + gap_ms - Date.now()));
    }
  };
}

async function readApps() {
  const of = store.lattice;
  const apps = of ? await api.get(api.lattice(of) + "/apps") : [];
  if (of === store.lattice) {
    store.apps = apps;
    changed();
  }
}

async function readHosts() {
  const of = store.lattice;
  const hosts = of ? await api.get(api.lattice(of) + "/hosts?running=true") : [];
  if (of === store.lattice) {
    store.hosts = hosts;
    changed();
  }
}

async function readLattices() {
  const names = (await api.get("/lattices")).lattices;
  store.lattices = names.sort((a, b) => (a.lattice < b.lattice ? -1 : 1));
  if (!names.some((x) => x.lattice === store.lattice)) {
    store.lattice = names.length ? names[0].lattice : "";
  }
  changed();
}

export const wantApps = soon(readApps, 500);
export const wantHosts = soon(readHosts, 1000);
export const wantLattices = soon(readLattices, 3000);

export async function choose(lattice) {
  if (lattice !== store.lattice) {
    store.lattice = lattice;
    store.apps = store.hosts = [];
    changed();
    await Promise.all([readApps(), readHosts()]);
  }
}

const EVENTS_KEPT = 500;
const APP_KINDS = new Set(["app_put", "app_deployed", "app_undeployed", "app_deleted",
  "version_deleted"]);

function onEvent(kind, e) {
  if (kind === "hello" || kind === "missed") {
    wantApps();
    wantHosts();
    return;
  }
  store.events.push(e);
  if (store.events.length > EVENTS_KEPT * 2) {
    store.events = store.events.slice(-EVENTS_KEPT);
  }
  if (!store.lattices.some((x) => x.lattice === e.lattice) && e.lattice && e.lattice !== "_") {
    wantLattices();
  }
  if (e.lattice === store.lattice) {
    const app = store.apps.find((a) => a.name === e.app);
    if (kind === "status_changed" && app) {
      Object.assign(app, { type: e.type, message: e.message, generation: e.generation });
    } else if (APP_KINDS.has(kind) || kind === "status_changed") {
      wantApps();
    }
    if (kind === "command" || kind === "status_changed") {
      wantHosts();
    }
  }
  changed();
}

let following = false;
export async function begin(onState) {
  store.session = await api.get("/session");
  await readLattices();
  store.events = await api.get("/lattices/_/events?limit=200");
  await Promise.all([readApps(), readHosts()]);
  if (!following) {
    following = true;
    api.stream(onEvent, onState).finally(() => { following = false; });
    // Hosts come and go without an event; what is not looked at is not asked for.
    setInterval(() => {
      if (document.visibilityState === "visible" && api.hasToken()) {
        wantHosts();
        wantLattices();
      }
    }, 4000);
  }
}

export const may = (role) =>
  ["none", "read", "operate", "admin"].indexOf(store.session?.role || "none") >=
  ["none", "read", "operate", "admin"].indexOf(role);

export function stateOf(name) {
  const app = store.apps.find((a) => a.name === name);
  return app ? app.type : "foreign";
}
