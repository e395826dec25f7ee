/** The keyboard, on one page. */

import { BINDINGS } from "../core/keys.js";
import { t } from "../core/words.js";
import { Dialog, html, Kbd, Switch } from "../ui/index.js";
import { useApp } from "../inbox/context.js";

const MORE = [
  { action: "canned", keys: ["/"] },
  { action: "emoji", keys: [":"] },
];

export function Help() {
  const { panels, prefer, preferences } = useApp();
  const shown = BINDINGS.filter((each, place) => BINDINGS.findIndex(({ action }) => action === each.action) === place);
  const on = preferences.value.keys !== false;
  return html`<${Dialog} wide open=${panels.dialog.value === "help"} title=${t("help.title")} onClose=${panels.closeDialog}>
    <${Switch} label=${t("help.single")} hint=${t("help.single.hint")} checked=${on}
      onChange=${(/** @type {boolean} */ keys) => prefer({ keys })} />
    <dl class="help">${shown.map(line)}</dl>
    <h3>${t("help.in_field")}</h3>
    <dl class="help">${MORE.map(line)}</dl>
  <//>`;
}

/** @param {{ action: string, keys: string[] }} binding */
const line = ({ action, keys }) => html`<div key=${action}>
  <dt>${t(`keys.${action}`)}</dt>
  <dd>${keys.map((each) => html`<${Kbd} keys=${each} />`)}</dd>
</div>`;
