/** When a customer may be written to: WhatsApp takes free text for 24 hours after their last message. */

const SOON = 2 * 3600 * 1000; // from then on the end is shown

/**
 * @param {import("../core/types.js").Conversation} conversation
 * @param {number} now the server's
 * @returns {{ open: boolean, closing: boolean, until: string | null, leftMs: number }} `closing`: it ends soon
 */
export function replyWindow(conversation, now) {
  const until = conversation.reply_window_expires_at;
  if (until === null) return { open: false, closing: false, until, leftMs: 0 };
  const leftMs = Date.parse(until) - now;
  return { open: leftMs > 0, closing: leftMs > 0 && leftMs <= SOON, until, leftMs };
}
