/** A key that nobody else has; also where `crypto.randomUUID` is missing (plain http on a LAN). */
export function randomKey(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
