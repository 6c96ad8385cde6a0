/* Answers beside their lines: a translation, for example. */

import { Attention, AttentionTable, fillWithWords, markOnHover } from "./attention.js";
import { button, byId, counted, element, say, tell } from "./elements.js";
import { checkedLines, Keeper, linkTo, takeLink } from "./keep.js";
import { Offers } from "./offers.js";
import { predict } from "./server.js";
import { Settings } from "./settings.js";
import { commonTools, showTools } from "./tools.js";
import { Work } from "./work.js";

const ANSWERS = 4;

/** Lets a text area submit its form with Enter; Shift and Enter begin a new line. */
function submitByEnter(field) {
  field.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    field.form.requestSubmit();
  });
}

export class Answers {
  constructor(model) {
    this.model = model;
    this.keeper = new Keeper(model);
    this.asker = model.attention ? new Attention(model) : null;
    this.table = new AttentionTable(byId("attention"), this.asker);
    this.work = new Work(byId("compose").querySelector(".primary"), model.action);
    this.field = byId("line");
    this.offers = new Offers(model.examples, (text) => this.begin(text));
    this.result = null;
    this.showSettings();
    submitByEnter(this.field);
    byId("compose").addEventListener("submit", (event) => {
      event.preventDefault();
      this.ask();
    });
    byId("others").addEventListener("click", () => this.offers.showExamples("Or try"));
    this.field.addEventListener("input", () => this._save());
    window.addEventListener("hashchange", () => this.openLink());
    this.offers.showExamples("Or try");
    this._restore();
    this.openLink();
    this.show();
  }

  showSettings() {
    this.settings = new Settings(
      Settings.stepOf(this.model.temperature), () => this.result && this.ask(),
      () => this.surprise());
  }

  /** Returns the lines to answer. */
  get lines() {
    return this.field.value.split("\n").map((line) => line.trim()).filter(Boolean);
  }

  /** Returns the parameters of a request. */
  parameters(lines) {
    const most = Math.floor(this.model.max_instances / lines.length);
    const n = Math.max(1, Math.min(ANSWERS, this.model.max_n, most));
    return this.settings.parameters(n);
  }

  begin(text) {
    this.field.value = text;
    return this.ask();
  }

  surprise() {
    if (!this.offers.takeAny()) say("Write a line first.");
  }

  ask() {
    const { lines } = this;
    const { max_line_length: longest, max_instances: most } = this.model;
    const long = lines.findIndex((line) => line.length > longest);
    if (!lines.length) {
      say("Write something first.");
      this.field.focus();
    } else if (long >= 0) {
      say(`A line has at most ${longest} letters; line ${long + 1} has ${lines[long].length}.`);
    } else if (lines.length > most) {
      say(`There are ${lines.length} lines; at most ${most} are answered at once.`);
    } else {
      return this.work.run(async (signal) => {
        const answers = await predict(this.model, lines, this.parameters(lines), signal);
        this.result = { lines, answers, samples: this.settings?.samples ?? false };
        this.show();
        tell(answers.map(([best]) => best.text).join("\n"));
        return `${counted(lines.length, "line")} answered.`;
      }, "The model is reading…");
    }
    return null;
  }

  /** What the tools copy and save. */
  get text() {
    return this.result ? this.result.answers.map(([best]) => best.text).join("\n") : "";
  }

  show() {
    const { result } = this;
    byId("answers").hidden = !result;
    byId("invitation").hidden = Boolean(result);
    if (result) {
      byId("answers-title").textContent = this.heading;
      const items = result.lines.map((line, i) => this.item(line, result.answers[i]));
      byId("answers").querySelector("ol").replaceChildren(...items);
    }
    this.table.offer(result && this.asker ? this.pairs : []);
    this._save();
    showTools([
      ...commonTools({
        text: this.text, name: this.model.name, link: () => linkTo(this.lines),
      }),
      button("Start over", () => this.startOver(), { disabled: !result }),
    ]);
  }

  get heading() {
    return this.result.samples ? "Answers, drawn at random" : "Answers, likeliest first";
  }

  get pairs() {
    return this.result.lines.map((line, i) => {
      const answer = this.result.answers[i][0].text;
      return { line, answer, name: `${i + 1}: ${answer}` };
    }).filter(({ answer }) => answer.trim());
  }

  /** Returns a line with its answers. */
  item(line, answers) {
    const source = element("p", { className: "source", dir: "auto" });
    fillWithWords(source, line);
    const [best, ...others] = [...new Set(answers.map(({ text }) => text))];
    const answer = element("p", { className: "best", dir: "auto" });
    fillWithWords(answer, best || "(an empty answer)");
    if (this.asker && best.trim()) {
      markOnHover(answer, () => source, () => this.asker.of(line, best));
    }
    const item = element("li", {}, source, answer);
    if (others.length) {
      item.append(element("details", { className: "more" },
        element("summary", {}, counted(others.length, "other answer")),
        element("ul", {}, ...others.map((text) =>
          element("li", { dir: "auto" }, text || "(an empty answer)")))));
    }
    return item;
  }

  startOver() {
    this.work.cancel("");
    this.field.value = "";
    this.result = null;
    this.offers.showExamples("Or try");
    this.show();
    this.field.focus();
  }

  _save() {
    this.keeper.save({ text: this.field.value, result: this.result });
  }

  _restore() {
    const kept = this.keeper.load();
    if (typeof kept?.text === "string") this.field.value = kept.text;
    const lines = checkedLines(kept?.result?.lines);
    const answers = kept?.result?.answers;
    const sound = Array.isArray(answers) && answers.length === lines?.length &&
      answers.every((row) => row?.length && row.every?.((one) => typeof one?.text === "string"));
    if (lines && sound) this.result = { lines, answers, samples: Boolean(kept.result.samples) };
  }

  /** Asks for answers to the lines that the page's address holds. */
  openLink() {
    const link = takeLink();
    if (!link) return;
    this.field.value = link.lines.join("\n");
    this.result = null;
    this.show();
    say("This text came with the link.");
  }
}
