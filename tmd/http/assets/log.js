// A log as it grows: followed, held, searched, wrapped. The page keeps a bounded part of it, however much comes.

import { coloured, plain } from "./colours.js";
import { element, mark, remember, remembered, say } from "./dom.js";
import { count } from "./words.js";

const MOST_LINES = 3000;
const LONGEST_LINE = 4000;
const NEAR_END_PX = 24;
const SEARCH_MS = 120;

/** Bring a `section.log` to life; returns what the stream tells it, and what keys may do with it. */
export function logView(section) {
  const pane = section.querySelector(".lines");
  const name = section.dataset.stream;
  let waiting = [];
  let skipped = 0;
  let held = false;
  let atEnd = true;
  let drawing = 0;
  let drawn = false;
  let style = plain();
  let open = null;
  let last = null;

  const hold = element("button", { type: "button", "aria-pressed": "false", onclick: () => setHeld(!held) }, "Pause");
  const wrap = element("input", { type: "checkbox", onchange: () => setWrapped(wrap.checked) });
  const state = element("span", { class: "log-state", role: "status" });
  const end = element("button", { type: "button", class: "to-end", onclick: toEnd, hidden: true }, "Jump to end ↓");
  const search = finder(pane, section, name);
  section
    .querySelector(".log-tools")
    .append(hold, ...search.controls, element("label", { class: "check" }, wrap, "Wrap"), search.found, state);
  pane.after(end);
  setWrapped(remembered("wrap") !== "no");
  pane.scrollTop = pane.scrollHeight;
  pane.addEventListener(
    "scroll",
    () => {
      atEnd = pane.scrollTop + pane.clientHeight >= pane.scrollHeight - NEAR_END_PX;
      end.hidden = atEnd;
    },
    { passive: true },
  );

  function setHeld(now) {
    held = now;
    mark(hold, "aria-pressed", String(held));
    say(hold, held ? "Resume" : "Pause");
    if (!held) draw();
    tellState();
  }

  function setWrapped(now) {
    wrap.checked = now;
    pane.classList.toggle("wrapped", now);
    remember("wrap", now ? "yes" : "no");
  }

  function toEnd() {
    atEnd = true;
    pane.scrollTop = pane.scrollHeight;
    pane.focus({ preventScroll: true });
  }

  function tellState() {
    say(state, held ? `paused, ${count(waiting.length + skipped, "new line")}` : "");
  }

  /** Take lines in; with `unfinished` the last of them goes on in what comes next. */
  function take(lines, unfinished) {
    let from = 0;
    if (open && lines.length) {
      lengthen(open, lines[0]);
      queue(open);
      from = 1;
    }
    for (const text of lines.slice(from)) queue(lengthen({ text: "", length: 0, shown: null, begins: null }, text));
    if (lines.length) open = unfinished ? last : null;
    bound();
  }

  /** A line is drawn once, however often it has grown since. */
  function queue(line) {
    if (!line.waits) waiting.push(line);
    line.waits = true;
    last = line;
  }

  /** Tell of something that is not in the log itself. */
  function note(text) {
    open = null;
    waiting.push({ note: text });
    bound();
  }

  /** What nobody could read any more is dropped before it is drawn. */
  function bound() {
    if (waiting.length > MOST_LINES) {
      skipped += waiting.length - MOST_LINES;
      for (const line of waiting.slice(0, -MOST_LINES)) line.waits = false;
      waiting = waiting.slice(-MOST_LINES);
    }
    if (held) tellState();
    else drawing ||= requestAnimationFrame(draw);
  }

  function draw() {
    drawing = 0;
    if (held || !waiting.length) return;
    if (!drawn) pane.replaceChildren(); // what the server drew comes again through the stream
    drawn = true;
    const added = skipped ? [remark(`${count(skipped, "line")} left out: too many to show`)] : [];
    for (const line of waiting) {
      line.shown?.remove();
      line.waits = false;
      added.push(line.note ? remark(line.note) : row(line));
    }
    waiting = [];
    skipped = 0;
    pane.append(...added);
    while (pane.childElementCount > MOST_LINES) pane.firstElementChild.remove();
    search.look(added);
    if (atEnd) pane.scrollTop = pane.scrollHeight;
  }

  function row(line) {
    line.begins ??= { ...style };
    Object.assign(style, line.begins);
    const parts = coloured(line.text.replace(/\r$/, ""), style); // as a terminal ends its lines
    const more = line.length - line.text.length;
    if (more > 0) parts.push(element("span", { class: "control" }, ` … ${more.toLocaleString("en")} more characters`));
    line.shown = element("div", { class: "line" }, ...parts, "\n");
    return line.shown;
  }

  return { take, note, name, hold: () => setHeld(!held), find: search.focus };
}

