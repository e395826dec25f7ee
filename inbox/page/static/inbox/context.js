/** What every part of the inbox is given: made once in main.js. */

import { createContext, useContext } from "../ui/index.js";

/**
 * @typedef {object} Own
 * @property {import("./places.js").Places} places where the reader is: conversation, message and view
 * @property {Record<string, any>} settings limits from the boot data
 * @property {{ value: Record<string, any> }} preferences of the reader
 * @property {import("../core/start.js").Page["times"] & { now(): number }} times and the server's now
 * @property {(change: Record<string, any>) => Promise<void>} prefer keeps a choice of the reader
 * @property {{ value: number }} beat moves twice a minute: whoever writes how long ago reads it
 * @property {{ readonly value: string }} today moves at midnight and on a journey: whoever writes days reads it
 * @property {(text: string) => void} copy
 * @property {import("../core/attachments.js").Attachments} attachments files beside the field
 * @property {import("./actions.js").Actions} actions what can be done with a conversation
 * @property {import("./selection.js").Selection} selection conversations that are chosen in the list
 * @property {import("./team.js").Team} team people and labels of a number
 * @property {import("./panels.js").Panels} panels
 * @property {{ current: import("./composer.js").Handle | null }} composer of the open conversation
 */

/** @typedef {import("../core/start.js").Page & Own} App */

const Shared = createContext(/** @type {App | null} */ (null));

export const AppProvider = Shared.Provider;

/** @returns {App} */
export function useApp() {
  return /** @type {App} */ (useContext(Shared));
}
