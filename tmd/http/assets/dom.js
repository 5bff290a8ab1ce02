// Makes elements. Text only ever becomes text: nothing here or elsewhere parses markup.

const SVG = "http://www.w3.org/2000/svg";

/** Make an element. `properties`: class, data-*, aria-* and other attributes; functions are listeners (`onclick`). */
export function element(tag, properties = {}, ...children) {
  return filled(document.createElement(tag), properties, children);
}

/** The same for a picture. */
export function picture(tag, properties = {}, ...children) {
  return filled(document.createElementNS(SVG, tag), properties, children);
}

function filled(made, properties, children) {
  for (const [name, value] of Object.entries(properties)) {
    if (typeof value === "function") made.addEventListener(name.slice(2), value);
    else if (value === true) made.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) made.setAttribute(name, value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

/** Put a text into an element, unless it says that already: what does not change is not drawn again. */
export function say(target, text) {
  if (target && target.textContent !== text) target.textContent = text;
}

/** Set or remove an attribute, unless it is so already. */
export function mark(target, name, value) {
  if (!target || target.getAttribute(name) === value) return;
  if (value === null) target.removeAttribute(name);
  else target.setAttribute(name, value);
}

/** An address of this daemon, wherever a proxy has put it. */
export function address(path) {
  return (document.documentElement.dataset.root ?? "/") + path;
}

/** What was remembered under a name in this browser; null without, or when the browser keeps nothing. */
export function remembered(name) {
  try {
    return localStorage.getItem(`taskmaster.${name}`);
  } catch {
    return null;
  }
}

/** Remember a text under a name, if this browser keeps anything. */
export function remember(name, text) {
  try {
    localStorage.setItem(`taskmaster.${name}`, text);
  } catch {
    // A browser that keeps nothing forgets it with the page.
  }
}
