/**
 * What a typed "/" or ":" offers. Of emoji nothing is chosen beforehand: ":so" may be meant, so Enter sends it (H5). A
 * shortcut is never meant for the customer: its first reply is chosen at once, and Enter takes it.
 */

import { composes } from "../core/keys.js";
import { t } from "../core/words.js";
import { html, toast, useLayoutEffect, useRef, useState } from "../ui/index.js";
import { askedAt, insert } from "./field.js";
import { more } from "./later.js";
import { Plain } from "./text.js";
import { fillIn, unfilled, valuesOf } from "./variables.js";

/** @typedef {{ id: string, sign?: string, title: string, text: string, more?: string }} Suggestion */

/**
 * Suggestions for a field. `onKey` is asked first about each key, and returns true for those it has used; `instead` is
 * asked before anything is sent, and returns true when a shortcut stood in the field.
 * @param {{ current: HTMLTextAreaElement | null }} field
 * @param {import("./context.js").App} app
 * @param {import("../core/types.js").Conversation} conversation
 */
export function useSuggestions(field, app, conversation) {
  const [asked, setAsked] = useState(/** @type {ReturnType<typeof askedAt>} */ (null));
  const [found, setFound] = useState(/** @type {Suggestion[] | null} */ (null)); // null: not known yet
  const [chosen, setChosen] = useState(-1);
  const refused = useRef(/** @type {string | null} */ (null)); // what Escape has put away stays away
  const taken = useRef(/** @type {string | null} */ (null)); // a reply may begin with "/" itself
  const hurried = useRef(false); // Enter came before the replies were there
  const close = () => {
    refused.current = field.current?.value ?? null;
    setAsked(null);
  };
  const look = () => {
    const { value = "", selectionStart = 0 } = field.current ?? {};
    if (refused.current !== null && value.startsWith(refused.current)) return;
    refused.current = null;
    setAsked(value === taken.current ? null : askedAt(value, selectionStart));
  };
  const canned = async (/** @type {string} */ word) => {
    const values = valuesOf(conversation, app.store);
    const { suggestCanned } = await more.want();
    const all = await suggestCanned(app.api, conversation.account_id, word);
    return all.map(({ text, ...one }) => ({ ...one, text: fillIn(text, values), more: fillIn(text, values) }));
  };
  const emoji = async (/** @type {string} */ word) => (await more.want()).suggestEmoji(word);
  useLayoutEffect(() => {
    let current = true;
    hurried.current = false;
    setFound(null);
    if (!asked) return undefined;
    setChosen(asked.kind === "canned" ? 0 : -1);
    const wanted = asked.kind === "emoji" ? emoji(asked.word) : canned(asked.word);
    const told = (/** @type {Suggestion[]} */ all) => {
      if (!current) return;
      setFound(all);
      if (hurried.current && all.length > 0) take(all[0]);
    };
    wanted.then(told, () => told([]));
    return () => {
      current = false;
    };
  }, [asked?.kind, asked?.word]);
  const take = (/** @type {Suggestion} */ one) => {
    if (!asked || !field.current) return;
    setAsked(null);
    taken.current = asked.kind === "canned" ? one.text : null;
    insert(field.current, one.text, asked.from, asked.from + asked.word.length + 1);
    const [gap] = asked.kind === "canned" ? unfilled(one.text) : [];
    if (gap) field.current.setSelectionRange(asked.from + gap.from, asked.from + gap.to);
  };
  const instead = () => {
    if (asked?.kind !== "canned") return false;
    hurried.current = found === null;
    if (found?.length) take(found[chosen]);
    else if (found) {
      close(); // what no reply is called may be meant: sending once more sends it
      toast(t("canned.as_it_stands", { text: field.current?.value ?? "" }));
    }
    return true;
  };
  const onKey = (/** @type {KeyboardEvent} */ event) => {
    if (!asked || !found?.length || composes(event)) return false;
    const step = { ArrowDown: 1, ArrowUp: -1, Tab: event.shiftKey ? -1 : 1 }[event.key];
    if (step) setChosen((now) => (now < 0 && step < 0 ? found.length - 1 : (now + step + found.length) % found.length));
    else if (event.key === "Enter" && chosen >= 0) take(found[chosen]);
    else if (event.key === "Escape") close();
    else return false;
    event.preventDefault();
    event.stopPropagation();
    return true;
  };
  return { kind: asked?.kind ?? null, found, chosen: found?.length ? chosen : -1, take, look, onKey, instead };
}

/**
 * @param {{ id: string, suggestions: ReturnType<typeof useSuggestions> }} props
 */
export function Suggestions({ id, suggestions }) {
  const { found, chosen, kind, take } = suggestions;
  if (!found || (found.length === 0 && kind === "emoji")) return null;
  if (found.length === 0) return html`<p class="suggestions suggestions-none">${t("canned.none")}</p>`;
  return html`<ul class="suggestions" id=${id} role="listbox" aria-label=${kind === "emoji" ? t("composer.emoji") : t("canned.open")}>
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
