/** Who else is in a conversation: "Noé is looking · Amina writes a reply…". */

import { t } from "../core/words.js";

/**
 * @param {readonly import("../core/types.js").Present[]} present
 * @param {string} conversationId
 * @returns {string | null}
 */
export function othersIn(present, conversationId) {
  const here = present.filter((one) => one.conversation_id === conversationId);
  if (here.length === 0) return null;
  return here.map((one) => t(`present.${one.doing}`, { name: one.user.name })).join(" · ");
}
