"use strict";

const byId = (id) => document.getElementById(id);
const written = [];
let model = null;
let pending = null;

function element(name, text, attributes = {}) {
  const created = document.createElement(name);
  created.textContent = text;
  for (const [key, value] of Object.entries(attributes)) created.setAttribute(key, value);
  return created;
}

async function fetchJson(address, content, signal) {
  const options = content === undefined ? { signal } : {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(content),
    signal,
  };
  let response;
  try {
    response = await fetch(address, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Error("Can't reach the server. Is it running?");
  }
  const answer = await response.json().catch(() => ({}));
  if (!response.ok) throw new Error(answer.error || `The server answered ${response.status}.`);
  return answer;
}

function showWritten() {
  byId("written").replaceChildren(...written.map((line) => element("li", line)));
  byId("nothing").hidden = written.length > 0;
  byId("back").disabled = byId("anew").disabled = written.length === 0;
}

function showAnswers(outputs, scores) {
  const items = outputs.map((text, i) => {
    const button = element("button", "", { type: "button" });
    const score = scores[i] === null ? "none" : scores[i].toFixed(3);
    button.append(element("span", text || "(an empty line)"), " ");
    button.append(element("span", score, { class: "score", "aria-label": `score ${score}` }));
    button.disabled = text.trim() === "";
    button.addEventListener("click", () => { ask(text); });
    const item = document.createElement("li");
    item.append(button);
    return item;
  });
  byId("answers").replaceChildren(...items);
  byId("answers-section").hidden = false;
}

function showAttention(attention) {
  const table = byId("attention");
  const head = document.createElement("tr");
  head.append(document.createElement("td"));
  head.append(...attention.inputs.map((token) => element("th", token, { scope: "col" })));
  const rows = attention.outputs.map((token, i) => {
    const row = document.createElement("tr");
    row.append(element("th", token, { scope: "row" }));
    for (const weight of attention.weights[i]) {
      const cell = element("td", Math.round(100 * weight));
      cell.style.setProperty("--weight", 0.7 * weight);
      row.append(cell);
    }
    return row;
  });
  const top = document.createElement("thead");
  const body = document.createElement("tbody");
  top.append(head);
  body.append(...rows);
  table.replaceChildren(top, body);
  byId("attention-section").hidden = false;
}

/* Adds `line` to the written lines and shows the answers to it. */
async function ask(line) {
  pending?.abort();
  pending = new AbortController();
  const { signal } = pending;
  byId("problem").textContent = "";
  byId("state").textContent = "The model is writing…";
  byId("attention-section").hidden = true;
  const address = `/v1/models/${encodeURIComponent(model.name)}`;
  const n = Math.min(model.max_n, Math.max(1, Math.round(byId("count").valueAsNumber) || 1));
  try {
    const answer = await fetchJson(
      `${address}:predict`, { instances: [line], parameters: { n } }, signal);
    const { outputs, scores } = answer.predictions[0];
    written.push(line);
    showWritten();
    showAnswers(outputs, scores);
    byId("state").textContent = `${outputs.length} ${outputs.length === 1 ? "answer" : "answers"}`;
    byId("line").value = "";
    byId("answers").querySelector("button:enabled")?.focus();
    if (model.attention) {
      showAttention(await fetchJson(`${address}:attention`, { line, answer: outputs[0] }, signal));
    }
  } catch (error) {
    // A newer request replaced this one.
    if (signal.aborted) return;
    byId("state").textContent = "";
    byId("problem").textContent = error.message;
  }
}

function restart(message) {
  pending?.abort();
  showWritten();
  byId("answers-section").hidden = byId("attention-section").hidden = true;
  byId("problem").textContent = "";
  byId("state").textContent = message;
  byId("line").focus();
}

byId("ask").addEventListener("submit", (event) => {
  event.preventDefault();
  const line = byId("line").value;
  if (line.trim() && model) ask(line);
});

byId("back").addEventListener("click", () => {
  const last = written.pop();
  restart("Removed; you can edit it in the field above.");
  byId("line").value = last;
});

byId("anew").addEventListener("click", () => {
  written.length = 0;
  byId("line").value = "";
  restart("");
});

byId("answers").addEventListener("keydown", (event) => {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (!step) return;
  event.preventDefault();
  const buttons = [...byId("answers").querySelectorAll("button:enabled")];
  const next = buttons.indexOf(document.activeElement) + step;
  buttons[Math.min(buttons.length - 1, Math.max(0, next))]?.focus();
});

fetchJson("/v1/models").then(({ models }) => {
  [model] = models;
  byId("model").textContent = `${model.name}, version ${model.version}`;
  byId("line").maxLength = model.max_line_length;
  byId("count").max = model.max_n;
}).catch((error) => { byId("problem").textContent = error.message; });
