/** Canned replies and labels of a number. Who may not change them reads them. */

import { t } from "../core/words.js";
import { VARIABLES } from "../inbox/variables.js";
import { Button, Chip, Field, html, useState } from "../ui/index.js";
import { useCall, useDesk, useRows } from "./desk.js";
import { Ask, Form, NumberChoice, Rows } from "./parts.js";

const shownVariables = VARIABLES.map((name) => `{${name}}`).join(" ");
const COLORS = [0, 1, 2, 3, 4, 5, 6, 7];

/** The problem that the API has for a second one of the same name. @type {Record<string, string>} */
const EXISTS = { labels: "label_exists", "canned-replies": "canned_reply_exists", "contact-fields": "contact_field_exists" };

/** What the lists of a number have in common. @param {string} kind as its path is called */
function useWords(kind) {
  const desk = useDesk();
  const [account, setAccount] = useState(desk.boot.account_id ?? "");
  const [edited, setEdited] = useState(/** @type {any} */ (null));
  const [removed, setRemoved] = useState(/** @type {any} */ (null));
  const list = useRows(account ? `/accounts/${account}/${kind}` : null);
  const saving = useCall();
  const removing = useCall();
  const save = async (/** @type {any} */ form = edited) => {
    const { id, ...body } = form;
    const call = id ? () => desk.api.patch(`/${kind}/${id}`, body) : () => desk.api.post(`/accounts/${account}/${kind}`, body);
    const made = async () => {
      const answer = await call();
      if (!id && answer.status === 200) throw { code: EXISTS[kind] }; // it was there, all the same as this one
      return answer;
    };
    if (await saving.run(made, t("settings.saved"))) {
      setEdited(null);
      list.reload();
    }
  };
  const remove = async () => {
    if (await removing.run(() => desk.api.del(`/${kind}/${removed.id}`), t("settings.removed"))) {
      setRemoved(null);
      list.reload();
    }
  };
  const edit = (/** @type {any} */ row) => {
    saving.clear();
    setEdited(row);
  };
  return { account, setAccount, edited, edit, setEdited, removed, setRemoved, list, saving, removing, save, remove, manages: desk.may("accounts.manage", account) };
}

/** The buttons of a row. @param {{ name: string, onEdit: () => void, onRemove: () => void }} props */
export function RowButtons({ name, onEdit, onRemove }) {
  return html`<span class="buttons">
    <${Button} icon="pencil" label=${t("settings.edit", { name })} onClick=${onEdit} />
    <${Button} icon="trash-2" label=${t("settings.remove", { name })} onClick=${onRemove} />
  </span>`;
}

