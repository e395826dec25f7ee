/** "See it in one minute": a customer is answered, Gemini goes, an answer of WhatsApp's is lost, all comes back. */

import { plural, t } from "../core/words.js";
import { newKey } from "../core/ids.js";

export const CAMILLE = { phone: "33610000001", name: "Camille Roux" };
const NOE = { phone: "33610000002", name: "Noé Lambert" };
const ALICE = { phone: "447700900003", name: "Alice Byrne" };
const PATIENCE = 20; // seconds for the last answers to leave

/**
 * @param {{api: any, accountId: string, breakIt: (name: string) => Promise<void>, mend: () => Promise<void>,
 *   write: (text: string, who?: {phone: string, name: string}) => Promise<any>, say: (caption: string) => void,
 *   score: () => Promise<{waiting: number, twice: number, lost: number}>, signal: AbortSignal,
 *   pause?: (seconds: number, signal: AbortSignal) => Promise<void>}} stage
 */
export async function play({ api, accountId, breakIt, mend, write, say, score, signal, pause = sleep }) {
  /** @param {{phone: string}} who */
  const conversationOf = async ({ phone }) =>
    (await api.get("/conversations", { account_id: accountId, q: phone, limit: 1 })).body[0];
  /** Whoever writes to a customer keeps the bot away for a while. @param {{phone: string}} who */
  const giveBack = async (who) => {
    const row = await conversationOf(who);
    if (row?.bot_silent_reason) await api.post(`/conversations/${row.id}/bot`, { enabled: true });
  };

  await mend();
  for (const who of [CAMILLE, NOE, ALICE]) await giveBack(who);
  say(t("demo.step.answered"));
  await write(t("demo.says.hours"));
  await pause(10, signal);

  say(t("demo.step.gemini"));
  await breakIt("gemini_503");
  await write(t("demo.says.deliver"), NOE);
  await write(t("demo.says.cake"), ALICE);
  await pause(20, signal);

  say(t("demo.step.lost"));
  await breakIt("answer_lost");
  const camille = await conversationOf(CAMILLE);
  if (camille) {
    const reply = { conversation_id: camille.id, content: t("demo.says.reply"), client_key: newKey() };
    await api.post("/messages/send", reply);
  }
  await pause(15, signal);

  say(t("demo.step.back"));
  await mend();
  await giveBack(CAMILLE); // she may have asked something since
  await pause(15, signal);
  let end = await score();
  for (let waited = 0; end.waiting > 0 && waited < PATIENCE; waited += 2) {
    await pause(2, signal);
    end = await score();
  }
  say(endOf(end));
}

/** The last caption: what the score says. @param {{waiting: number, twice: number, lost: number}} score */
function endOf({ waiting, twice, lost }) {
  if (twice + lost > 0) return t("demo.step.wrong");
  return waiting > 0 ? plural("demo.step.waits", waiting) : t("demo.step.end");
}

/** @param {number} seconds @param {AbortSignal} signal @returns {Promise<void>} */
function sleep(seconds, signal) {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason);
    const timer = setTimeout(() => resolve(), seconds * 1000);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(signal.reason);
    }, { once: true });
  });
}
