// One program: its state and figures, its lives, and what it prints.

import { visible } from "./colours.js";
import { element, say } from "./dom.js";
import { draw, WIDE_SAMPLES } from "./graph.js";
import * as logs from "./logs.js";
import { announce } from "./messages.js";
import { everySecond, showButtons, showFigures, showState, showUptime } from "./process.js";
import { percent, size } from "./words.js";

const STORY_MS = 400;

const main = document.getElementById("main");
let samples = [];
let process = null;
let telling = 0;
let legend = null;

/** What the stream says to this page: event name -> what to do. */
export const heard = {
  snapshot: ({ processes }) => processes.length && put(processes[0], false),
  process: (told) => put(told, true),
  gone: () => {
    clearTimeout(telling); // there is no page to fetch it from
    announce(visible(main.dataset.name), "is gone");
    say(main.querySelector(".description"), "This program is gone: it was taken out of the configuration.");
    main.classList.add("gone");
    for (const button of main.querySelectorAll("button[data-verb]")) button.hidden = true;
  },
  trends({ of }) {
    const past = of[main.dataset.name];
    if (past) samples = past.map((sample) => (Array.isArray(sample) ? sample : [sample, null]));
    drawGraph();
  },
  gauges({ of }) {
    const figures = of[main.dataset.name] ?? null;
    const place = document.getElementById("figures");
    if (!place) return;
    showFigures(place, figures);
    for (const [at, name] of [[2, "threads"], [3, "fds"], [4, "processes"]]) {
      say(place.querySelector(`.${name}`), figures && figures[at] >= 0 ? String(figures[at]) : "");
    }
    if (figures) samples = [...samples, figures].slice(-WIDE_SAMPLES);
    drawGraph();
  },
  ...logs.heard,
};

/** Take over the page as the server drew it. */
export function begin() {
  logs.begin();
  everySecond(() => process && clock());
}

function put(told, aloud) {
  const before = process;
  process = told;
  const changed = main.dataset.state !== told.statename || main.classList.contains("gone");
  main.classList.remove("gone");
  Object.assign(main.dataset, { state: told.statename, pid: told.pid, since: told.since });
  showState(main.querySelector("h1 .badge"), told.statename);
  for (const place of main.querySelectorAll(".actions")) showButtons(place, told.statename, told.pid);
  const figures = document.getElementById("figures");
  say(figures?.querySelector(".pid"), told.pid ? String(told.pid) : "");
  say(figures?.querySelector(".restarts"), String(told.restarts));
  clock();
  if (changed && aloud) announce(visible(told.name), `is ${told.statename.toLowerCase()}`);
  if (changed || (before && (before.end_at !== told.end_at || before.pid !== told.pid))) {
    clearTimeout(telling);
    telling = setTimeout(tellStory, STORY_MS);
  }
}

function clock() {
  const cell = document.querySelector("#figures .uptime");
  if (cell) showUptime(cell, process);
}

function drawGraph() {
  const place = main.querySelector(".graph");
  if (!place || !samples.length) return;
  const most = (index) => Math.max(...samples.map((sample) => sample[index] ?? 0));
  legend ??= place.appendChild(element("p", { class: "legend" }, element("span", {}), element("span", { class: "memory" })));
  say(legend.children[0], `CPU, at most ${percent(most(0))}`);
  say(legend.children[1], `memory, at most ${size(most(1))}`);
  draw(place, samples, true);
  place.append(legend);
}

/** Fetch the page again for what it says about lives: the words are the server's. */
async function tellStory() {
  const reply = await fetch(location.href, { credentials: "same-origin" }).catch(() => null);
  if (!reply?.ok) return;
  const fresh = new DOMParser().parseFromString(await reply.text(), "text/html");
  const open = new Set([...main.querySelectorAll(".life details[open]")].map(titleOf));
  for (const part of ["#lives", ".description", "h1 .note"]) {
    const [before, after] = [main.querySelector(part), fresh.querySelector(`main ${part}`)];
    if (before && after) before.replaceWith(document.adoptNode(after));
  }
  for (const details of main.querySelectorAll(".life details")) details.open = open.has(titleOf(details));
}

function titleOf(details) {
  return details.parentElement.querySelector(".short")?.textContent;
}
