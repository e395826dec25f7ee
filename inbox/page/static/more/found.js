/** What was found, people first: in the place of the list while something is looked for. */

import { t } from "../core/words.js";
import { Avatar, Empty, html } from "../ui/index.js";
import { useApp } from "../inbox/context.js";
import { Row, nameOf } from "../inbox/row.js";
import { LEAST, useAsked } from "../inbox/search.js";
import { Plain } from "../inbox/text.js";

const MOST = 20;

/** @typedef {import("../core/types.js").Conversation} Conversation */
/** @typedef {import("../core/types.js").Message} Message */
/** @typedef {{ message: Message, conversation: Conversation, matches: [number, number][] }} Hit */
/**
 * @typedef {object} Answer
 * @property {string} q what was looked for
 * @property {Conversation[]} people
 * @property {Hit[]} messages
 * @property {string | null} next
 * @property {boolean} [trouble]
 */

/**
 * What is found for the letters in the field.
 * @param {string} q
 * @param {number} [limit]
 * @returns {Answer | null} null: nothing asked yet
 */
export function useFound(q, limit = MOST) {
  const { api, store } = useApp();
  const account_id = store.accountId.value;
  return useAsked(q, account_id, async (wanted, signal) => {
    try {
      return { q: wanted, ...(await api.get("/search", { account_id, q: wanted, limit }, { signal })).body };
    } catch {
      return { q: wanted, people: [], messages: [], next: null, trouble: true };
    }
  });
}

/**
 * People first, then messages.
 * @param {{ onOpen: (id: string, byKey: boolean) => void }} props
 */
export function Found({ onOpen }) {
  const { places } = useApp();
  const q = places.q.value;
  const found = useFound(q);
  const open = places.conversation.value;
  const person = (/** @type {MouseEvent} */ event, /** @type {string} */ id) => {
    if (modified(event)) return;
    event.preventDefault();
    onOpen(id, event.detail === 0);
  };
  if (q.trim().length < LEAST) return html`<p class="found-hint small quiet">${t("search.hint")}</p>`;
  if (!found) return html`<p class="found-hint small quiet late" aria-busy="true">${t("search.busy")}</p>`;
  if (found.trouble) return html`<${Empty} icon="circle-alert" title=${t("search.failed")} />`;
  if (!found.people.length && !found.messages.length) return html`<${Empty} icon="search" title=${t("search.nothing", { q: found.q })} />`;
  return html`<div class="found" role="region" aria-label=${t("search.found")} onKeyDown=${walk}>
    ${found.people.length > 0 && html`<h2>${t("search.people")}</h2>`}
    ${found.people.map((row) => html`<${Row} key=${row.id} row=${row} open=${row.id === open} draft=${null} others=${null} onOpen=${person} />`)}
    ${found.messages.length > 0 && html`<h2>${t("search.messages")}</h2>`}
    ${found.messages.map((hit) => html`<${HitRow} key=${hit.message.id} hit=${hit} />`)}
    ${found.next && html`<p class="found-hint small quiet">${t("search.more")}</p>`}
  </div>`;
}

/** @param {{ hit: Hit }} props */
function HitRow({ hit: { message, conversation, matches } }) {
  const { places, store, times } = useApp();
  const name = nameOf(conversation);
  const chosen = (/** @type {MouseEvent} */ event) => {
    if (modified(event)) return;
    event.preventDefault();
    store.applyConversation(conversation);
    places.open(conversation.id, message.id);
  };
  const current = places.message.value === message.id && places.conversation.value === conversation.id;
  return html`<a class="hit" href=${`${places.addressOf(conversation.id)}#${message.id}`} data-id=${conversation.id}
    aria-current=${current ? "true" : undefined} onClick=${chosen}>
    <${Avatar} name=${name} id=${conversation.contact_id} size="little" />
    <span class="hit-name clip"><${Plain} text=${name} /></span>
    <time class="meta" datetime=${message.timestamp} title=${times.full(message.timestamp)}>${times.short(message.timestamp)}</time>
    <span class="hit-text">${lit(message.content_text, matches)}</span>
  </a>`;
}

const BEFORE = 24; // letters that are shown before the first match
const SHOWN = 160;

/**
 * The part of a text around its first match, with all matches lit.
 * @param {string} text
 * @param {[number, number][]} matches
 */
export function lit(text, matches) {
  const first = matches[0]?.[0] ?? 0;
  const from = first > BEFORE * 2 ? first - BEFORE : 0;
  const to = Math.min(text.length, from + SHOWN);
  const parts = [];
  let at = from;
  for (const [start, end] of matches) {
    if (start < at || end > to) continue;
    parts.push(html`<${Plain} text=${text.slice(at, start)} />`, html`<mark><${Plain} text=${text.slice(start, end)} /></mark>`);
    at = end;
  }
  parts.push(html`<${Plain} text=${text.slice(at, to)} />`);
  return html`${from > 0 && "…"}${parts}${to < text.length && "…"}`;
}

/** A click that the browser handles: a new tab or window. @param {MouseEvent} event */
const modified = (event) => event.metaKey || event.ctrlKey || event.shiftKey || event.button !== 0;

/** Arrows walk through what was found; up from the first leads back to the field. @param {KeyboardEvent} event */
function walk(event) {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (!step) return;
  const all = /** @type {HTMLElement[]} */ ([...document.querySelectorAll(".found a")]);
  const at = all.indexOf(/** @type {HTMLElement} */ (document.activeElement));
  const next = at + step < 0 ? document.querySelector(".search input") : all[at + step];
  event.preventDefault();
  /** @type {HTMLElement | null | undefined} */ (next)?.focus();
}
