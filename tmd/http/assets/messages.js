// What the page says: short messages in a corner, questions in a box, and one line for those who listen.

import { element } from "./dom.js";

const SUCCESS_MS = 4000;
const MOST_MESSAGES = 6;
const GATHER_MS = 700;

let heard = new Map();
let gathering = 0;

/** Show a message. Good news goes by itself, bad news stays until it is dismissed. */
export function tell(text, { bad = false, details = [] } = {}) {
  const corner = document.getElementById("toasts");
  const dismiss = element("button", { type: "button", class: "dismiss", "aria-label": "Dismiss" }, "×");
  const message = element(
    "div",
    { class: bad ? "toast bad" : "toast", role: bad ? "alert" : "status" },
    element(
      "div",
      { class: "words" },
      element("p", {}, text),
      details.length ? element("ul", {}, ...details.map((detail) => element("li", {}, detail))) : null,
    ),
    dismiss,
  );
  dismiss.addEventListener("click", () => message.remove());
  corner.append(message);
  while (corner.children.length > MOST_MESSAGES) corner.firstElementChild.remove();
  if (!bad) setTimeout(() => message.remove(), SUCCESS_MS);
}

/** Ask before something large is done; resolves to whether to go on. */
export async function confirm(question, verb) {
  return (await ask(question, verb, [], true)) !== null;
}

/** Ask for one of `options`; resolves to it, or to null. */
export async function choose(question, verb, options, first) {
  const select = element(
    "select",
    { name: "choice", "aria-label": question },
    ...options.map((option) => element("option", { value: option, selected: option === first }, option)),
  );
  return (await ask(question, verb, [select], false)) === null ? null : select.value;
}

function ask(question, verb, fields, dangerous) {
  return new Promise((resolve) => {
    const box = element(
      "dialog",
      { class: "ask", "aria-labelledby": "question" },
      element(
        "form",
        { method: "dialog" },
        element("p", { id: "question" }, question),
        ...fields,
        element(
          "p",
          { class: "buttons" },
          element("button", { value: "no", formnovalidate: true }, "Cancel"),
          element("button", { value: "yes", class: dangerous ? "danger" : "main", autofocus: true }, verb),
        ),
      ),
    );
    show(box, () => resolve(box.returnValue === "yes" ? "yes" : null));
  });
}

/** Show a box over the page; it is gone after it was closed, and the focus is where it was. */
export function show(box, closed = () => {}) {
  const before = document.activeElement;
  box.addEventListener("close", () => {
    box.remove();
    if (before?.isConnected) before.focus({ preventScroll: true });
    closed();
  });
  box.addEventListener("click", (event) => event.target === box && box.close("no"));
  document.body.append(box);
  box.showModal();
}

/** Say aloud, for screen readers, what became of something; many changes at once become one sentence. */
export function announce(name, what) {
  heard.set(name, what);
  gathering ||= setTimeout(() => {
    const changes = [...heard].map(([who, became]) => `${who} ${became}`);
    document.getElementById("announce").textContent =
      changes.length > 5 ? `${changes.length} processes changed` : changes.join(", ");
    heard = new Map();
    gathering = 0;
  }, GATHER_MS);
}
