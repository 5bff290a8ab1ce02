// The logs of a page, whichever it is: the stream's words go to the view they are meant for, keys to the one in use.

import { visible } from "./colours.js";
import { logView } from "./log.js";
import { size } from "./words.js";

const views = new Map();

/** What the stream says about logs: event name -> what to do. */
export const heard = {
  log: ({ stream, lines, open }) => views.get(stream)?.take(lines, open),
  log_gap: ({ stream, skipped, why }) =>
    views.get(stream)?.note(why === "truncated" ? "file truncated" : `${size(skipped / 1024)} skipped: too much to show`),
  log_none: ({ stream, text }) => views.get(stream)?.note(visible(text)),
};

/** Bring all logs of the page to life: `p` holds, `/` searches. */
export function begin() {
  for (const section of document.querySelectorAll("section.log")) views.set(section.dataset.stream, logView(section));
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
    if (event.target.closest?.("input, select, textarea")) return;
    const inside = document.activeElement?.closest("section.log");
    const view = views.get(inside?.dataset.stream) ?? views.values().next().value;
    if (event.key === "p") view?.hold();
    else if (event.key === "/") view?.find();
    else return;
    event.preventDefault();
  });
}
