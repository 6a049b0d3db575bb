package app

import (
	"strings"
	"testing"

	"sluice/internal/sim"
)

// TestHedge checks, over real connections, that a stream whose target is silent comes from the other one, that the silent provider sees
// its client leave at once, and what ledger and metrics say.
func TestHedge(t *testing.T) {
	t.Parallel()
	f := func(fault string) {
		t.Helper()
		s, url := simulate(t, sim.Config{
			Models: []sim.ModelConfig{{Name: "slow"}, {Name: "quick", Output: sim.Range{Min: 5, Max: 5}}},
			Faults: []sim.FaultRule{{Fault: fault, Models: []string{"slow"}}},
		})
		g := start(t, "providers:\n  sim: {api: openai, base_url: \""+url+"\"}\nmodels:\n  m:\n    targets: [sim/slow, sim/quick]\n"+
			"    hedge: {after: 50ms, budget: 1}\n    timeouts: {headers: 5m, first_token: 5m}\n")
		rp := g.post("/chat/completions", askStream)
		if rp.status != 200 || !strings.Contains(rp.body, "[DONE]") {
			t.Errorf("%s: %d %s", fault, rp.status, rp.body)
		}
		if got := rp.header.Get("X-Sluice-Target") + " " + rp.header.Get("X-Sluice-Attempts"); got != "sim/quick 2" {
			t.Errorf("%s: answered by %s", fault, got)
		}
		eventually(t, "the slow request's end", func() bool { return s.Stats().Models["slow"].Aborted == 1 })
		if st := s.Stats(); st.Requests != 2 || st.Open != 0 {
			t.Errorf("%s: the simulator has seen %+v", fault, st)
		}
		row := g.row(rp)
		if row.Target != "sim/quick" || row.Attempts != 2 || row.Usage.Output != 5 || !row.Usage.Estimated {
			t.Errorf("%s: row %+v", fault, row)
		}
		g.wantMetrics(`sluice_hedges_total{result="won",target="sim/quick"} 1`)
	}
	f("silent")
	f("stall;after=0")
	f("role-delay;delay=5m")
}
