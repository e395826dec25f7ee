/** The road of one message: a line with a stop for each step, and when it was taken. */

import { gaveUp, has, t } from "../core/words.js";
import { html } from "../ui/index.js";
import { useApp } from "../inbox/context.js";
import { failureOf } from "../inbox/failure.js";

/** @typedef {import("../core/types.js").Message} Message */
/** @typedef {import("../core/types.js").Conversation} Conversation */

/**
 * Why the bot did not answer and asked for a person, and what can be done now; null: it did not.
 * @param {Pick<Conversation, "needs_human" | "needs_human_reason">} conversation
 */
export function whySilent({ needs_human, needs_human_reason }) {
  const key = `details.why.${needs_human_reason}`;
  return needs_human && has(key) ? t(key) : null;
}

/**
 * The stops of a message: what has happened, what we wait for, what went wrong.
 * @param {Message} message
 * @returns {{ name: string, at: string | null, state: "done" | "now" | "ahead" | "doubt" | "failed" }[]}
 */
export function stopsOf(message) {
  if (message.direction === "inbound") {
    return [
      { name: "written", at: message.timestamp, state: "done" },
      { name: "received", at: message.stored_at, state: "done" },
    ];
  }
  const passed = [
    { name: "stored", at: message.stored_at },
    { name: "whatsapp", at: message.sent_at },
    { name: "phone", at: message.delivered_at },
    { name: "read", at: message.read_at },
  ];
  if (wasElsewhere(message)) passed.splice(0, 2, passed[1], passed[0]);
  // A later step proves the earlier ones, also when their own news never came.
  const reached = Math.max(passed.findLastIndex((stop) => stop.at !== null), reachedBy(message.status));
  return passed.map((stop, place) => ({ ...stop, state: stateOf(message.status, place, reached) }));
}

/**
 * Whether a message was written elsewhere, as in the WhatsApp Business app, and reached us after WhatsApp. WhatsApp tells
 * whole seconds: a message of ours seems to have left before it was stored.
 * @param {Message} message
 */
function wasElsewhere({ author, sent_at, stored_at }) {
  return author.id === null && sent_at !== null && Date.parse(sent_at) < Math.floor(Date.parse(stored_at) / 1000) * 1000;
}

/** @param {string} status */
function reachedBy(status) {
  return { sent: 1, delivered: 2, read: 3 }[status] ?? 0;
}

/**
 * @param {string} status
 * @param {number} place
 * @param {number} reached
 */
function stateOf(status, place, reached) {
  if (place <= reached) return "done";
  if (place > reached + 1) return "ahead";
  if (status === "failed") return "failed";
  if (status === "unconfirmed") return "doubt";
  return place === 1 ? "now" : "ahead";
}

/**
 * The road of a message, with times.
 * @param {{ message: Message }} props
 */
export function Road({ message }) {
  const { store, times } = useApp();
  const conversation = store.conversations.value.get(message.conversation_id);
  const asked = store.thread(message.conversation_id).value.messages.findLast((each) => each.direction === "inbound");
  const silent = conversation && asked?.id === message.id ? whySilent(conversation) : null;
  const said = (/** @type {string} */ state) => (state === "failed" && gaveUp(message.error) ? "given_up" : state);
  return html`<ol class="road" aria-label=${t("road.title")}>
    ${stopsOf(message).map(
      (stop) => html`<li key=${stop.name} class=${`road-stop road-${stop.state}`}>
        <span class="road-name">${t(`road.${stop.name}`)}</span>
        <span class="road-time">${stop.at ? times.precise(stop.at) : t(`road.state.${said(stop.state)}`)}</span>
      </li>`,
    )}
    ${silent && html`<li class="road-why">${silent}</li>`}
    ${message.error &&
    html`<li class="road-why">${gaveUp(message.error)
      ? failureOf(message)
      : `${t("road.refused", { code: message.error.code ?? "–" })} ${message.error.detail ?? ""}`}</li>`}
  </ol>`;
}