export function Canned() {
  const words = useWords("canned-replies");
  const { edited, saving } = words;
  return html`<div class="settings-groups">
    <p class="quiet">${t("set.canned.what")}</p>
    <div class="settings-tools"><${NumberChoice} value=${words.account} onChange=${words.setAccount} />
      ${words.manages && html`<${Button} kind="filled" icon="plus" onClick=${() => words.edit({ shortcut: "", text: "" })}>${t("set.canned.add")}<//>`}</div>
    <${Rows} list=${words.list} icon="message-square-text" empty=${t("set.canned.none")} label=${t("settings.section.canned")}>${(/** @type {any} */ row) => html`
      <div class="settings-row">
        <span class="settings-what"><strong dir="auto">/${row.shortcut}</strong><span class="quiet settings-text" dir="auto">${row.text}</span></span>
        ${words.manages && html`<${RowButtons} name=${row.shortcut} onRemove=${() => words.setRemoved(row)}
          onEdit=${() => words.edit({ id: row.id, shortcut: row.shortcut, text: row.text })} />`}
      </div>`}<//>
    <${Form} open=${edited !== null} title=${t(edited?.id ? "set.canned.change" : "set.canned.add")} save=${t("settings.save")} busy=${saving.busy}
      trouble=${saving.trouble} onSave=${() => words.save()} onClose=${() => words.setEdited(null)}>
      <${Field} label=${t("set.canned.shortcut")} hint=${t("set.canned.shortcut.hint")} value=${edited?.shortcut} required
        error=${saving.errors["/shortcut"]} onChange=${(/** @type {string} */ shortcut) => words.setEdited({ ...edited, shortcut: shortcut.replace(/^\//, "") })} />
      <${Field} label=${t("set.canned.text")} multiline rows="6" hint=${t("set.canned.text.hint", { variables: shownVariables })} value=${edited?.text} required
        error=${saving.errors["/text"]} onChange=${(/** @type {string} */ text) => words.setEdited({ ...edited, text })} />
    <//>
    <${Ask} open=${words.removed !== null} title=${t("set.canned.remove", { name: words.removed?.shortcut ?? "" })} action=${t("settings.remove.yes")}
      busy=${words.removing.busy} trouble=${words.removing.trouble} onYes=${words.remove} onClose=${() => words.setRemoved(null)}>${t("set.canned.remove.detail")}<//>
  </div>`;
}

const KINDS = ["text", "number", "date", "choice"];

export function ContactFields() {
  const words = useWords("contact-fields");
  const { edited, saving } = words;
  const save = () => {
    const choices = edited.lines.split("\n").map((/** @type {string} */ line) => line.trim()).filter(Boolean);
    const { id, name, kind } = edited;
    return words.save(id ? { id, name, ...(kind === "choice" ? { choices } : {}) } : { name, kind, choices: kind === "choice" ? choices : [] });
  };
  return html`<div class="settings-groups">
    <p class="quiet">${t("set.fields.what")}</p>
    <div class="settings-tools"><${NumberChoice} value=${words.account} onChange=${words.setAccount} />
      ${words.manages && html`<${Button} kind="filled" icon="plus" onClick=${() => words.edit({ name: "", kind: "text", lines: "" })}>${t("set.fields.add")}<//>`}</div>
    <${Rows} list=${words.list} icon="contact" empty=${t("set.fields.none")} label=${t("settings.section.fields")}>${(/** @type {any} */ row) => html`
      <div class="settings-row">
        <span class="settings-what"><strong dir="auto">${row.name}</strong><span class="quiet settings-text" dir="auto">${t(`set.fields.kind.${row.kind}`)}${row.choices.length > 0 && `: ${row.choices.join(", ")}`}</span></span>
        ${words.manages && html`<${RowButtons} name=${row.name} onRemove=${() => words.setRemoved(row)}
          onEdit=${() => words.edit({ id: row.id, name: row.name, kind: row.kind, lines: row.choices.join("\n") })} />`}
      </div>`}<//>
    <${Form} open=${edited !== null} title=${t(edited?.id ? "set.fields.change" : "set.fields.add")} save=${t("settings.save")} busy=${saving.busy}
      trouble=${saving.trouble} onSave=${save} onClose=${() => words.setEdited(null)}>
      <${Field} label=${t("set.labels.name")} value=${edited?.name} required error=${saving.errors["/name"]}
        onChange=${(/** @type {string} */ name) => words.setEdited({ ...edited, name })} />
      ${!edited?.id && html`<${Field} label=${t("set.fields.kind")} value=${edited?.kind} options=${KINDS.map((value) => ({ value, label: t(`set.fields.kind.${value}`) }))}
        onChange=${(/** @type {string} */ kind) => words.setEdited({ ...edited, kind })} />`}
      ${edited?.kind === "choice" && html`<${Field} label=${t("set.fields.choices")} hint=${t("set.fields.choices.hint")} multiline rows="5" value=${edited.lines} required
        error=${saving.errors["/choices"]} onChange=${(/** @type {string} */ lines) => words.setEdited({ ...edited, lines })} />`}
    <//>
    <${Ask} open=${words.removed !== null} title=${t("set.labels.remove.ask", { name: words.removed?.name ?? "" })} action=${t("settings.remove.yes")}
      busy=${words.removing.busy} trouble=${words.removing.trouble} onYes=${words.remove} onClose=${() => words.setRemoved(null)}>${t("set.fields.remove.detail")}<//>
  </div>`;
}

export function Labels() {
  const words = useWords("labels");
  const { edited, saving } = words;
  return html`<div class="settings-groups">
    <p class="quiet">${t("set.labels.what")}</p>
    <div class="settings-tools"><${NumberChoice} value=${words.account} onChange=${words.setAccount} />
      ${words.manages && html`<${Button} kind="filled" icon="plus" onClick=${() => words.edit({ name: "", color: 0 })}>${t("set.labels.add")}<//>`}</div>
    <${Rows} list=${words.list} icon="tag" empty=${t("set.labels.empty")} label=${t("settings.section.labels")}>${(/** @type {any} */ row) => html`
      <div class="settings-row">
        <span class="settings-what"><${Chip} hue=${row.color}><bdi>${row.name}</bdi><//></span>
        ${words.manages && html`<${RowButtons} name=${row.name} onRemove=${() => words.setRemoved(row)}
          onEdit=${() => words.edit({ id: row.id, name: row.name, color: row.color })} />`}
      </div>`}<//>
    <${Form} open=${edited !== null} title=${t(edited?.id ? "set.labels.change" : "set.labels.add")} save=${t("settings.save")} busy=${saving.busy}
      trouble=${saving.trouble} onSave=${() => words.save()} onClose=${() => words.setEdited(null)}>
      <${Field} label=${t("set.labels.name")} value=${edited?.name} required error=${saving.errors["/name"]}
        onChange=${(/** @type {string} */ name) => words.setEdited({ ...edited, name })} />
      <fieldset class="settings-colors"><legend class="label">${t("set.labels.color")}</legend>
        ${COLORS.map((color) => html`<label class=${`settings-color chip hue hue-${color}`}>
          <input type="radio" name="color" checked=${edited?.color === color} onChange=${() => words.setEdited({ ...edited, color })} />
          <span class="unseen">${t("set.labels.color.n", { n: color + 1 })}</span></label>`)}</fieldset>
    <//>
    <${Ask} open=${words.removed !== null} title=${t("set.labels.remove.ask", { name: words.removed?.name ?? "" })} action=${t("settings.remove.yes")}
      busy=${words.removing.busy} trouble=${words.removing.trouble} onYes=${words.remove} onClose=${() => words.setRemoved(null)}>${t("set.labels.remove.detail")}<//>
  </div>`;
}
