/** Webhooks: addresses of one's own systems that are told what happens at a number, and the log of what was sent. */

import { t } from "../core/words.js";
import { Button, Chip, Dialog, Field, html, Menu, toast, useState } from "../ui/index.js";
import { useCall, useDesk, useRows } from "./desk.js";
import { Ask, Form, NumberChoice, optional, Rows, Trouble } from "./parts.js";

const EVENTS = ["message.received", "message.status", "conversation.needs_human", "conversation.assigned"];
const NEW = { url: "", description: "", events: EVENTS };

export function Webhooks() {
  const { boot, api } = useDesk();
  const [account, setAccount] = useState(boot.account_id ?? "");
  const list = useRows(account ? `/accounts/${account}/webhook-endpoints` : null);
  const [edited, setEdited] = useState(/** @type {any} */ (null));
  const [removed, setRemoved] = useState(/** @type {any} */ (null));
  const [secret, setSecret] = useState(/** @type {{ value: string, replaces: boolean } | null} */ (null));
  const [log, setLog] = useState(/** @type {any} */ (null));
  const saving = useCall();
  const doing = useCall();
  const edit = (/** @type {any} */ row) => {
    saving.clear();
    setEdited(row);
  };
  const save = async () => {
    const { id, url, description, events } = edited;
    const body = { url: url.trim(), description: description.trim(), events };
    const call = id ? () => api.patch(`/webhook-endpoints/${id}`, body) : () => api.post(`/accounts/${account}/webhook-endpoints`, body);
    const answer = await saving.run(call, id ? t("settings.saved") : null);
    if (!answer) return;
    setEdited(null);
    if (!id) setSecret({ value: answer.body.secret, replaces: false });
    list.reload();
  };
  /** @param {() => Promise<any>} call @param {string | null} [done] */
  const run = async (call, done = null) => {
    const answer = await doing.run(call, done);
    if (answer) list.reload();
    return answer;
  };
  const remove = async () => {
    if (await run(() => api.del(`/webhook-endpoints/${removed.id}`), t("settings.removed"))) setRemoved(null);
  };
  const rotate = async (/** @type {any} */ row) => {
    const answer = await run(() => api.post(`/webhook-endpoints/${row.id}/rotate`));
    if (answer) setSecret({ value: answer.body.secret, replaces: true });
  };
  const test = async (/** @type {any} */ row) => {
    if (await run(() => api.post(`/webhook-endpoints/${row.id}/test`))) setLog(row);
  };
  const pause = (/** @type {any} */ row) =>
    run(() => api.patch(`/webhook-endpoints/${row.id}`, { paused: row.paused_at === null }), t("settings.saved"));
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(secret?.value ?? "");
      toast(t("copy.done"));
    } catch {
      toast(t("copy.failed"));
    }
  };
  const turn = (/** @type {string} */ kind, /** @type {boolean} */ on) =>
    setEdited({ ...edited, events: EVENTS.filter((each) => (each === kind ? on : edited.events.includes(each))) });
  const actions = (/** @type {any} */ row) => [
    { label: t("set.hooks.test"), icon: "send", onSelect: () => test(row) },
    { label: t(row.paused_at ? "set.hooks.resume" : "set.hooks.pause"), icon: row.paused_at ? "play" : "pause", onSelect: () => pause(row) },
    { label: t("set.hooks.change"), icon: "pencil", onSelect: () => edit(row) },
    { label: t("set.hooks.rotate"), icon: "key-round", onSelect: () => rotate(row) },
    { label: t("settings.remove.yes"), icon: "trash-2", onSelect: () => setRemoved(row) },
  ];
  return html`<div class="settings-groups">
    <p class="quiet">${t("set.hooks.what")}</p>
    <div class="settings-tools"><${NumberChoice} value=${account} onChange=${setAccount} />
      <${Button} kind="filled" icon="plus" onClick=${() => edit(NEW)}>${t("set.hooks.add")}<//></div>
    ${doing.trouble && !removed && html`<${Trouble} text=${doing.trouble} />`}
    <${Rows} list=${list} icon="webhook" empty=${t("set.hooks.none")} label=${t("settings.section.webhooks")}>${(/** @type {any} */ row) => html`
      <div class="settings-row">
        <span class="settings-what"><strong><bdi>${row.description || row.url}</bdi></strong>
          ${row.description && html`<span class="quiet"><bdi>${row.url}</bdi></span>`}
          <span class="settings-chips">${row.events.map((/** @type {string} */ each) => html`<${Chip} key=${each}>${t(`set.hooks.event.${each}`)}<//>`)}</span>
          <span class="meta">${stateOf(row)}</span></span>
        <span class="buttons">
          <${Button} icon="history" label=${t("set.hooks.log", { url: row.url })} onClick=${() => setLog(row)} />
          <${Menu} icon="ellipsis-vertical" label=${t("set.hooks.more", { url: row.url })} items=${actions(row)} />
        </span>
      </div>`}<//>
    <${Form} open=${edited !== null} title=${t(edited?.id ? "set.hooks.change" : "set.hooks.add")} save=${t("settings.save")} busy=${saving.busy}
      trouble=${saving.trouble ?? saving.errors["/events"]} onSave=${save} onClose=${() => setEdited(null)}>
      <${Field} label=${t("set.hooks.url")} hint=${t("set.hooks.url.hint")} type="url" required value=${edited?.url} error=${saving.errors["/url"]}
        onChange=${(/** @type {string} */ url) => setEdited({ ...edited, url })} />
      <${Field} label=${optional(t("set.hooks.description"))} value=${edited?.description} error=${saving.errors["/description"]}
        onChange=${(/** @type {string} */ description) => setEdited({ ...edited, description })} />
      <fieldset class="settings-checks"><legend class="label">${t("set.hooks.events")}</legend>
        ${EVENTS.map((each) => html`<label key=${each}><input type="checkbox" checked=${edited?.events.includes(each)}
          onChange=${(/** @type {any} */ event) => turn(each, event.currentTarget.checked)} />${t(`set.hooks.event.${each}`)}</label>`)}</fieldset>
    <//>
    <${Dialog} open=${secret !== null} title=${t("set.hooks.secret")} wide actions=${html`<${Button} kind="tone" icon="copy" onClick=${copy}>${t("set.keys.copy")}<//>
        <${Button} kind="filled" onClick=${() => setSecret(null)}>${t("set.hooks.kept")}<//>`}>
      <p>${t("set.hooks.secret.detail")} ${secret?.replaces && t("set.hooks.secret.before")}</p>
      <output class="settings-secret" dir="ltr">${secret?.value}</output>
    <//>
    <${Ask} open=${removed !== null} title=${t("set.hooks.remove.ask", { url: removed?.url ?? "" })} action=${t("settings.remove.yes")} busy=${doing.busy}
      trouble=${doing.trouble} onYes=${remove} onClose=${() => setRemoved(null)}>${t("set.hooks.remove.detail")}<//>
    ${log && html`<${Log} key=${log.id} endpoint=${log} onClose=${() => (setLog(null), list.reload())} />`}
  </div>`;
}

/** How an endpoint does, in a line. @param {any} row */
function stateOf(row) {
  const waiting = row.waiting ? t("set.hooks.waiting", { count: row.waiting }) : "";
  if (row.paused_at) return [t("set.hooks.paused"), waiting].filter(Boolean).join(" · ");
  if (row.failures) return [t("set.hooks.failing", { why: row.last_error ?? "" }), waiting].filter(Boolean).join(" · ");
  return waiting || t("set.hooks.well");
}

/** What was sent to an endpoint. @param {{ endpoint: any, onClose: () => void }} props */
function Log({ endpoint, onClose }) {
  const { api, times } = useDesk();
  const list = useRows(`/webhook-endpoints/${endpoint.id}/deliveries?limit=200`);
  const sending = useCall();
  const again = async (/** @type {any} */ row) => {
    if (await sending.run(() => api.post(`/webhook-deliveries/${row.id}/resend`), t("set.hooks.resent"))) list.reload();
  };
  const told = (/** @type {any} */ row) => [t(`set.hooks.state.${row.state}`), row.http_status, row.error, t("set.hooks.tries", { count: row.attempts })];
  return html`<${Dialog} open title=${t("set.hooks.log", { url: endpoint.url })} wide onClose=${onClose}
    actions=${html`<${Button} icon="refresh-cw" onClick=${list.reload}>${t("set.hooks.reload")}<//>`}>
    <${Rows} list=${list} icon="history" empty=${t("set.hooks.log.none")} label=${t("set.hooks.deliveries")}>${(/** @type {any} */ row) => html`
      <div class="settings-row">
        <span class="settings-what"><strong>${t(`set.hooks.event.${row.event}`)}</strong>
          <span class="quiet">${told(row).filter(Boolean).join(" · ")}</span>
          <span class="meta">${times.moment(row.created_at)}</span></span>
        <${Button} icon="rotate-ccw" busy=${sending.busy} onClick=${() => again(row)}>${t("set.hooks.resend")}<//>
      </div>`}<//>
    <${Trouble} text=${sending.trouble} />
  <//>`;
}
