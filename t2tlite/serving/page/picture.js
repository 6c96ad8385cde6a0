/* The lines as a picture, set as on the page. */

import { element } from "./elements.js";

const WIDTH = 1000;
const MARGIN = 110;
const SIZE = 32;
const LEADING = 50;
// Browsers refuse larger canvases.
const MOST_PIXELS = 8192;

/** Returns a colour of the page as it is now, light or dark. */
function colourOf(sheet, name) {
  const probe = element("span");
  probe.style.color = `var(${name})`;
  sheet.append(probe);
  const { color } = getComputedStyle(probe);
  probe.remove();
  return color;
}

/** Returns the lines that a text takes at a width, broken between words or, if need be, in them. */
function wrapped(context, text, width) {
  const rows = [];
  let row = "";
  for (const part of text.match(/\s*\S+/gu) ?? []) {
    if (context.measureText(row + part).width <= width) {
      row += part;
      continue;
    }
    if (row) rows.push(row);
    row = "";
    for (const letter of part.trimStart()) {
      if (row && context.measureText(row + letter).width > width) {
        rows.push(row);
        row = "";
      }
      row += letter;
    }
  }
  return [...rows, row];
}

/**
 * Returns a PNG as a Blob.
 *
 * `lines` are `[{text, italic, direction}]`; colours and the font are those of the element `sheet`.
 */
export function picture(sheet, title, lines, colophon) {
  const font = getComputedStyle(sheet).fontFamily;
  const colour = (name) => colourOf(sheet, name);
  const canvas = document.createElement("canvas");
  const context = canvas.getContext("2d");
  const fontOf = ({ italic }) => `${italic ? "italic " : ""}${SIZE}px ${font}`;
  const indent = SIZE;
  const rows = lines.flatMap((line) => {
    context.font = fontOf(line);
    return wrapped(context, line.text, WIDTH - 2 * MARGIN - indent)
      .map((text, i) => {
        const start = i ? indent : 0;
        return { ...line, text, indent: start, width: start + context.measureText(text).width };
      });
  });
  // The lines are in the middle as a block.
  const side = Math.max(MARGIN, (WIDTH - Math.max(...rows.map(({ width }) => width))) / 2);
  const height = 2 * MARGIN + 90 + rows.length * LEADING + 70;
  const scale = Math.min(2, MOST_PIXELS / height);
  canvas.width = Math.floor(WIDTH * scale);
  canvas.height = Math.floor(height * scale);
  context.scale(scale, scale);
  context.fillStyle = colour("--sheet");
  context.fillRect(0, 0, WIDTH, height);

  const write = (text, x, y, align, direction = "ltr") => {
    context.textAlign = align;
    context.direction = direction;
    context.fillText(text, x, y);
  };
  context.fillStyle = colour("--quiet");
  context.font = `24px ${font}`;
  context.letterSpacing = "3px";
  write(title.toUpperCase(), WIDTH / 2, MARGIN, "center");
  context.letterSpacing = "0px";
  context.fillStyle = colour("--accent");
  context.fillRect(WIDTH / 2 - 24, MARGIN + 28, 48, 2);
  rows.forEach((row, i) => {
    context.fillStyle = colour("--ink");
    context.font = fontOf(row);
    const left = row.direction !== "rtl";
    const x = left ? side + row.indent : WIDTH - side - row.indent;
    write(row.text, x, MARGIN + 110 + i * LEADING, left ? "left" : "right", row.direction);
  });
  context.fillStyle = colour("--quiet");
  context.font = `20px ${font}`;
  write(colophon, WIDTH / 2, height - 60, "center");
  return new Promise((resolve, reject) => {
    canvas.toBlob((blob) => (blob ? resolve(blob) : reject(new Error("No picture."))), "image/png");
  });
}
