// Numbers as the page writes them: three significant digits, thousands apart, no exponent.

const plain = [0, 1, 2, 3, 4, 5, 6].map((digits) => new Intl.NumberFormat("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits }));

/** A number with three significant digits, integers whole. */
export function number(v: number): string {
  if (v === 0) return "0";
  const magnitude = Math.floor(Math.log10(Math.abs(v)));
  return (plain[Math.min(6, Math.max(0, 2 - magnitude))] ?? plain[0]!).format(v);
}

/** Milliseconds, or seconds from one second on. */
export function latency(ms: number): string {
  return ms < 1000 ? `${number(ms)} ms` : `${number(ms / 1000)} s`;
}

/** A latency that a person has chosen. */
export function brief(ms: number): string {
  return ms < 1000 ? `${tick(ms)} ms` : `${tick(ms / 1000)} s`;
}

/** Dollars, down to millionths and below. */
export function dollars(v: number): string {
  if (v >= 0.01 || v === 0) return `$${number(v)}`;
  const digits = Math.min(12, 2 - Math.floor(Math.log10(v)));
  return `$${v.toFixed(digits)}`;
}

/** A tick on an axis: as short as it can be. */
export function tick(v: number): string {
  if (Math.abs(v) >= 1000) return plain[0]!.format(v);
  return String(Number(v.toPrecision(6)));
}

/** Seconds of a run as m:ss. */
export function clock(s: number): string {
  return `${Math.floor(s / 60)}:${String(Math.floor(s % 60)).padStart(2, "0")}`;
}
