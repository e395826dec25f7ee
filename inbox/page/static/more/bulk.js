/** In the place of the filters while conversations are chosen: how many they are, and what can be done with them. */

import { plural, t } from "../core/words.js";
import { Button, Chip, html, Menu } from "../ui/index.js";
import { useApp } from "../inbox/context.js";
import { calledOf } from "../inbox/team.js";
import { Plain } from "../inbox/text.js";

export function BulkBar() {
  const { selection, store, team } = useApp();
  const account = store.accountId.value ?? "";
  const none = selection.ids.value.size === 0 || selection.busy.value;
  const may = store.may("messages.send", account);
  const rows = [...selection.ids.value].flatMap((id) => store.conversations.value.get(id) ?? []);
  const people = () => {
    const me = store.me.value;
    const others = store.may("accounts.assign", account) ? team.people.of(account).filter((each) => each.id !== me.id) : [];
    return [
      { label: t("assign.me"), icon: "user-check", onSelect: () => selection.assign(me.id) },
      ...others.map((each) => ({ label: calledOf(each), onSelect: () => selection.assign(each.id) })),
      null,
      { label: t("assign.nobody"), icon: "x", onSelect: () => selection.assign(null) },
    ];
  };
  const labels = () =>
    team.labels.of(account).map((label) => {
      const all = rows.every((row) => row.label_ids.includes(label.id));
      const chip = html`<${Chip} hue=${label.color}><${Plain} text=${label.name} /><//>`;
      return { label: chip, checked: all, several: true, onSelect: () => selection.label(label.id, !all) };
    });
  return html`<div class="filters bulk" role="toolbar" aria-label=${t("bulk.title")}>
    <${Button} icon="x" label=${t("bulk.end")} onClick=${selection.clear} />
    <span class="bulk-count">${plural("bulk.count", selection.ids.value.size)}</span>
    ${may &&
    html`<${Button} icon="check" label=${t("bulk.finish")} disabled=${none} onClick=${selection.done} />
      <${Menu} icon="user-plus" label=${t("assign.title")} data-action="assign" disabled=${none} items=${people} />
      <${Menu} icon="tag" label=${t("labels.title")} data-action="label" disabled=${none} items=${() => orNone(labels())} />`}
    <${Button} icon="check-check" label=${t("bulk.read")} disabled=${none} onClick=${selection.read} />
  </div>`;
}

/** @template T @param {T[]} items */
const orNone = (items) => (items.length > 0 ? items : [t("labels.none")]);
