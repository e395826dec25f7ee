import { html, signal } from "./base.js";

const polite = signal("");
const assertive = signal("");
const PAUSE = 1000; // milliseconds in which what is said together becomes one sentence
/** @type {string[]} */
let waiting = [];
/** @type {(texts: string[]) => string} */
let coalesce = (texts) => texts.join(" ");

/**
 * Says something to those who do not see it. What comes within a second is said as one.
 * @param {string} text
 * @param {{now?: boolean}} [options] `now` interrupts: only for what must not be missed
 */
export function announce(text, { now = false } = {}) {
  if (now) {
    assertive.value = again(assertive.value, text);
    return;
  }
  waiting.push(text);
  if (waiting.length > 1) return;
  setTimeout(() => {
    const texts = waiting;
    waiting = [];
    polite.value = again(polite.value, coalesce(texts));
  }, PAUSE);
}

/**
 * How several sentences become one.
 * @param {(texts: string[]) => string} by
 */
export function announceMany(by) {
  coalesce = by;
}

/**
 * The same words twice would not be said twice: a mark that is not read makes them differ.
 * @param {string} before
 * @param {string} text
 */
const again = (before, text) => (before === text ? `${text}\u200b` : text);

/** The two regions, once in a page. */
export function Announcer() {
  return html`<div class="unseen" aria-live="polite">${polite}</div>
    <div class="unseen" role="alert">${assertive}</div>`;
}
