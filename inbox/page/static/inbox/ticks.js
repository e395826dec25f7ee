/** How far a message of ours is: WhatsApp's ticks, and a word for each of them. */

import { t } from "../core/words.js";
import { html, Icon } from "../ui/index.js";

/** @typedef {import("../core/types.js").Message} Message */

/** @type {Record<string, { icon: string, tone: string }>} */
const MARKS = {
  waiting: { icon: "clock-fading", tone: "quiet" },
  queued: { icon: "clock", tone: "quiet" },
  sending: { icon: "clock", tone: "quiet" },
  overtaken: { icon: "circle-question-mark", tone: "warn" },
  sent: { icon: "check", tone: "quiet" },
  delivered: { icon: "check-check", tone: "quiet" },
  read: { icon: "check-check", tone: "read" },
  unconfirmed: { icon: "circle-question-mark", tone: "warn" },
  failed: { icon: "circle-alert", tone: "danger" },
};

/**
 * The word for a status; with the reason why it waits, where we know one.
 * @param {string} status
 * @param {string | null} [why] a code: whatsapp_away, number_paused
 */
export function wordOf(status, why = null) {
  const known = status in MARKS ? status : "queued";
  const waits = known === "queued" || known === "sending";
  return waits && why ? t(`tick.queued.${why}`) : t(`tick.${known}`);
}

/**
 * The mark of a status.
 * @param {{ status: string, why?: string | null }} props
 */
export function Ticks({ status, why = null }) {
  const mark = MARKS[status];
  if (!mark) return null;
  return html`<span class=${`ticks ticks-${mark.tone}`} title=${wordOf(status, why)}>
    <${Icon} name=${mark.icon} label=${wordOf(status, why)} />
  </span>`;
}
