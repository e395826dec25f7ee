/** A file on its way to the server, piece by piece: the same key goes on where it broke off. */

const LIMIT = 60_000; // ms for a piece

/**
 * Bring all of a file to the server. It says after each piece, and at first, how far it is; false then: it is not wanted.
 * @param {import("./api.js").Api} api
 * @param {{ file: File, accountId: string, key: string }} what
 * @param {(upload: any) => boolean} onPart
 * @returns {Promise<any>} the upload, or null
 */
export async function upload(api, { file, accountId, key }, onPart) {
  const told = { account_id: accountId, mime_type: file.type || "application/octet-stream", size: file.size };
  const name = file.name.slice(0, 240);
  let { body } = await api.post("/uploads", { ...told, ...(name ? { filename: name } : {}), client_key: key });
  while (onPart(body)) {
    if (body.done) return body;
    const piece = file.slice(body.received, body.received + body.piece_size);
    ({ body } = await api.put(`/uploads/${body.id}?offset=${body.received}`, piece, { limit: LIMIT }));
  }
  return null;
}
