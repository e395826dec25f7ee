/** The business numbers: what each is, whether it sends, and what to do when it does not. */

import { shownNumber } from "../inbox/phone.js";
import { has, t } from "../core/words.js";
import { Button, Chip, Field, html, Menu, Switch, toast, useState } from "../ui/index.js";
import { useCall, useDesk, useRows } from "./desk.js";
import { Check } from "./check.js";
import { HoursForm } from "./hours.js";
import { Ask, Form, Group, optional, Rows, Trouble } from "./parts.js";
import { Reputation } from "./reputation.js";

const EMPTY = { name: "", phone_number_id: "", phone_number: "", waba_id: "", access_token: "", bot_auto_on: true };
/** What another access token may cure; the rest is put right at Meta. */
const OF_TOKENS = ["no_token", "unreadable_token", "token_refused", "no_capability", "no_send_permission", "number_unknown", "token_expired", "no_permission"];

export function Numbers() {
  const desk = useDesk();
  const list = useRows("/accounts");
  const [edited, setEdited] = useState(/** @type {any} */ (null));
  const manages = desk.may("accounts.manage");
  const removed = useRows(manages ? "/accounts?removed=true" : null);
  const reload = () => (list.reload(), removed.reload());
  return html`<div class="settings-groups">
    ${manages && html`<div class="settings-tools"><${Button} kind="filled" icon="plus" onClick=${() => setEdited(EMPTY)}>${t("set.numbers.add")}<//></div>`}
    <${Rows} list=${list} icon="phone" empty=${t("set.numbers.none")} label=${t("settings.section.numbers")}>${(/** @type {any} */ row) => html`
      <${NumberRow} row=${row} reload=${list.reload} onEdit=${setEdited} onGone=${reload} />`}<//>
    ${removed.rows && removed.rows.length > 0 && html`<${Group} title=${t("set.numbers.removed")}>
      <${Rows} list=${removed} empty="" label=${t("set.numbers.removed")}>${(/** @type {any} */ row) => html`<div class="settings-row">
        <span class="settings-what"><strong><bdi>${row.name}</bdi></strong>
          <span class="quiet">${t("set.numbers.gone", { date: desk.times.stamp(row.restorable_until) })}</span></span>
        <${Button} kind="tone" icon="undo-2" label=${t("set.numbers.bring_back.name", { name: row.name })} onClick=${() => setEdited({ ...EMPTY, ...known(row) })}>${t("set.numbers.bring_back")}<//>
      </div>`}<//>
    </${Group}>`}
    ${edited && html`<${Edit} key=${edited.id ?? "new"} number=${edited} onClose=${() => setEdited(null)} onSaved=${() => (setEdited(null), reload())} />`}
  </div>`;
}

/** What a removed number is filled in with when it comes back; its token is gone. @param {any} row */
const known = ({ name, phone_number_id, phone_number, waba_id, bot_auto_on }) => ({ name, phone_number_id, phone_number, waba_id, bot_auto_on, back: true });

/** What a number's form begins with: a telephone number as people read it. @param {any} row */
const filled = (row) => ({ ...row, phone_number: row.phone_number && shownNumber(row.phone_number), access_token: "" });

/** @param {{ row: any, reload: () => void, onEdit: (row: any) => void, onGone: () => void }} props */
function NumberRow({ row, reload, onEdit, onGone }) {
  const desk = useDesk();
  const [asking, setAsking] = useState(false);
  const [renewing, setRenewing] = useState(false);
  const [renewed, setRenewed] = useState(0); // what a check has found is of the values that it was made with
  const [opening, setOpening] = useState(false);
  const call = useCall();
  const manages = desk.may("accounts.manage", row.id);
  const path = `/accounts/${row.id}`;
  const byPerson = row.paused_code === "paused_by_a_person";
  const pause = async (/** @type {boolean} */ paused) => {
    const answer = await call.run(() => desk.api.patch(path, { paused }));
    if (!answer) return;
    const { has_access_token: able } = answer.body;
    toast(t(paused ? "set.numbers.paused" : able ? "set.numbers.resumed" : "set.numbers.resumed.no_token"));
    reload();
  };
  const remove = async () => {
    if (await call.run(() => desk.api.del(path), t("set.numbers.is_removed"))) onGone();
  };
  const bot = desk.may("settings.manage", row.id) && { label: t("set.numbers.bot"), icon: "bot", href: `/bot/${row.id}/edit` };
  const items = () => [
    bot,
    manages && { label: t("set.numbers.change"), icon: "pencil", onSelect: () => onEdit(filled(row)) },
    manages && { label: t("set.hours"), icon: "clock", onSelect: () => setOpening(true) },
    manages && { label: t("set.numbers.token"), icon: "key-round", onSelect: () => setRenewing(true) },
    manages && (row.paused_code
      ? { label: t("set.numbers.resume"), icon: "play", onSelect: () => pause(false) }
      : { label: t("set.numbers.pause"), icon: "pause", onSelect: () => pause(true) }),
    manages && null,
    manages && { label: t("set.numbers.remove"), icon: "trash-2", danger: true, onSelect: () => setAsking(true) },
  ];
  return html`<article class="settings-number">
    <div class="settings-row">
      <span class="settings-what"><strong><bdi>${row.name}</bdi></strong>
        <span class="quiet" dir="ltr">${row.phone_number ? shownNumber(row.phone_number) : row.phone_number_id}</span></span>
      <${State} row=${row} />
      ${(manages || bot) && html`<${Menu} icon="ellipsis-vertical" label=${t("set.numbers.menu", { name: row.name })} items=${items} />`}
    </div>
    ${row.paused_code && html`<div class="settings-why">
      <p><strong>${why(row)}</strong> ${t("set.numbers.kept")}</p>
      <p>${t(byPerson ? "set.numbers.do.person" : OF_TOKENS.includes(row.paused_code) ? "set.numbers.do.token" : "set.numbers.do.meta")}</p>
      ${manages && html`<p class="buttons">
        ${OF_TOKENS.includes(row.paused_code) && html`<${Button} kind="tone" icon="key-round" onClick=${() => setRenewing(true)}>${t("set.numbers.token")}<//>`}
        <${Button} kind="tone" icon="play" busy=${call.busy} onClick=${() => pause(false)}>${t("set.numbers.resume")}<//>
      </p>`}
    </div>`}
    <${Trouble} text=${call.trouble} />
    <${Reputation} said=${row.reputation} />
    ${manages && html`<${Check} key=${[row.phone_number, row.waba_id, renewed].join(" ")} path=${path} onAsked=${reload} onRenew=${OF_TOKENS.includes(row.paused_code) ? null : () => setRenewing(true)} onEdit=${() => onEdit(filled(row))} />`}
    ${opening && html`<${HoursForm} row=${row} onClose=${() => setOpening(false)} />`}
    ${renewing && html`<${Renew} row=${row} onClose=${() => setRenewing(false)} onSaved=${() => (setRenewing(false), setRenewed(renewed + 1), reload())} />`}
    <${Ask} open=${asking} title=${t("set.numbers.remove.ask", { name: row.name })} action=${t("set.numbers.remove")} busy=${call.busy}
      trouble=${call.trouble} onYes=${remove} onClose=${() => setAsking(false)}>${t("set.numbers.remove.detail")}<//>
  </article>`;
}

/** Whether a number sends. Without a token it does not, though nobody paused it; with one that WhatsApp has not answered yet, who knows. @param {{ row: any }} props */
function State({ row }) {
  if (row.paused_code)
    return html`<${Chip} tone=${row.paused_code === "paused_by_a_person" ? "warn" : "danger"} icon="pause">${t("set.numbers.is_paused")}<//>`;
  if (!row.has_access_token) return html`<${Chip} tone="warn" icon="key-round">${t("set.numbers.no_token")}<//>`;
  if (!row.reputation) return html`<${Chip} tone="warn" icon="circle-question-mark">${t("set.numbers.unchecked")}<//>`;
  return html`<${Chip} icon="circle-check">${t("set.numbers.sends")}<//>`;
}

