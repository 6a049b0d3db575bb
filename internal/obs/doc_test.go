package obs

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sluice/internal/llm"
)

// TestEveryMetricIsDocumented compares the table in docs/OPERATE.md with the registry: names, types and labels.
func TestEveryMetricIsDocumented(t *testing.T) {
	t.Parallel()
	m := NewMetrics(MetricsOptions{})
	s := m.Series(llm.OpChat, "m", "t", "p", "r")
	m.SetBaseline([]BaselineFigure{{Target: "t", Metric: DriftTTFT, Quantile: 0.5, Seconds: 0.3}})
	for range driftEnough(0.5) {
		s.Observe(answered())
		s.Target().Hedge(HedgeWon)
	}
	m.BreakerCheck("p", true)
	m.BreakerOpened("p", "overload", "model")
	m.SetSources(allSources())
	families, err := m.reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	have := map[string]string{}
	for _, f := range families {
		name := f.GetName()
		if !strings.HasPrefix(name, "sluice_") && !strings.HasPrefix(name, "gen_ai_") {
			continue
		}
		row := []string{strings.ToLower(f.GetType().String())}
		for _, l := range f.GetMetric()[0].GetLabel() {
			row = append(row, l.GetName())
		}
		slices.Sort(row[1:])
		have[name] = strings.Join(row, " ")
	}
	text, err := os.ReadFile("../../docs/OPERATE.md")
	if err != nil {
		t.Fatal(err)
	}
	documented := map[string]string{}
	for _, row := range regexp.MustCompile("(?m)^\\| `((?:sluice|gen_ai)_[a-z0-9_]+)` \\| (\\w+) \\| ([^|]*)\\|").FindAllStringSubmatch(string(text), -1) {
		labels := strings.Fields(strings.ReplaceAll(row[3], "`", ""))
		slices.Sort(labels)
		documented[row[1]] = strings.Join(append([]string{row[2]}, labels...), " ")
	}
	if d := cmp.Diff(have, documented); d != "" {
		t.Errorf("metrics that are (-) and metrics in docs/OPERATE.md (+):\n%s", d)
	}
	for st := range Stage(StageCount) {
		if !strings.Contains(string(text), "`"+st.String()+"`") {
			t.Errorf("docs/OPERATE.md does not name the stage %s", st)
		}
	}
}

// allSources has something to say of everything.
func allSources() Sources {
	return Sources{
		QueueDepth: func(llm.Class) int { return 0 },
		Breakers:   func(emit func(Breaker)) { emit(Breaker{"t", BreakerOpen, "overload", "model"}) },
		Ledger:     func() LedgerStats { return LedgerStats{} },
		Cluster:    func() ClusterStats { return ClusterStats{} },
		Queue:      func() QueueStats { return QueueStats{Refused: []QueueRefused{{llm.Bulk, "max_calls", 3}}} },
		Quotas: func(emit func(Quota)) {
			emit(Quota{Provider: "p", Name: "m*", Most: 3, Mode: "bucket", Learned: true, Budgets: []QuotaBudget{{"requests", "minute", 60, 7, 13}}})
		},
		Adaptive: func(emit func(string, int)) { emit("p/m", 4) },
	}
}
