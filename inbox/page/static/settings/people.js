/** People: who there is, inviting, switching off and on, and what each may do. */

import { t } from "../core/words.js";
import { Avatar, Button, Chip, Field, html, toast, useState } from "../ui/index.js";
import { useCall, useDesk, useRows } from "./desk.js";
import { Form, Group, numberOptions, optional, roleName, Rows, Trouble } from "./parts.js";

export function People() {
  const desk = useDesk();
  const [q, setQ] = useState("");
  const [sought, setSought] = useState("");
  const [open, setOpen] = useState(/** @type {string | null} */ (null));
  const [inviting, setInviting] = useState(false);
  const list = useRows(`/admin/users?limit=200${sought ? `&q=${encodeURIComponent(sought)}` : ""}`);
  const seek = (/** @type {Event} */ event) => {
    event.preventDefault();
    setSought(q.trim());
  };
  const change = (/** @type {any} */ row) => list.set((list.rows ?? []).map((each) => (each.user_id === row.user_id ? row : each)));
  return html`<div class="settings-groups">
    <div class="settings-tools">
      <form role="search" onSubmit=${seek}><${Field} label=${t("set.people.seek")} hiddenLabel placeholder=${t("set.people.seek")} value=${q} onChange=${setQ} type="search" /></form>
      <${Button} kind="filled" icon="user-plus" onClick=${() => setInviting(true)}>${t("set.people.invite")}<//>
    </div>
    <${Rows} list=${list} icon="users" empty=${t("set.people.none")} label=${t("settings.section.people")}>${(/** @type {any} */ row) => html`
      <details class="settings-person" open=${open === row.user_id} onToggle=${(/** @type {any} */ event) => event.currentTarget.open ? setOpen(row.user_id) : open === row.user_id && setOpen(null)}>
        <summary class="settings-row"><${Avatar} name=${row.name ?? row.email ?? "?"} id=${row.user_id} />
          <span class="settings-what"><strong><bdi>${row.name ?? row.email}</bdi></strong>
            <span class="quiet">${row.roles.map((/** @type {any} */ each) => roleName(each.role_slug, each.role_name)).join(", ") || t("set.people.no_role")}</span></span>
          ${state(row)}
        </summary>
        ${open === row.user_id && html`<${Person} row=${row} onChange=${change} />`}
      </details>`}<//>
    ${inviting && html`<${Invite} onClose=${() => setInviting(false)} onSaved=${() => (setInviting(false), list.reload())} />`}
    ${desk.may("roles.manage") ? null : html`<p class="quiet">${t("set.people.no_rights")}</p>`}
  </div>`;
}

/** @param {any} row */
const state = (row) =>
  row.is_active ? row.kind === "invited" && html`<${Chip} icon="mail">${t("set.people.invited")}<//>` : html`<${Chip} tone="warn" icon="lock">${t("set.people.off")}<//>`;

