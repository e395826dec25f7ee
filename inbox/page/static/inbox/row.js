/** One conversation in the list: who, when, the last words, and what asks for somebody. */

import { has, plural, t } from "../core/words.js";
import { Avatar, classes, html, Icon, initials } from "../ui/index.js";
import { useApp } from "./context.js";
import { shownNumber } from "./phone.js";
import { spoken } from "./said.js";
import { Plain } from "./text.js";
import { Ticks } from "./ticks.js";

/** @typedef {import("../core/types.js").Conversation} Conversation */

const MINUTE = 60 * 1000;
const LONG_WAIT = 15 * MINUTE;

/**
 * @param {object} props
 * @param {Conversation} props.row
 * @param {boolean} props.open it is the one that the thread shows
 * @param {string | null} props.draft what the reader has begun to write
 * @param {boolean} props.unsent a text of the reader's waits for a decision of theirs
 * @param {string | null} props.others who else looks at it or writes
 * @param {(event: MouseEvent, id: string) => void} props.onOpen
 */
export function Row({ row, open, draft, unsent, others, onOpen }) {
  const { beat, places, store, team, times } = useApp();
  beat.value; // "waiting 12 min" goes on
  const name = nameOf(row);
  const mine = row.assigned_to !== null && row.assigned_to === store.me.value.id;
  const said = signalsOf(row);
  const unread = row.my_unread > 0;
  return html`<a
    class=${classes("row", row.needs_human && "row-person", mine && "row-mine", unread && "row-unread")}
    href=${places.addressOf(row.id)}
    aria-current=${open ? "true" : undefined}
    data-id=${row.id}
    onClick=${(/** @type {MouseEvent} */ event) => onOpen(event, row.id)}
  >
    <${Avatar} name=${name} id=${row.contact_id} />
    <span class="row-name"><${Plain} text=${name} /></span>
    <time class="row-time" datetime=${row.updated_at}
      title=${times.full(row.updated_at)}>${row.is_favorite && html`<${Icon} name="star" size=${14} label=${t("row.favorite")} /> `}${times.short(row.updated_at)}</time>
    <span class="row-last">
      ${draft
        ? html`<${Icon} name="pencil" label=${t("row.draft")} /> <span class="row-draft"><${Plain}
          text=${draft} /></span>`
        : html`<${LastMark} row=${row} /> <span><${Plain} text=${spoken(row.last_message ?? "")} /></span>`}
    </span>
    ${unread && html`<span class="row-count"
      aria-label=${plural("row.unread", row.my_unread)}>${row.my_unread > 99 ? "99+" : row.my_unread}</span>`}
    ${(said.length > 0 || unsent || others || row.label_ids.length > 0) &&
    html`<span class="row-signals">
      ${unsent && html`<span class="signal signal-danger"><${Icon} name="circle-alert" size=${14} /> <span>${t("row.unsent")}</span></span>`}
      ${said.map((one) => html`<${Signal} key=${one} kind=${one} row=${row} />`)}
      ${said.length < 2 && others && html`<span class="row-others">${others}</span>`}
      ${row.label_ids.map((id) => team.labels.find(row.account_id, id)).map((label) => label &&
        html`<span key=${label.id} class=${`row-label hue-${label.color}`}><${Plain} text=${label.name} /></span>`)}
    </span>`}
  </a>`;
}

/**
 * The name of the customer, else their number, else that there is none.
 * @param {Conversation} row
 */
export function nameOf(row) {
  return row.contacts.display_name || numberOf(row) || t("row.nameless");
}

/**
 * The customer's number as people write it; "" when WhatsApp hides it.
 * @param {Conversation} row
 */
export function numberOf(row) {
  return row.client_number ? shownNumber(row.client_number) : "";
}

/**
 * What asks for somebody, the most urgent first, or that nobody is asked; at most two. What is new to the reader is
 * counted elsewhere.
 * @param {Conversation} row
 * @returns {("failed" | "person" | "waiting" | "blocked")[]}
 */
export function signalsOf(row) {
  /** @type {ReturnType<typeof signalsOf>} */
  const found = [];
  const told = row.needs_human && row.needs_human_reason === "answer_failed"; // which says so, and why
  if (row.last_message_status === "failed" && !told) found.push("failed");
  if (row.needs_human) found.push("person");
  if (row.waiting_since) found.push("waiting");
  if (row.blocked_at) found.push("blocked");
  return found.slice(0, 2);
}

/**
 * Whether the bot is on here: it answers now, or when the number opens.
 * @param {Conversation} row
 */
export const botIsOn = (row) => row.bot_silent_reason === null || row.bot_silent_reason === "closed";

/** @param {{ kind: string, row: Conversation }} props */
function Signal({ kind, row }) {
  const { times } = useApp();
  if (kind === "failed") {
    return html`<span class="signal signal-danger"><${Icon} name="circle-alert"
      size=${14} /> <span>${t("row.failed")}</span></span>`;
  }
  if (kind === "person") {
    return html`<span class="signal signal-warn"><${Icon} name="flag"
      size=${14} /> <span>${whyPerson(row)}</span></span>`;
  }
  if (kind === "blocked") return html`<span class="signal"><${Icon} name="lock" size=${14} /> <span>${t("head.blocked")}</span></span>`;
  const since = /** @type {string} */ (row.waiting_since);
  const waited = times.now() - Date.parse(since);
  if (waited < MINUTE) return null; // they have just written
  return html`<span class=${classes("signal", waited > LONG_WAIT && "signal-warn")} title=${times.full(since)}>
    <${Icon} name="hourglass" size=${14} />
    <span>${t("row.waiting", { time: times.stretch(Math.floor(waited / MINUTE) * MINUTE) })}</span>
  </span>`;
}

/**
 * Why a person is needed, in a few words.
 * @param {Conversation} row
 */
export function whyPerson(row) {
  const key = `person.${row.needs_human_reason}`;
  return has(key) ? t(key) : t("person.other");
}

/** @param {{ row: Conversation }} props */
function LastMark({ row }) {
  const author = row.last_message_author;
  if (!author || author.kind === "customer") return null;
  const status = row.last_message_status ?? "";
  const who =
    author.kind === "bot"
      ? html`<${Icon} name="bot" label=${t("voice.bot")} />`
      : author.kind === "agent" && author.id !== useApp().store.me.value.id && author.name
        ? html`<span class="row-initials" title=${author.name}>${initials(author.name)}</span>`
        : null;
  return html`<${Ticks} status=${status} />${who}`;
}
