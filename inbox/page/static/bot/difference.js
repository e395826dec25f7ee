/** Two texts word by word: what both have, and what only one has. Nothing here draws. */

const MOST = 600; // words of each: the table below has their product

/**
 * @param {string} before @param {string} after
 * @returns {{ text: string, in: "both" | "before" | "after" }[]} in the order of the texts
 */
export function difference(before, after) {
  const one = words(before);
  const other = words(after);
  const width = other.length + 1;
  const common = new Uint16Array((one.length + 1) * width); // the longest row of words that both still have, from there on
  for (let i = one.length - 1; i >= 0; i--) {
    for (let j = other.length - 1; j >= 0; j--) {
      const at = i * width + j;
      common[at] = one[i] === other[j] ? common[at + width + 1] + 1 : Math.max(common[at + width], common[at + 1]);
    }
  }
  /** @type {{ text: string, in: "both" | "before" | "after" }[]} */
  const parts = [];
  const add = (/** @type {string} */ text, /** @type {"both" | "before" | "after"} */ where) => {
    const last = parts.at(-1);
    if (last?.in === where) last.text += text;
    else parts.push({ text, in: where });
  };
  let i = 0;
  let j = 0;
  while (i < one.length || j < other.length) {
    if (i < one.length && j < other.length && one[i] === other[j]) {
      add(one[i++], "both");
      j++;
    } else if (j === other.length || (i < one.length && common[(i + 1) * width + j] >= common[i * width + j + 1])) add(one[i++], "before");
    else add(other[j++], "after");
  }
  return parts;
}

/** Each with the blanks behind it; the last one is all that is left of a long text. @param {string} text */
function words(text) {
  const found = text.match(/\s*\S+\s*/g) ?? [];
  return found.length > MOST ? [...found.slice(0, MOST - 1), found.slice(MOST - 1).join("")] : found;
}
