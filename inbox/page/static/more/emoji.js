/** Emoji by name and by group. The names are fetched when somebody first asks for one. */

import { plain } from "../core/text.js";
import { t } from "../core/words.js";
import { useApp } from "../inbox/context.js";
import { notLoaded } from "../inbox/later.js";
import { html, useEffect, useLayoutEffect, useRef, useState } from "../ui/index.js";

/** @typedef {[sign: string, name: string, tags: string, group: number]} Emoji */

const SHOWN = 8; // suggestions
const FOUND = 120; // of a search in the picker
/** By their numbers in Unicode's data; 2 are parts of emoji, such as tones of skin. */
const GROUPS = { faces: 0, people: 1, nature: 3, food: 4, travel: 5, activities: 6, objects: 7, symbols: 8, flags: 9 };

/** @type {Promise<Emoji[]> | null} */
let loading = null;

/** All emoji, in the reader's language. @returns {Promise<Emoji[]>} */
export function allEmoji() {
  const language = document.documentElement.lang === "fr" ? "fr" : "en";
  loading ??= fetch(new URL(`../vendor/emoji-${language}.json`, import.meta.url))
    .then((answer) => (answer.ok ? answer.json() : Promise.reject(new Error(`HTTP ${answer.status}`))))
    .catch((error) => {
      loading = null; // the next one who asks tries again
      throw error;
    });
  return loading;
}

/**
 * Those whose name begins with a word, then those that have a word that does.
 * @param {Emoji[]} all
 * @param {string} word
 * @param {number} most
 */
export function findEmoji(all, word, most) {
  const wanted = plain(word);
  const named = [];
  const tagged = [];
  for (const emoji of all) {
    if (plain(emoji[1]).startsWith(wanted)) named.push(emoji);
    else if (` ${plain(emoji[1])} ${plain(emoji[2])}`.includes(` ${wanted}`)) tagged.push(emoji);
    if (named.length >= most) break;
  }
  return [...named, ...tagged].slice(0, most);
}

/**
 * Suggestions for a typed `:name`.
 * @param {string} word
 */
export async function suggestEmoji(word) {
  const found = findEmoji(await allEmoji(), word, SHOWN);
  return found.map(([sign, name]) => ({ id: sign, sign, title: name, text: sign }));
}

/** @param {{ onPick: (sign: string) => void }} props */
export function Picker({ onPick }) {
  const { store } = useApp();
  const [all, setAll] = useState(/** @type {Emoji[]} */ ([]));
  const [failed, setFailed] = useState(false);
  const [word, setWord] = useState("");
  const [group, setGroup] = useState(0);
  const search = useRef(/** @type {HTMLInputElement | null} */ (null));
  useLayoutEffect(() => search.current?.focus(), []);
  useEffect(() => {
    allEmoji().then(setAll, () => setFailed(true));
  }, []);
  const shown = word ? findEmoji(all, word, FOUND) : all.filter((emoji) => emoji[3] === group);
  return html`
    <input class="input" type="search" ref=${search} value=${word} placeholder=${t("emoji.search")}
      aria-label=${t("emoji.search")}
      onInput=${(/** @type {any} */ event) => setWord(event.currentTarget.value)} />
    ${!word &&
    html`<div class="emoji-groups">
      ${Object.entries(GROUPS).map(
        ([name, number]) => html`<button type="button" key=${name} aria-pressed=${number === group}
          aria-label=${t(`emoji.${name}`)} title=${t(`emoji.${name}`)}
          onClick=${() => setGroup(number)}>${all.find((emoji) => emoji[3] === number)?.[0] ?? ""}</button>`,
      )}
    </div>`}
    ${failed && html`<p class="emoji-none">${notLoaded(store)}</p>`}
    ${word && all.length > 0 && shown.length === 0 && html`<p class="emoji-none">${t("emoji.none")}</p>`}
    <div class="emoji-grid" onKeyDown=${walk}>
      ${shown.map(
        ([sign, name]) => html`<button type="button" key=${sign} title=${name} aria-label=${name}
          onClick=${() => onPick(sign)}>${sign}</button>`,
      )}
    </div>`;
}

/** Arrows walk over the grid. @param {KeyboardEvent} event */
function walk(event) {
  const grid = /** @type {HTMLElement} */ (event.currentTarget);
  const across = getComputedStyle(grid).gridTemplateColumns.split(" ").length;
  const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: across, ArrowUp: -across }[event.key];
  if (!step) return;
  const signs = /** @type {HTMLElement[]} */ ([...grid.children]);
  const next = signs[signs.indexOf(/** @type {HTMLElement} */ (document.activeElement)) + step];
  if (!next) return;
  event.preventDefault();
  next.focus();
}
