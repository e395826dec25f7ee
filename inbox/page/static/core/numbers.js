/** Numbers as people write them: with a point or a comma before the decimals; in English a comma may part thousands. */

/** The number in a text; null: there is none. @param {string} text @param {string} lang @returns {number | null} */
export function numberIn(text, lang) {
  const plain = text.replace(/[\s'’]/gu, "");
  const bare = lang === "en" && /^-?\d{1,3}(,\d{3})+(\.|$)/.test(plain) ? plain.replaceAll(",", "") : plain;
  return /^-?\d+([.,]\d+)?$/.test(bare) ? Number(bare.replace(",", ".")) : null;
}

/** A number as `numberIn` reads it, whole. @param {number} number @param {string} lang */
export const writtenNumber = (number, lang) => number.toLocaleString(lang, { useGrouping: false, maximumFractionDigits: 20 });
