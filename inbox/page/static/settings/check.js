/** What WhatsApp says of a number, when somebody asks: each thing once, with the button that mends it. */

import { has, t } from "../core/words.js";
import { Button, html, Icon, useState } from "../ui/index.js";
import { useCall, useDesk } from "./desk.js";
import { Trouble } from "./parts.js";

/** @typedef {{ about: string, level: "ok" | "warning" | "problem", code: string, values: Record<string, string>,
 *   found: string, do: string | null }} Finding */

const MARKS = /** @type {Record<string, string>} */ ({ ok: "circle-check", warning: "triangle-alert", problem: "circle-x" });
const WORSE = ["ok", "warning", "problem"];
/** What another token mends, and what other values of the number do. */
const RENEW = ["no_token", "unreadable_token", "token_refused", "token_invalid", "token_lacks", "token_ends_soon"];
const EDIT = ["another_number", "account_wrong", "account_unknown"];

/**
 * @param {{ path: string, onAsked: () => void, onRenew: (() => void) | null, onEdit: () => void }} props
 *   `onRenew`: null where a new token is asked for already
 */
export function Check({ path, onAsked, onRenew, onEdit }) {
  const { api } = useDesk();
  const [found, setFound] = useState(/** @type {Finding[] | null} */ (null));
  const { busy, trouble, run } = useCall();
  const ask = async () => {
    const answer = await run(() => api.post(`${path}/check`, undefined, { limit: 20_000 }));
    if (answer) setFound(answer.body.findings);
    onAsked();
  };
  return html`<div class="settings-check">
    <p class="buttons"><${Button} icon="refresh-cw" busy=${busy} onClick=${ask}>${t(busy ? "set.check.asking" : "set.check")}<//></p>
    <${Trouble} text=${trouble} />
    ${found && html`<dl aria-live="polite">${byAbout(found).map(({ about, level, findings }) => html`
      <div key=${about} class=${`settings-finding ${level}`}>
        <dt><${Icon} name=${MARKS[level]} size=${16} /><span>${t(`set.check.${about}`)}</span><span class="settings-level">${t(`set.check.level.${level}`)}</span></dt>
        ${findings.map((each) => html`<dd key=${each.code + each.found} lang=${said(each) ? undefined : "en"}>
          ${said(each) ?? each.found}
          ${each.do && html`<span class="quiet">${todo(each) ?? each.do}</span>`}
          ${onRenew && RENEW.includes(each.code) && html`<span class="buttons"><${Button} kind="tone" little icon="key-round" onClick=${onRenew}>${t("set.numbers.token")}<//></span>`}
          ${EDIT.includes(each.code) && html`<span class="buttons"><${Button} kind="tone" little icon="pencil" onClick=${onEdit}>${t("set.numbers.change")}<//></span>`}
        </dd>`)}
      </div>`)}</dl>`}
  </div>`;
}

/** Findings by what they are about, each with its worst level. That the number is paused stands above already. @param {Finding[]} findings */
function byAbout(findings) {
  const shown = findings.filter((each) => each.code !== "paused");
  return [...new Set(shown.map((each) => each.about))].map((about) => {
    const mine = shown.filter((each) => each.about === about);
    const level = WORSE[Math.max(...mine.map((each) => WORSE.indexOf(each.level)))];
    return { about, level, findings: mine.filter((each) => each.level === level || level === "ok") };
  });
}

/** @param {Finding} finding @returns {string | null} null: we have no words for it */
function said({ code, values }) {
  const meta = `meta.${values.meta}`;
  if (code === "refused" && has(meta)) return t(meta);
  const key = `set.check.found.${code}`;
  return has(key) ? t(key, values) : null;
}

/** @param {Finding} finding @returns {string | null} */
function todo({ code, values }) {
  const key = `set.check.do.${code}`;
  return has(key) ? t(key, values) : null;
}
