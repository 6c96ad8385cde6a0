/* A poem, or whatever is written line by line: the visitor and the model take turns. */

import { Attention, AttentionTable, fillWithWords, markOnHover } from "./attention.js";
import { button, byId, counted, element, say, tell } from "./elements.js";
import { checkedLines, Keeper, linkTo, takeLink } from "./keep.js";
import { Offers } from "./offers.js";
import { picture } from "./picture.js";
import { predict } from "./server.js";
import { Settings } from "./settings.js";
import { commonTools, picturesTool, showTools } from "./tools.js";
import { Work } from "./work.js";

const OFFERS = 5;
// Samples may be alike, so more are drawn.
const DRAWN = 8;
const MODEL = "m";
const VISITOR = "v";

export class Lines {
  constructor(model) {
    this.model = model;
    this.keeper = new Keeper(model);
    this.asker = model.attention ? new Attention(model) : null;
    this.table = new AttentionTable(byId("attention"), this.asker);
    this.work = new Work(byId("compose").querySelector(".primary"), model.action);
    this.settings = new Settings(
      Settings.stepOf(model.temperature || 0.7),
      () => this.offered && this.poem.length && this.ask(),
      () => this.surprise());
    this.offers = new Offers(model.examples, (text, by) => this.add(text, by));
    this.past = [];
    this.poem = [];
    this.offered = null;
    byId("compose").addEventListener("submit", (event) => {
      event.preventDefault();
      this.submit();
    });
    byId("others").addEventListener("click", () => (this.poem.length ? this.ask() : this._show()));
    document.addEventListener("keydown", (event) => {
      const writing = event.target.closest("input[type=text]");
      if ((event.ctrlKey || event.metaKey) && event.key === "z" && !writing?.value) {
        event.preventDefault();
        this.undo();
      }
    });
    window.addEventListener("hashchange", () => this.openLink());
    this._restore();
    this.openLink();
    this._show();
  }

  get lines() {
    return this.poem.map(({ text }) => text);
  }

  get text() {
    return this.lines.join("\n");
  }

  /** What the primary button does: takes the visitor's line, if any, and asks for the next. */
  submit() {
    const field = byId("line");
    const text = field.value.trim();
    if (text.length > this.model.max_line_length) {
      say(`A line has at most ${this.model.max_line_length} letters; this one has ${text.length}.`);
      return;
    }
    if (text) {
      field.value = "";
      this.add(text, VISITOR);
    } else if (this.poem.length) {
      this.ask();
    } else if (!this.offers.takeFirst()) {
      say("Write a first line.");
      field.focus();
    }
  }

  add(text, by) {
    const chosen = byId("offers").contains(document.activeElement);
    this._change([...this.poem, { text, by }]);
    tell(`Added: ${text}`);
    return this.ask(chosen);
  }

  /** Asks for lines that may follow the last one; the focus goes there if it was there. */
  ask(chosen = byId("offers").contains(document.activeElement)) {
    // The list that had the focus disappears.
    if (chosen) this.work.primary.focus({ preventScroll: true });
    return this.work.run(async (signal) => {
      const parameters = this.settings.parameters(this._count(this.settings.samples));
      const found = await this._next(parameters, signal);
      this.offered = { lines: found.slice(0, OFFERS), samples: this.settings.samples };
      this._show();
      if (chosen && document.activeElement === this.work.primary) this.offers.focus();
      byId("settings").scrollIntoView({ block: "nearest" });
      if (!found.length) return "The model has no line to follow. Write one of your own.";
      return `${counted(this.offered.lines.length, "line")} to choose from.`;
    });
  }

  /** Adds a line that nobody expects. */
  surprise() {
    if (!this.poem.length) {
      if (!this.offers.takeFirst()) say("Write a first line.");
      return;
    }
    let text = null;
    this.work.run(async (signal) => {
      const found = await this._next(Settings.surprising(this._count(true)), signal);
      text = found.find((line) => !this.lines.includes(line)) ?? found[0];
      return text ? "" : "The model has no line to follow.";
    }).then((done) => {
      if (done && text) this.add(text, MODEL);
    });
  }

  _count(samples) {
    return Math.min(this.model.max_n, samples ? DRAWN : OFFERS);
  }

  async _next(parameters, signal) {
    const last = this.lines.at(-1);
    const [answers] = await predict(this.model, [last], parameters, signal);
    const texts = answers.map(({ text }) => text.trim());
    return [...new Set(texts)].filter((text) => text && text !== last);
  }

