// What all charts share: a uPlot in a box of the page that follows the box's width and the theme.
import uPlot from "uplot";
import { color, onTheme } from "./theme";

export interface Theme {
  ink: string;
  soft: string;
  grid: string;
  card: string;
  shade: string;
  bad: string;
  font: string;
}

function theme(): Theme {
  return {
    ink: color("ink"),
    soft: color("soft"),
    grid: color("line"),
    card: color("card"),
    shade: color("shade"),
    bad: color("bad"),
    font: `12px ${getComputedStyle(document.body).fontFamily}`,
  };
}

export interface Drawing {
  options: Omit<uPlot.Options, "width" | "height">;
  data: uPlot.AlignedData;
  /** Number of curves or groups of points that hold anything, for readers and tests. */
  series: number;
}

export const height = 280;

/** A box of the page with a chart in it. update draws it anew from what make returns, or empties it for null. */
export function mount(box: HTMLElement, make: (t: Theme) => Drawing | null): { update: () => void } {
  let plot: uPlot | null = null;
  let width = 0;
  const update = (): void => {
    plot?.destroy();
    plot = null;
    width = Math.floor(box.clientWidth);
    const drawing = width > 0 ? make(theme()) : null;
    box.dataset.series = String(drawing?.series ?? 0);
    if (!drawing) return;
    plot = new uPlot({ ...drawing.options, width, height }, drawing.data, box);
  };
  update();
  onTheme(update);
  new ResizeObserver(() => {
    const now = Math.floor(box.clientWidth);
    if (now === width || now === 0) return;
    width = now;
    if (plot) plot.setSize({ width, height });
    else update();
  }).observe(box);
  return { update };
}

/** An axis in the theme's colours. */
export function axis(t: Theme, label: string | undefined, values: (v: number) => string): uPlot.Axis {
  return {
    label,
    labelFont: t.font,
    labelSize: 20,
    labelGap: 0,
    size: 28,
    font: t.font,
    stroke: t.soft,
    grid: { stroke: t.grid, width: 1 },
    ticks: { show: false },
    border: { show: false },
    gap: 6,
    values: (_u, splits) => splits.map((v) => (v === null ? "" : values(v))),
  };
}

/** Draws a limit as a dashed line with its name at the right end. */
export function drawLimit(u: uPlot, y: number, text: string, t: Theme): void {
  const top = u.bbox.top;
  const at = u.valToPos(y, "y", true);
  if (at < top || at > top + u.bbox.height) return;
  const { ctx } = u;
  const px = uPlot.pxRatio;
  ctx.save();
  ctx.strokeStyle = t.bad;
  ctx.fillStyle = t.bad;
  ctx.lineWidth = 1.5 * px;
  ctx.setLineDash([6 * px, 4 * px]);
  ctx.beginPath();
  ctx.moveTo(u.bbox.left, at);
  ctx.lineTo(u.bbox.left + u.bbox.width, at);
  ctx.stroke();
  ctx.font = scaled(t.font, px);
  ctx.textAlign = "right";
  ctx.textBaseline = at - top > 20 * px ? "bottom" : "top";
  ctx.fillText(text, u.bbox.left + u.bbox.width - 4 * px, at + (ctx.textBaseline === "bottom" ? -3 : 4) * px);
  ctx.restore();
}

/** The font at the canvas's resolution. */
export function scaled(font: string, px: number): string {
  return font.replace(/^(\d+)px/, (_, size: string) => `${Number(size) * px}px`);
}

/** Replaces the entries of a legend. Names come from outside, so they are set as text. */
export function legend(list: HTMLElement | null, entries: { name: string; color: string; dash?: number[]; shape?: number }[]): void {
  list?.replaceChildren(
    ...entries.map((e) => {
      const li = document.createElement("li");
      const ns = "http://www.w3.org/2000/svg";
      const svg = document.createElementNS(ns, "svg");
      svg.setAttribute("width", "22");
      svg.setAttribute("height", "12");
      svg.setAttribute("aria-hidden", "true");
      const mark = document.createElementNS(ns, "path");
      if (e.shape === undefined) {
        mark.setAttribute("d", "M1 6H21");
        mark.setAttribute("stroke", e.color);
        mark.setAttribute("stroke-width", "2.5");
        if (e.dash) mark.setAttribute("stroke-dasharray", e.dash.join(" "));
      } else {
        mark.setAttribute("d", outline(e.shape, 11, 6, 5));
        mark.setAttribute("fill", e.color);
      }
      svg.append(mark);
      li.append(svg, e.name);
      return li;
    }),
  );
}

/** The outline of a mark as an SVG path, which a canvas takes too. There are as many shapes as hues. */
export function outline(shape: number, x: number, y: number, r: number): string {
  const poly = (points: [number, number][]): string => `M${points.map(([a, b]) => `${x + a * r} ${y + b * r}`).join("L")}Z`;
  switch (shape % 8) {
    case 1: return poly([[-0.9, -0.9], [0.9, -0.9], [0.9, 0.9], [-0.9, 0.9]]);
    case 2: return poly([[0, -1.15], [1.1, 0.85], [-1.1, 0.85]]);
    case 3: return poly([[0, -1.25], [1.25, 0], [0, 1.25], [-1.25, 0]]);
    case 4: return poly([[-1.1, -0.85], [1.1, -0.85], [0, 1.15]]);
    case 5: return poly([[-0.38, -1.1], [0.38, -1.1], [0.38, -0.38], [1.1, -0.38], [1.1, 0.38], [0.38, 0.38], [0.38, 1.1], [-0.38, 1.1], [-0.38, 0.38], [-1.1, 0.38], [-1.1, -0.38], [-0.38, -0.38]]);
    case 6: return poly([[-0.55, -1.05], [0.55, -1.05], [1.1, 0], [0.55, 1.05], [-0.55, 1.05], [-1.1, 0]]);
    case 7: return poly([[0, -1.2], [0.3, -0.35], [1.15, -0.35], [0.47, 0.17], [0.72, 1], [0, 0.5], [-0.72, 1], [-0.47, 0.17], [-1.15, -0.35], [-0.3, -0.35]]);
    default: return `M${x - r} ${y}a${r} ${r} 0 1 0 ${2 * r} 0a${r} ${r} 0 1 0 ${-2 * r} 0Z`;
  }
}