/** @param {{ row: any, onChange: (row: any) => void }} props */
function Person({ row, onChange }) {
  const { api, may, me, times } = useDesk();
  const [name, setName] = useState(row.name ?? "");
  const [setting, setSetting] = useState(false);
  const call = useCall();
  const path = `/admin/users/${row.user_id}`;
  /**
   * What takes something from somebody can be taken back: they are out of the inbox that second.
   * @param {() => Promise<any>} ask @param {Taken} [taken]
   */
  const act = async (ask, taken) => {
    const answer = await call.run(ask, taken ? null : t("settings.saved"));
    if (!answer) return;
    onChange(answer.body);
    if (taken) toast(taken.said, { undo: () => act(taken.back) });
  };
  const who = row.name ?? row.email;
  const turn = (/** @type {boolean} */ is_active) => () => api.post(`${path}/status`, { is_active });
  const rename = (/** @type {Event} */ event) => {
    event.preventDefault();
    act(() => api.patch(path, { name: name.trim() || null }));
  };
  return html`<div class="settings-inside">
    <dl class="settings-facts">
      ${row.email && html`<div><dt>${t("set.people.email")}</dt><dd dir="ltr">${row.email}</dd></div>`}
      <div><dt>${t("set.people.kind")}</dt><dd>${t(`set.people.kind.${row.kind}`)}</dd></div>
      ${row.signed_in_at && html`<div><dt>${t("set.people.seen")}</dt><dd>${times.moment(row.signed_in_at)}</dd></div>`}
    </dl>
    <form class="settings-line" onSubmit=${rename}>
      <${Field} label=${t("set.people.name")} value=${name} onChange=${setName} error=${call.errors["/name"]} />
      ${name.trim() !== (row.name ?? "") && html`<${Button} kind="tone" type="submit" busy=${call.busy}>${t("settings.save")}<//>`}
    </form>
    ${may("roles.manage") && html`<${Rights} row=${row} act=${act} path=${path} />`}
    <${Trouble} text=${call.trouble ?? Object.values(call.errors)[0] ?? null} />
    ${setting && html`<${SetPassword} row=${row} path=${path} onClose=${() => setSetting(false)} onSaved=${(/** @type {any} */ changed) => (setSetting(false), onChange(changed))} />`}
    <p class="buttons">${row.kind !== "supabase" && row.user_id !== me.value.id && html`<${Button} kind="tone" icon="key-round" onClick=${() => setSetting(true)}>${t("set.people.password")}<//>`}
      ${row.is_active
      ? html`<${Button} danger icon="lock" busy=${call.busy} onClick=${() => act(turn(false), { said: t("set.people.switched_off", { who }), back: turn(true) })}>${t("set.people.switch_off")}<//>`
      : html`<${Button} kind="tone" icon="check" busy=${call.busy} onClick=${() => act(turn(true))}>${t("set.people.switch_on")}<//>`}</p>
  </div>`;
}

/** The password that somebody signs in with: given by an administrator, changed by themselves. @param {{ row: any, path: string, onClose: () => void, onSaved: (row: any) => void }} props */
function SetPassword({ row, path, onClose, onSaved }) {
  const { api } = useDesk();
  const [password, setPassword] = useState("");
  const { busy, trouble, errors, run } = useCall();
  const who = row.name ?? row.email;
  const save = async () => {
    const answer = await run(() => api.put(`${path}/password`, { password }), t("set.people.password.done", { who }));
    if (answer) onSaved(answer.body);
  };
  return html`<${Form} open=${true} title=${t("set.people.password.of", { who })} save=${t("settings.save")} busy=${busy} trouble=${trouble} onSave=${save} onClose=${onClose}>
    <p class="quiet">${t("set.people.password.how")}</p>
    <${Field} label=${t("set.people.password.new")} value=${password} onChange=${setPassword} error=${errors["/password"]} required autocomplete="off" spellcheck="false" dir="ltr" />
  <//>`;
}

/** @typedef {{ said: string, back: () => Promise<any> }} Taken what was taken away, and what gives it back */

