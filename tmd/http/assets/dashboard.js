// All programs: one row per process, kept true by the live stream, filtered and walked through by keys.

import { press } from "./actions.js";
import { visible } from "./colours.js";
import { address, mark, say } from "./dom.js";
import { draw, SAMPLES } from "./graph.js";
import { announce } from "./messages.js";
import { everySecond, noteOf, showButtons, showFigures, showState, showUptime } from "./process.js";

const FLASH_MS = 900;

const table = document.getElementById("programs");
const known = new Map();
const seen = new Set();
const watcher = new IntersectionObserver((entries) => {
  for (const { target, isIntersecting } of entries) {
    const entry = known.get(target.dataset.name);
    if (!entry) continue;
    if (isIntersecting) {
      seen.add(entry);
      drawFigures(entry);
      showUptime(entry.cells.uptime, entry.process);
    } else seen.delete(entry);
  }
}, { rootMargin: "200px" });
let settling = 0;

/** What the stream says to this page: event name -> what to do. */
export const heard = {
  snapshot({ groups, processes }) {
    const names = new Set(processes.map((process) => process.name));
    for (const name of known.keys()) if (!names.has(name)) forget(name);
    for (const process of processes) put(process, false);
    orderRows(processes);
    order(groups);
    settle();
  },
  process(process) {
    put(process, true);
    settle();
  },
  gone({ name }) {
    forget(name);
    settle();
  },
  groups({ groups }) {
    order(groups);
    settle();
  },
  trends({ of }) {
    for (const [name, past] of Object.entries(of)) {
      const entry = known.get(name);
      if (entry) entry.samples = past.map((sample) => (Array.isArray(sample) ? sample : [sample, null]));
      if (seen.has(entry)) drawFigures(entry);
    }
  },
  gauges({ of }) {
    for (const entry of known.values()) {
      entry.figures = of[entry.process.name] ?? null;
      if (entry.figures) {
        entry.samples.push(entry.figures);
        if (entry.samples.length > SAMPLES) entry.samples.shift();
      } else if (!entry.process.pid) entry.samples = [];
      if (seen.has(entry)) drawFigures(entry);
    }
  },
};

/** Take over the page as the server drew it. */
export function begin() {
  for (const row of table.querySelectorAll("tr.process")) enter(row);
  for (const name of ["q", "state"]) {
    const field = document.getElementById(name);
    field.addEventListener("input", filtered);
  }
  document.getElementById("search").addEventListener("submit", (event) => {
    event.preventDefault();
    move(1, true);
  });
  document.getElementById("search").classList.add("scripted");
  document.addEventListener("keydown", key);
  everySecond(() => {
    for (const entry of seen) showUptime(entry.cells.uptime, entry.process);
  });
}

function enter(row) {
  const cells = {};
  for (const cell of row.cells) cells[cell.classList[0]] = cell;
  const { name, group, process, state, since, pid } = row.dataset;
  const entry = {
    row, cells, samples: [], figures: null, link: row.querySelector("a"),
    process: { name, group, process, statename: state, since: Number(since), pid: Number(pid), description: "" },
  };
  known.set(name, entry);
  watcher.observe(row);
  return entry;
}

function made(process) {
  const row = document.getElementById("row").content.firstElementChild.cloneNode(true);
  const link = row.querySelector("a");
  Object.assign(row.dataset, { name: process.name, group: process.group, process: process.process, state: "" });
  say(link, visible(process.process));
  link.href = address(`program/${encodeURIComponent(`${process.group}:${process.process}`)}`);
  for (const button of row.querySelectorAll("button[data-verb]")) dedicate(button, process.name, visible(process.name));
  group(process.group).append(row);
  return enter(row);
}

function dedicate(button, name, spoken) {
  button.dataset.name = name;
  button.value = `${button.dataset.verb} ${encodeURIComponent(name)}`;
  if (button.hasAttribute("aria-label")) button.setAttribute("aria-label", `${button.dataset.verb} ${spoken}`);
}

function group(name) {
  const there = [...table.tBodies].find((body) => body.dataset.group === name);
  if (there) return there;
  const body = document.getElementById("group").content.firstElementChild.cloneNode(true);
  body.dataset.group = name;
  say(body.querySelector(".group-name"), visible(name));
  for (const button of body.querySelectorAll("button[data-verb]")) dedicate(button, `${name}:*`, `group ${visible(name)}`);
  table.append(body);
  return body;
}

function put(process, aloud) {
  const entry = known.get(process.name) ?? made(process);
  const { row, cells } = entry;
  const changed = row.dataset.state !== process.statename;
  entry.process = process;
  if (changed) {
    row.classList.remove(row.dataset.state || "none");
    row.classList.add(process.statename);
    row.dataset.state = process.statename;
    showState(row.querySelector(".badge"), process.statename);
    if (aloud) {
      announce(visible(process.name), `is ${process.statename.toLowerCase()}`);
      row.classList.add("changed");
      setTimeout(() => row.classList.remove("changed"), FLASH_MS);
    }
  }
  row.dataset.pid = process.pid;
  row.dataset.since = process.since;
  say(row.querySelector(".note"), noteOf(process));
  say(cells.pid, process.pid ? String(process.pid) : "");
  say(cells.restarts, String(process.restarts));
  say(cells.end, visible(endOf(process)));
  mark(cells.end, "title", cells.end.textContent || null);
  showUptime(cells.uptime, process);
  showButtons(cells.actions, process.statename, process.pid);
  if (!process.pid && entry.figures) {
    entry.figures = null;
    drawFigures(entry);
  }
}

