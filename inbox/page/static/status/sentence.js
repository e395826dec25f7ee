/** The sentence on top: chosen by the server, never composed; what follows from it, and since when. */

import { has, plural, t } from "../core/words.js";
import { html, Icon } from "../ui/index.js";

const TONES = { well: "ok", slow: "warn", database_away: "danger", dispatcher_silent: "danger" };
const ICONS = { ok: "circle-check", warn: "clock-fading", danger: "triangle-alert" };

/** @param {import("./types.js").Parts} props */
export function Sentence({ status, times, now }) {
  const tone = TONES[/** @type {keyof typeof TONES} */ (status.code)] ?? "warn";
  return html`<section class="sentence" data-tone=${tone} data-code=${status.code}>
    <${Icon} name=${ICONS[/** @type {keyof typeof ICONS} */ (tone)]} size=${32} />
    <div>
      <h1>${t(`status.sentence.${status.code}`)}</h1>
      <p>${t(`status.means.${status.code}`)}</p>
      ${status.since && html`<p class="quiet">${t("status.since", {
        time: times.precise(status.since),
        lasting: times.stretch(now - Date.parse(status.since)),
      })}</p>`}
      ${status.paused.map((each) => html`<p key=${each.account_id}><bdi>${each.name}</bdi>: ${has(`pause.${each.code}`) ? t(`pause.${each.code}`) : each.reason} <a href="/settings/numbers">${t("strip.numbers")}</a></p>`)}
      ${status.undecided.length > 0 && html`<${Undecided} all=${status.undecided} />`}
    </div>
  </section>`;
}

/** Replies that nothing settles by itself: how many, and the way to the oldest. @param {{ all: import("./types.js").Status["undecided"] }} props */
function Undecided({ all }) {
  const [{ conversation_id, message_id }] = all;
  return html`<p>${plural("status.undecided", all.length)} <a href=${`/inbox/${conversation_id}#${message_id}`}>${t("status.undecided.look")}</a></p>`;
}
