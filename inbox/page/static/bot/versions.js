/** The versions of a profile: who saved what, how it differs from the profile now, and bringing one back. */

import { has, t } from "../core/words.js";
import { Button, Chip, Dialog, html, useEffect, useState } from "../ui/index.js";
import { useCall, useDesk, useRows } from "../settings/desk.js";
import { Ask, Rows, Trouble } from "../settings/parts.js";
import { at, changed, wordOf } from "./profile.js";

/** @param {{ saved: any, onRestored: (profile: any) => void }} props */
export function Versions({ saved, onRestored }) {
  const { api, boot, times } = useDesk();
  const list = useRows(`/bot/profile/${boot.account_id}/versions`);
  const [seen, setSeen] = useState(/** @type {any} */ (null));
  const [wanted, setWanted] = useState(/** @type {any} */ (null));
  const call = useCall();
  useEffect(() => {
    if (list.rows) list.reload();
  }, [saved.updated_at]);
  const look = async (/** @type {any} */ row) => {
    const answer = await call.run(() => api.get(`/bot/versions/${row.id}`));
    if (answer) setSeen(answer.body);
  };
  const restore = async () => {
    const answer = await call.run(() => api.post(`/bot/versions/${wanted.id}/restore`), t("bot.version.restored", { n: wanted.version }));
    if (!answer) return;
    setWanted(null);
    setSeen(null);
    onRestored(answer.body);
  };
  const newest = list.rows?.[0]?.version;
  const by = (/** @type {any} */ row) => t("bot.version.by", { name: row.author.name || t("bot.version.unknown"), at: times.moment(row.created_at) });
  const fields = (/** @type {string[]} */ names) => names.map((name) => html`<${Chip} key=${name}>${fieldOf(name)}<//>`);
  return html`<div class="bot-versions">
    <${Trouble} text=${wanted ? null : call.trouble} />
    <${Rows} list=${list} icon="history" empty=${t("bot.version.none")} label=${t("bot.section.versions")}>${(/** @type {any} */ row) => html`
      <div class="settings-row">
        <span class="settings-what"><strong>${t("bot.version", { n: row.version })}${row.version === newest && html` · ${t("bot.version.use")}`}</strong>
          <span class="meta">${by(row)}</span><span class="settings-chips">${fields(row.changed)}</span></span>
        ${row.version !== newest && html`<span class="buttons">
          <${Button} icon="eye" label=${t("bot.version.look", { n: row.version })} onClick=${() => look(row)} />
          <${Button} kind="tone" onClick=${() => (call.clear(), setWanted(row))}>${t("bot.version.restore")}<//></span>`}
      </div>`}<//>
    <${Dialog} open=${seen !== null} title=${seen && t("bot.version.look", { n: seen.version })} wide onClose=${() => setSeen(null)}
      actions=${html`<${Button} kind="filled" onClick=${() => setWanted(seen)}>${t("bot.version.restore")}<//>`}>
      ${seen && html`<${Differences} then=${seen.profile} now=${saved} />`}
    <//>
    <${Ask} open=${wanted !== null} title=${t("bot.version.restore.ask", { n: wanted?.version ?? 0 })} action=${t("bot.version.restore")} busy=${call.busy}
      trouble=${call.trouble} onYes=${restore} onClose=${() => setWanted(null)}>${t("bot.version.restore.detail")}<//>
  </div>`;
}

/** @param {{ then: any, now: any }} props */
function Differences({ then, now }) {
  const pointers = changed(then, now);
  if (!pointers.length) return html`<p class="quiet">${t("bot.version.nothing")}</p>`;
  return html`${pointers.map((pointer) => html`<section key=${pointer}><h3>${t(`bot.field.${wordOf(pointer)}`)}</h3>
    <div class="bot-pair">
      <div><p class="label">${t("bot.version.then")}</p><p class="bot-value" dir="auto">${shown(at(then, pointer))}</p></div>
      <div><p class="label">${t("bot.version.now")}</p><p class="bot-value" dir="auto">${shown(at(now, pointer))}</p></div>
    </div></section>`)}`;
}

/** A field by its words; what has none, by its name. @param {string} name */
const fieldOf = (name) => (name === "template_config" ? t("bot.version.template") : has(`bot.field.${name}`) ? t(`bot.field.${name}`) : name);

/** A value as lines. @param {any} value @returns {string} */
function shown(value) {
  if (value === undefined || value === null || value === "" || value.length === 0) return t("bot.version.empty");
  if (typeof value === "boolean") return t(value ? "bot.version.yes" : "bot.version.no");
  if (!Array.isArray(value)) return String(value);
  return value.map((row) => (typeof row === "object" ? Object.entries(row).filter(([name]) => name !== "id").map(([, inner]) => inner).join(" — ") : row)).join("\n");
}
