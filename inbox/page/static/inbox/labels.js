/** The labels of a conversation, and a list to choose them from. */

import { t } from "../core/words.js";
import { Chip, html, Menu } from "../ui/index.js";
import { useApp } from "./context.js";
import { Plain } from "./text.js";

/** @typedef {import("../core/types.js").Conversation} Conversation */

/**
 * @param {{ conversation: Conversation, mayChange: boolean }} props
 */
export function LabelChips({ conversation, mayChange }) {
  const { actions, team } = useApp();
  const ids = conversation.label_ids ?? [];
  const drop = (/** @type {string} */ id) => actions.setLabels(conversation, ids.filter((each) => each !== id));
  return ids.map((id) => {
    const label = team.labels.find(conversation.account_id, id);
    return (
      label &&
      html`<${Chip}
        key=${id}
        hue=${label.color}
        title=${label.name}
        onRemove=${mayChange ? () => drop(id) : undefined}
        removeLabel=${t("labels.remove", { name: label.name })}
      ><${Plain} text=${label.name} /><//>`
    );
  });
}

/**
 * @param {{ conversation: Conversation, children?: any } & Record<string, any>} props
 */
export function LabelMenu({ conversation, children, ...rest }) {
  const { actions, store, team } = useApp();
  const ids = conversation.label_ids ?? [];
  const items = () => {
    const labels = team.labels.of(conversation.account_id);
    if (!labels.length) {
      const manages = store.may("accounts.manage", conversation.account_id);
      return [t("labels.none"), manages && { label: t("labels.make"), icon: "settings", href: "/settings/labels" }];
    }
    return labels.map((label) => ({
      label: html`<${Chip} hue=${label.color}><${Plain} text=${label.name} /><//>`,
      checked: ids.includes(label.id),
      several: true,
      onSelect: () => actions.setLabels(conversation, toggled(ids, label.id)),
    }));
  };
  return html`<${Menu} label=${t("labels.title")} items=${items} ...${rest}>${children}<//>`;
}

/** @param {string[]} ids @param {string} id */
const toggled = (ids, id) => (ids.includes(id) ? ids.filter((each) => each !== id) : [...ids, id]);
