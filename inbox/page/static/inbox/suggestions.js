/**
 * What a typed "/" or ":" offers. Nothing is chosen beforehand: an arrow or Tab chooses, Enter then inserts (H5).
 */

import { composes } from "../core/keys.js";
import { t } from "../core/words.js";
import { html, useEffect, useRef, useState } from "../ui/index.js";
import { suggestCanned } from "./canned.js";
import { suggestEmoji } from "./emoji.js";
import { askedAt, insert } from "./field.js";
import { Plain } from "./text.js";
import { fillIn, unfilled, valuesOf } from "./variables.js";

/** @typedef {{ id: string, sign?: string, title: string, text: string, more?: string }} Suggestion */

/**
 * Suggestions for a field. `onKey` is asked first about each key, and returns true for those it has used.
 * @param {{ current: HTMLTextAreaElement | null }} field
 * @param {import("./context.js").App} app
 * @param {import("../core/types.js").Conversation} conversation
 */
export function useSuggestions(field, app, conversation) {
  const [asked, setAsked] = useState(/** @type {ReturnType<typeof askedAt>} */ (null));
  const [found, setFound] = useState(/** @type {Suggestion[]} */ ([]));
  const [chosen, setChosen] = useState(-1);
  const refused = useRef(/** @type {string | null} */ (null)); // what Escape has put away stays away
  const close = () => {
    refused.current = field.current?.value ?? null;
    setAsked(null);
  };
  const look = () => {
    const now = field.current ? askedAt(field.current.value, field.current.selectionStart) : null;
    if (refused.current !== null && field.current?.value.startsWith(refused.current)) return;
    refused.current = null;
    setAsked(now);
  };
  const canned = async (/** @type {string} */ word) => {
    const values = valuesOf(conversation, app.store);
    const all = await suggestCanned(app.api, conversation.account_id, word);
    return all.map(({ text, ...one }) => ({ ...one, text: fillIn(text, values), more: fillIn(text, values) }));
  };
  useEffect(() => {
    let current = true;
    setChosen(-1);
    if (!asked) {
      setFound([]);
      return undefined;
    }
    const wanted = asked.kind === "emoji" ? suggestEmoji(asked.word) : canned(asked.word);
    wanted.then((all) => current && setFound(all), () => current && setFound([]));
    return () => {
      current = false;
    };
  }, [asked?.kind, asked?.word]);
  const take = (/** @type {Suggestion} */ one) => {
    if (!asked || !field.current) return;
    setAsked(null);
    insert(field.current, one.text, asked.from, asked.from + asked.word.length + 1);
    const [gap] = asked.kind === "canned" ? unfilled(one.text) : [];
    if (gap) field.current.setSelectionRange(asked.from + gap.from, asked.from + gap.to);
  };
  const onKey = (/** @type {KeyboardEvent} */ event) => {
    if (!asked || found.length === 0 || composes(event)) return false;
    const step = { ArrowDown: 1, ArrowUp: -1, Tab: event.shiftKey ? -1 : 1 }[event.key];
    if (step) setChosen((now) => (now < 0 && step < 0 ? found.length - 1 : (now + step + found.length) % found.length));
    else if (event.key === "Enter" && chosen >= 0) take(found[chosen]);
    else if (event.key === "Escape") close();
    else return false;
    event.preventDefault();
    event.stopPropagation();
    return true;
  };
  return { open: asked !== null, kind: asked?.kind ?? null, word: asked?.word ?? "", found, chosen, take, look, onKey };
}

/**
 * @param {{ id: string, suggestions: ReturnType<typeof useSuggestions> }} props
 */
export function Suggestions({ id, suggestions }) {
  const { found, chosen, kind, open, take } = suggestions;
  if (!open || (found.length === 0 && kind === "emoji")) return null;
  if (found.length === 0) return html`<p class="suggestions suggestions-none">${t("canned.none")}</p>`;
  return html`<ul class="suggestions" id=${id} role="listbox" aria-label=${t(`${kind}.title`)}>
    ${found.map(
      (one, place) => html`<li
        key=${one.id}
        id=${`${id}-${place}`}
        role="option"
        aria-selected=${place === chosen}
        onMouseDown=${(/** @type {MouseEvent} */ event) => event.preventDefault()}
        onClick=${() => take(one)}
      >
        ${one.sign && html`<span class="suggestions-sign">${one.sign}</span>`}
        <span class="suggestions-title"><${Plain} text=${one.title} /></span>
        ${one.more && html`<span class="suggestions-more"><${Plain} text=${one.more} /></span>`}
      </li>`,
    )}
  </ul>`;
}
