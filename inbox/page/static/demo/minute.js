/** "See it in one minute": a customer is answered, Gemini goes, an answer of WhatsApp's is lost, all comes back. */

import { t } from "../core/words.js";
import { newKey } from "../core/ids.js";

const NOE = { phone: "33610000002", name: "Noé Lambert" };
const ALICE = { phone: "447700900003", name: "Alice Byrne" };

/**
 * @param {{api: any, accountId: string, breakIt: (name: string) => Promise<void>, mend: () => Promise<void>,
 *   write: (text: string, who?: {phone: string, name: string}) => Promise<any>, say: (caption: string) => void,
 *   signal: AbortSignal}} stage
 */
export async function play({ api, accountId, breakIt, mend, write, say, signal }) {
  await mend();
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
  const { body } = await api.get("/conversations", { account_id: accountId, q: "Camille", limit: 1 });
  if (body[0]) {
    const reply = { conversation_id: body[0].id, content: t("demo.says.reply"), client_key: newKey() };
    await api.post("/messages/send", reply);
  }
  await pause(15, signal);

  say(t("demo.step.back"));
  await mend();
  await pause(15, signal);
  say(t("demo.step.end"));
}

/** @param {number} seconds @param {AbortSignal} signal */
function pause(seconds, signal) {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason);
    const timer = setTimeout(resolve, seconds * 1000);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(signal.reason);
    }, { once: true });
  });
}
