/** What WhatsApp says of a number: quality, limit and name in one line, and above it what somebody has to look at. */

import { has, t } from "../core/words.js";
import { Button, html, Icon } from "../ui/index.js";
import { useDesk } from "./desk.js";

const MANAGER = "https://business.facebook.com/latest/whatsapp_manager";

/** @param {{ said: any }} props null: WhatsApp was not asked yet */
export function Reputation({ said }) {
  const { times } = useDesk();
  if (!said) return null;
  const facts = [
    said.quality && has(`set.reputation.quality.${said.quality}`) && t(`set.reputation.quality.${said.quality}`),
    said.limit && (said.limit === "unlimited" ? t("set.reputation.unlimited") : t("set.reputation.limit", { n: Number(said.limit).toLocaleString(document.documentElement.lang) })),
    said.name && t("set.reputation.name", { name: said.name }),
  ].filter(Boolean);
  return html`
    ${said.troubles.length > 0 && html`<div class="settings-why">
      ${said.troubles.map((/** @type {string} */ trouble) => html`<p key=${trouble}><strong>${t(`number.warned.${trouble}`)}</strong>
        ${trouble === "restricted" && said.restrictions.map((/** @type {any} */ each) => html` ${restricted(each, times)}`)}</p>`)}
      <p>${t("set.reputation.do")}</p>
      <p class="buttons"><${Button} kind="tone" icon="external-link" href=${MANAGER} target="_blank" rel="noopener noreferrer">WhatsApp Manager<//></p>
    </div>`}
    ${facts.length > 0 && html`<p class="settings-reputation quiet small"><${Icon} name="badge-check" size=${16} />
      <span>${facts.join(" · ")} · ${t("set.reputation.told", { at: times.stamp(said.told_at) })}</span></p>`}`;
}

/** @param {{ type: string, until: string | null }} restriction @param {any} times */
function restricted({ type, until }, times) {
  const key = `set.reputation.${type.toLowerCase()}`;
  const what = has(key) ? t(key) : t("set.reputation.restriction", { type });
  return until ? t("set.reputation.until", { what, at: times.stamp(until) }) : what;
}
