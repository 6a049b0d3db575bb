// Charts of points in a plane, joined by lines or not: latency over load, latency over throughput, cost over throughput. The x
// values of a line need not rise: an overloaded target answers less than it did before.
import uPlot from "uplot";
import { axis, drawLimit, outline, scaled, type Drawing, type Theme } from "./plot";
import { hideTip, showTip } from "./tooltip";

export interface XY {
  x: number;
  y: number;
  /** Intervals, drawn as whiskers. */
  xs?: [number, number];
  ys?: [number, number];
  hollow?: boolean;
  tip: string;
}

export interface Group {
  name: string;
  color: string;
  shape: number;
  dash?: number[];
  points: XY[];
}

export interface Scale {
  label?: string;
  log?: boolean;
  /** Begins at zero even if all values are far from it. */
  zero?: boolean;
  tick: (v: number) => string;
}

export interface Plane {
  groups: Group[];
  lines: boolean;
  /** Names beside the points, where there is room. */
  names?: boolean;
  x: Scale;
  y: Scale;
  limit?: { y: number; text: string };
}

/** Returns the chart of a plane, or null if no group has a point. */
export function plane(p: Plane, t: Theme): Drawing | null {
  const groups = p.groups.filter((g) => g.points.length > 0);
  if (groups.length === 0) return null;
  const all = groups.flatMap((g) => g.points);
  const xr = range(reach(all.map((q) => q.x), all.flatMap((q) => q.xs ?? [])), p.x);
  const near = p.limit && p.limit.y <= (p.y.log ? 10 : 3) * Math.max(...all.map((q) => q.y)) ? p.limit : undefined;
  const yr = range([...reach(all.map((q) => q.y), p.y.log ? [] : all.flatMap((q) => q.ys ?? [])), ...(near ? [near.y] : [])], p.y);
  const facets: uPlot.Series.Facet[] = [{ scale: "x", auto: true }, { scale: "y", auto: true }];
  return {
    series: groups.length,
    data: [null, ...groups.map((g) => [g.points.map((q) => q.x), g.points.map((q) => q.y)])] as unknown as uPlot.AlignedData,
    options: {
      mode: 2,
      legend: { show: false },
      cursor: { show: false },
      padding: [12, 16, 0, 0],
      scales: {
        x: { time: false, range: () => xr, distr: p.x.log ? 3 : 1 },
        y: { range: () => yr, distr: p.y.log ? 3 : 1 },
      },
      axes: [
        { ...axis(t, p.x.label, p.x.tick), space: 90 },
        { ...axis(t, p.y.label, p.y.tick), size: 66, scale: "y", ...(p.y.log ? { splits: () => decades(yr[0], yr[1]), filter: (_u, splits) => splits } : {}) },
      ],
      series: [{}, ...groups.map((g) => ({ label: g.name, stroke: g.color, facets, paths: () => null, points: { show: false } }))] as uPlot.Series[],
      hooks: {
        draw: [(u) => {
          if (near) drawLimit(u, near.y, near.text, t);
          for (const g of groups) drawGroup(u, g, p.lines, t);
          if (p.names) drawNames(u, groups, t);
        }],
        ready: [(u) => {
          u.over.addEventListener("pointermove", (e) => point(u, all, e));
          u.over.addEventListener("pointerleave", () => hideTip(u.over));
        }],
      },
    },
  };
}

/** The values and the ends of their whiskers, but no ends that are so far away that they would press the values together. */
function reach(values: number[], ends: number[]): number[] {
  const low = 0.6 * Math.min(...values);
  const high = 1.4 * Math.max(...values);
  return [...values, ...ends.map((v) => Math.min(high, Math.max(low, v)))];
}

/** A range around values with some air. It begins at zero, unless all values are far from it. */
function range(values: number[], scale: Scale): [number, number] {
  const positive = values.filter((v) => v > 0);
  if (positive.length === 0) return [0, 1];
  const max = Math.max(...positive);
  const min = Math.min(...positive);
  if (scale.log) return [nice(min / 1.3, Math.floor), nice(max * 1.3, Math.ceil)];
  const air = 0.25 * (max - min);
  if (!scale.zero && min > 0.5 * max && air > 0) return [Math.max(0, min - air), max + air];
  return [0, max * 1.12];
}

/** The next of 1, 2 and 5 times a power of ten. */
function nice(v: number, round: (v: number) => number): number {
  const power = 10 ** Math.floor(Math.log10(v));
  const steps = [1, 2, 5, 10];
  const fits = steps.filter((s) => (round === Math.ceil ? s * power >= v * 0.999 : s * power <= v * 1.001));
  return (round === Math.ceil ? Math.min(...fits) : Math.max(...fits)) * power;
}

/** Ticks of a logarithmic axis. */
function decades(min: number, max: number): number[] {
  const out: number[] = [];
  for (let v = min; v <= max * 1.001 && out.length < 40; v = nice(v * 1.5, Math.ceil)) out.push(Number(v.toPrecision(3)));
  return out;
}

