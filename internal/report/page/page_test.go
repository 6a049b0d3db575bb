package page_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"html"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"sluice/internal/report"
	"sluice/internal/report/page"
)

var (
	figureRefs  = regexp.MustCompile(`data-figure="([^"]*)"`)
	dataElement = regexp.MustCompile(`(?s)<script type="application/json" id="data">(.*?)</script>`)
	tags        = regexp.MustCompile(`<[a-zA-Z][^>]*>`)
	style       = regexp.MustCompile(`(?s)<style>.*?</style>`)
	scripts     = regexp.MustCompile(`(?s)<script[^>]*>.*?</script>`)
	texts       = regexp.MustCompile(`(?s)>([^<]+)<`)
)

// body is a page without its style and its scripts.
func body(page string) string { return scripts.ReplaceAllString(style.ReplaceAllString(page, ""), "") }

// checkFigures looks up every figure of a page where it says that it comes from.
func checkFigures(t *testing.T, m madePage, page string) {
	t.Helper()
	var b bytes.Buffer
	if err := report.JSON(&b, m.suite, m.results); err != nil {
		t.Fatal(err)
	}
	var aggregate struct{ Results []any }
	if err := json.Unmarshal(b.Bytes(), &aggregate); err != nil {
		t.Fatal(err)
	}
	runs := map[string]any{}
	for _, r := range m.suite.Runs {
		text, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		var v any
		if err := json.Unmarshal(text, &v); err != nil {
			t.Fatal(err)
		}
		runs[r.ID] = v
	}
	n := 0
	for _, found := range figureRefs.FindAllStringSubmatch(page, -1) {
		var ref []any
		if err := json.Unmarshal([]byte(html.UnescapeString(found[1])), &ref); err != nil || len(ref) != 3 {
			t.Fatalf("data-figure %q: %v", found[1], err)
		}
		source := runs[fmt.Sprint(ref[0])]
		if i, ok := ref[0].(float64); ok {
			source = aggregate.Results[int(i)]
		}
		if got := lookUp(t, source, ref[1].(string)); got != ref[2].(float64) {
			t.Errorf("figure %v is %v on the page, %v in the files", ref[:2], ref[2], got)
		}
		n++
	}
	if want := 20 * len(m.results); n < want {
		t.Errorf("%d figures, want %d at the least", n, want)
	}
}

// lookUp returns the figure at a path of a JSON value. The path may be a quotient of two.
func lookUp(t *testing.T, v any, path string) float64 {
	t.Helper()
	if a, b, ok := strings.Cut(path, "/"); ok && a == "ok" {
		return lookUp(t, v, a) / lookUp(t, v, b)
	}
	for rest := path; rest != ""; {
		m, ok := v.(map[string]any)
		if !ok {
			t.Fatalf("nothing is at %q", path)
		}
		key, after, _ := strings.Cut(rest, ".")
		if _, ok := m[key]; !ok { // the name of a kind of failure, which came from outside
			key, after = rest, ""
		}
		v, rest = m[key], after
	}
	x, ok := v.(float64)
	if !ok {
		t.Fatalf("%v is at %q, want a number", v, path)
	}
	return x
}

// checkHoles looks for what a page shows when a figure is missing and nobody noticed.
func checkHoles(t *testing.T, page string) {
	t.Helper()
	bad := regexp.MustCompile(`NaN|Inf\b|<nil>|undefined|%!|\bnull\b|ZgotmplZ|0001-01-01|−0(\.0+)?( |$)|%%`)
	for _, text := range texts.FindAllStringSubmatch(body(page), -1) {
		if found := bad.FindString(text[1]); found != "" {
			t.Errorf("the page says %q in %q", found, text[1])
		}
	}
}

// sayings are what the page of a plan must say, and what it must not hold.
func sayings() map[string]struct{ says, never []string } {
	type s = struct{ says, never []string }
	return map[string]s{
		"empty": {[]string{"Nothing was measured.", "holds no finished run"}, []string{`id="cost"`, `id="curve"`, `id="time-ttft"`, "data-figure"}},
		"single": {[]string{
			"the price of this target is not known", "The cost of openai/gpt-4o-mini · eu-west is not known", "measured once, so no figure has an interval",
			"a slower target is offered less", "sets no limits", "No answer named a limit", "few for p99",
		}, []string{`"tps.lo"`, "$0<", `class="num best`}},
		"failed": {
			[]string{"No target can be judged.", "not one succeeded", "no request succeeded", "provider auth failed", "No target has both a price and a throughput"},
			[]string{`"tps.mean"`, "$0<", `id="curve"`, `class="num best`},
		},
		"invalid": {[]string{"partly invalid", "invalid: do not use", "dispatch lag p99 of 412 ms is over 100 ms", "somewhat disturbed", "No target that can be judged meets"}, nil},
		"matrix":  {[]string{"valid measurement", "is the cheapest of the", "throughput is the load’s", "One load level was tried", "[", "CV "}, []string{"invalid: do not use"}},
		"sweep":   {[]string{"highest load", "within the service level", "at several load levels", `id="load-ttft"`}, []string{"One load level was tried"}},
		"many":    {[]string{"16 targets were measured (4 models in 4 regions)"}, []string{">not measured<"}},
		"hostile": {[]string{hostileName}, nil},
	}
}

func checkSayings(t *testing.T, name, page string) {
	t.Helper()
	want, ok := sayings()[name]
	if !ok {
		t.Fatalf("nothing is said about the page %q", name)
	}
	text := html.UnescapeString(body(page))
	for _, s := range want.says {
		if !strings.Contains(text, s) {
			t.Errorf("the page does not say %q", s)
		}
	}
	for _, s := range want.never {
		if strings.Contains(text, s) {
			t.Errorf("the page holds %q", s)
		}
	}
}

