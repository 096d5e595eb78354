// Data for pictures: made by rule, the same each time, and dirty where real files are.
const CITIES = ["Pune", "Agra", "Kochi", "Delhi", "Mysuru", "Jaipur", "Surat", "Bhopal"];
const COUNTRIES = ["India", "Nepal", "Sri Lanka", "Bhutan"];
const ITEMS = ["lamp", "desk", "chair", "shelf", "rug, woven", "clock"];

/** Numbers that look drawn and are not (Park and Miller's generator). */
export function drawn(seed) {
  let state = seed;
  return (below) => {
    state = (state * 48271) % 2147483647;
    return state % below;
  };
}

const quoted = (text) => (/[",]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);

/** Orders; each `every`th has an amount that is no number. */
export function orders(rows, every = 0) {
  const next = drawn(7);
  const lines = ["order_id,ordered_at,customer_id,country,city,item,quantity,unit_price,note"];
  for (let row = 1; row <= rows; row += 1) {
    const day = String(1 + next(28)).padStart(2, "0");
    const price = every && row % every === 0 ? "on request" : (next(90_000) / 100 + 5).toFixed(2);
    lines.push(
      [
        row,
        `2026-${String(1 + next(12)).padStart(2, "0")}-${day}`,
        String(next(5_000)).padStart(6, "0"),
        COUNTRIES[Math.max(next(6) - 2, 0)],
        CITIES[next(8)],
        quoted(ITEMS[next(6)]),
        1 + next(9),
        price,
        next(5) === 0 ? quoted(`call first, gate ${next(40)}`) : "",
      ].join(","),
    );
  }
  return `${lines.join("\n")}\n`;
}

/** Customers of those orders. */
export function customers() {
  const next = drawn(11);
  const rows = Array.from({ length: 5_000 }, (_, id) => {
    return `${String(id).padStart(6, "0")},Customer ${id},${["retail", "trade", "public"][next(3)]}`;
  });
  return `${["customer_id,name,kind", ...rows].join("\n")}\n`;
}

/** Lines of a log. */
export function log(lines) {
  const next = drawn(13);
  const levels = ["INFO", "INFO", "DEBUG", "INFO", "WARN", "ERROR"];
  return `${Array.from({ length: lines }, (_, row) => {
    const second = String(row % 60).padStart(2, "0");
    return `2026-11-24T06:${String(Math.floor(row / 60) % 60).padStart(2, "0")}:${second}Z ${levels[next(6)]} gateway-${next(8)} request ${row} took ${next(900)} ms`;
  }).join("\n")}\n`;
}
