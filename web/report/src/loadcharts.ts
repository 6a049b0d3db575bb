// Latency over load of one target, latency over throughput of all, and cost over throughput.
import type { Data, Figure, Level, Percentile } from "./data";
import { brief, dollars, latency, number, tick } from "./format";
import { legend, mount } from "./plot";
import { color } from "./theme";
import { plane, type Group, type XY } from "./xychart";

const percentiles = ["p50", "p95", "p99"] as const;
const hues = 8;
const lineDashes = [undefined, [7, 4], [2, 3]];

/** The look of a target: a hue and a shape; beyond eight targets the dash tells them apart. */
function look(data: Data, cell: number): Omit<Group, "points"> {
  return { name: data.cells[cell] ?? "", color: color(`c${cell % hues}`), shape: cell, dash: lineDashes[Math.floor(cell / hues) % 3] };
}

/** Whether the values need a logarithmic axis to be told apart. */
function farApart(groups: Group[]): boolean {
  const values = groups.flatMap((g) => g.points.map((p) => p.y)).filter((v) => v > 0);
  return values.length > 1 && Math.max(...values) > 8 * Math.min(...values);
}

/** "41.2 (40.1 to 42.3)" */
function words(f: Figure, unit: (v: number) => string): string {
  return f[1] === null || f[2] === null ? unit(f[0]) : `${unit(f[0])} (${unit(f[1])} to ${unit(f[2])})`;
}

function whisker(f: Figure, k = 1): [number, number] | undefined {
  return f[1] === null || f[2] === null ? undefined : [Math.max(0, f[1]) / k, f[2] / k];
}

/** Draws latency over load, with a choice of target. */
export function setUpLoadCharts(data: Data): void {
  const sweeps = (data.load ?? []).filter((s) => s.points.length > 1);
  const select = document.getElementById("load-cell") as HTMLSelectElement | null;
  const ttft = document.getElementById("load-ttft");
  const e2e = document.getElementById("load-e2e");
  if (!select || !ttft || !e2e || sweeps.length === 0) return;
  sweeps.forEach((s, i) => select.add(new Option(data.cells[s.cell], String(i))));
  const chosen = (): Level[] => sweeps[Number(select.value)]!.points;
  const draw = (box: HTMLElement, of: (l: Level) => Percentile[], limit: number) =>
    mount(box, (t) => {
      const most = Math.max(...chosen().flatMap((l) => of(l).map((p) => p?.[0] ?? 0)));
      const k = most >= 2000 ? 1000 : 1;
      const groups = percentiles.map((name, i): Group => ({
        name,
        color: color(name),
        shape: i,
        points: chosen().flatMap((l): XY[] => {
          const p = of(l)[i];
          if (!p) return [];
          const where = `${number(l.load)} ${l.unit}${l.invalid ? ", not to be believed" : ""}`;
          return [{ x: l.load, y: p[0] / k, ys: whisker(p, k), hollow: l.invalid, tip: `${where}\n${name}  ${words(p, latency)}` }];
        }),
      }));
      legend(box.parentElement!.querySelector(".legend"), groups.filter((g) => g.points.length > 0));
      return plane({
        groups,
        lines: true,
        x: { label: chosen()[0]!.unit, zero: true, tick },
        y: { zero: true, tick: (v) => `${tick(v)} ${k === 1 ? "ms" : "s"}` },
        limit: limit > 0 ? { y: limit / k, text: `limit ${brief(limit)}` } : undefined,
      }, t);
    });
  const charts = [draw(ttft, (l) => l.ttft, data.slo.ttft), draw(e2e, (l) => l.e2e, data.slo.e2e)];
  select.addEventListener("change", () => charts.forEach((c) => c.update()));
}

/** Draws latency over throughput of all targets, with the limit of the SLA. */
export function setUpCurve(data: Data): void {
  const box = document.getElementById("curve");
  const choice = document.getElementById("curve-metric");
  if (!box || !choice) return;
  const buttons = [...choice.querySelectorAll<HTMLButtonElement>("button")];
  const metric = (): "ttft" | "e2e" => (buttons.find((b) => b.getAttribute("aria-pressed") === "true")?.value === "ttft" ? "ttft" : "e2e");
  const chart = mount(box, (t) => {
    const of = metric();
    const sweeps = data.load ?? [];
    const most = Math.max(0, ...sweeps.flatMap((s) => s.points.map((l) => l[of][1]?.[0] ?? 0)));
    const k = most >= 2000 ? 1000 : 1;
    const groups = sweeps.map((s): Group => ({
      ...look(data, s.cell),
      points: s.points.flatMap((l): XY[] => {
        const p = l[of][1];
        if (!p) return [];
        return [{
          x: l.tps[0], y: p[0] / k, xs: whisker(l.tps), ys: whisker(p, k), hollow: l.invalid,
          tip: `${data.cells[s.cell]}\nat ${number(l.load)} ${l.unit}${l.invalid ? ", not to be believed" : ""}\n${words(l.tps, number)} TPS\np95  ${words(p, latency)}`,
        }];
      }),
    }));
    legend(box.parentElement!.querySelector(".legend"), groups.filter((g) => g.points.length > 0));
    const limit = data.slo[of];
    return plane({
      groups,
      lines: sweeps.some((s) => s.points.length > 1),
      x: { label: "throughput, transactions/s", tick },
      y: { zero: true, log: farApart(groups), tick: (v) => `${tick(v)} ${k === 1 ? "ms" : "s"}` },
      limit: limit > 0 ? { y: limit / k, text: `limit ${brief(limit)}` } : undefined,
    }, t);
  });
  for (const b of buttons) {
    b.addEventListener("click", () => {
      for (const other of buttons) other.setAttribute("aria-pressed", String(other === b));
      chart.update();
    });
  }
}

/** Draws cost over throughput, one point for each target. */
export function setUpCost(data: Data): void {
  const box = document.getElementById("cost");
  if (!box || !data.cost) return;
  const points = data.cost;
  mount(box, (t) => {
    const groups = points.map((p): Group => ({
      ...look(data, p.cell),
      points: [{
        x: p.tps[0], y: p.cost[0], xs: whisker(p.tps), ys: whisker(p.cost),
        tip: `${data.cells[p.cell]}\n${words(p.tps, number)} TPS\n${words(p.cost, dollars)} a transaction${p.p95 === null ? "" : `\nE2E p95 ${latency(p.p95)}`}`,
      }],
    }));
    legend(box.parentElement!.querySelector(".legend"), groups);
    return plane({
      groups,
      lines: false,
      names: true,
      x: { label: "throughput, transactions/s", tick },
      y: { log: farApart(groups), tick: (v) => `$${tick(v)}` },
    }, t);
  });
}
