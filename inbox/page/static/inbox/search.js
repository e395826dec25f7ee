/**
 * Finding people and what was said. What is found stands in the place of the list while something is looked for; the
 * address keeps it, so Back returns to it (K3).
 */

import { t } from "../core/words.js";
import { Button, html, Icon, useEffect, useRef, useState } from "../ui/index.js";
import { useApp } from "./context.js";

const PAUSE = 250; // ms after a key
export const LEAST = 2; // letters

/** The field, in the head of the list. */
export function SearchBox() {
  const { places } = useApp();
  const field = useRef(/** @type {HTMLInputElement | null} */ (null));
  const q = places.q.value;
  const leave = () => {
    places.seek("");
    field.current?.blur();
  };
  const pressed = (/** @type {KeyboardEvent} */ event) => {
    if (event.key === "Escape") leave();
    else if (event.key === "ArrowDown" || event.key === "Enter") {
      const first = /** @type {HTMLElement | null} */ (document.querySelector(".found a"));
      if (event.key === "Enter") first?.click();
      else first?.focus();
    } else return;
    event.preventDefault();
    event.stopPropagation();
  };
  return html`<div class="search" role="search">
    <${Icon} name="search" size=${16} />
    <input class="input" type="search" ref=${field} value=${q} placeholder=${t("search.field")} aria-label=${t("search.field")}
      maxlength="200" autocomplete="off" spellcheck="false" dir="auto" onKeyDown=${pressed}
      onInput=${(/** @type {any} */ event) => places.seek(event.currentTarget.value)} />
    ${q && html`<${Button} little icon="x" label=${t("search.clear")} onClick=${leave} />`}
  </div>`;
}

/**
 * What the server answers to the letters in a field: after a pause, the newest question alone counts.
 * @template T
 * @param {string} q
 * @param {string | null} accountId the number that is asked about
 * @param {(wanted: string, signal: AbortSignal) => Promise<T>} ask
 * @returns {T | null} null: nothing asked yet
 */
export function useAsked(q, accountId, ask) {
  const [answer, setAnswer] = useState(/** @type {T | null} */ (null));
  const wanted = q.trim();
  useEffect(() => {
    if (wanted.length < LEAST) return setAnswer(null);
    const abort = new AbortController();
    const timer = setTimeout(async () => {
      const found = await ask(wanted, abort.signal);
      if (!abort.signal.aborted) setAnswer(found);
    }, PAUSE);
    return () => {
      clearTimeout(timer);
      abort.abort();
    };
  }, [wanted, accountId]);
  return answer;
}
