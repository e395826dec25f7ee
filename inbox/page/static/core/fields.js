/** What is wrong with the fields of a request, in the reader's language. These words come when they are first needed. */

import { has, language, loadWords, plural, t } from "./words.js";

/** @typedef {{pointer: string, code: string, problem: string, values: Record<string, string | number>}} FieldError */

/**
 * The same errors, each with our sentence as its `problem`; the API's English one where we have none.
 * @param {FieldError[]} errors
 * @param {AbortSignal} signal ends the wait for the words
 * @returns {Promise<FieldError[]>}
 */
export async function inWords(errors, signal) {
  const words = import(`../words/fields-${language()}.js`).then((all) => loadWords(language(), all.default));
  await Promise.race([words, new Promise((done) => signal.addEventListener("abort", done))]).catch(() => null);
  return errors.map((error) => ({ ...error, problem: sentence(error) }));
}

/** @param {FieldError} error */
function sentence({ code, problem, values }) {
  const key = `field.${code}`;
  const slots = Object.fromEntries(Object.entries(values).map(([name, value]) => [name, value.toLocaleString(language())]));
  if (has(key)) return t(key, slots);
  const counted = values.min_length ?? values.max_length ?? values.most ?? values.more;
  return has(`${key}.other`) ? plural(key, Number(counted), slots) : problem;
}
