// What a process looks like on any page: its state, its clock, its figures, the buttons that make sense now.

import { say } from "./dom.js";
import { duration, percent, size } from "./words.js";

const UP = new Set(["STARTING", "RUNNING", "BACKOFF", "STOPPING"]);

let ahead = 0;

/** Remember how far this machine's clock is ahead of the daemon's. */
export function setClock(now) {
  ahead = Date.now() / 1000 - now;
}

/** Show the state of a process on `badge`, a span that has carried another. */
export function showState(badge, state) {
  if (badge.textContent === state) return;
  badge.className = `badge ${state}`;
  badge.textContent = state;
}

/** Show the buttons that make sense, and hide the others; the focus goes to one that is left. */
export function showButtons(place, state, pid) {
  if (!place) return;
  const focused = place.contains(document.activeElement) ? document.activeElement : null;
  for (const button of place.querySelectorAll("button[data-verb]")) {
    const { verb } = button.dataset;
    const hidden = verb === "start" ? UP.has(state) : verb === "signal" ? !pid : verb !== "clear" && !UP.has(state);
    if (button.hidden !== hidden) button.hidden = hidden;
  }
  if (focused?.hidden) place.querySelector("button:not([hidden])")?.focus({ preventScroll: true });
}

/** Show for how long a process has been up; nothing when it is not. */
export function showUptime(cell, { pid, since }) {
  say(cell, pid && since ? duration(Date.now() / 1000 - ahead - since) : "");
}

/** Show processor and memory of a process's whole tree. */
export function showFigures(place, figures) {
  say(place.querySelector(".cpu"), figures ? percent(figures[0]) : "");
  say(place.querySelector(".memory"), figures ? size(figures[1]) : "");
}

/** A word or two about what the state does not tell. */
export function noteOf(process) {
  if (process.paused) return "paused";
  return process.stopped_by_hand && !process.pid ? "by hand" : "";
}

/** Call `tick` every second, but not while nobody sees the page. */
export function everySecond(tick) {
  setInterval(() => document.hidden || tick(), 1000);
  document.addEventListener("visibilitychange", () => document.hidden || tick());
}
