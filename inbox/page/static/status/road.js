/** The road of messages: its stops with what waits at each, and the two sums that show that nothing is lost. */

import { plural, t } from "../core/words.js";
import { html, Icon } from "../ui/index.js";
import { number, seconds } from "./figures.js";

const OLD = 60; // seconds
const MANY = 100; // webhooks: a few are always on their way

/** @param {import("./types.js").Parts} props */
export function Road({ status }) {
  const { road, upstreams } = status;
  /** @param {string} name */
  const service = (name) => upstreams.find((each) => each.name === name);
  const gemini = service("gemini"), whatsapp = service("whatsapp");
  const stops = [
    { name: "customers" },
    { name: "received", waits: road?.pending, tone: road && road.pending > MANY ? "warn" : "ok" },
    { name: "stored", tone: status.database_ok ? "ok" : "danger" },
    { name: "bot", waits: road?.answers, oldest: road?.answers_oldest_s,
      tone: (gemini && gemini.state !== "well") || (road && road.answers_oldest_s > OLD) ? "warn" : "ok" },
    { name: "outbox", waits: road?.sends, oldest: road?.sends_oldest_s, tone: road && road.sends_oldest_s > OLD ? "warn" : "ok" },
    { name: "whatsapp", tone: (whatsapp && whatsapp.state !== "well") || status.paused.length > 0 ? "warn" : "ok" },
    { name: "phones" },
  ];
  return html`<section aria-labelledby="road-title">
    <h2 id="road-title">${t("status.road")}</h2>
    <ol class="stops">
      ${stops.map(({ name, waits, oldest, tone = "ok" }) => html`<li key=${name} data-tone=${tone}>
        <span class="stop" aria-hidden="true"></span>
        <span class="stop-name">${t(`status.stop.${name}`)}</span>
        ${tone !== "ok" && html`<span class="unseen">${t(`status.tone.${tone}`)}</span>`}
        <span class="stop-waits">
          ${waits ? html`<span>${plural("status.waits", waits)}</span>` : ""}
          ${waits && oldest ? html`<span>${t("status.oldest", { time: seconds(oldest) })}</span>` : ""}
        </span>
      </li>`)}
    </ol>
    ${road && html`<ul class="sums">
      <${Sum} ok=${road.missing === 0} words=${t("status.sum.in", {
        received: number(road.received), stored: number(road.stored), twice: number(road.twice),
        unreadable: number(road.unreadable),
      })} />
      <${Sum} ok=${road.missing === 0} words=${t("status.sum.out", {
        replies: number(road.replies), accepted: number(road.accepted), refused: number(road.refused),
        unconfirmed: number(road.unconfirmed), waiting: number(road.waiting),
      })} />
    </ul>
    <p class="quiet small">${t("status.sum.of")}</p>`}
  </section>`;
}

/** @param {{ok: boolean, words: string}} props */
function Sum({ ok, words }) {
  return html`<li data-tone=${ok ? "ok" : "danger"}>
    <span>${words}</span>
    <${Icon} name=${ok ? "check" : "triangle-alert"} label=${t(ok ? "status.sum.right" : "status.sum.wrong")} />
  </li>`;
}
