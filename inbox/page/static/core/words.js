/** The page's words, in one language. Keys are flat; `{name}` is filled in; `key.one` and `key.other` by number. */

/** @type {Record<string, string>} */
let words = {};
let spoken = "en";
/** @type {Intl.PluralRules} */
let rules = new Intl.PluralRules("en");

/** Begin to speak a language, or know more of it: in development a page and the demo share this. @param {string} lang @param {Record<string, string>} all */
export function loadWords(lang, all) {
  words = { ...words, ...all };
  spoken = lang;
  rules = new Intl.PluralRules(lang);
}

/** The language that is spoken. */
export const language = () => spoken;

/** @param {string} text @param {Record<string, any>} slots */
function fill(text, slots) {
  return text.replace(/\{(\w+)\}/g, (whole, name) => (name in slots ? String(slots[name]) : whole));
}

/** The words of a key; the key itself when there are none, which a test finds.
 * @param {string} key @param {Record<string, any>} [slots] @returns {string} */
export function t(key, slots = {}) {
  return fill(words[key] ?? key, slots);
}

/** Whether there are words for a key. @param {string} key */
export const has = (key) => Object.hasOwn(words, key);

/**
 * The words for a number of things; `{n}` is the number.
 * @param {string} key @param {number} n @param {Record<string, any>} [slots] @returns {string}
 */
export function plural(key, n, slots = {}) {
  const form = `${key}.${rules.select(n)}`;
  return t(has(form) ? form : `${key}.other`, { n, ...slots });
}

/** Why the server refused, in the reader's language; the API's English title when we do not know the code.
 * @param {{code?: string, title?: string, status?: number, problem?: Record<string, any>}} refused @returns {string} */
export function problemText({ code = "", title, status = 0, problem = {} }) {
  const key = `problem.${code}`;
  if (has(key)) return t(key, problem);
  if (code.endsWith("_not_found")) return t("problem.gone");
  return status >= 500 ? t("problem.unavailable") : title || t("problem.unknown");
}

/** Whether we gave a message up ourselves. WhatsApp's codes are numbers. @param {{code: string|null}|null} error */
export const gaveUp = (error) => /^[a-z]/.test(error?.code ?? "") && error?.code !== "file_refused";

/**
 * Why a message failed.
 * @param {{code: string|null, title: string|null, detail: string|null}|null} error @returns {string}
 */
export function metaText(error) {
  const key = `meta.${error?.code}`;
  return has(key) ? t(key) : error?.title || error?.detail || t("meta.unknown");
}