/** Roles and single permissions, each for all numbers or for one. @param {{ row: any, act: (ask: () => Promise<any>, taken?: Taken) => void, path: string }} props */
function Rights({ row, act, path }) {
  const { api } = useDesk();
  const roles = useRows("/admin/roles").rows ?? [];
  const permissions = useRows("/admin/permissions").rows ?? [];
  const [role, setRole] = useState("");
  const [permission, setPermission] = useState("");
  const [allowed, setAllowed] = useState("yes");
  const [where, setWhere] = useState("");
  const place = usePlaces();
  const given = row.roles.map((/** @type {any} */ each) => ({ role_id: each.role_id, account_id: each.account_id }));
  const single = row.overrides;
  const withRoles = (/** @type {any[]} */ assignments) => () => api.put(`${path}/roles`, { assignments });
  const withSingle = (/** @type {any[]} */ overrides) => () => api.put(`${path}/overrides`, { overrides });
  const said = (/** @type {string} */ name) => t("set.people.taken", { name, who: row.name ?? row.email });
  const without = (/** @type {any[]} */ all, /** @type {number} */ at) => all.filter((_, index) => index !== at);
  return html`
    <${Group} title=${t("set.people.roles")}>
      <p class="settings-chips">${row.roles.map((/** @type {any} */ each, /** @type {number} */ at) => html`<${Chip} key=${each.role_id + each.account_id}
        removeLabel=${t("set.people.take", { name: roleName(each.role_slug, each.role_name) })} onRemove=${() => act(withRoles(without(given, at)), { said: said(roleName(each.role_slug, each.role_name)), back: withRoles(given) })}>${roleName(each.role_slug, each.role_name)} · ${place.name(each.account_id)}<//>`)}</p>
      <div class="settings-add"><${Field} label=${t("set.people.role")} value=${role} onChange=${setRole}
          options=${[{ value: "", label: t("set.people.choose") }, ...roles.map((each) => ({ value: each.id, label: roleName(each.slug, each.name) }))]} />
        <${Field} label=${t("set.people.where")} value=${where} onChange=${setWhere} options=${place.options} />
        <${Button} kind="tone" disabled=${!role} onClick=${() => act(withRoles([...given, { role_id: role, account_id: where || null }]))}>${t("set.people.give")}<//></div>
    <//>
    <${Group} title=${t("set.people.single")}>
      <p class="settings-chips">${single.map((/** @type {any} */ each, /** @type {number} */ at) => html`<${Chip} key=${each.permission_code + each.account_id} tone=${each.is_allowed ? undefined : "warn"}
        icon=${each.is_allowed ? "check" : "square-slash"} removeLabel=${t("set.people.take", { name: t(`set.permission.${each.permission_code}`) })}
        onRemove=${() => act(withSingle(without(single, at)), { said: said(t(`set.permission.${each.permission_code}`)), back: withSingle(single) })}>${t(`set.permission.${each.permission_code}`)} · ${place.name(each.account_id)}<//>`)}</p>
      <div class="settings-add"><${Field} label=${t("set.people.permission")} value=${permission} onChange=${setPermission}
          options=${[{ value: "", label: t("set.people.choose") }, ...permissions.map((each) => ({ value: each.code, label: t(`set.permission.${each.code}`) }))]} />
        <${Field} label=${t("set.people.allowed")} value=${allowed} onChange=${setAllowed}
          options=${["yes", "no"].map((value) => ({ value, label: t(`set.people.allowed.${value}`) }))} />
        <${Button} kind="tone" disabled=${!permission} onClick=${() => act(withSingle([...single, { permission_code: permission, is_allowed: allowed === "yes", account_id: where || null }]))}>${t("set.people.add")}<//></div>
    <//>`;
}

/** All numbers, or one of them: to choose from, and by name. */
export function usePlaces() {
  const { boot } = useDesk();
  const options = [{ value: "", label: t("set.everywhere") }, ...numberOptions(boot.accounts)];
  return { options, name: (/** @type {string | null} */ id) => options.find((each) => each.value === (id ?? ""))?.label ?? t("set.a_number") };
}

/** @param {{ onClose: () => void, onSaved: () => void }} props */
function Invite({ onClose, onSaved }) {
  const { api, may } = useDesk();
  const gives = may("roles.manage");
  const roles = useRows(gives ? "/admin/roles" : null).rows ?? [];
  const place = usePlaces();
  const [form, setForm] = useState({ email: "", name: "", role: "", where: "" });
  const { busy, trouble, errors, run } = useCall();
  const set = (/** @type {string} */ name) => (/** @type {string} */ value) => setForm({ ...form, [name]: value });
  const save = async () => {
    const assignments = form.role ? [{ role_id: form.role, account_id: form.where || null }] : [];
    const body = { email: form.email.trim(), name: form.name.trim() || null, assignments };
    if (await run(() => api.post("/admin/users", body), t("set.people.invite.done"))) onSaved();
  };
  return html`<${Form} open=${true} title=${t("set.people.invite")} save=${t("set.people.invite")} busy=${busy} trouble=${trouble} onSave=${save} onClose=${onClose}>
    <p class="quiet">${t("set.people.invite.how")}</p>
    <${Field} label=${t("set.people.email")} type="email" required value=${form.email} onChange=${set("email")} error=${errors["/email"]} />
    <${Field} label=${optional(t("set.people.name"))} value=${form.name} onChange=${set("name")} error=${errors["/name"]} />
    ${gives && html`<${Field} label=${t("set.people.role")} required value=${form.role} onChange=${set("role")}
        options=${[{ value: "", label: t("set.people.choose") }, ...roles.map((each) => ({ value: each.id, label: roleName(each.slug, each.name) }))]} />
      <${Field} label=${t("set.people.where")} value=${form.where} onChange=${set("where")} options=${place.options} />`}
  <//>`;
}
