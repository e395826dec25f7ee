/** Sums, sizes and lengths as the reader's language writes them. */

const language = () => document.documentElement.lang || "en";

/**
 * @param {number} amount
 * @param {string} currency an ISO code; what is none stands behind the number
 */
export function money(amount, currency) {
  try {
    return new Intl.NumberFormat(language(), { style: "currency", currency }).format(amount);
  } catch {
    return `${new Intl.NumberFormat(language()).format(amount)} ${currency}`.trim();
  }
}

/** @param {number} size in bytes */
export function bytes(size) {
  if (size < 100) return new Intl.NumberFormat(language(), { style: "unit", unit: "byte", unitDisplay: "long" }).format(size);
  const [value, unit] = size < 1e6 ? [size / 1e3, "kilobyte"] : [size / 1e6, "megabyte"];
  const maximumFractionDigits = value < 10 ? 1 : 0;
  return new Intl.NumberFormat(language(), { style: "unit", unit, maximumFractionDigits }).format(value);
}

/** Minutes and seconds of a sound. @param {number} seconds */
export function length(seconds) {
  const whole = Math.floor(seconds);
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}
