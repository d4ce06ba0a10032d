/** Numbers as a person reads them. */

/** Four significant digits; thousands grouped. */
export function number(value: number | null | undefined): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return "–";
  if (value !== 0 && Math.abs(value) < 1e-3) {
    return value.toExponential(2).replace(/\.?0+e/, "e").replace("-", "−").replace("e-", "e−");
  }
  if (Math.abs(value) >= 1000) {
    return value.toLocaleString("en", { maximumFractionDigits: 0 });
  }
  return value.toPrecision(4).replace("-", "−");
}

/** 1.5k, 20M: for axes. */
export function short(value: number): string {
  return value.toLocaleString("en", { notation: "compact", maximumSignificantDigits: 4 })
    .replace("-", "−");
}

/** 45 s, 12 min, 3 h 20 min. */
export function duration(seconds: number): string {
  if (seconds < 60) return `${seconds < 10 ? seconds.toFixed(1) : Math.round(seconds)} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  const rest = minutes % 60;
  return rest === 0 ? `${minutes / 60} h` : `${Math.floor(minutes / 60)} h ${rest} min`;
}

/** 31 January 2025, 12:00, in the reader's time. */
export function when(iso: string): string {
  const date = new Date(iso);
  const day = date.toLocaleDateString("en-GB", { day: "numeric", month: "long", year: "numeric" });
  const time = date.toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" });
  return `${day}, ${time}`;
}
