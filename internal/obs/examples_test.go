package obs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"sluice/internal/llm"
)

// The files for monitoring that come with Sluice.
const (
	rulesFile     = "../../examples/prometheus/sluice.rules.yaml"
	rulesTestFile = "../../examples/prometheus/sluice.test.yaml"
	dashboardFile = "../../examples/grafana/sluice.json"
)

// promtool returns the path of Prometheus's checker. Without it the files are unchecked, which a build must not pass for
// checked: the test fails.
func promtool(t *testing.T) string {
	t.Helper()
	path := os.Getenv("SLUICE_TEST_PROMTOOL")
	if path == "" {
		var err error
		if path, err = exec.LookPath("promtool"); err != nil {
			t.Fatal("tests of alert rules need promtool: run them by scripts/with-services, which installs it, or install it " +
				"(Debian: apt-get install prometheus), or name it in SLUICE_TEST_PROMTOOL")
		}
	}
	return path
}

// runPromtool fails the test unless the command succeeds.
func runPromtool(t *testing.T, args ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if out, err := exec.CommandContext(ctx, promtool(t), args...).CombinedOutput(); err != nil {
		t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

func TestAlertRules(t *testing.T) {
	t.Parallel()
	runPromtool(t, "check", "rules", rulesFile)
	runPromtool(t, "test", "rules", rulesTestFile)
}

// TestEveryAlertIsTested: an alert that no test of the rules names may never fire.
func TestEveryAlertIsTested(t *testing.T) {
	t.Parallel()
	rules, tests := readFile(t, rulesFile), readFile(t, rulesTestFile)
	alerts := regexp.MustCompile(`(?m)^ +- alert: (\w+)`).FindAllStringSubmatch(rules, -1)
	if len(alerts) < 10 {
		t.Fatalf("%d alerts found", len(alerts))
	}
	for _, a := range alerts {
		if !regexp.MustCompile(`alertname: ` + a[1] + `\n +exp_alerts:`).MatchString(tests) {
			t.Errorf("no test sees the alert %s fire", a[1])
		}
	}
}

// TestExamplesNameRealMetrics: what rules and dashboard ask for is what a gateway exports.
func TestExamplesNameRealMetrics(t *testing.T) {
	t.Parallel()
	exported := exportedNames(t)
	for _, file := range []string{rulesFile, rulesTestFile, dashboardFile} {
		names := regexp.MustCompile(`\b(?:sluice|gen_ai)_[a-z0-9_]+`).FindAllString(readFile(t, file), -1)
		slices.Sort(names)
		if names = slices.Compact(names); len(names) < 10 {
			t.Errorf("%s names %d metrics and labels", file, len(names))
		}
		for _, n := range names {
			if !exported[n] {
				t.Errorf("%s names %s, which is not exported", file, n)
			}
		}
	}
	// And the other way round: each metric of Sluice has its panel.
	dashboard := readFile(t, dashboardFile)
	for n := range exported {
		base := regexp.MustCompile(`_(bucket|sum|count)$`).ReplaceAllString(n, "")
		if strings.HasPrefix(n, "sluice_") && !strings.Contains(dashboard, base) && n != "sluice_trace_spans_total" && n != "sluice_log_suppressed_total" {
			t.Errorf("no panel shows %s", n)
		}
	}
}

// exportedNames are the series that a gateway exports, and the labels that begin like metrics.
func exportedNames(t *testing.T) map[string]bool {
	t.Helper()
	m := NewMetrics(MetricsOptions{})
	s := m.Series(llm.OpChat, "m", "t", "p", "r")
	m.SetBaseline([]BaselineFigure{{Target: "t", Metric: DriftTTFT, Quantile: 0.5, Seconds: 0.3}})
	for range driftEnough(0.5) {
		s.Observe(answered())
	}
	m.BreakerCheck("p", true)
	m.BreakerOpened("p", "overload", "model")
	m.SetSources(allSources())
	families, err := m.reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for _, f := range families {
		if f.GetMetric()[0].GetHistogram() == nil {
			names[f.GetName()] = true
		} else {
			for _, suffix := range []string{"_bucket", "_sum", "_count"} {
				names[f.GetName()+suffix] = true
			}
		}
		for _, l := range f.GetMetric()[0].GetLabel() {
			if strings.HasPrefix(l.GetName(), "gen_ai_") {
				names[l.GetName()] = true
			}
		}
	}
	return names
}

// dashboard is what a test reads of the file for Grafana.
type dashboard struct {
	Title  string
	Panels []struct {
		ID          int
		Type        string
		Title       string
		Description string
		GridPos     struct{ H, W, X, Y int }
		Targets     []struct{ Expr, RefID string }
	}
	Templating struct{ List []struct{ Name string } }
}

func TestDashboard(t *testing.T) {
	t.Parallel()
	var d dashboard
	if err := json.Unmarshal([]byte(readFile(t, dashboardFile)), &d); err != nil {
		t.Fatal(err)
	}
	ids := map[int]bool{}
	rules := "groups:\n  - name: dashboard\n    rules:\n"
	exprs := 0
	for i, p := range d.Panels {
		if ids[p.ID] || p.Title == "" {
			t.Errorf("panel %d %q: its id is taken, or it has no title", p.ID, p.Title)
		}
		ids[p.ID] = true
		if g := p.GridPos; g.X < 0 || g.W < 1 || g.X+g.W > 24 {
			t.Errorf("panel %q does not fit into 24 columns: %+v", p.Title, g)
		}
		for _, o := range d.Panels[:i] {
			a, b := p.GridPos, o.GridPos
			if a.X < b.X+b.W && b.X < a.X+a.W && a.Y < b.Y+b.H && b.Y < a.Y+a.H {
				t.Errorf("panels %q and %q overlap", p.Title, o.Title)
			}
		}
		if p.Type == "row" {
			continue
		}
		if p.Description == "" || len(p.Targets) == 0 {
			t.Errorf("panel %q has no description or asks for nothing", p.Title)
		}
		for _, q := range p.Targets {
			expr := strings.NewReplacer("$__rate_interval", "5m", "$job", "sluice", "$target", ".*").Replace(q.Expr)
			if strings.Contains(expr, "$") {
				t.Errorf("panel %q: unknown variable in %s", p.Title, q.Expr)
			}
			rules += fmt.Sprintf("      - record: panel:%d\n        expr: %q\n", exprs, expr) // promtool reads what Grafana will send
			exprs++
		}
	}
	if exprs < 20 {
		t.Errorf("%d expressions", exprs)
	}
	file := filepath.Join(t.TempDir(), "dashboard.yaml")
	if err := os.WriteFile(file, []byte(rules), 0o600); err != nil {
		t.Fatal(err)
	}
	runPromtool(t, "check", "rules", file)
}

// TestPromtoolFindsMistakes: a checker that passes everything checks nothing.
func TestPromtoolFindsMistakes(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "bad.yaml")
	if err := os.WriteFile(file, []byte("groups:\n  - name: g\n    rules:\n      - record: x\n        expr: sum(\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	err := exec.CommandContext(t.Context(), promtool(t), "check", "rules", file).Run()
	if _, ok := errors.AsType[*exec.ExitError](err); !ok {
		t.Errorf("promtool on a wrong rule: %v, want a failure", err)
	}
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
