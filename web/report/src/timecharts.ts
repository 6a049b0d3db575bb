// Latency percentiles, and what was sent and answered, over the time of one run.
import uPlot from "uplot";
import type { Data, Run } from "./data";
import { brief, clock, latency, number, tick } from "./format";
import { axis, drawLimit, legend, mount, scaled, type Drawing, type Theme } from "./plot";
import { color } from "./theme";
import { tooltip } from "./tooltip";

const percentiles = ["p50", "p95", "p99"] as const;
const dashes: (number[] | undefined)[] = [undefined, undefined, [5, 3]];

/** Draws the charts over time and fills the choices above them. */
export function setUpTimeCharts(data: Data): void {
  const runs = data.time ?? [];
  const boxes = ["time-ttft", "time-e2e", "time-rate"].map((id) => document.getElementById(id));
  const [ttft, e2e, rate] = boxes;
  if (!ttft || !e2e || !rate || runs.length === 0) return;
  const chosen = pickers(data, runs, () => charts.forEach((c) => c.update()));
  const charts = [
    mount(ttft, (t) => latencies(chosen().ttft, data.slo.ttft, chosen(), t, ttft)),
    mount(e2e, (t) => latencies(chosen().e2e, data.slo.e2e, chosen(), t, e2e)),
    mount(rate, (t) => rates(chosen(), t, rate)),
  ];
}

/** Fills the two lists, and returns a function that says which run they choose. */
function pickers(data: Data, runs: Run[], changed: () => void): () => Run {
  const cells = document.getElementById("time-cell") as HTMLSelectElement;
  const ofCell = document.getElementById("time-run") as HTMLSelectElement;
  for (const cell of new Set(runs.map((r) => r.cell))) cells.add(new Option(data.cells[cell], String(cell)));
  const fill = (): void => {
    const cell = Number(cells.value);
    const own = runs.map((r, i) => ({ r, i })).filter(({ r }) => r.cell === cell);
    ofCell.replaceChildren(...own.map(({ r, i }) => new Option(`${r.load}, repeat ${r.repeat + 1}`, String(i))));
    const first = own.find(({ r }) => r.step === data.heads[cell]);
    if (first) ofCell.value = String(first.i);
  };
  fill();
  cells.addEventListener("change", () => {
    fill();
    changed();
  });
  ofCell.addEventListener("change", changed);
  return () => runs[Number(ofCell.value)]!;
}

/** Shades what is not measured: before and after the window. */
function shadeOutside(run: Run, t: Theme): (u: uPlot) => void {
  return (u) => {
    const { ctx, bbox } = u;
    const px = uPlot.pxRatio;
    const at = (s: number): number => Math.min(bbox.left + bbox.width, Math.max(bbox.left, u.valToPos(s, "x", true)));
    ctx.save();
    ctx.font = scaled(t.font.replace("12px", "11px"), px);
    ctx.textBaseline = "top";
    ctx.textAlign = "center";
    for (const [a, b, text] of [[bbox.left, at(run.from), "not measured"], [at(run.to), bbox.left + bbox.width, "not measured"]] as const) {
      ctx.fillStyle = t.shade;
      ctx.fillRect(a, bbox.top, b - a, bbox.height);
      ctx.fillStyle = t.soft;
      if (ctx.measureText(text).width < b - a - 8 * px) ctx.fillText(text, (a + b) / 2, bbox.top + 4 * px);
    }
    ctx.restore();
  };
}

