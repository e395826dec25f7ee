/** Phone numbers as people of a country write them; of the others in groups of three. */

/** Calling code → sizes of the groups after it; the last one repeats. @type {Record<string, number[]>} */
const GROUPS = {
  1: [3, 3, 4],
  31: [1, 4, 4],
  32: [3, 2, 2, 2],
  33: [1, 2, 2, 2, 2],
  34: [3, 3, 3],
  39: [3, 3, 4],
  41: [2, 3, 2, 2],
  44: [4, 6],
  49: [3, 4, 4],
  351: [3, 3, 3],
  352: [3, 3, 3],
};

/** @param {string} digits with the calling code, without "+" */
export function shownNumber(digits) {
  const code = [3, 2, 1].map((size) => digits.slice(0, size)).find((start) => start in GROUPS) ?? "";
  const sizes = GROUPS[code] ?? [3];
  const groups = code ? [code] : [];
  for (let at = code.length, turn = 0; at < digits.length; turn += 1) {
    const size = sizes[Math.min(turn, sizes.length - 1)];
    groups.push(digits.slice(at, at + size));
    at += size;
  }
  return `+${groups.join(" ")}`;
}
