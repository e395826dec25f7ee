/** Who looks after a conversation: a button that says it, and a list to choose from. */

import { t } from "../core/words.js";
import { Avatar, html, Icon, Menu } from "../ui/index.js";
import { useApp } from "./context.js";
import { calledOf } from "./team.js";

/** @typedef {import("../core/types.js").Conversation} Conversation */

/**
 * The name of whoever looks after it, "" when nobody does.
 * @param {import("./context.js").App} app
 * @param {Conversation} row
 */
export function assignedName(app, row) {
  if (!row.assigned_to) return "";
  if (row.assigned_to === app.store.me.value.id) return app.store.me.value.name;
  return calledOf(app.team.people.find(row.account_id, row.assigned_to)) || t("assign.somebody");
}

/**
 * @param {{ conversation: Conversation, little?: boolean } & Record<string, any>} props
 */
export function AssignMenu({ conversation, little, ...rest }) {
  const app = useApp();
  const { actions, store, team } = app;
  const me = store.me.value;
  const name = assignedName(app, conversation);
  const others = store.may("accounts.assign", conversation.account_id);
  const mayTake = conversation.assigned_to === null || conversation.assigned_to === me.id || others;
  const choose = (/** @type {string | null} */ id) => actions.assign(conversation, id);
  const items = () => {
    const people = others ? team.people.of(conversation.account_id).filter((each) => each.id !== me.id) : [];
    return [
      mayTake && {
        label: t("assign.me"),
        icon: "user-check",
        checked: conversation.assigned_to === me.id,
        keys: "i",
        onSelect: () => choose(me.id),
      },
      ...people.map((each) => ({
        label: calledOf(each),
        hint: each.name && each.email ? each.email : undefined,
        checked: conversation.assigned_to === each.id,
        onSelect: () => choose(each.id),
      })),
      conversation.assigned_to !== null && mayTake && null,
      conversation.assigned_to !== null && mayTake && { label: t("assign.nobody"), icon: "x", onSelect: () => choose(null) },
    ];
  };
  return html`<${Menu} label=${name ? t("assign.to", { name }) : t("assign.title")} little=${little} items=${items} ...${rest}>
    ${name
      ? html`<${Avatar} name=${name} id=${conversation.assigned_to ?? ""} size="little" /><span class="clip">${name}</span>`
      : html`<${Icon} name="user-plus" size=${little ? 16 : 20} /><span class="clip">${t("assign.title")}</span>`}
  <//>`;
}
