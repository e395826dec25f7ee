/** Single keys, outside of fields. What each does is here; which key it is stands in core/keys.js. */

import { actionOf, targetOf } from "../core/keys.js";
import { t } from "../core/words.js";
import { toast, undoLast, useEffect } from "../ui/index.js";
import { useApp } from "./context.js";
import { isComing } from "./later.js";

const MAC = /Mac|iPhone|iPad/.test(navigator.platform);

/** @typedef {import("./context.js").App} App */

/**
 * @param {(id: string, byKey: boolean) => void} open a conversation
 */
export function useKeyboard(open) {
  const app = useApp();
  useEffect(() => {
    const pressed = (/** @type {KeyboardEvent} */ event) => {
      const at = /** @type {HTMLElement} */ (event.target);
      if (event.defaultPrevented || at.closest?.("dialog, [popover]")) return;
      const inField = at.matches?.("input, textarea, select, [contenteditable]") ?? false;
      if (!inField && isComing(app.panels.dialog.value)) return; // it was meant for the dialog
      const action = actionOf(event, {
        inField,
        where: at.closest?.(".composer") ? "composer" : at.closest?.(".list") ? "list" : "thread",
        singleKeys: app.preferences.value.keys !== false,
        mac: MAC,
      });
      if (action && perform(app, open, at, action)) event.preventDefault();
    };
    addEventListener("keydown", pressed);
    return () => removeEventListener("keydown", pressed);
  }, []);
}

/**
 * Do it to what it is for, or say why not; false when there is nothing to do.
 * @param {App} app
 * @param {(id: string, byKey: boolean) => void} open
 * @param {HTMLElement} at
 * @param {string} action
 */
function perform(app, open, at, action) {
  const { places, selection } = app;
  const target = targetOf(action, { chosen: selection.ids.value.size, open: places.conversation.value !== null });
  if (target === "none" || target === "not_many") {
    toast(t(`target.${target}`));
    return true;
  }
  return (target === "chosen" ? ofChosen(app) : commands(app, open, at))[action]?.() ?? false;
}

/** What keys do with the conversations that are chosen, as the bar above them does. @param {App} app @returns {Record<string, () => boolean>} */
function ofChosen({ selection, store }) {
  const may = store.may("messages.send");
  /** @param {() => unknown} work */
  const when = (work) => () => {
    if (may) work();
    return may;
  };
  return {
    done: when(selection.done),
    take: when(() => selection.assign(store.me.value.id)),
    assign: when(() => press("assign", ".bulk")),
    label: when(() => press("label", ".bulk")),
  };
}

/**
 * What each action does; false when there is nothing to do, so that the browser may.
 * @param {App} app
 * @param {(id: string, byKey: boolean) => void} open
 * @param {HTMLElement} at where the key was pressed
 * @returns {Record<string, () => boolean>}
 */
function commands(app, open, at) {
  const { actions, composer, panels, places, store } = app;
  const id = places.conversation.value;
  const row = id ? store.conversations.value.get(id) : undefined;
  const may = row !== undefined && store.may("messages.send", row.account_id);
  /** @param {boolean} can @param {() => unknown} work */
  const when = (can, work) => () => {
    if (can) work();
    return can;
  };
  const dialog = (/** @type {"palette" | "help"} */ name) => when(true, () => (panels.dialog.value = name));
  return {
    next: () => walk(1, id),
    previous: () => walk(-1, id),
    to_list: when(true, () => toList(id)),
    reply: when(may, () => composer.current?.write("reply")),
    note: when(may, () => composer.current?.write("note")),
    done: when(may, () => row && finish(app, open, row)),
    undo: undoLast,
    take: when(may, () => row && actions.assign(row, store.me.value.id)),
    assign: when(may, () => press("assign")),
    label: when(may, () => press("label")),
    bot: when(may && row?.is_group === false, () => press("bot")),
    select: () => choose(app, at, id),
    unread: when(row !== undefined, () => row && leaveUnread(app, row)),
    search: when(true, () => /** @type {HTMLElement | null} */ (document.querySelector(".search input"))?.focus()),
    palette: dialog("palette"),
    help: dialog("help"),
    details: when(row !== undefined, panels.toggleDetails),
    back: () => letGo(app) || endSearch(app, at, id) || climb(at, id),
  };
}

