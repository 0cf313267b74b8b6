// Asks once a second; everything is put into the page as text. A click on an action keeps it, another
// one lets the page follow the newest again.
"use strict";

const EVERY_MS = 1000;
const SERVICES = ["confer-edge", "presence-svc", "sync-svc", "queue-svc", "notify-svc"];
const at = (id) => document.getElementById(id);
let kept = null; // the trace that somebody chose
let shown = ""; // what the waterfall was drawn from
const open = new Set(); // hops whose attributes are shown

function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

const hue = (service) => {
  const known = SERVICES.indexOf(service);
  return `hue${known < 0 ? 5 : known}`;
};
const ms = (value) => (value == null ? "–" : `${value < 10 ? value.toFixed(2) : value < 100 ? value.toFixed(1) : Math.round(value)} ms`);
const rate = (value) => (value == null ? "–" : value < 10 ? value.toFixed(1) : String(Math.round(value)));
const whole = (value) => (value == null ? "–" : String(Math.round(value)));

async function get(path) {
  const answer = await fetch(path, { signal: AbortSignal.timeout(5000) });
  if (answer.status === 404) return null;
  if (!answer.ok) throw new Error(`${path}: ${answer.status}`);
  return answer.json();
}

function tile(name, value, bad = false) {
  return element("div", { className: bad ? "tile bad" : "tile" }, element("strong", { textContent: value }), element("small", { textContent: name }));
}

function vitals(told) {
  const processes = told.processes;
  const edge = processes.find((one) => one.process === "confer-edge") ?? {};
  const unread = processes.reduce((sum, one) => sum + (one.lag ?? 0), 0);
  at("tiles").replaceChildren(
    tile("calls a second", rate(edge.calls)),
    tile("failures a second", rate(edge.failures), edge.failures > 0),
    tile("half are answered within", ms(edge.p50)),
    tile("99 of 100 within", ms(edge.p99)),
    tile("append to live feed", ms(edge.feed)),
    tile("clients", whole(edge.clients)),
    tile("facts not read yet", whole(unread), unread > 1000),
  );
  at("processes").hidden = processes.length === 0;
  at("processes").tBodies[0].replaceChildren(...processes.map((one) => element("tr", {},
    element("td", { textContent: one.process }),
    ...(one.up
      ? [rate(one.calls), rate(one.failures), ms(one.p50), ms(one.p99), whole(one.clients), whole(one.lag)]
      : ["does not answer", "", "", "", "", ""]
    ).map((text) => element("td", { textContent: text })))));
  const down = processes.filter((one) => !one.up).map((one) => one.process);
  state(down.length ? `away: ${down.join(", ")}` : "all parts answer", down.length > 0);
  at("none").textContent = told.traces_go_to
    ? `Traces go to ${told.traces_go_to}, as OTEL_EXPORTER_OTLP_ENDPOINT says: look there.`
    : "Nothing yet. Change something in the demo portal, and it appears here.";
}

function state(text, bad) {
  at("state").textContent = text;
  at("state").className = bad ? "bad" : "";
}

function list(traces, current) {
  at("none").hidden = traces.length > 0;
  const had = document.activeElement?.dataset?.trace;
  at("traces").replaceChildren(...traces.map((one) => {
    const button = element("button", { type: "button", className: one.failed ? "failed" : "" },
      element("strong", { textContent: one.name }),
      element("span", { className: "ms", textContent: ms(one.answered_ms) }),
      element("small", { textContent: `${new Date(one.at).toLocaleTimeString("en-GB")} · ${one.hops} hops · ${one.services.length} processes` }),
      element("small", { className: one.failed ? "error" : "", textContent: one.failed ? "failed" : (one.outcome ?? "") }));
    button.dataset.trace = one.id;
    if (one.id === current) button.setAttribute("aria-current", "true");
    button.addEventListener("click", () => {
      kept = kept === one.id ? null : one.id;
      look();
    });
    return element("li", {}, button);
  }));
  if (had) at("traces").querySelector(`[data-trace="${CSS.escape(had)}"]`)?.focus();
}

function hop(row, total) {
  const name = element("span", { className: "name" }, row.name);
  name.style.marginLeft = `${Math.min(row.depth, 12) * 0.9}rem`;
  if (row.links) name.append(element("span", { className: "link", title: "linked to what it came from", textContent: "⇠ linked" }));
  name.append(element("small", { textContent: `${row.service}${row.failed ? " · failed" : ""}` }));
  const bar = element("span", { className: "bar" });
  const left = (100 * row.start) / total;
  const width = (100 * row.ms) / total;
  bar.style.left = `${Math.min(left, 99.5)}%`;
  bar.style.width = `${width}%`;
  const time = element("span", { className: "time", textContent: ms(row.ms) });
  const button = element("button", { type: "button", className: "hop" }, name, element("span", { className: "lane" }, bar), time);
  const attributes = element("dl", { hidden: !open.has(row.id) });
  for (const [key, value] of Object.entries({ kind: row.kind, begins: `after ${ms(row.start)}`, ...row.attributes })) {
    attributes.append(element("dt", { textContent: key }), element("dd", { textContent: value }));
  }
  button.setAttribute("aria-expanded", String(!attributes.hidden));
  button.addEventListener("click", () => {
    attributes.hidden = !attributes.hidden;
    button.setAttribute("aria-expanded", String(!attributes.hidden));
    if (attributes.hidden) open.delete(row.id);
    else open.add(row.id);
  });
  const whole = element("div", { className: `row ${hue(row.service)}${row.failed ? " failed" : ""}` }, button, attributes);
  whole.dataset.hop = row.name;
  return whole;
}

function draw(trace) {
  at("chosen").hidden = trace === null;
  const now = JSON.stringify(trace);
  if (trace === null || now === shown) return; // nothing new: what is selected, or focused, stays
  shown = now;
  at("title").textContent = trace.name;
  const more = trace.left_out ? `, ${trace.left_out} more left out` : "";
  at("about").textContent = `answered within ${ms(trace.answered_ms)}, everything done within ${ms(trace.ms)} · ${trace.hops} hops${more} · trace ${trace.id}`;
  at("rows").replaceChildren(...trace.rows.map((row) => hop(row, Math.max(trace.ms, 0.001))));
  at("legend").textContent = "Click a hop for what it tells about itself. ⇠ linked: part of a fan-out, or done later, and linked to what it came from.";
}

async function look() {
  try {
    const [told, traces] = await Promise.all([get("/vitals.json"), get(`/traces.json${at("background").checked ? "?background" : ""}`)]);
    vitals(told);
    const current = kept ?? traces[0]?.id ?? null;
    list(traces, current);
    draw(current === null ? null : await get(`/trace.json?${current}`));
  } catch (error) {
    state("Confer has stopped, or does not answer", true);
  }
}

async function forever() {
  if (!document.hidden) await look();
  setTimeout(forever, EVERY_MS);
}

at("background").addEventListener("change", look);
forever();
