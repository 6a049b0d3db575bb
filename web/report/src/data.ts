// The data that the page carries for its charts, as htmlData in internal/report writes it.

/** A figure over repeats: mean, and the interval of the mean, which is null if there is only one repeat. */
export type Figure = [mean: number, lo: number | null, hi: number | null];

/** A percentile that must not be shown, because there were too few requests, is null. */
export type Percentile = Figure | null;

export interface Data {
  /** Targets in the order of the page; a target's index is its colour everywhere. */
  cells: string[];
  /** For each target, the step of the load level that stands for it. */
  heads: number[];
  /** Limits in milliseconds; 0 where there is none. */
  slo: { ttft: number; tpot: number; e2e: number };
  time: Run[] | null;
  load: Sweep[] | null;
  cost: Point[] | null;
}

/** One run over time. Instants are seconds from its start. */
export interface Run {
  cell: number;
  repeat: number;
  step: number;
  load: string;
  from: number;
  to: number;
  x: number[];
  /** Requests in each part. */
  n: number[];
  /** p50, p95, p99 in milliseconds. */
  ttft: (number | null)[][];
  e2e: (number | null)[][];
  /** Per second, over parts of equal length. */
  rateX: number[];
  done: number[];
  failed: number[];
  flight: number[];
}

/** One target at all its load levels. */
export interface Sweep {
  cell: number;
  points: Level[];
}

export interface Level {
  /** Index in aggregate.json. */
  result: number;
  /** Offered requests/s, or concurrent users. */
  load: number;
  unit: string;
  invalid: boolean;
  tps: Figure;
  tokens: Figure;
  ttft: Percentile[];
  e2e: Percentile[];
}

/** One target in the plane of cost and throughput. */
export interface Point {
  cell: number;
  result: number;
  tps: Figure;
  cost: Figure;
  p95: number | null;
}

/** Reads the page's data. */
export function readData(): Data {
  return JSON.parse(document.getElementById("data")?.textContent ?? "") as Data;
}
