package e2e

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"sluice/e2e/harness"
)

// charts are the numbers of curves or groups of points that each chart of a page must show.
type charts map[string]int

// pages are the suites that the tests of internal/report make, with the charts of their pages.
func pages() map[string]charts {
	return map[string]charts{
		"matrix":  {"cost": 6, "curve": 6, "time-ttft": 3, "time-e2e": 3, "time-rate": 3},
		"sweep":   {"cost": 4, "curve": 4, "load-ttft": 3, "load-e2e": 3, "time-ttft": 3, "time-e2e": 3, "time-rate": 3},
		"many":    {"cost": 16, "curve": 16, "time-ttft": 2, "time-e2e": 2, "time-rate": 3},
		"single":  {"curve": 1, "time-ttft": 1, "time-e2e": 1, "time-rate": 3},
		"failed":  {"time-rate": 3},
		"invalid": {"cost": 2, "curve": 3, "time-ttft": 1, "time-e2e": 1, "time-rate": 3},
		"hostile": {"cost": 2, "curve": 2, "time-ttft": 1, "time-e2e": 1, "time-rate": 3},
		"empty":   {},
	}
}

// makeSuites has the tests of internal/report write their suites, and returns their directories by name.
func makeSuites(t *testing.T) map[string]string {
	t.Helper()
	dir := t.TempDir()
	cmd := exec.Command("go", "test", "-count=1", "-run", "^TestPages$", "./internal/report/page")
	cmd.Dir = ".."
	cmd.Env = append(os.Environ(), "SLUICE_TEST_PAGES="+dir)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("make suites: %v\n%s", err, out)
	}
	found, err := filepath.Glob(filepath.Join(dir, "*", "*", "suite.json"))
	if err != nil {
		t.Fatal(err)
	}
	suites := map[string]string{}
	for _, path := range found {
		suites[filepath.Base(filepath.Dir(filepath.Dir(path)))] = filepath.Dir(path)
	}
	if len(suites) != len(pages()) {
		t.Fatalf("the tests of internal/report made %d suites, %d are expected here", len(suites), len(pages()))
	}
	return suites
}

// TestReportPages has the binary write the page of each suite, and opens it.
func TestReportPages(t *testing.T) {
	t.Parallel()
	suites := makeSuites(t)
	b := startBrowser(t)
	for name, want := range pages() {
		t.Run(name, func(t *testing.T) {
			page := filepath.Join(suites[name], "report.html")
			if err := os.Remove(page); err != nil {
				t.Fatal(err)
			}
			if code, out, log := harness.Run(t, suites[name], harness.Env(), "bench", "report", "."); code != 0 {
				t.Fatalf("exit code %d\n%s\n%s", code, out, log)
			}
			p := b.open(t, "file://"+page, 1400)
			p.checkCharts(want)
			p.checkFigures(readFiles(t, suites[name]))
			p.checkContrast("light")
			if name == "matrix" {
				p.checkHeatmap()
				p.checkSorting()
				p.checkTheme()
				p.checkChoices()
			}
			p.quiet()
			p.checkPaper()
			phone := b.open(t, "file://"+page, 390, chromedp.EmulateMobile)
			if width := eval[int](phone, `document.documentElement.scrollWidth`); width > 390 {
				t.Errorf("on a phone the page is %d pixels wide, want 390", width)
			}
			phone.checkCharts(want)
			phone.quiet()
		})
	}
}

// TestReportOfMeasurement opens the page of a real measurement over the wire.
func TestReportOfMeasurement(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	harness.WriteFile(t, filepath.Join(dir, "sluice.yaml"), simConfig(harness.StartSim(t, "")))
	code, out, log := harness.Run(t, dir, harness.Env(), "bench", "run", "--rate", "20", "--duration", "2s", "--warmup", "0s", "--repeats", "2", "--yes")
	if !measured(code) {
		t.Fatalf("exit code %d\n%s\n%s", code, out, log)
	}
	results := benchResults(t, dir)
	p := startBrowser(t).open(t, "file://"+filepath.Join(results, "report.html"), 1400)
	p.checkFigures(readFiles(t, results))
	if eval[string](p, `document.getElementById("curve").dataset.series`) != "1" {
		t.Error("the only target has no point in the plane of latency and throughput")
	}
	p.quiet()
}

// resultFiles are the files beside a page.
type resultFiles struct {
	results []map[string]any               // of aggregate.json
	runs    map[string]any                 // of suite.json, by ID
	rows    map[string][]map[string]string // of summary.csv, by cell and step
}

