// A line of a log as it may be shown: colours become classes, every other control character is spelled out.
//
// What a program prints can move the cursor, rename a window or turn the order of letters round. Here it does nothing.

import { element } from "./dom.js";

const UNSEEN = /[\u0000-\u001f\u007f-\u009f\u061c\u200b\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff]/gu;
const SPECIAL = new RegExp(`\\u001b\\[([0-9;:]*)m|(?![\\t])${UNSEEN.source}`, "gu");
const PLAIN = { fore: "", back: "", bold: false, faint: false, italic: false, underlined: false, turned: false };

/** Return the parts of a line as nodes; `style` is carried over from the line before and changed in place. */
export function coloured(text, style) {
  const parts = [];
  let from = 0;
  for (const found of text.matchAll(SPECIAL)) {
    if (found.index > from) parts.push(dressed(text.slice(from, found.index), style));
    from = found.index + found[0].length;
    if (found[1] !== undefined) turn(style, found[1]);
    else parts.push(element("span", { class: "control" }, spelled(found[0])));
  }
  if (from < text.length) parts.push(dressed(text.slice(from), style));
  return parts;
}

/** The style in which a log begins. */
export function plain() {
  return { ...PLAIN };
}

/** Text of others as one line that shows what is in it. */
export function visible(text) {
  return text.replace(UNSEEN, spelled);
}

/** A character that cannot be seen, in letters: `^[`, `\x9b`, `\u202e`. */
export function spelled(character) {
  const code = character.codePointAt(0);
  if (code < 32) return `^${String.fromCharCode(code + 64)}`;
  if (code === 127) return "^?";
  if (code < 160) return `\\x${code.toString(16)}`;
  return `\\u${code.toString(16).padStart(4, "0")}`;
}

function dressed(text, style) {
  const names = [];
  if (style.fore) names.push(`f${style.fore}`);
  if (style.back) names.push(`b${style.back}`);
  for (const name of ["bold", "faint", "italic", "underlined", "turned"]) if (style[name]) names.push(name);
  return names.length ? element("span", { class: names.join(" ") }, text) : document.createTextNode(text);
}

function turn(style, codes) {
  const numbers = codes.split(/[;:]/).map(Number);
  for (let place = 0; place < numbers.length; place += 1) {
    const code = numbers[place];
    if (code === 0) Object.assign(style, PLAIN);
    else if (code === 1) style.bold = true;
    else if (code === 2) style.faint = true;
    else if (code === 3) style.italic = true;
    else if (code === 4) style.underlined = true;
    else if (code === 7) style.turned = true;
    else if (code === 22) style.bold = style.faint = false;
    else if (code === 23) style.italic = false;
    else if (code === 24) style.underlined = false;
    else if (code === 27) style.turned = false;
    else if (code >= 30 && code <= 37) style.fore = String(code - 30);
    else if (code >= 40 && code <= 47) style.back = String(code - 40);
    else if (code >= 90 && code <= 97) style.fore = String(code - 82);
    else if (code >= 100 && code <= 107) style.back = String(code - 92);
    else if (code === 39) style.fore = "";
    else if (code === 49) style.back = "";
    else if (code === 38 || code === 48) {
      // 256 colours and more: the first sixteen have classes, of the others the numbers are swallowed.
      const which = code === 38 ? "fore" : "back";
      if (numbers[place + 1] === 5) style[which] = numbers[place + 2] < 16 ? String(numbers[place + 2]) : "";
      place += numbers[place + 1] === 5 ? 2 : 4;
    }
  }
}