/** Why it does not run, or how it ended last. */
function endOf({ statename, description, last_end: end }) {
  return end || (statename === "FATAL" || statename === "BACKOFF" ? description : "");
}

function forget(name) {
  const entry = known.get(name);
  if (!entry) return;
  const body = entry.row.parentElement;
  known.delete(name);
  seen.delete(entry);
  watcher.unobserve(entry.row);
  entry.row.remove();
  if (!body.querySelector("tr.process")) body.remove();
}

function order(groups) {
  const bodies = new Map([...table.tBodies].map((body) => [body.dataset.group, body]));
  const wanted = groups.filter((name) => bodies.has(name)).map((name) => bodies.get(name));
  if (wanted.some((body, place) => table.tBodies[place] !== body)) table.append(...wanted);
}

/** A page that came with a filter has only some rows; those that join it belong between them. */
function orderRows(processes) {
  const rows = new Map([...table.tBodies].map((body) => [body, []]));
  for (const { name } of processes) {
    const { row } = known.get(name);
    rows.get(row.parentElement).push(row);
  }
  for (const [body, wanted] of rows) {
    const there = body.querySelectorAll("tr.process");
    if (wanted.some((row, place) => there[place] !== row)) body.append(...wanted);
  }
}

function drawFigures(entry) {
  showFigures(entry.row, entry.figures);
  if (entry.samples.length) draw(entry.cells.graph, entry.samples);
  else entry.cells.graph.replaceChildren();
}

/** Soon, once for many changes: counts, group lines, and what the filter leaves. */
function settle() {
  settling ||= requestAnimationFrame(() => {
    settling = 0;
    const counts = {};
    for (const { process } of known.values()) counts[process.statename] = (counts[process.statename] ?? 0) + 1;
    for (const shown of document.querySelectorAll("#summary [data-state]")) {
      const number = counts[shown.dataset.state] ?? 0;
      say(shown.querySelector("b"), String(number));
      shown.hidden = !number;
    }
    for (const body of table.tBodies) {
      const rows = [...body.querySelectorAll("tr.process")];
      const running = rows.filter((row) => row.dataset.state === "RUNNING").length;
      say(body.querySelector(".group-count"), `${running} of ${rows.length} running`);
      const alone = rows.length === 1 && rows[0].dataset.process === body.dataset.group;
      body.classList.toggle("alone", alone);
    }
    filter();
  });
}

function filtered() {
  const kept = new URLSearchParams();
  for (const name of ["q", "state"]) {
    const { value } = document.getElementById(name);
    if (value) kept.set(name, value);
  }
  history.replaceState(null, "", kept.size ? `?${kept}` : location.pathname);
  filter();
}

function filter() {
  const words = document.getElementById("q").value.toLowerCase().split(/\s+/).filter(Boolean);
  const state = document.getElementById("state").value;
  let left = 0;
  for (const { row, process } of known.values()) {
    const text = `${process.group}:${process.process} ${process.statename} ${process.description}`.toLowerCase();
    const hidden = (state && process.statename !== state) || !words.every((word) => text.includes(word));
    if (row.hidden !== hidden) row.hidden = hidden;
    left += hidden ? 0 : 1;
  }
  for (const body of table.tBodies) body.hidden = !body.querySelector("tr.process:not([hidden])");
  document.getElementById("nothing").hidden = left > 0;
  table.hidden = left === 0;
}

function key(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
  const field = event.target.closest?.("input, select, textarea");
  const inSearch = field?.id === "q";
  if (event.key === "Escape" && field) {
    if (inSearch && field.value) {
      field.value = "";
      filtered();
    } else field.blur();
  } else if (event.key === "ArrowDown" && (inSearch || !field)) move(1, inSearch);
  else if (event.key === "ArrowUp" && !field) move(-1);
  else if (field) return;
  else if (event.key === "/") document.getElementById("q").select();
  else if (event.key === "j") move(1);
  else if (event.key === "k") move(-1);
  else if (!act({ s: "start", x: "stop", r: "restart" }[event.key])) return;
  event.preventDefault();
}

/** Move on from the row that has the focus to the next one that is shown. */
function move(step, fromTop = false) {
  const shown = [...table.querySelectorAll("tr.process:not([hidden])")];
  const at = fromTop ? -1 : shown.indexOf(document.activeElement?.closest("tr.process"));
  const next = shown[at < 0 ? (step > 0 ? 0 : shown.length - 1) : at + step];
  if (!next) return;
  next.querySelector("a").focus({ preventScroll: true });
  next.scrollIntoView({ block: "nearest" });
}

function act(verb) {
  const row = document.activeElement?.closest("tr.process, tr.group-row");
  const button = verb && row?.querySelector(`button[data-verb="${verb}"]`);
  if (!button || button.hidden) return false;
  press(button);
  return true;
}
