/* Where the work goes: kept over a reload, into a link, the clipboard, or a file. */

import { byId, element, say } from "./elements.js";

// Of a link, which may come from anybody.
const MOST_LINES = 500;
const MOST_LETTERS = 5000;

/** Keeps JSON values in the browser, by the name of the model. */
export class Keeper {
  constructor(model) {
    this.key = `t2t-server ${model.name} ${model.form}`;
  }

  save(value) {
    try {
      localStorage.setItem(this.key, JSON.stringify(value));
    } catch {
      // Full, or forbidden: nothing is kept.
    }
  }

  load() {
    try {
      return JSON.parse(localStorage.getItem(this.key));
    } catch {
      return null;
    }
  }
}

/** Returns a text without what would be invisible or change how the rest is read. */
const visible = (text) =>
  text.replace(/[\p{Cc}\u202a-\u202e\u2066-\u2069]/gu, "").slice(0, MOST_LETTERS);

/** Returns lines of strings that may come from anybody; null if they are something else. */
export function checkedLines(lines) {
  if (!Array.isArray(lines) || !lines.every((line) => typeof line === "string")) return null;
  const found = lines.map(visible).filter((line) => line.trim()).slice(0, MOST_LINES);
  return found.length ? found : null;
}

/** Returns the address of the page with these lines; `marks` says who wrote each. */
export function linkTo(lines, marks = "") {
  const parts = new URLSearchParams({ text: lines.join("\n"), ...(marks && { by: marks }) });
  return `${location.origin}${location.pathname}#${parts}`;
}

/** Returns `{lines, marks}` of the page's own address, and removes them from it; or null. */
export function takeLink() {
  const parts = new URLSearchParams(location.hash.slice(1));
  const lines = checkedLines((parts.get("text") ?? "").split("\n"));
  if (!lines) return null;
  history.replaceState(null, "", location.pathname + location.search);
  return { lines, marks: parts.get("by") ?? "" };
}

/** Copies a text; a browser that forbids it shows the text to copy by hand. */
export async function copy(text, what) {
  try {
    await navigator.clipboard.writeText(text);
    say(`${what} copied.`);
  } catch {
    // Outside of https and localhost a page has no clipboard.
    const field = element("textarea", { readOnly: true, rows: 3, value: text });
    field.setAttribute("aria-label", what);
    byId("status").replaceChildren("Copy it from here: ", field);
    field.select();
  }
}

/** Saves a Blob as a file. */
export function save(blob, name) {
  const address = URL.createObjectURL(blob);
  element("a", { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
  say(`Saved as ${name}.`);
}

export const saveText = (text, name) =>
  save(new Blob([text, "\n"], { type: "text/plain;charset=utf-8" }), `${name}.txt`);
