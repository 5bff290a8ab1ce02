// Buttons that act: asked before anything large, sent with a token, answered by a message.

import { visible } from "./colours.js";
import { address, mark } from "./dom.js";
import { choose, confirm, tell } from "./messages.js";

const SIGNALS = ["HUP", "INT", "QUIT", "KILL", "USR1", "USR2", "TERM", "STOP", "CONT"];
const DONE = {
  start: "started", stop: "stopped", restart: "restarted", signal: "signalled", clear: "log cleared",
};
const MOST_DETAILS = 8;

let token = document.body.dataset.token ?? "";

/** Take over all buttons of the page, also those that are made later. */
export function takeOverButtons() {
  document.addEventListener("click", (event) => {
    const button = event.target.closest?.("button[data-verb]");
    if (!button || event.defaultPrevented) return;
    event.preventDefault();
    press(button);
  });
}

/** The daemon may be another one by now, or was replaced by itself: what it gave out before may be worth nothing. */
export function forgetToken() {
  token = "";
}

/** Press a button: ask what there is to ask, act, say what came of it. One press at a time per button. */
export async function press(button) {
  if (button.getAttribute("aria-disabled") === "true") return;
  const { verb, name = "" } = button.dataset;
  mark(button, "aria-disabled", "true");
  try {
    const fields = await settled(verb, name);
    if (!fields) return;
    mark(button, "aria-busy", "true");
    report(await send({ verb, name, ...fields }), verb, name);
  } finally {
    mark(button, "aria-busy", null);
    mark(button, "aria-disabled", null);
  }
}

/** Return what the operator has to add, null when nothing is to be done. */
async function settled(verb, name) {
  if (verb === "signal") {
    const select = document.getElementById("signal");
    const signal = select ? select.value : await choose(`Send a signal to ${who(name)}`, "Send", SIGNALS, "HUP");
    return signal && { signal };
  }
  if (verb === "update") return (await confirm("Update: make what runs what the configuration says?", "Update")) ? {} : null;
  const large = name === "all" || (name.endsWith(":*") && verb !== "start");
  const word = verb[0].toUpperCase() + verb.slice(1);
  const what = verb === "clear" ? `Clear the logs of ${who(name)}?` : `${word} ${who(name)}?`;
  return !large || (await confirm(what, `${word} ${name === "all" ? "all" : "group"}`)) ? {} : null;
}

function who(name) {
  if (name === "all") return "all programs";
  return name.endsWith(":*") ? `all of the group ${visible(name.slice(0, -2))}` : visible(name);
}

async function send(fields) {
  try {
    let { status, answer } = await post(fields);
    if (status === 403 && answer.token) ({ status, answer } = await post(fields));
    return answer;
  } catch (reason) {
    return { ok: false, text: `cannot ${fields.verb} ${who(fields.name)}: no answer from the daemon (${reason.message})` };
  }
}

async function post(fields) {
  const own = token || (await fresh());
  token = "";
  const reply = await fetch(address("act"), {
    method: "POST",
    headers: { Accept: "application/json" },
    body: new URLSearchParams({ token: own, ...fields }),
    credentials: "same-origin",
  });
  const answer = await understood(reply);
  token = answer.token ?? "";
  return { status: reply.status, answer };
}

async function fresh() {
  const reply = await fetch(address("token"), { headers: { Accept: "application/json" }, credentials: "same-origin" });
  return (await understood(reply)).token ?? "";
}

async function understood(reply) {
  const type = reply.headers.get("Content-Type") ?? "";
  if (type.startsWith("application/json")) return reply.json();
  return { ok: false, text: `the answer was ${reply.status} ${reply.statusText}` };
}

function report(answer, verb, name) {
  const shown = visible(name);
  const failed = (answer.results ?? []).filter((result) => !result.ok);
  const details = failed.slice(0, MOST_DETAILS).map((result) => `${visible(result.name)}: ${visible(result.text)}`);
  if (failed.length > MOST_DETAILS) details.push(`and ${failed.length - MOST_DETAILS} more`);
  const text = visible(answer.text || (answer.ok ? `${shown || verb}: ${DONE[verb] ?? "done"}` : `cannot ${verb} ${shown}`));
  const alone = details.length === 1 && text.includes(visible(failed[0].text));
  tell(text, { bad: !answer.ok, details: alone ? [] : details });
}
