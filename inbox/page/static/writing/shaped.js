/** How WhatsApp and our thread have what the API takes: for the preview, and for the bubble until the server has it. */

/** @typedef {NonNullable<import("../core/outgoing.js").Outgoing["shown"]>} Shown */

/**
 * The parts of a message that its bubble shows.
 * @param {any} content as POST /messages/send-content takes it
 * @returns {Shown}
 */
export function shownOf(content) {
  if (content.type === "location") {
    const { latitude, longitude, name, address } = content;
    return shown("location", { latitude, longitude, name, address }, [name, address, `${latitude}, ${longitude}`]);
  }
  if (content.type === "contacts") {
    const cards = content.contacts.map((/** @type {any} */ card) => ({
      name: { formatted_name: card.name },
      org: { company: card.company },
      phones: card.phones?.map((/** @type {string} */ phone) => ({ phone })),
      emails: card.emails?.map((/** @type {string} */ email) => ({ email })),
    }));
    const words = content.contacts.flatMap((/** @type {any} */ card) => [card.name, ...(card.phones ?? []), ...(card.emails ?? [])]);
    return shown("contacts", cards, words);
  }
  const { header, text, footer, button, buttons, sections } = content;
  const action = buttons ? { buttons: buttons.map((/** @type {any} */ reply) => ({ reply })) } : { button, sections };
  const parts = { header: { text: header }, body: { text }, footer: { text: footer } };
  return shown("interactive", { ...parts, action }, [header, text, footer], "\n");
}

/** @param {string} kind @param {any} inner @param {(string | undefined)[]} words @param {string} between @returns {Shown} */
function shown(kind, inner, words, between = ", ") {
  return { message_type: kind, content_text: words.filter(Boolean).join(between), payload: { [kind]: inner } };
}

/**
 * Without what was left empty, and blanks around it.
 * @param {any} value
 * @returns {any}
 */
export function trimmed(value) {
  if (typeof value === "string") return value.trim();
  if (Array.isArray(value)) return value.map(trimmed).filter((each) => each !== "");
  if (value === null || typeof value !== "object") return value;
  const kept = Object.entries(value).map(([name, inner]) => [name, trimmed(inner)]);
  return Object.fromEntries(kept.filter(([, inner]) => inner !== "" && inner !== null && inner !== undefined));
}