function drawGroup(u: uPlot, g: Group, lines: boolean, t: Theme): void {
  const { ctx } = u;
  const px = uPlot.pxRatio;
  // A whisker may end beyond the range, and at zero, which a logarithmic axis does not have.
  const least = u.scales.y!.min!;
  const at = (q: { x: number; y: number }): [number, number] => [u.valToPos(q.x, "x", true), u.valToPos(Math.max(least, q.y), "y", true)];
  ctx.save();
  ctx.beginPath();
  ctx.rect(u.bbox.left - 8 * px, u.bbox.top - 8 * px, u.bbox.width + 16 * px, u.bbox.height + 8 * px);
  ctx.clip();
  ctx.strokeStyle = g.color;
  ctx.lineWidth = px;
  ctx.globalAlpha = 0.4;
  for (const q of g.points) {
    for (const [a, b] of [q.xs && [{ x: q.xs[0], y: q.y }, { x: q.xs[1], y: q.y }], q.ys && [{ x: q.x, y: q.ys[0] }, { x: q.x, y: q.ys[1] }]].filter((w) => w !== undefined)) {
      ctx.beginPath();
      ctx.moveTo(...at(a!));
      ctx.lineTo(...at(b!));
      ctx.stroke();
    }
  }
  ctx.globalAlpha = 1;
  if (lines) {
    ctx.lineWidth = 2 * px;
    ctx.lineJoin = "round";
    ctx.setLineDash((g.dash ?? []).map((d) => d * px));
    ctx.beginPath();
    g.points.forEach((q, i) => (i === 0 ? ctx.moveTo(...at(q)) : ctx.lineTo(...at(q))));
    ctx.stroke();
    ctx.setLineDash([]);
  }
  for (const q of g.points) {
    const [x, y] = at(q);
    const path = new Path2D(outline(g.shape, x, y, (lines ? 4 : 6) * px));
    ctx.lineWidth = 2 * px;
    ctx.fillStyle = q.hollow ? t.card : g.color;
    ctx.strokeStyle = q.hollow ? g.color : t.card;
    ctx.stroke(path);
    ctx.fill(path);
    if (q.hollow) ctx.stroke(path);
  }
  ctx.restore();
}

/** Writes each group's name beside its first point, on the first side where it covers nothing. */
function drawNames(u: uPlot, groups: Group[], t: Theme): void {
  const { ctx } = u;
  const px = uPlot.pxRatio;
  const taken: [number, number, number, number][] = groups.flatMap((g) =>
    g.points.map((q): [number, number, number, number] => {
      const x = u.valToPos(q.x, "x", true);
      const y = u.valToPos(q.y, "y", true);
      return [x - 7 * px, y - 7 * px, x + 7 * px, y + 7 * px];
    }));
  ctx.save();
  ctx.font = scaled(t.font, px);
  ctx.fillStyle = t.ink;
  ctx.strokeStyle = t.card; // keeps letters off the lines behind them
  ctx.lineWidth = 4 * px;
  ctx.lineJoin = "round";
  ctx.textBaseline = "middle";
  ctx.textAlign = "left";
  for (const g of groups) {
    const q = g.points[0]!;
    const x = u.valToPos(q.x, "x", true);
    const y = u.valToPos(q.y, "y", true);
    const text = g.name.length > 44 ? `${g.name.slice(0, 43)}…` : g.name;
    const w = ctx.measureText(text).width;
    const h = 14 * px;
    const gap = 11 * px;
    for (const [left, middle] of [[x - w / 2, y - 1.5 * gap], [x - w / 2, y + 1.5 * gap], [x + gap, y], [x - gap - w, y], [x, y - 1.5 * gap], [x - w, y - 1.5 * gap]] as const) {
      const box: [number, number, number, number] = [left, middle - h / 2, left + w, middle + h / 2];
      const inside = box[0] >= u.bbox.left && box[2] <= u.bbox.left + u.bbox.width && box[1] >= u.bbox.top && box[3] <= u.bbox.top + u.bbox.height;
      if (!inside || taken.some((o) => box[0] < o[2] && box[2] > o[0] && box[1] < o[3] && box[3] > o[1])) continue;
      ctx.strokeText(text, left, middle);
      ctx.fillText(text, left, middle);
      taken.push(box);
      break;
    }
  }
  ctx.restore();
}

/** Shows the figures of the point next to the pointer. */
function point(u: uPlot, all: XY[], e: PointerEvent): void {
  let best: XY | null = null;
  let least = 40 * 40;
  for (const q of all) {
    const d = (u.valToPos(q.x, "x") - e.offsetX) ** 2 + (u.valToPos(q.y, "y") - e.offsetY) ** 2;
    if (d < least) {
      least = d;
      best = q;
    }
  }
  if (best) showTip(u.over, best.tip, u.valToPos(best.x, "x"), u.valToPos(best.y, "y"));
  else hideTip(u.over);
}
