/**
 * The keyboard, as a map. Single keys act outside fields only and can be switched off; none uses Alt, which writes letters
 * on many keyboards.
 * @typedef {object} Binding
 * @property {string} action
 * @property {string[]} keys as `KeyboardEvent.key`; `Mod+` is Ctrl, or ⌘ on a Mac; `Shift+` only where it is said
 * @property {boolean} [anywhere] in fields as well
 * @property {"list"|"thread"|"composer"} [where] only with the focus in there
 */

/** @type {Binding[]} */
export const BINDINGS = [
  { action: "next", keys: ["j"] },
  { action: "previous", keys: ["k"] },
  { action: "next", keys: ["ArrowDown"], where: "list" },
  { action: "previous", keys: ["ArrowUp"], where: "list" },
  { action: "open", keys: ["Enter"], where: "list" },
  { action: "to_list", keys: ["u"] },
  { action: "reply", keys: ["r"] },
  { action: "note", keys: ["n"] },
  { action: "send", keys: ["Mod+Enter"], where: "composer", anywhere: true },
  { action: "done", keys: ["e"] },
  { action: "undo", keys: ["z"] },
  { action: "take", keys: ["i"] },
  { action: "assign", keys: ["a"] },
  { action: "label", keys: ["l"] },
  { action: "bot", keys: ["b"] },
  { action: "select", keys: ["x"] },
  { action: "unread", keys: ["Shift+U"] },
  { action: "search", keys: ["/"] },
  { action: "palette", keys: ["Mod+k"], anywhere: true },
  { action: "help", keys: ["?"] },
  { action: "details", keys: ["]"] },
  { action: "back", keys: ["Escape"], anywhere: true },
];

const OF_ONE = ["reply", "note", "done", "take", "assign", "label", "bot", "unread"]; // they need a conversation
const OF_MANY = ["done", "take", "assign", "label"]; // they act on those that are chosen, while some are
const WRITES = ["reply", "note"]; // at the open one whatever is chosen: its field shows where one writes

/**
 * What an action is for: the open conversation, those that are chosen in the list, or the page. `none` is open;
 * `not_many`: it is nothing that can be done with several.
 * @param {string} action @param {{ chosen: number, open: boolean }} seen
 * @returns {"page"|"open"|"chosen"|"none"|"not_many"}
 */
export function targetOf(action, { chosen, open }) {
  if (!OF_ONE.includes(action)) return "page";
  if (chosen > 0 && OF_MANY.includes(action)) return "chosen";
  if (chosen > 0 && !WRITES.includes(action)) return "not_many";
  return open ? "open" : "none";
}

/**
 * Of a keyboard event, what decides.
 * @typedef {object} Key
 * @property {string} key
 * @property {boolean} ctrlKey
 * @property {boolean} metaKey
 * @property {boolean} shiftKey
 * @property {boolean} altKey
 * @property {boolean} [isComposing]
 * @property {number} [keyCode]
 * @property {boolean} [repeat]
 * @property {(name: string) => boolean} [getModifierState]
 */

/**
 * What a key does, or null: nothing of ours.
 * @param {Key} event
 * @param {{inField: boolean, where?: Binding["where"]|null, singleKeys?: boolean, mac?: boolean}} state
 * @returns {string|null}
 */
export function actionOf(event, { inField, where = null, singleKeys = true, mac = false }) {
  if (composes(event) || event.altKey || event.getModifierState?.("AltGraph")) return null;
  const mod = mac ? event.metaKey : event.ctrlKey;
  if ((event.ctrlKey || event.metaKey) && !mod) return null;
  const name = nameOf(event, mod);
  const found = BINDINGS.find((each) => each.keys.includes(name) && (!each.where || each.where === where));
  if (!found || (inField && !found.anywhere)) return null;
  return singleKeys || found.anywhere || found.where ? found.action : null;
}

/**
 * A key as the map names it. Signs are named by what they write: whether that needs Shift depends on the keyboard.
 * @param {Key} event @param {boolean} mod
 */
function nameOf({ key, shiftKey }, mod) {
  const letter = key.length === 1 && /\p{L}/u.test(key);
  if (mod) return `Mod+${letter ? key.toLowerCase() : key}`;
  if (letter) return shiftKey ? `Shift+${key.toUpperCase()}` : key.toLowerCase(); // whatever Caps Lock makes of it
  return key.length > 1 && shiftKey ? `Shift+${key}` : key;
}

/**
 * An input method is at work: this key is its own, Enter as well.
 * @param {Pick<Key, "isComposing"|"keyCode">} event
 */
export function composes(event) {
  return event.isComposing === true || event.keyCode === 229;
}

/**
 * Whether a key in the composer sends. On touch keyboards Enter makes a line.
 * @param {Key} event @param {{enterSends: boolean, touch: boolean}} state
 */
export function sends(event, { enterSends, touch }) {
  if (event.key !== "Enter" || composes(event) || event.repeat) return false;
  if (event.ctrlKey || event.metaKey) return true;
  return enterSends && !touch && !event.shiftKey && !event.altKey;
}
