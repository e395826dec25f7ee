/** People, actions and places by a few letters: Ctrl+K. */

import { plain } from "../core/text.js";
import { t } from "../core/words.js";
import { Avatar, Dialog, html, Icon, Kbd, useEffect, useId, useState } from "../ui/index.js";
import { MORE } from "../inbox/composer.js";
import { useApp } from "../inbox/context.js";
import { botIsOn, nameOf } from "../inbox/row.js";
import { Plain } from "../inbox/text.js";
import { replyWindow } from "../inbox/window.js";
import { SECTIONS } from "../settings/sections.js";
import { useFound } from "./found.js";

/** @typedef {{ key: string, label: any, words: string, icon?: string, name?: string, id?: string, keys?: string, run: () => void }} Choice */

const PEOPLE = 6;

/**
 * @param {{ onOpen: (id: string, byKey: boolean) => void }} props
 */
export function Palette({ onOpen }) {
  const { panels } = useApp();
  const open = panels.dialog.value === "palette";
  return html`<${Dialog} open=${open} class="palette" title=${t("palette.title")} onClose=${panels.closeDialog}>
    ${open && html`<${Choices} onOpen=${onOpen} />`}
  <//>`;
}

/** @param {{ onOpen: (id: string, byKey: boolean) => void }} props */
function Choices({ onOpen }) {
  const { panels, store } = useApp();
  const [q, setQ] = useState("");
  const [chosen, setChosen] = useState(0);
  const list = useId();
  const found = useFound(q, PEOPLE);
  const commands = useCommands();
  const wanted = plain(q.trim());
  const people = (found?.people ?? []).slice(0, PEOPLE).map((row) => ({
    key: row.id,
    label: html`<${Plain} text=${nameOf(row)} />`,
    words: "",
    name: nameOf(row),
    id: row.contact_id,
    run: () => {
      store.applyConversation(row);
      onOpen(row.id, false);
    },
  }));
  /** @type {Choice[]} */
  const shown = [...people, ...commands.filter((each) => plain(each.words).includes(wanted))];
  useEffect(() => setChosen(0), [q]);
  useEffect(() => {
    document.getElementById(`${list}-${chosen}`)?.scrollIntoView({ block: "nearest" });
  }, [chosen]);
  const run = (/** @type {Choice | undefined} */ choice) => {
    if (!choice) return;
    panels.closeDialog();
    choice.run();
  };
  const pressed = (/** @type {KeyboardEvent} */ event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) setChosen((now) => (now + step + shown.length) % Math.max(1, shown.length));
    else if (event.key === "Enter" && !event.isComposing) run(shown[chosen]);
    else return;
    event.preventDefault();
  };
  return html`
    <input class="input" type="text" role="combobox" aria-expanded="true" aria-controls=${list} aria-label=${t("palette.field")}
      placeholder=${t("palette.field")} aria-activedescendant=${shown.length ? `${list}-${chosen}` : undefined} autofocus
      autocomplete="off" spellcheck="false" dir="auto" value=${q} onKeyDown=${pressed}
      onInput=${(/** @type {any} */ event) => setQ(event.currentTarget.value)} />
    <ul class="palette-list" role="listbox" id=${list} aria-label=${t("palette.title")}>
      ${shown.map((each, place) => html`<li key=${each.key} id=${`${list}-${place}`} role="option" class="palette-choice"
        aria-selected=${String(place === chosen)} onClick=${() => run(each)} onPointerMove=${() => setChosen(place)}>
        ${each.name ? html`<${Avatar} name=${each.name} id=${each.id} size="little" />` : html`<${Icon} name=${each.icon ?? "arrow-right"} />`}
        <span class="clip">${each.label}</span>
        ${each.keys && html`<${Kbd} keys=${each.keys} />`}
      </li>`)}
      ${!shown.length && html`<li class="found-hint small quiet">${t("palette.nothing")}</li>`}
    </ul>`;
}

/** What can be done here and now, and where one can go. @returns {Choice[]} */
function useCommands() {
  const { actions, composer, panels, places, store, times } = useApp();
  const row = store.conversations.value.get(places.conversation.value ?? "");
  const may = row && store.may("messages.send", row.account_id);
  /** @param {string} key @param {string} icon @param {() => void} run @param {string} [keys] */
  const command = (key, icon, run, keys) => ({ key, label: t(`keys.${key}`), words: t(`keys.${key}`), icon, run, keys });
  /** @param {import("../inbox/listing.js").View["name"]} name */
  const view = (name) => ({
    key: `view ${name}`,
    label: t("palette.view", { name: t(`view.${name}`) }),
    words: t(`view.${name}`),
    icon: "list-filter",
    run: () => places.show({ name }),
  });
  /** @param {string} path @param {string} label @param {string} icon @returns {Choice} */
  const page = (path, label, icon) => ({ key: path, label, words: label, icon, run: () => location.assign(path) });
  const sections = SECTIONS.filter((each) => each.may(store.me.value)).map(({ id, icon }) =>
    page(`/settings/${id}`, t("palette.settings", { name: t(`settings.section.${id}`) }), icon));
  const open = row && row.blocked_at === null && replyWindow(row, times.now()).open;
  const written = (/** @type {(typeof MORE)[number]} */ [kind, icon]) => {
    const label = t("palette.write", { kind: t(`composer.${kind}`) });
    return { key: `write ${kind}`, label, words: label, icon, run: () => panels.write(kind) };
  };
  const here = !row || !may
    ? []
    : [
        command("reply", "reply", () => composer.current?.write("reply"), "r"),
        command("note", "sticky-note", () => composer.current?.write("note"), "n"),
        command("template", "file-text", () => panels.write("templates")),
        ...(open ? MORE.slice(1).map(written) : []),
        command("take", "user-check", () => actions.assign(row, store.me.value.id), "i"),
        command("bot", "bot", () => actions.setBot(row, !botIsOn(row)), "b"),
        command("done", "check", () => actions.setStatus(row, row.status === "done" ? "open" : "done"), "e"),
      ];
  return [
    ...here,
    ...(row ? [command("details", "panel-right", panels.toggleDetails, "]")] : []),
    ...(/** @type {const} */ (["all", "waiting", "person", "mine", "unread", "favorite", "pending", "done"]).map(view)),
    page("/settings", t("rail.settings"), "settings"),
    ...sections,
    page("/status", t("rail.status"), "activity"),
    command("help", "circle-question-mark", () => (panels.dialog.value = "help"), "?"),
  ];
}