function latencies(lines: (number | null)[][], limit: number, run: Run, t: Theme, box: HTMLElement): Drawing | null {
  const most = Math.max(...lines.flat().map((v) => v ?? 0));
  if (most <= 0) return empty(box, "No request was answered in this run.");
  const inSeconds = most >= 2000;
  const k = inSeconds ? 1000 : 1;
  const near = limit > 0 && limit <= 3 * most;
  const top = Math.max(most, near ? limit : 0) / k;
  const strokes = percentiles.map((p) => color(p));
  const shown = percentiles.map((name, i) => ({ name, color: strokes[i]!, dash: dashes[i], any: lines[i]?.some((v) => v !== null) }));
  legend(box.parentElement!.querySelector(".legend"), shown.filter((s) => s.any));
  const x = axis(t, undefined, clock);
  return {
    series: shown.filter((s) => s.any).length,
    data: [run.x, ...lines.map((line) => line.map((v) => (v === null ? null : v / k)))] as uPlot.AlignedData,
    options: {
      ...frame(run),
      scales: { x: { time: false, range: [0, span(run)] }, y: { range: (_u, _min, _max) => [0, top * 1.08] } },
      axes: [{ ...x, space: 70 }, { ...axis(t, undefined, (v) => `${tick(v)} ${inSeconds ? "s" : "ms"}`), size: 66 }],
      series: [{}, ...shown.map((s) => ({ label: s.name, stroke: s.color, width: 2, dash: s.dash, spanGaps: false, points: { size: 5, fill: s.color } }))],
      hooks: {
        drawAxes: [shadeOutside(run, t)],
        draw: [(u) => { if (near) drawLimit(u, limit / k, `limit ${brief(limit)}`, t); }],
        setCursor: [tooltip((i) => [
          `${clock(run.x[i]!)} – ${number(run.n[i]!)} requests`,
          ...percentiles.map((p, j) => `${p}  ${lines[j]?.[i] == null ? "too few requests" : latency(lines[j]![i]!)}`),
        ].join("\n"))],
      },
    },
  };
}

function rates(run: Run, t: Theme, box: HTMLElement): Drawing | null {
  if (run.rateX.length === 0) return empty(box, "This run has no record of its seconds.");
  const failed = run.failed.some((v) => v > 0);
  const lines = [
    { name: "completed/s", color: color("ok"), values: run.done, dash: undefined, scale: "y" },
    { name: "failed/s", color: color("bad"), values: run.failed, dash: undefined, scale: "y" },
    { name: "in flight (right axis)", color: color("p95"), values: run.flight, dash: [5, 3], scale: "flight" },
  ].filter((l) => l.values !== run.failed || failed);
  legend(box.parentElement!.querySelector(".legend"), lines);
  const top = (values: number[]): number => 1.08 * Math.max(1e-9, ...values);
  return {
    series: lines.length,
    data: [run.rateX, ...lines.map((l) => l.values)] as uPlot.AlignedData,
    options: {
      ...frame(run),
      scales: {
        x: { time: false, range: [0, span(run)] },
        y: { range: [0, top([...run.done, ...run.failed])] },
        flight: { range: [0, top(run.flight)] },
      },
      axes: [
        { ...axis(t, undefined, clock), space: 70 },
        { ...axis(t, undefined, (v) => `${tick(v)}/s`), size: 66 },
        { ...axis(t, undefined, tick), scale: "flight", side: 1, size: 44, grid: { show: false } },
      ],
      series: [{}, ...lines.map((l) => ({ label: l.name, scale: l.scale, stroke: l.color, width: 2, dash: l.dash, points: { show: false } }))],
      hooks: {
        drawAxes: [shadeOutside(run, t)],
        setCursor: [tooltip((i) => [
          clock(run.rateX[i]!),
          `${number(run.done[i]!)} completed/s`,
          `${number(run.failed[i]!)} failed/s`,
          `${number(run.flight[i]!)} in flight`,
        ].join("\n"))],
      },
    },
  };
}

function frame(_run: Run): Pick<uPlot.Options, "legend" | "cursor" | "padding"> {
  return {
    legend: { show: false },
    cursor: { y: false, drag: { setScale: false, x: false, y: false }, points: { size: 7 } },
    padding: [8, 8, 0, 0],
  };
}

function span(run: Run): number {
  return Math.max(run.to, run.x.at(-1) ?? 0, run.rateX.at(-1) ?? 0);
}

function empty(box: HTMLElement, text: string): null {
  const p = document.createElement("p");
  p.className = "empty";
  p.textContent = text;
  box.replaceChildren(p);
  box.parentElement!.querySelector(".legend")?.replaceChildren();
  return null;
}
