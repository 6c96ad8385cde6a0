/* Which words of a line each word of its answer was written with: on hover, and as a table. */

import { element, say } from "./elements.js";
import { attention } from "./server.js";
import { byWords, wordsOf } from "./words.js";

const MOST_KEPT = 200;

/** Asks the server for the weights of pairs of texts, once for each. */
export class Attention {
  constructor(model) {
    this.model = model;
    this.kept = new Map();
  }

  /** Returns the weights by words of an answer to a line. */
  async of(line, answer) {
    const key = JSON.stringify([line, answer]);
    if (!this.kept.has(key)) {
      if (this.kept.size >= MOST_KEPT) this.kept.clear();
      const asked = attention(this.model, line, answer);
      this.kept.set(key, asked.then((map) => byWords(map, line, answer)));
      asked.catch(() => this.kept.delete(key));
    }
    return this.kept.get(key);
  }
}

/** Fills an element with a text whose words can be pointed at. */
export function fillWithWords(parent, text) {
  const parts = [];
  let place = 0;
  for (const { text: word, start, end } of wordsOf(text)) {
    parts.push(text.slice(place, start), element("span", { className: "word" }, word));
    place = end;
  }
  parent.replaceChildren(...parts, text.slice(place));
}

const wordSpans = (parent) => [...parent.querySelectorAll(".word")];

/** Marks the words of `source()` that the word of `target` under the pointer was written with. */
export function markOnHover(target, source, ask) {
  const clear = () => {
    for (const word of [...wordSpans(source()), ...wordSpans(target)]) {
      word.classList.remove("marked", "chosen");
    }
  };
  const mark = async (event) => {
    const word = event.target.closest(".word");
    clear();
    if (!word) return;
    word.classList.add("chosen");
    const found = await ask().catch(() => null);
    const row = found?.weights[wordSpans(target).indexOf(word)];
    if (!row || !word.classList.contains("chosen")) return;
    const most = Math.max(...row.slice(0, -1));
    wordSpans(source()).forEach((one, i) => {
      one.classList.add("marked");
      one.style.setProperty("--weight", most > 0 ? row[i] / most : 0);
    });
  };
  target.addEventListener("pointerover", mark);
  target.addEventListener("click", mark);
  target.addEventListener("pointerleave", clear);
}

/** Returns a table: a row for each word of the answer, a column for each word of the line. */
function table({ columns, rows, weights }) {
  const head = element("tr", {}, element("td"));
  const names = [...columns.map(({ text }) => text), "(none)"];
  head.append(...names.map((name) =>
    element("th", { scope: "col" }, element("span", { dir: "auto" }, name))));
  const body = rows.map(({ text }, i) => {
    const cells = weights[i].map((weight) => {
      const cell = element("td", {}, String(Math.round(100 * weight)));
      cell.style.setProperty("--weight", weight);
      return cell;
    });
    return element("tr", {}, element("th", { scope: "row", dir: "auto" }, text), ...cells);
  });
  return element("table", {}, element("thead", {}, head), element("tbody", {}, ...body));
}

/** The part of the page that shows tables; it asks the server only while it is open. */
export class AttentionTable {
  constructor(details, asker) {
    this.details = details;
    this.body = details.querySelector("div");
    this.asker = asker;
    this.pairs = [];
    details.addEventListener("toggle", () => this._show());
  }

  /** Takes the pairs `[{line, answer, name}]` to choose from; the last one is shown. */
  offer(pairs) {
    this.pairs = pairs;
    this.details.hidden = pairs.length === 0;
    this.chosen = pairs.length - 1;
    this._show();
  }

  async _show() {
    if (!this.details.open || !this.pairs.length) return;
    const { line, answer } = this.pairs[this.chosen];
    const chosen = this.chosen;
    let shown;
    try {
      shown = table(await this.asker.of(line, answer));
    } catch (error) {
      say(error.message);
      return;
    }
    if (chosen !== this.chosen) return;
    const choice = element("select", { id: "pair", onchange: (event) => {
      this.chosen = event.target.selectedIndex;
      this._show();
    } }, ...this.pairs.map(({ name }) => element("option", {}, name)));
    choice.selectedIndex = chosen;
    const scrolls = element("div", { className: "scrolls", tabIndex: 0 }, shown);
    scrolls.setAttribute("role", "region");
    scrolls.setAttribute("aria-label", "Attention in percent");
    const had = document.activeElement?.id === "pair";
    this.body.replaceChildren(
      element("p", { className: "hint" },
        "Each row is a word of the answer, each column a word of the line before: the number says " +
        "how much of the model’s attention, in percent, was there."),
      ...(this.pairs.length > 1
        ? [element("p", {}, element("label", { htmlFor: "pair" }, "Line "), choice)] : []),
      scrolls);
    if (had) choice.focus();
  }
}
