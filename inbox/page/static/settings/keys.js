/** API keys, for programs. A key is shown once, when it is made. */

import { t } from "../core/words.js";
import { Button, Chip, Dialog, Field, html, toast, useState } from "../ui/index.js";
import { useCall, useDesk, useRows } from "./desk.js";
import { Ask, Form, roleName, Rows } from "./parts.js";
import { usePlaces } from "./people.js";

export function Keys() {
  const { api, times } = useDesk();
  const list = useRows("/admin/keys");
  const roles = useRows("/admin/roles").rows ?? [];
  const place = usePlaces();
  const [form, setForm] = useState(/** @type {any} */ (null));
  const [made, setMade] = useState(/** @type {any} */ (null));
  const [revoked, setRevoked] = useState(/** @type {any} */ (null));
  const saving = useCall();
  const revoking = useCall();
  const set = (/** @type {string} */ name) => (/** @type {string} */ value) => setForm({ ...form, [name]: value });
  const save = async () => {
    const accounts = form.where ? [form.where] : null;
    const expires_at = form.until ? new Date(`${form.until}T23:59:59`).toISOString() : null;
    const answer = await saving.run(() => api.post("/admin/keys", { name: form.name.trim(), role_id: form.role, accounts, expires_at }));
    if (!answer) return;
    setForm(null);
    setMade(answer.body);
    list.reload();
  };
  const revoke = async () => {
    if (await revoking.run(() => api.del(`/admin/keys/${revoked.id}`), t("set.keys.revoked"))) {
      setRevoked(null);
      list.reload();
    }
  };
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(made.secret);
      toast(t("copy.done"));
    } catch {
      toast(t("copy.failed"));
    }
  };
  const where = (/** @type {any} */ row) => (row.accounts ? row.accounts.map(place.name).join(", ") : t("set.everywhere"));
  return html`<div class="settings-groups">
    <p class="quiet">${t("set.keys.what")}</p>
    <div class="settings-tools"><${Button} kind="filled" icon="plus" onClick=${() => (saving.clear(), setForm({ name: "", role: "", where: "", until: "" }))}>${t("set.keys.add")}<//></div>
    <${Rows} list=${list} icon="key-round" empty=${t("set.keys.none")} label=${t("settings.section.keys")}>${(/** @type {any} */ row) => html`
      <div class="settings-row">
        <span class="settings-what"><strong><bdi>${row.name}</bdi></strong>
          <span class="quiet"><code>${row.prefix}…</code> · ${row.role_slug ? roleName(row.role_slug, row.role_name) : t("set.keys.no_role")} · ${where(row)}</span>
          <span class="meta">${t("set.keys.made", { date: times.stamp(row.created_at) })}${row.expires_at && ` · ${t("set.keys.ends", { date: times.stamp(row.expires_at) })}`}</span></span>
        ${row.status === "valid"
          ? html`<${Button} danger onClick=${() => setRevoked(row)}>${t("set.keys.revoke")}<//>`
          : html`<${Chip}>${t(`set.keys.status.${row.status}`)}<//>`}
      </div>`}<//>
    <${Form} open=${form !== null} title=${t("set.keys.add")} save=${t("set.keys.add")} busy=${saving.busy} trouble=${saving.trouble} onSave=${save} onClose=${() => setForm(null)}>
      <${Field} label=${t("set.keys.name")} hint=${t("set.keys.name.hint")} required value=${form?.name} onChange=${set("name")} error=${saving.errors["/name"]} />
      <${Field} label=${t("set.people.role")} required value=${form?.role} onChange=${set("role")} error=${saving.errors["/role_id"]}
        options=${[{ value: "", label: t("set.people.choose") }, ...roles.map((each) => ({ value: each.id, label: roleName(each.slug, each.name) }))]} />
      <${Field} label=${t("set.people.where")} value=${form?.where} onChange=${set("where")} options=${place.options} />
      <${Field} label=${t("set.keys.until")} hint=${t("set.keys.until.hint")} type="date" value=${form?.until} onChange=${set("until")} error=${saving.errors["/expires_at"]} />
    <//>
    <${Dialog} open=${made !== null} title=${t("set.keys.once")} wide actions=${html`<${Button} kind="tone" icon="copy" onClick=${copy}>${t("set.keys.copy")}<//>
        <${Button} kind="filled" onClick=${() => setMade(null)}>${t("set.keys.kept")}<//>`}>
      <p>${t("set.keys.once.detail")}</p>
      <output class="settings-secret" dir="ltr">${made?.secret}</output>
    <//>
    <${Ask} open=${revoked !== null} title=${t("set.keys.revoke.ask", { name: revoked?.name ?? "" })} action=${t("set.keys.revoke")} busy=${revoking.busy}
      trouble=${revoking.trouble} onYes=${revoke} onClose=${() => setRevoked(null)}>${t("set.keys.revoke.detail")}<//>
  </div>`;
}