  /** Replaces the lines; `undo` brings the former ones back. */
  _change(poem) {
    this.work.cancel("");
    this.past.push({ poem: this.poem, offered: this.offered });
    this.poem = poem;
    this.offered = null;
    this._show();
  }

  undo() {
    const before = this.past.pop();
    if (!before) return;
    this.work.cancel("");
    Object.assign(this, before);
    this._show();
    say("Undone.");
  }

  startOver() {
    this._change([]);
    byId("line").focus();
    say("An empty page. Undo brings the lines back.");
  }

  _show() {
    this.keeper.save({ poem: this.poem, offered: this.offered });
    byId("poem").replaceChildren(...this.poem.map((line, i) => this._item(line, i)));
    byId("invitation").hidden = this.poem.length > 0;
    if (this.poem.length) this.offers.showAnswers(this.offered);
    else this.offers.showExamples();
    this.table.offer(this.asker ? this._pairs() : []);
    this._showTools();
  }

  _pairs() {
    return this.lines.slice(1).map((answer, i) => ({
      line: this.lines[i], answer, name: `${i + 2}: ${answer}`,
    }));
  }

  _showTools() {
    const tools = [
      button("Undo", () => this.undo(), { disabled: !this.past.length }),
      ...commonTools({
        text: this.text,
        name: this.model.name,
        link: () => linkTo(this.lines, this.poem.map(({ by }) => by).join("")),
      }),
      picturesTool(() => this._picture(), this.model.name, !this.poem.length),
      button("Start over", () => this.startOver(), { disabled: !this.poem.length }),
    ];
    showTools(tools);
  }

  _picture() {
    const items = [...byId("poem").children];
    const lines = this.poem.map(({ text, by }, i) => ({
      text, italic: by === MODEL, direction: getComputedStyle(items[i]).direction,
    }));
    const colophon = `roman by hand, italic by ${this.model.name}`;
    return picture(document.querySelector(".sheet"), this.model.title, lines, colophon);
  }

  _item({ text, by }, i) {
    const words = element("span", { className: "words" });
    fillWithWords(words, text);
    const item = element("li", { dir: "auto", className: by === MODEL ? "model" : "" }, words);
    if (by === MODEL) item.append(element("span", { className: "hidden" }, " (the model’s)"));
    const edit = button("Edit", () => this._edit(item, i), { className: "plain edit" });
    edit.setAttribute("aria-label", `Edit line ${i + 1}`);
    item.append(" ", edit);
    if (this.asker && i > 0) {
      const before = () => byId("poem").children[i - 1];
      markOnHover(words, before, () => this.asker.of(this.lines[i - 1], text));
    }
    return item;
  }

  /** Puts a field in the place of a line. */
  _edit(item, i) {
    const { text } = this.poem[i];
    const field = element("input", { type: "text", value: text, dir: "auto" });
    field.setAttribute("aria-label", `Line ${i + 1}`);
    const close = () => {
      this._show();
      byId("poem").children[i]?.querySelector(".edit").focus();
    };
    const keep = (changed) => {
      if (changed === text) return close();
      const poem = [...this.poem];
      if (changed) poem[i] = { text: changed, by: VISITOR };
      else poem.splice(i, 1);
      const isLast = i >= poem.length - 1;
      const { offered } = this;
      this._change(poem);
      if (!isLast) this.offered = offered;
      close();
      if (isLast && poem.length) this.ask();
      return undefined;
    };
    const form = element("form", { className: "editing", onsubmit: (event) => {
      event.preventDefault();
      keep(field.value.trim().slice(0, this.model.max_line_length));
    } },
      field,
      element("button", { type: "submit" }, "Keep"),
      button("Remove", () => keep("")),
      button("Cancel", close));
    form.addEventListener("keydown", (event) => {
      if (event.key === "Escape") close();
    });
    item.replaceChildren(form);
    field.focus();
  }

  _restore() {
    const kept = this.keeper.load();
    const lines = checkedLines(kept?.poem?.map?.((line) => line?.text));
    if (!lines || lines.length !== kept.poem.length) return;
    this.poem = lines.map((text, i) => ({ text, by: kept.poem[i].by === MODEL ? MODEL : VISITOR }));
    const offered = checkedLines(kept.offered?.lines);
    this.offered = offered && { lines: offered, samples: Boolean(kept.offered.samples) };
  }

  /** Shows the lines that the page's address holds. */
  openLink() {
    const link = takeLink();
    if (!link || link.lines.join("\n") === this.text) return;
    this._change(link.lines.map((text, i) => ({
      text, by: link.marks[i] === MODEL ? MODEL : VISITOR,
    })));
    say("These lines came with the link. Undo brings back your own.");
  }
}
