// Builds report.js and report.css from src/ into a directory, internal/report/page/html by default. Both are committed, so that Go
// alone builds the product. Each begins with a digest of all that it was made from: a Go test compares it with the sources,
// and an end-to-end test builds again and compares the bytes.
import { createHash } from "node:crypto";
import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const out = process.argv[2] ?? join(here, "../../internal/report/page/html");

// The digest is over "NAME LENGTH\n" and the bytes of each file, by name.
const sources = ["build.mjs", "package-lock.json", "package.json", "tsconfig.json", ...readdirSync(join(here, "src")).map((n) => `src/${n}`)].sort();
const hash = createHash("sha256");
for (const name of sources) {
  const bytes = readFileSync(join(here, name));
  hash.update(`${name} ${bytes.length}\n`).update(bytes);
}
const stamp = `built from sha256:${hash.digest("hex")}`;

// The page is a copy of uPlot, so it carries its licence.
const uplot = JSON.parse(readFileSync(join(here, "node_modules/uplot/package.json"), "utf8"));
const licence = readFileSync(join(here, "node_modules/uplot/LICENSE"), "utf8").trim();
const banners = {
  js: `/* ${stamp}\n\nContains uPlot ${uplot.version}, https://github.com/leeoniya/uPlot:\n\n${licence}\n*/`,
  css: `/* ${stamp}\n\nContains the style of uPlot ${uplot.version}; its licence is in report.js. */`,
};

for (const [entry, file] of [["src/main.ts", "report.js"], ["src/main.css", "report.css"]]) {
  const result = await build({
    absWorkingDir: here,
    entryPoints: [entry],
    bundle: true,
    minify: true,
    format: "iife",
    charset: "utf8",
    target: ["chrome111", "firefox113", "safari16"],
    legalComments: "none",
    banner: banners,
    write: false,
  });
  writeFileSync(join(out, file), result.outputFiles[0].contents);
}
