// Begins whatever page this is. Without this script every page still shows, and acts by forms.

import { forgetToken, takeOverButtons } from "./actions.js";
import { address, element, mark, remember, remembered, say } from "./dom.js";
import { follow } from "./live.js";
import { show, tell } from "./messages.js";
import { setClock } from "./process.js";

const PATIENCE_MS = 700;
const THEMES = { "": "Colours: as the system", light: "Colours: light", dark: "Colours: dark" };
const KEYS = {
  dashboard: [
    ["/", "search"], ["j or ↓", "next program"], ["k or ↑", "previous program"], ["Enter", "open its page"],
    ["s", "start it"], ["x", "stop it"], ["r", "restart it"], ["Esc", "clear the search, leave a field"], ["?", "this list"],
  ],
  program: [["p", "pause or resume the log"], ["/", "find in the log"], ["Enter", "next place found"],
    ["Shift Enter", "the one before"], ["?", "this list"]],
};
KEYS.logs = KEYS.program;

const page = document.body.dataset.page;
const connection = document.getElementById("connection");
let late = 0;
let state = "RUNNING";
let greeted = false;

tools();
takeOverButtons();
if (page === "dashboard") live(address("live"), await import("./dashboard.js"));
else if (page === "program") live(source(), await import("./program.js"));
else if (page === "logs") live(source(), await import("./logs.js"));

function source() {
  return document.querySelector("[data-live]").dataset.live;
}

function live(address, { begin, heard }) {
  begin();
  follow(address, { ...heard, daemon, snapshot: (data) => {
    setClock(data.now);
    heard.snapshot?.(data);
  } }, connected);
}

function daemon(told) {
  setClock(told.now);
  state = told.state;
  if (greeted) forgetToken();
  greeted = true;
  connected("live");
  if (told.controls !== undefined && told.controls !== (document.body.dataset.controls === "yes")) location.reload();
}

/** Show whether what is seen is still true; a short break is not worth a word. */
function connected(how) {
  clearTimeout(late);
  const now = () => {
    mark(connection, "data-state", how === "live" && state !== "RUNNING" ? "waiting" : how);
    say(connection, how !== "live" ? "reconnecting…" : state === "RUNNING" ? "live" : `daemon: ${state.toLowerCase()}`);
    document.body.classList.toggle("stale", how !== "live");
  };
  if (how === "live") now();
  else late = setTimeout(now, PATIENCE_MS);
}

function tools() {
  const names = Object.keys(THEMES);
  const colours = element("button", { type: "button", class: "tool theme" });
  const chosen = () => remembered("theme") ?? "";
  const apply = (theme) => {
    if (theme) document.documentElement.dataset.theme = theme;
    else delete document.documentElement.dataset.theme;
    colours.setAttribute("aria-label", THEMES[theme]);
    colours.title = THEMES[theme];
    colours.dataset.theme = theme || "system";
  };
  colours.addEventListener("click", () => {
    const next = names[(names.indexOf(chosen()) + 1) % names.length];
    remember("theme", next);
    apply(next);
    tell(THEMES[next]);
  });
  apply(names.includes(chosen()) ? chosen() : "");
  const place = document.getElementById("tools");
  place.append(colours);
  if (!KEYS[page]) return;
  place.append(element("button", { type: "button", class: "tool help", "aria-label": "Keys", title: "Keys (?)", onclick: help }, "?"));
  document.addEventListener("keydown", (event) => {
    if (event.key !== "?" || event.target.closest?.("input, select, textarea") || document.querySelector("dialog")) return;
    event.preventDefault();
    help();
  });
}

function help() {
  const rows = KEYS[page].flatMap(([key, what]) => [
    element("dt", {}, ...key.split(" ").map((word) => (word === "or" ? " or " : element("kbd", {}, word)))),
    element("dd", {}, what),
  ]);
  show(
    element(
      "dialog",
      { class: "ask keys", "aria-labelledby": "keys" },
      element("h2", { id: "keys" }, "Keys"),
      element("dl", {}, ...rows),
      element("form", { method: "dialog" }, element("p", { class: "buttons" }, element("button", { autofocus: true }, "Close"))),
    ),
  );
}