/** Why a number is paused: our words for the code, else the API's. @param {any} row */
function why(row) {
  const key = `pause.${row.paused_code}`;
  return has(key) ? t(key) : row.paused_reason;
}

/** @param {{ row: any, onClose: () => void, onSaved: () => void }} props */
function Renew({ row, onClose, onSaved }) {
  const { api } = useDesk();
  const [token, setToken] = useState("");
  const { busy, trouble, errors, run } = useCall();
  const save = async () => {
    if (await run(() => api.patch(`/accounts/${row.id}`, { access_token: token.trim() }), t("set.numbers.token.saved"))) onSaved();
  };
  return html`<${Form} open=${true} title=${t("set.numbers.token")} save=${t("settings.save")} busy=${busy} trouble=${trouble} onSave=${save} onClose=${onClose}>
    <p class="quiet">${t("set.numbers.token.how")}</p>
    <${Field} label=${t("set.numbers.access_token")} value=${token} onChange=${setToken} error=${errors["/access_token"]} required autocomplete="off" spellcheck="false" dir="ltr" />
  <//>`;
}

/** A new number, or what is to be different at one that is there. @param {{ number: any, onClose: () => void, onSaved: () => void }} props */
function Edit({ number, onClose, onSaved }) {
  const { api } = useDesk();
  const [form, setForm] = useState(number);
  const { busy, trouble, errors, run } = useCall();
  const set = (/** @type {string} */ name) => (/** @type {any} */ value) => setForm({ ...form, [name]: value });
  const save = async () => {
    const bare = (/** @type {string|null} */ text) => text?.replace(/[\s().+/-]/g, "") || null; // what is no digit then is refused
    const body = { name: form.name.trim(), phone_number: bare(form.phone_number), waba_id: bare(form.waba_id), bot_auto_on: form.bot_auto_on };
    const assigns = form.auto_assign === true;
    const kept = form.message_retention_days ? Number(form.message_retention_days) : null;
    const made = { ...body, phone_number_id: form.phone_number_id.trim(), access_token: form.access_token.trim() || null };
    const call = number.id ? () => api.patch(`/accounts/${number.id}`, { ...body, auto_assign: assigns, message_retention_days: kept }) : () => api.post("/accounts", made);
    const answer = await run(call, t("settings.saved"));
    if (answer) onSaved();
  };
  const labelled = (/** @type {string} */ label, /** @type {any} */ required) => (required ? label : optional(label));
  const field = (/** @type {string} */ name, /** @type {Record<string, any>} */ more = {}) => html`<${Field} label=${labelled(t(`set.numbers.${name}`), more.required)} value=${form[name] ?? ""}
    error=${errors[`/${name}`]} onChange=${set(name)} ...${more} />`;
  return html`<${Form} open=${true} title=${number.id ? t("set.numbers.change.of", { name: number.name }) : t(number.back ? "set.numbers.bring_back" : "set.numbers.add")} save=${t("settings.save")} busy=${busy} trouble=${trouble} onSave=${save} onClose=${onClose}>
    ${field("name", { required: true })}
    ${!number.id && field("phone_number_id", { required: true, hint: t("set.numbers.phone_number_id.hint"), inputmode: "numeric", dir: "ltr" })}
    ${number.id && html`<p class="quiet">${t("set.numbers.phone_number_id.stays", { id: number.phone_number_id })}</p>`}
    ${field("phone_number", { hint: t("set.numbers.phone_number.hint"), type: "tel", dir: "ltr" })}
    ${field("waba_id", { hint: t("set.numbers.waba_id.hint"), inputmode: "numeric", dir: "ltr" })}
    ${!number.id && field("access_token", { hint: t("set.numbers.access_token.hint"), autocomplete: "off", spellcheck: "false", dir: "ltr" })}
    ${number.id && field("message_retention_days", { hint: t("set.numbers.message_retention_days.hint"), type: "number", min: "7", max: "3650" })}
    <${Switch} label=${t("set.numbers.bot_auto_on")} hint=${t("set.numbers.bot_auto_on.hint")} checked=${form.bot_auto_on} onChange=${set("bot_auto_on")} />
    ${number.id && html`<${Switch} label=${t("set.numbers.auto_assign")} hint=${t("set.numbers.auto_assign.hint")} checked=${form.auto_assign} onChange=${set("auto_assign")} />`}
  <//>`;
}
