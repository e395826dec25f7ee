/** The score, and beside it what was measured on an ordinary application under the same fault. */

import { plural, t } from "../core/words.js";
import { html } from "../ui/index.js";

/**
 * @param {{score: {wrote: number, answered: number, waiting: number, twice: number, lost: number,
 *   our_errors: number}|null, compared: {twice: number, timeouts: number}|null}} props
 */
export function Score({ score, compared }) {
  if (!score) return null;
  const rows = /** @type {[string, number, boolean][]} */ ([
    ["wrote", score.wrote, false],
    ["answered", score.answered, false],
    ["waiting", score.waiting, false],
    ["twice", score.twice, true],
    ["lost", score.lost, true],
    ["our_errors", score.our_errors, true],
  ]);
  const share = (/** @type {number} */ value) => value.toLocaleString(document.documentElement.lang, { style: "percent", maximumFractionDigits: 1 });
  return html`<section class="demo-score" aria-labelledby="demo-score">
    <h3 id="demo-score">${t("demo.score")}</h3>
    <dl>
      ${rows.map(([name, value, zero]) => html`<div key=${name} data-bad=${zero && value > 0 ? "yes" : undefined} data-score=${name}>
        <dt>${t(`demo.score.${name}`)}</dt><dd>${value}</dd>
      </div>`)}
    </dl>
    ${compared && html`<p class="small">${t("demo.compared", { twice: plural("demo.compared.twice", compared.twice), share: share(compared.timeouts) })}</p>
      <p class="quiet small">${t("demo.compared.where")}</p>`}
  </section>`;
}