func readFiles(t *testing.T, dir string) resultFiles {
	t.Helper()
	var f resultFiles
	read := func(name string, v any) {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err == nil {
			err = json.Unmarshal(b, v)
		}
		if err != nil {
			t.Fatalf("read %s: %v", name, err)
		}
	}
	var aggregate struct{ Results []map[string]any }
	read("aggregate.json", &aggregate)
	f.results = aggregate.Results
	var suite struct{ Runs []map[string]any }
	read("suite.json", &suite)
	f.runs = map[string]any{}
	for _, r := range suite.Runs {
		f.runs[r["id"].(string)] = r
	}
	b, err := os.ReadFile(filepath.Join(dir, "summary.csv"))
	if err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(bytes.NewReader(b)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	f.rows = map[string][]map[string]string{}
	for _, row := range rows[1:] {
		m := map[string]string{}
		for i, name := range rows[0] {
			m[name] = row[i]
		}
		key := fmt.Sprint(m["target"], m["region"], m["via"], m["step"])
		f.rows[key] = append(f.rows[key], m)
	}
	return f
}

// csvColumns are the columns of summary.csv that figures over repeats are means of.
func csvColumns() map[string]string {
	columns := map[string]string{
		"tps": "tps_per_s", "output_tokens_s": "output_tokens_per_s", "goodput": "goodput_per_s", "good_fraction": "good_fraction",
		"error_rate": "error_fraction", "cost_per_transaction_usd": "cost_per_transaction_usd", "cost_per_hour_usd": "cost_per_hour_usd",
		"concurrency": "concurrency_mean", "rpm": "requests_per_min", "tpm": "tokens_per_min",
	}
	for json, name := range map[string]string{"ttft_ms": "ttft", "tpot_ms": "tpot", "e2e_ms": "e2e", "e2e_sched_ms": "e2e_sched"} {
		for _, p := range []string{"p50", "p95", "p99"} {
			columns[json+"."+p] = name + "_" + p + "_ms"
		}
	}
	return columns
}

// checkFigures compares every figure of the page with aggregate.json or suite.json, the means over repeats with summary.csv
// too, and the points of the charts.
func (p *tab) checkFigures(f resultFiles) {
	p.t.Helper()
	columns := csvColumns()
	inCSV := 0
	for _, text := range eval[[]string](p, `[...document.querySelectorAll("[data-figure]")].map((e) => e.dataset.figure)`) {
		var ref []any
		if err := json.Unmarshal([]byte(text), &ref); err != nil || len(ref) != 3 {
			p.t.Fatalf("data-figure %q: %v", text, err)
		}
		path, value := ref[1].(string), ref[2].(float64)
		i, ofResult := ref[0].(float64)
		if !ofResult {
			if got, ok := at(f.runs[ref[0].(string)], path); !ok || got != value {
				p.t.Errorf("%s of run %v is %v on the page, %v in suite.json", path, ref[0], value, got)
			}
			continue
		}
		result := f.results[int(i)]
		if got, ok := at(result, path); !ok || got != value {
			p.t.Errorf("%s of result %v is %v on the page, %v in aggregate.json", path, i, value, got)
		}
		if column, ok := columns[strings.TrimSuffix(path, ".mean")]; ok && strings.HasSuffix(path, ".mean") {
			inCSV++
			if got := csvMean(f.rowsOf(result), column); !near(got, value) {
				p.t.Errorf("%s of result %v is %v on the page, %v by the column %s of summary.csv", path, i, value, got, column)
			}
		}
	}
	if len(f.results) > 0 && inCSV == 0 {
		p.t.Error("no figure of the page was compared with summary.csv")
	}
	p.checkPoints(f)
}

// checkPoints compares what the charts draw.
func (p *tab) checkPoints(f resultFiles) {
	p.t.Helper()
	var data struct {
		Load []struct {
			Points []struct {
				Result int
				TPS    []float64
				E2E    [][]float64
			}
		}
		Cost []struct {
			Result    int
			TPS, Cost []float64
		}
	}
	if err := json.Unmarshal([]byte(eval[string](p, `document.getElementById("data").textContent`)), &data); err != nil {
		p.t.Fatal(err)
	}
	same := func(result int, path string, got float64) {
		p.t.Helper()
		if want, ok := at(f.results[result], path); !ok || got != want {
			p.t.Errorf("a chart has %v as %s of result %d, aggregate.json has %v", got, path, result, want)
		}
	}
	for _, s := range data.Load {
		for _, q := range s.Points {
			same(q.Result, "tps.mean", q.TPS[0])
			for i, name := range []string{"p50", "p95", "p99"} {
				if q.E2E[i] != nil {
					same(q.Result, "e2e_sched_ms."+name+".mean", q.E2E[i][0])
				}
			}
		}
	}
	for _, q := range data.Cost {
		same(q.Result, "tps.mean", q.TPS[0])
		same(q.Result, "cost_per_transaction_usd.mean", q.Cost[0])
	}
}

// at returns the number at a path of a JSON value, which may be a quotient of two.
func at(v any, path string) (float64, bool) {
	if path == "ok/requests" {
		a, okA := at(v, "ok")
		b, okB := at(v, "requests")
		return a / b, okA && okB
	}
	for rest := path; rest != ""; {
		m, ok := v.(map[string]any)
		if !ok {
			return 0, false
		}
		key, after, _ := strings.Cut(rest, ".")
		if _, ok := m[key]; !ok { // the name of a kind of failure, which may have dots
			key, after = rest, ""
		}
		v, rest = m[key], after
	}
	x, ok := v.(float64)
	return x, ok
}

func (f resultFiles) rowsOf(result map[string]any) []map[string]string {
	cell := result["cell"].(map[string]any)
	text := func(key string) string { s, _ := cell[key].(string); return s }
	return f.rows[fmt.Sprint(text("target"), text("region"), text("via"), result["step"])]
}

// csvMean is the mean of a column over the rows that have a value in it.
func csvMean(rows []map[string]string, column string) float64 {
	var sum, n float64
	for _, row := range rows {
		if x, err := strconv.ParseFloat(row[column], 64); err == nil {
			sum += x
			n++
		}
	}
	return sum / n
}

func near(a, b float64) bool { return math.Abs(a-b) <= 1e-9*math.Max(math.Abs(a), math.Abs(b)) }

// drawn counts, for each chart, its series and the pixels of its canvas in the colour of each entry of its legend.
const drawn = `Object.fromEntries([...document.querySelectorAll(".plot")].map((box) => {
	const canvas = box.querySelector("canvas");
	if (!canvas) return [box.id, {series: Number(box.dataset.series), pixels: []}];
	const {data} = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
	const colors = [...box.parentElement.querySelectorAll(".legend path")].map((m) => (m.getAttribute("stroke") ?? m.getAttribute("fill")).match(/\d+/g).map(Number));
	return [box.id, {series: Number(box.dataset.series), pixels: colors.map(([r, g, b]) => {
		let n = 0;
		for (let i = 0; i < data.length; i += 4) if (data[i + 3] > 200 && Math.abs(data[i] - r) + Math.abs(data[i + 1] - g) + Math.abs(data[i + 2] - b) < 24) n++;
		return n;
	})}];
}))`

// checkCharts checks that the page has these charts and no others, and that each of their series is to be seen.
func (p *tab) checkCharts(want charts) {
	p.t.Helper()
	got := eval[map[string]struct {
		Series int
		Pixels []int
	}](p, drawn)
	for id, chart := range got {
		if chart.Series != want[id] {
			p.t.Errorf("chart %s has %d series, want %d", id, chart.Series, want[id])
		}
		if chart.Series > 0 && len(chart.Pixels) != chart.Series {
			p.t.Errorf("chart %s has %d series and %d entries in its legend", id, chart.Series, len(chart.Pixels))
		}
		for i, n := range chart.Pixels {
			if n < 8 {
				p.t.Errorf("chart %s has %d pixels in the colour of its series %d", id, n, i)
			}
		}
	}
	for id := range want {
		if _, ok := got[id]; !ok {
			p.t.Errorf("the page lacks the chart %s", id)
		}
	}
}

// checkHeatmap chooses each metric, and looks at the figures that show then.
func (p *tab) checkHeatmap() {
	p.t.Helper()
	const shown = `[...document.querySelectorAll("#heat td .tint")].filter((e) => e.offsetParent !== null).map((e) => JSON.parse(e.querySelector("[data-figure]").dataset.figure)[1])`
	for metric, path := range map[string]string{
		"tokens": "output_tokens_s.mean", "ttft": "ttft_ms.p95.mean", "cost": "cost_per_transaction_usd.mean", "tps": "tps.mean",
	} {
		p.click(`#heat-metric button[value="` + metric + `"]`)
		got := eval[[]string](p, shown)
		if len(got) != 6 || slices.ContainsFunc(got, func(s string) bool { return s != path }) {
			p.t.Errorf("with the metric %s the heatmap shows %v, want %s of six targets", metric, got, path)
		}
		if pressed := eval[string](p, `document.querySelector('#heat-metric [aria-pressed="true"]').value`); pressed != metric {
			p.t.Errorf("the button %s is pressed, want %s", pressed, metric)
		}
	}
}

// checkSorting sorts a table by a click, and back by the keyboard.
func (p *tab) checkSorting() {
	p.t.Helper()
	const header = "#cost-table thead th:nth-child(3)"
	costs := func() []float64 {
		return eval[[]float64](p, `[...document.querySelectorAll("#cost-table tbody td:nth-child(3)")].map((e) => Number(e.dataset.sort))`)
	}
	p.click(header + " button")
	up := costs()
	if len(up) != 6 || !slices.IsSorted(up) {
		p.t.Errorf("sorted by cost: %v", up)
	}
	if err := chromedp.Do(p.ctx, chromedp.Focus(chromedp.CSS(header+" button")), chromedp.KeyEvent("\r")); err != nil {
		p.t.Fatal(err)
	}
	down := costs()
	slices.Reverse(down)
	if !slices.Equal(up, down) {
		p.t.Errorf("sorted by cost, the other way: %v", down)
	}
	if sort := eval[string](p, `document.querySelector("`+header+`").getAttribute("aria-sort")`); sort != "descending" {
		p.t.Errorf("the header says %q, want descending", sort)
	}
}

// checkTheme goes to the dark theme, prints, and comes back.
func (p *tab) checkTheme() {
	p.t.Helper()
	const ground = `getComputedStyle(document.body).backgroundColor`
	const picture = `document.querySelector("#cost canvas").toDataURL()`
	light, drawing := eval[string](p, ground), eval[string](p, picture)
	p.click("#theme")
	if eval[string](p, ground) == light || eval[string](p, picture) == drawing {
		p.t.Error("the page or its charts look alike in both themes")
	}
	p.checkContrast("dark")
	p.checkCharts(pages()["matrix"])
	if got := eval[string](p, `dispatchEvent(new Event("beforeprint")), `+ground); got != light {
		p.t.Errorf("the ground is %s on paper, want %s", got, light)
	}
	if got := eval[string](p, `dispatchEvent(new Event("afterprint")), `+ground); got == light {
		p.t.Error("after printing the page is no longer dark")
	}
	p.click("#theme")
	if got := eval[string](p, picture); got != drawing {
		p.t.Error("the charts look otherwise after a look at the dark theme")
	}
}

// checkChoices chooses another target over time, and the other latency of the curve.
func (p *tab) checkChoices() {
	p.t.Helper()
	picture := func(id string) string { return eval[string](p, `document.querySelector("#`+id+` canvas").toDataURL()`) }
	before := picture("time-e2e")
	eval[any](p, `(() => { const s = document.getElementById("time-cell"); s.value = "3"; s.dispatchEvent(new Event("change")); })()`)
	if picture("time-e2e") == before {
		p.t.Error("another target has the same latencies over time")
	}
	if n := eval[int](p, `document.getElementById("time-run").options.length`); n != 3 {
		p.t.Errorf("%d runs of a target to choose from, want 3", n)
	}
	before = picture("curve")
	p.click(`#curve-metric button[value="ttft"]`)
	if picture("curve") == before {
		p.t.Error("the curve of TTFT is that of E2E")
	}
}

// faint lists texts whose contrast with their ground is below the minimum of WCAG 2 (AA): 4.5, or 3 for large text.
const faint = `(() => {
	const rgb = (c) => c.match(/[\d.]+/g).map(Number);
	const linear = (v) => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
	const lightness = ([r, g, b]) => 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
	const ground = (e) => {
		for (; e; e = e.parentElement) {
			const c = getComputedStyle(e).backgroundColor;
			if (c.startsWith("rgb(")) return rgb(c);
		}
		return [255, 255, 255];
	};
	const bad = [];
	for (const e of document.querySelectorAll("body *")) {
		if (e.offsetParent === null || e.closest("nav, svg, option") || ![...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim())) continue;
		const style = getComputedStyle(e);
		const [a, b] = [lightness(rgb(style.color)), lightness(ground(e))].sort((x, y) => y - x);
		const contrast = (a + 0.05) / (b + 0.05);
		if (contrast < (parseFloat(style.fontSize) >= 24 ? 3 : 4.5)) bad.push(e.textContent.trim().slice(0, 40) + " " + contrast.toFixed(2) + " " + style.color);
	}
	return bad;
})()`

func (p *tab) checkContrast(theme string) {
	p.t.Helper()
	if bad := eval[[]string](p, faint); len(bad) > 0 {
		p.t.Errorf("%d texts are hard to read in the %s theme: %q", len(bad), theme, bad[:min(5, len(bad))])
	}
}

// TestReportAssets builds the page's script and style from their sources, and compares them with those in the repository.
func TestReportAssets(t *testing.T) {
	t.Parallel()
	const dir = "../web/report"
	out := t.TempDir()
	for _, args := range [][]string{{"../scripts/node-deps", dir}, {"npm", "--prefix", dir, "run", "-s", "check"}, {"node", dir + "/build.mjs", out}} {
		if text, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%v: %v\n%s", args, err, text)
		}
	}
	for _, name := range []string{"report.js", "report.css"} {
		want, err := os.ReadFile(filepath.Join(out, name))
		if err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(filepath.Join("../internal/report/page/html", name))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("internal/report/page/html/%s is not what web/report builds: run make report-page", name)
		}
	}
}
