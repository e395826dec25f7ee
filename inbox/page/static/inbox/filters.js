/** What the list shows and in which order: chips with counts, and a menu for the rest. */

import { t } from "../core/words.js";
import { Chip, html, Menu, useState } from "../ui/index.js";
import { useApp } from "./context.js";
import { Plain } from "./text.js";

/** @typedef {import("./listing.js").View} View */

/** @type {[View["name"], string | null][]} the views that have a chip, and the count each carries (F8) */
const CHIPS = [
  ["all", null],
  ["waiting", "waiting"],
  ["person", "needs_human"],
  ["mine", "mine_unread"],
];
/** @type {View["name"][]} */
const MORE = ["unread", "favorite", "pending", "done"];
const MANY = 1000;

export function Filters() {
  const { places, store, team } = useApp();
  const view = places.view.value;
  const label = view.label ? team.labels.find(store.accountId.value ?? "", view.label) : null;
  const counts = store.counts.value[store.accountId.value ?? ""] ?? {};
  const choose = (/** @type {View["name"]} */ name) => places.show({ name });
  return html`<div class="filters" role="group" aria-label=${t("filters.title")}>
    ${CHIPS.map(
      ([name, counted]) => html`<${Chip}
        key=${name}
        pressed=${view.name === name}
        count=${shown(counted ? counts[counted] : 0)}
        onClick=${() => choose(name)}
      >${t(`view.${name}`)}<//>`,
    )}
    ${MORE.includes(view.name) && html`<${Chip} pressed onClick=${() => choose("all")}>${t(`view.${view.name}`)}<//>`}
    ${view.label && html`<${Chip} pressed hue=${label?.color} onClick=${() => places.show({ label: null })}><${Plain} text=${label?.name ?? t("labels.title")} /><//>`}
  </div>`;
}

/** The rest of the filters, and the order. */
export function FilterMenu() {
  const { places, prefer, selection, store, team } = useApp();
  const show = (/** @type {Partial<View>} */ change) => {
    places.show(change);
    if (change.order) prefer({ list_order: change.order });
  };
  const [asked, setAsked] = useState(false); // for the labels, which nobody needs before
  const labels = asked ? team.labels.of(store.accountId.value ?? "") : [];
  const choose = { label: t("bulk.begin"), icon: "check-check", onSelect: selection.begin };
  return html`<${Menu} label=${t("filters.more")} icon="list-filter" items=${[...menu(places.view.value, labels, show), null, choose]}
    onClick=${() => setAsked(true)} />`;
}

/**
 * @param {View} view
 * @param {import("./team.js").Label[]} labels
 * @param {(change: Partial<View>) => void} show
 */
function menu(view, labels, show) {
  const orders = /** @type {View["order"][]} */ (["newest", "waiting"]);
  return [
    ...orders.map((order) => ({
      label: t(`order.${order}`),
      checked: view.order === order,
      onSelect: () => show({ order }),
    })),
    null,
    ...MORE.map((name) => ({ label: t(`view.${name}`), checked: view.name === name, onSelect: () => show({ name }) })),
    labels.length > 0 && null,
    ...labels.map(({ id, name, color }) => ({
      label: html`<${Chip} hue=${color}><${Plain} text=${name} /><//>`,
      checked: view.label === id,
      onSelect: () => show({ label: view.label === id ? null : id }),
    })),
  ];
}

/** @param {number | undefined} count */
function shown(count) {
  if (!count) return undefined;
  return count >= MANY ? `${MANY - 1}+` : String(count);
}
