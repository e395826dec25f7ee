/** Each service: how it stands, when it is tried again, and its last hour. Administrators may try at once. */

import { plural, t } from "../core/words.js";
import { html } from "../ui/index.js";
import { Act } from "./actions.js";
import { Chart } from "./chart.js";
import { lastHour, number, seconds } from "./figures.js";

/** @param {import("./types.js").Parts & {api: any, onDone: () => void}} props */
export function Services({ status, history, times, now, api, onDone }) {
  const passed = (now - Date.parse(status.now)) / 1000;
  return html`<section aria-labelledby="services-title">
    <h2 id="services-title">${t("status.services")}</h2>
    <ul class="services">
      ${status.upstreams.filter((each) => each.configured).map((each) => html`<li key=${each.name} data-tone=${each.state === "well" ? "ok" : "warn"}>
        <div class="service">
          <h3>${t(`status.service.${each.name}`)}</h3>
          <p class="service-state">${stateOf(each, passed)}</p>
          ${status.may_act && (each.state === "away" || each.state === "trying") && html`<${Act} name="try" title=${t("status.try")} means=${t("status.try.means", { name: t(`status.service.${each.name}`) })}
            act=${() => api.post(`/admin/circuit-breakers/${each.name}/reset`)} onDone=${onDone} />`}
        </div>
        ${history && html`<${Hour} service=${each} history=${history} times=${times} />`}
      </li>`)}
    </ul>
    <p class="others">
      ${t(status.database_ok ? "status.database.well" : "status.database.away")} ·
      ${" "}${plural("status.workers", status.dispatchers)}
      ${status.cache_hit_ratio !== null && html` · ${t("status.cache", { n: percent(status.cache_hit_ratio) })}`}
    </p>
  </section>`;
}

/** @param {number} share */
const percent = (share) => share.toLocaleString(document.documentElement.lang, { style: "percent", maximumFractionDigits: 1 });

/** @param {import("./types.js").Service} service @param {number} passed seconds since that was told */
function stateOf({ state, retry_in_seconds }, passed) {
  if (state === "well" || state === "struggling") return t(`status.state.${state}`);
  const left = Math.ceil((retry_in_seconds ?? 0) - passed);
  return state === "away" && left > 0 ? t("status.state.away", { n: left }) : t("status.state.trying");
}

/** @param {{service: import("./types.js").Service, history: import("./types.js").History, times: any}} props */
function Hour({ service, history, times }) {
  const hour = lastHour(history, service.name);
  const minutes = hour.map((each) => each.minute);
  const sum = (/** @type {"answers"|"errors"} */ name) => hour.reduce((all, each) => all + each[name], 0);
  const slowest = hour.reduce((most, each) => Math.max(most, each.p95 ?? 0), 0);
  const shown = [
    { name: "answers", values: hour.map((each) => each.answers), tone: "accent", told: number(sum("answers")) },
    { name: "errors", values: hour.map((each) => each.errors), tone: "danger", told: number(sum("errors")) },
    { name: "p95", values: hour.map((each) => each.p95), tone: "info", told: slowest ? seconds(slowest) : "–" },
  ];
  return html`<div class="hour">
    ${shown.map(({ name, values, tone, told }) => html`<figure key=${name}>
      <figcaption>${t(`status.chart.${name}`)} <strong>${told}</strong></figcaption>
      <${Chart} minutes=${minutes} values=${values} tone=${tone}
        label=${t("status.chart.label", { what: t(`status.chart.${name}`), service: t(`status.service.${service.name}`) })} />
    </figure>`)}
    <details class="numbers">
      <summary>${t("status.chart.numbers")}</summary>
      <div class="numbers-scroll" tabindex="0" role="region" aria-label=${t("status.chart.numbers")}>
        <table>
          <thead><tr><th scope="col">${t("status.chart.minute")}</th>${shown.map(({ name }) => html`<th scope="col" key=${name}>${t(`status.chart.${name}`)}</th>`)}</tr></thead>
          <tbody>${hour.filter((each) => each.answers || each.errors).reverse().map((each) => html`<tr key=${each.minute}>
            <th scope="row">${times.clock(each.minute)}</th><td>${number(each.answers)}</td><td>${number(each.errors)}</td><td>${seconds(each.p95)}</td>
          </tr>`)}</tbody>
        </table>
      </div>
    </details>
  </div>`;
}