func TestPageEscapes(t *testing.T) {
	t.Parallel()
	i := slices.IndexFunc(pagePlans(), func(p pagePlan) bool { return p.name == "hostile" })
	p := pagePlans()[i]
	m := p.make(t, t.TempDir())
	m.suite.Name, m.suite.Command, m.suite.Stopped = hostileName, "sluice "+hostileName, hostileName
	m.suite.Workload.Name, m.suite.Workload.Source, m.suite.Conditions.Host = hostileName, "# "+hostileName, hostileName
	page := writePage(t, m)
	if n := strings.Count(page, "</script"); n != 2 {
		t.Errorf("%d script elements end, want those of the data and of the script", n)
	}
	for _, tag := range tags.FindAllString(body(page), -1) {
		if regexp.MustCompile(`(?i)^<(img|iframe|object|link|base|form)|\son[a-z]+=|javascript:`).MatchString(regexp.MustCompile(`"[^"]*"`).ReplaceAllString(tag, `""`)) {
			t.Errorf("the page has the element %s", tag)
		}
	}
	if strings.Contains(page, "<b>west") {
		t.Error("the name of a region made an element")
	}
	data := dataElement.FindStringSubmatch(page)
	if data == nil || strings.ContainsAny(data[1], "<>&") {
		t.Fatal("the data of the charts is not there, or not escaped")
	}
	var charts struct{ Cells []string }
	if err := json.Unmarshal([]byte(data[1]), &charts); err != nil || !slices.ContainsFunc(charts.Cells, func(c string) bool { return strings.Contains(c, hostileName) }) {
		t.Errorf("targets in the charts are %q, %v", charts.Cells, err)
	}
}

// checkOffline looks for what a page would ask the network for.
func checkOffline(t *testing.T, page string) {
	t.Helper()
	if !strings.Contains(page, `http-equiv="Content-Security-Policy" content="default-src &#39;none&#39;; script-src &#39;sha256-`) {
		t.Error("the page has no policy, or one that allows more")
	}
	if strings.Contains(page, "unsafe-") {
		t.Error("the policy allows scripts or styles that are not the page's")
	}
	for _, tag := range tags.FindAllString(body(page), -1) {
		if found := regexp.MustCompile(`\s(src|href|action|data|poster|srcset|style)="([^"]*)"`).FindStringSubmatch(tag); found != nil && !strings.HasPrefix(found[2], "#") {
			t.Errorf("%s refers to something outside of the page, or has a style that the policy forbids", tag)
		}
	}
	if found := regexp.MustCompile(`(?i)@import|url\(`).FindString(style.FindString(page)); found != "" {
		t.Errorf("the style has %q", found)
	}
}

// TestPageStaysSmall holds for a suite of any length: a run brings a bounded number of bins, and of very many runs some are
// left out, which the page says.
func TestPageStaysSmall(t *testing.T) {
	t.Parallel()
	const cells, repeats, bins = 40, 10, 120
	s := &report.Suite{ID: "long", Started: pageStart}
	for repeat := range repeats {
		for c := range cells {
			run := &report.Run{
				ID: fmt.Sprintf("%d-%d", repeat, c), Cell: pageCell("p", fmt.Sprint("model-", c), "r"), Repeat: repeat, Load: openLoad(100, time.Hour),
				To: time.Hour, Series: make([]report.Second, 3600), Verdict: report.Verdict{State: report.StateValid},
				Summary: report.Summary{Window: 3600, Requests: 360_000, OK: 360_000, TPS: 100, RPMLimit: -1, TPMLimit: -1, RPMUsed: -1, TPMUsed: -1},
			}
			for i := range bins {
				x := 1 + math.Pi*float64(i)
				q := report.Quantiles{N: 3000, P50: x, P95: 2 * x, P99: 3 * x}
				run.Bins = append(run.Bins, report.Bin{From: time.Duration(i) * 30 * time.Second, To: time.Duration(i+1) * 30 * time.Second, TTFT: q, E2E: q})
			}
			s.Runs = append(s.Runs, run)
		}
	}
	results, err := report.Aggregate(s, nil)
	if err != nil {
		t.Fatal(err)
	}
	var text bytes.Buffer
	if err := page.Write(&text, s, results); err != nil {
		t.Fatal(err)
	}
	if text.Len() > 3<<20 {
		t.Errorf("the page of %d runs has %d bytes, want 3 MiB at the most", len(s.Runs), text.Len())
	}
	if !strings.Contains(text.String(), "the first repeat of each target is shown") {
		t.Error("the page does not say that it left runs out")
	}
}

// TestAssetsAreBuilt compares the digest in the built files with one of their sources, as build.mjs makes it.
func TestAssetsAreBuilt(t *testing.T) {
	t.Parallel()
	const dir = "../../../web/report"
	names := []string{"build.mjs", "package-lock.json", "package.json", "tsconfig.json"}
	entries, err := os.ReadDir(filepath.Join(dir, "src"))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, "src/"+e.Name())
	}
	slices.Sort(names)
	h := sha256.New()
	for _, name := range names {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		h.Write([]byte(name + " " + strconv.Itoa(len(b)) + "\n"))
		h.Write(b)
	}
	want := fmt.Sprintf("built from sha256:%x", h.Sum(nil))
	for _, name := range []string{"report.js", "report.css"} {
		b, err := os.ReadFile(filepath.Join("html", name))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Contains(b[:200], []byte(want)) {
			t.Errorf("html/%s is not built from the sources in web/report: run make report-page", name)
		}
		if bytes.Contains(b, []byte("</script")) || bytes.Contains(b, []byte("</style")) || bytes.Contains(b, []byte("<!--")) {
			t.Errorf("html/%s would end its element, or change how it is read", name)
		}
	}
}