/** Add to a line: so much of it is kept as is ever shown, the rest is counted. */
function lengthen(line, text) {
  line.length += text.length;
  if (line.text.length < LONGEST_LINE) line.text += text.slice(0, LONGEST_LINE - line.text.length);
  return line;
}

function remark(text) {
  return element("div", { class: "line remark" }, text, "\n");
}

/** The search within what is shown. */
function finder(pane, section, name) {
  const input = element("input", {
    type: "search", placeholder: "Find", "aria-label": `Find in ${name}`, autocomplete: "off", spellcheck: "false",
  });
  const only = element("input", { type: "checkbox" });
  const onlyLabel = element("label", { class: "check" }, only, "Only matches");
  const found = element("span", { class: "found", role: "status" });
  const paint = highlight();
  let painted = [];
  let wanted = "";
  let hits = [];
  let at = -1;
  let timer = 0;

  input.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(again, SEARCH_MS);
  });
  input.addEventListener("keydown", (event) => {
    if (event.key === "Enter") {
      event.preventDefault();
      clearTimeout(timer);
      if (input.value.toLowerCase() !== wanted) again();
      else go(event.shiftKey ? -1 : 1);
    } else if (event.key === "Escape" && input.value) {
      event.stopPropagation();
      input.value = "";
      again();
    }
  });
  only.addEventListener("change", () => section.classList.toggle("only-hits", only.checked));

  function again() {
    wanted = input.value.toLowerCase();
    for (const line of hits) line.classList.remove("hit", "here");
    for (const range of painted) paint?.delete(range);
    hits = [];
    painted = [];
    at = -1;
    look([...pane.children]);
    if (hits.length) go(-1);
  }

  /** Look at lines that are new. */
  function look(lines) {
    if (wanted) {
      for (const line of lines) {
        const places = ranges(line, wanted);
        if (!places.length) continue;
        line.classList.add("hit");
        hits.push(line);
        for (const range of places) paint?.add(range);
        painted.push(...places);
      }
      const gone = hits.findIndex((line) => line.isConnected);
      if (gone > 0) {
        hits = hits.slice(gone);
        at = Math.max(-1, at - gone);
        painted = painted.filter((range) => range.startContainer.isConnected || !paint?.delete(range));
      }
    }
    tell();
  }

  function go(step) {
    if (!hits.length) return;
    hits[at]?.classList.remove("here");
    at = at < 0 ? (step > 0 ? 0 : hits.length - 1) : (at + step + hits.length) % hits.length;
    hits[at].classList.add("here");
    hits[at].scrollIntoView({ block: "nearest" });
    tell();
  }

  function tell() {
    say(found, !wanted ? "" : hits.length ? `${at < 0 ? "" : `${at + 1} of `}${hits.length}` : "nothing found");
  }

  return { controls: [input, onlyLabel], found, look, focus: () => input.focus() };
}

/** What paints the places found, in all logs of the page; null where a browser cannot. */
function highlight() {
  if (!globalThis.CSS?.highlights) return null;
  if (!CSS.highlights.has("found")) CSS.highlights.set("found", new Highlight());
  return CSS.highlights.get("found");
}

/** Where a text is in an element, however many nodes it is spread over. */
function ranges(line, wanted) {
  const text = line.textContent.toLowerCase();
  let from = text.indexOf(wanted);
  if (from < 0) return [];
  const nodes = [];
  const walker = document.createTreeWalker(line, NodeFilter.SHOW_TEXT);
  for (let start = 0, node = walker.nextNode(); node; node = walker.nextNode()) {
    nodes.push([start, node]);
    start += node.length;
  }
  const point = (offset) => {
    const [start, node] = nodes.findLast(([first]) => first <= offset);
    return [node, Math.min(offset - start, node.length)];
  };
  const places = [];
  while (from >= 0 && places.length < 100) {
    const range = new Range();
    range.setStart(...point(from));
    range.setEnd(...point(from + wanted.length));
    places.push(range);
    from = text.indexOf(wanted, from + wanted.length);
  }
  return places;
}