const rows = () => /** @type {HTMLElement[]} */ ([...document.querySelectorAll(".list a.row, .list a.hit")]);

/** To the next conversation or the one before, from where the focus is, else from the open one. @param {number} step @param {string | null} id */
function walk(step, id) {
  const all = rows();
  const focused = all.indexOf(/** @type {HTMLElement} */ (document.activeElement));
  const from = focused >= 0 ? focused : all.findIndex((each) => each.dataset.id === id);
  const next = all[from < 0 ? 0 : from + step];
  next?.focus();
  next?.scrollIntoView({ block: "nearest" });
  return next !== undefined;
}

/** @param {string | null} id */
function toList(id) {
  const all = rows();
  (all.find((each) => each.dataset.id === id) ?? all[0])?.focus();
}

/** A button in the head of the thread or in the bar, which may open a menu. @param {string} action @param {string} [place] */
function press(action, place = ".head") {
  const button = /** @type {HTMLElement | null} */ (document.querySelector(`${place} [data-action="${action}"]`));
  button?.focus();
  button?.click();
}

/**
 * Done, and on to the next one of the list; after the last there is nothing to look at.
 * @param {App} app
 * @param {(id: string, byKey: boolean) => void} open
 * @param {import("../core/types.js").Conversation} row
 */
function finish({ actions, places, store }, open, row) {
  if (row.status === "done") return void actions.setStatus(row, "open");
  const shown = store.shown.value;
  const at = shown.findIndex((each) => each.id === row.id);
  // An answer has moved this one to the top: the next is the first below, else above, that asks for somebody.
  const others = [...shown.slice(at + 1), ...shown.slice(0, Math.max(0, at))].filter((each) => each.status !== "done");
  const next = others.find((each) => each.waiting_since || each.needs_human || each.my_unread > 0) ?? others[0];
  actions.setStatus(row, "done", () => open(row.id, true));
  if (next) open(next.id, true);
  else places.open(null); // the list says that everybody has an answer
}

/** @param {App} app @param {import("../core/types.js").Conversation} row */
function leaveUnread({ actions, places }, row) {
  actions.unread(row);
  places.open(null); // an open conversation would be read again at once
}

/** Choose the row that has the focus, else the open one. @param {App} app @param {HTMLElement} at @param {string | null} id */
function choose({ selection }, at, id) {
  const row = /** @type {HTMLElement | null} */ (at.closest?.(".row-place")?.querySelector("a.row"));
  const which = row?.dataset.id ?? id;
  if (which) selection.toggle(which);
  return Boolean(which);
}

/** Escape first gives up what is chosen. @param {App} app */
function letGo({ selection }) {
  const had = selection.active.peek();
  if (had) selection.clear();
  return had;
}

/** Among what was found, Escape ends the search: the list is back, at the open row. @param {App} app @param {HTMLElement} at @param {string | null} id */
function endSearch({ places }, at, id) {
  if (places.q.peek() === "" || !at.closest?.(".list")) return false;
  places.seek("");
  setTimeout(() => toList(id)); // when it is drawn
  return true;
}

/** Escape climbs: composer, thread, list. @param {HTMLElement} at @param {string | null} id */
function climb(at, id) {
  // While the thread is on its way only its place is there: the next key is a command all the same.
  const thread = /** @type {HTMLElement | null} */ (document.querySelector(".thread-scroll") ?? document.querySelector("#thread"));
  if (at.closest?.(".composer")) thread?.focus();
  else if (at.closest?.("#thread, .details")) toList(id);
  else return false;
  return true;
}
