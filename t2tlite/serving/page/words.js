/* From the weights of tokens to those of words. */

const BYTE = /^<0x[0-9A-F]{2}>$/;
const SPECIAL = /^<(EOS|pad|start)>$/;
// Tokens of a prefix, and letters of a word that isn't in the vocabulary.
const MOST_PREFIX = 40;
const FARTHEST = 40;

const byteLength = (letter) => new TextEncoder().encode(letter).length;

/** Returns the words of a text: `[{text, start, end}]`. */
export const wordsOf = (text) =>
  [...text.matchAll(/\S+/gu)].map((match) => ({
    text: match[0], start: match.index, end: match.index + match[0].length,
  }));

/**
 * Returns for each token the number of the word that it is part of; -1 for those of no word, such
 * as the end of the line or the prefix that a problem puts before every text.
 */
export function wordOfEach(tokens, text) {
  // A prefix isn't in the text, which begins with the token after it.
  let best = aligned(tokens, text);
  for (let first = 1; first < Math.min(tokens.length, MOST_PREFIX); first += 1) {
    const other = aligned(tokens.slice(first), text);
    if (other.begins && other.fit > best.fit) {
      best = { ...other, words: [...new Array(first).fill(-1), ...other.words] };
    }
  }
  return best.words;
}

/**
 * Returns the word of each token, how many more tokens were found in the text than weren't, and
 * whether the first one was.
 *
 * Subwords mark where a word begins ("▁") or ends ("_"), and bytes are written "<0x41>". A token
 * that isn't found, such as one for unknown words, belongs to the word that comes next.
 */
function aligned(tokens, text) {
  const words = wordsOf(text);
  const wordAt = (place) => words.findIndex(({ start, end }) => place >= start && place < end);
  const letters = text.toLowerCase().length === text.length ? text.toLowerCase() : text;
  let place = 0;
  let bytes = 0;
  let isLost = false;
  let fit = 0;
  const take = (start, length) => {
    place = start + length;
    isLost = false;
    fit += 1;
    return wordAt(start);
  };
  const wordOf = (token) => {
    const space = text.slice(place).search(/\S/u);
    if (space < 0) return -1;
    const next = place + space;
    if (BYTE.test(token)) {
      const letter = String.fromCodePoint(text.codePointAt(next));
      bytes = (bytes + 1) % byteLength(letter);
      return take(next, bytes ? 0 : letter.length);
    }
    const part = token.replaceAll("▁", " ").trim().toLowerCase();
    for (const one of [part, part.replace(/_$/, "")]) {
      const start = one ? letters.indexOf(one, next) : -1;
      // Farther away it would be another of the same letters.
      if (start === next || (start >= 0 && isLost && start <= next + FARTHEST)) {
        return take(start, one.length);
      }
    }
    if (part === "" || part === "_" || SPECIAL.test(token)) return -1;
    isLost = true;
    fit -= 1;
    return wordAt(next);
  };
  const found = tokens.slice(0, 1).map(wordOf);
  const begins = fit > 0;
  return { words: [...found, ...tokens.slice(1).map(wordOf)], fit, begins };
}

/**
 * Returns the words of both texts, and a row of weights for each word of the answer.
 *
 * The weight of an input word is the sum over its tokens; a word of the answer has the mean of its
 * tokens' rows. The last weight of a row is what went to no word. Rows sum to 1.
 */
export function byWords(map, line, answer) {
  const columns = wordsOf(line);
  const rows = wordsOf(answer);
  const columnOf = wordOfEach(map.inputs, line);
  const rowOf = wordOfEach(map.outputs, answer);
  const weights = rows.map((_, word) => {
    const row = new Array(columns.length + 1).fill(0);
    const tokens = rowOf.flatMap((one, token) => (one === word ? [token] : []));
    for (const token of tokens) {
      map.weights[token].forEach((weight, column) => {
        const to = columnOf[column] < 0 ? columns.length : columnOf[column];
        row[to] += weight / tokens.length;
      });
    }
    return row;
  });
  return { columns, rows, weights };
}
