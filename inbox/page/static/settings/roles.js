/** Roles: permissions under a name. Those that are built in are read, not changed. */

import { t } from "../core/words.js";
import { Button, Chip, Field, html, useState } from "../ui/index.js";
import { useCall, useDesk, useRows } from "./desk.js";
import { Ask, Form, optional, roleName, Rows } from "./parts.js";
import { RowButtons } from "./team.js";

export function Roles() {
  const { api } = useDesk();
  const list = useRows("/admin/roles");
  const permissions = useRows("/admin/permissions").rows ?? [];
  const [edited, setEdited] = useState(/** @type {any} */ (null));
  const [removed, setRemoved] = useState(/** @type {any} */ (null));
  const saving = useCall();
  const removing = useCall();
  const save = async () => {
    const { id, slug, name, description, permissions: codes } = edited;
    const body = { slug: slug || slugOf(name), name: name.trim(), description, permissions: codes };
    const call = id ? () => api.put(`/admin/roles/${id}`, body) : () => api.post("/admin/roles", body);
    if (await saving.run(call, t("settings.saved"))) {
      setEdited(null);
      list.reload();
    }
  };
  const remove = async () => {
    if (await removing.run(() => api.del(`/admin/roles/${removed.id}`), t("settings.removed"))) {
      setRemoved(null);
      list.reload();
    }
  };
  const edit = (/** @type {any} */ row) => {
    saving.clear();
    setEdited(row);
  };
  const turn = (/** @type {string} */ code, /** @type {boolean} */ on) =>
    setEdited({ ...edited, permissions: on ? [...edited.permissions, code] : edited.permissions.filter((/** @type {string} */ each) => each !== code) });
  return html`<div class="settings-groups">
    <div class="settings-tools"><${Button} kind="filled" icon="plus" onClick=${() => edit({ slug: "", name: "", description: "", permissions: [] })}>${t("set.roles.add")}<//></div>
    <${Rows} list=${list} icon="shield-check" empty=${t("set.roles.none")} label=${t("settings.section.roles")}>${(/** @type {any} */ row) => html`
      <div class="settings-row">
        <span class="settings-what"><strong>${roleName(row.slug, row.name)}</strong><span class="quiet">${row.is_built_in ? t(`set.role.about.${row.slug}`) : row.description}</span>
          <span class="settings-chips">${row.permissions.map((/** @type {string} */ each) => html`<${Chip} key=${each}>${t(`set.permission.${each}`)}<//>`)}</span></span>
        ${row.is_built_in
          ? html`<${Chip} icon="lock">${t("set.roles.built_in")}<//>`
          : html`<${RowButtons} name=${row.name} onEdit=${() => edit(row)} onRemove=${() => setRemoved(row)} />`}
      </div>`}<//>
    <${Form} open=${edited !== null} title=${t(edited?.id ? "set.roles.change" : "set.roles.add")} save=${t("settings.save")} busy=${saving.busy}
      trouble=${saving.trouble ?? saving.errors["/slug"] ?? saving.errors["/permissions"]} onSave=${save} onClose=${() => setEdited(null)}>
      <${Field} label=${t("set.roles.name")} value=${edited?.name} required error=${saving.errors["/name"]} onChange=${(/** @type {string} */ name) => setEdited({ ...edited, name })} />
      <${Field} label=${optional(t("set.roles.description"))} value=${edited?.description} error=${saving.errors["/description"]} onChange=${(/** @type {string} */ description) => setEdited({ ...edited, description })} />
      <fieldset class="settings-checks"><legend class="label">${t("set.roles.permissions")}</legend>
        ${permissions.map((each) => html`<label key=${each.code}><input type="checkbox" checked=${edited?.permissions.includes(each.code)}
          onChange=${(/** @type {any} */ event) => turn(each.code, event.currentTarget.checked)} />${t(`set.permission.${each.code}`)}</label>`)}</fieldset>
    <//>
    <${Ask} open=${removed !== null} title=${t("set.roles.remove", { name: removed?.name ?? "" })} action=${t("settings.remove.yes")} busy=${removing.busy}
      trouble=${removing.trouble} onYes=${remove} onClose=${() => setRemoved(null)}>${t("set.roles.remove.detail")}<//>
  </div>`;
}

/** A name for commands and the audit log, of small letters and digits. @param {string} name */
const slugOf = (name) =>
  name.normalize("NFKD").toLowerCase().replace(/[^a-z0-9]+/g, "-").replace(/^-+|-+$/g, "").slice(0, 64) || "role";
