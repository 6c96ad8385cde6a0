/* Elements of the page. Texts are always set as text, never as markup. */

export const byId = (id) => document.getElementById(id);

/** Returns a new element: properties and event listeners ("onclick") by name, then its content. */
export function element(name, properties = {}, ...content) {
  const created = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (key.startsWith("on")) created.addEventListener(key.slice(2), value);
    else if (key in created) created[key] = value;
    else created.setAttribute(key, value);
  }
  created.append(...content);
  return created;
}

export const button = (text, onclick, properties = {}) =>
  element("button", { type: "button", onclick, ...properties }, text);

/** Tells a screen reader something that the page shows anyway. */
export function tell(text) {
  byId("told").textContent = text;
}

/** Shows a message below the work. */
export function say(text) {
  byId("status").textContent = text;
}

/** Lets the arrow keys move among the buttons in an element. */
export function moveByArrows(parent) {
  parent.addEventListener("keydown", (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    const buttons = [...parent.querySelectorAll("button")];
    const place = buttons.indexOf(document.activeElement);
    if (!step || place < 0) return;
    event.preventDefault();
    buttons[Math.min(buttons.length - 1, Math.max(0, place + step))].focus();
  });
}

/** Returns a copy in random order. */
export function shuffled(values) {
  const copy = [...values];
  for (let i = copy.length - 1; i > 0; i -= 1) {
    const j = Math.floor(Math.random() * (i + 1));
    [copy[i], copy[j]] = [copy[j], copy[i]];
  }
  return copy;
}

/** Returns "1 line", "3 lines". */
export const counted = (count, word) => `${count} ${word}${count === 1 ? "" : "s"}`;
