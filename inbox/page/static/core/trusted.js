/** @type {{createScriptURL(url: string): any}|null|undefined} */
let policy;

/**
 * The address of one of our two workers, as a browser with Trusted Types takes it.
 * @param {string} url must be of our own origin
 * @returns {any}
 */
export function scriptAddress(url) {
  const address = new URL(url, location.href);
  if (address.origin !== location.origin) throw new TypeError(`not ours: ${address.href}`);
  const types = /** @type {any} */ (globalThis).trustedTypes;
  if (policy === undefined)
    policy = types ? types.createPolicy("inbox", { createScriptURL: (/** @type {string} */ own) => own }) : null;
  return policy ? policy.createScriptURL(address.href) : address.href;
}
