/** What was away in the last day: as a line of time, and in words. */

import { plural, t } from "../core/words.js";
import { html } from "../ui/index.js";

const DAY = 24 * 3600_000; // ms
const LEAST = 0.4; // percent of the line, or it could not be seen

/** @param {import("./types.js").Parts} props */
export function Incidents({ history, times, now }) {
  if (!history) return null;
  const spans = history.incidents.map((each) => {
    const begin = Math.max(Date.parse(each.started_at), now - DAY), end = each.ended_at ? Date.parse(each.ended_at) : now;
    const at = ((begin - (now - DAY)) / DAY) * 100;
    return { ...each, begin, end, at, width: Math.max(LEAST, ((end - begin) / DAY) * 100) };
  });
  return html`<section aria-labelledby="day-title">
    <h2 id="day-title">${t("status.day")}</h2>
    <div class="day" aria-hidden="true">
      ${spans.map(({ at, width, ...each }) => html`<span key=${each.started_at + each.upstream} style=${{ insetInlineStart: `${at}%`, width: `${width}%` }}></span>`)}
    </div>
    <p class="day-ends" aria-hidden="true"><span>${t("status.day.begin")}</span><span>${t("status.day.end")}</span></p>
    ${spans.length === 0
      ? html`<p class="quiet">${t("status.day.none")}</p>`
      : html`<ul class="incidents">${spans.map((each) => html`<li key=${each.started_at + each.upstream}>
          <time datetime=${each.started_at}>${times.clock(each.begin)}</time>
          <span>${t(`status.service.${each.upstream}`)}, ${times.stretch(each.end - each.begin)}${each.ended_at ? "" : `, ${t("status.day.lasts")}`}${each.conversations ? `, ${plural("status.day.waited", each.conversations)}` : ""}</span>
        </li>`)}</ul>`}
  </section>`;
}
