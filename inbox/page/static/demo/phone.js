/** A customer's phone: what they wrote here, what reached them, and a field to write more. */

import { problemText, t } from "../core/words.js";
import { Button, html, useEffect, useRef, useState } from "../ui/index.js";

const WRITTEN = "inbox demo written"; // in this tab's own memory

/**
 * @param {{who: {name: string}, received: {id: string, text: string, at: number}[],
 *   write: (text: string) => Promise<any>, onTrouble: (said: string) => void}} props
 */
export function Phone({ who, received, write, onTrouble }) {
  const [text, setText] = useState("");
  const [written, setWritten] = useState(() => JSON.parse(sessionStorage.getItem(WRITTEN) ?? "[]"));
  const end = useRef(/** @type {HTMLOListElement|null} */ (null));
  useEffect(() => sessionStorage.setItem(WRITTEN, JSON.stringify(written)), [written]);
  const mine = written.map((/** @type {{text: string, at: number}} */ each) => ({ ...each, id: `w${each.at}`, own: true }));
  const lines = [...mine, ...received].sort((one, other) => one.at - other.at).slice(-20);
  useEffect(() => {
    if (end.current) end.current.scrollTop = end.current.scrollHeight;
  }, [lines.length]);
  const send = async (/** @type {Event} */ event) => {
    event.preventDefault();
    const said = text.trim();
    if (!said) return;
    setText("");
    setWritten([...written, { text: said, at: Date.now() / 1000 }]);
    await write(said).catch((refused) => onTrouble(problemText(refused)));
  };
  return html`<section class="demo-phone" aria-labelledby="demo-phone">
    <h3 id="demo-phone">${t("demo.phone", { name: who.name })}</h3>
    <ol ref=${end} tabindex="0">
      ${lines.map((each) => html`<li key=${each.id} class=${each.own ? "own" : ""} dir="auto">${each.text}</li>`)}
      ${lines.length === 0 && html`<li class="none">${t("demo.phone.none")}</li>`}
    </ol>
    <form onSubmit=${send}>
      <label class="unseen" for="demo-text">${t("demo.write")}</label>
      <input id="demo-text" value=${text} maxlength="1000" autocomplete="off" placeholder=${t("demo.write")}
        onInput=${(/** @type {any} */ event) => setText(event.target.value)} />
      <${Button} type="submit" kind="tone" icon="send-horizontal" label=${t("demo.send")} />
    </form>
  </section>`;
}
