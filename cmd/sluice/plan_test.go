package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sluice/internal/config"
	"sluice/internal/plan"
	"sluice/internal/report"
	"sluice/internal/workload"
)

var updatePlan = flag.Bool("update-plan", false, "write the golden files of sluice plan and the outputs in docs/PLAN.md anew")

// runPlan runs `sluice plan` and returns what it prints.
func runPlan(t *testing.T, args ...string) (string, error) {
	t.Helper()
	cmd := newPlanCommand(openStore)
	cmd.SilenceErrors, cmd.SilenceUsage = true, true // as the root does
	var out bytes.Buffer
	cmd.SetOut(&out)
	cmd.SetErr(&out)
	cmd.SetArgs(args)
	err := cmd.ExecuteContext(t.Context())
	return out.String(), err
}

// planCell is one target of the suite that the tests read, as its provider is made to behave.
type planCell struct {
	target, region string
	rate           int           // requests a second
	ttft           time.Duration // of the fastest request; the slowest takes twice that
	cost           int64         // nano-dollars; 0 for unpriced
	fail           int           // every so many fail; 0 for none
	state          string
}

// writePlanSuite leaves results as bench does, and returns their directory.
func writePlanSuite(t *testing.T, slo workload.SLO, cells ...planCell) string {
	t.Helper()
	started := time.Date(2026, 11, 21, 14, 0, 0, 0, time.UTC)
	w, err := report.Create(t.TempDir(), &report.Suite{
		ID: "20261121-1400", Name: "chatbot support", Started: started, Ended: started.Add(time.Hour), Command: "sluice bench matrix",
		Workload: report.Workload{Name: "chatbot-support", Version: "1.0", SLO: slo},
	})
	if err != nil {
		t.Fatal(err)
	}
	for repeat := range 3 {
		for i, c := range cells {
			writePlanRun(t, w, slo, c, i, repeat, started)
		}
	}
	if _, err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return w.Dir()
}

// writePlanRun writes ten seconds of evenly spaced requests; each repeat is a percent slower than the one before.
func writePlanRun(t *testing.T, w *report.Writer, slo workload.SLO, c planCell, index, repeat int, started time.Time) {
	t.Helper()
	provider, name, _ := strings.Cut(c.target, "/")
	run := &report.Run{
		ID: string(rune('a'+index)) + string(rune('0'+repeat)), Suite: "20261121-1400", Repeat: repeat, Started: started,
		Cell: report.Cell{Target: c.target, Provider: provider, Model: name, Region: c.region, Dialect: "openai"},
		Load: report.Load{Mode: "open", Process: "poisson", Rate: float64(c.rate), Sustain: 10 * time.Second},
		To:   10 * time.Second, Series: make([]report.Second, 10), Verdict: report.Verdict{State: c.state},
	}
	if c.state != "valid" {
		run.Verdict.Reasons = []string{"dispatch lag p99 is 140 ms"}
	}
	s := report.NewSummarizer(slo)
	n := 10 * c.rate
	for i := range n {
		at := time.Duration(i) * 10 * time.Second / time.Duration(n)
		ttft := c.ttft * time.Duration(100+repeat) / 100
		ttft += ttft * time.Duration(i%100) / 100
		end := at + ttft + 199*10*time.Millisecond
		r := &report.Record{
			Run: run.ID, Repeat: repeat, Index: int64(i), Phase: workload.Sustain, Kind: "chat", Stream: true, Group: -1,
			Scheduled: at, Dispatched: at, Written: at, FirstByte: at + ttft, FirstEvent: at + ttft, FirstToken: at + ttft,
			FirstText: at + ttft, LastToken: end, Done: end, Events: 200, Reads: 200, Input: 500, Output: 200, OK: true, Status: 200,
			Cost: c.cost, Priced: c.cost > 0, Limits: report.NoLimits(),
		}
		if c.fail > 0 && i%c.fail == 0 {
			r.OK, r.Status, r.Error = false, 503, "server_error"
			r.FirstEvent, r.FirstToken, r.FirstText, r.LastToken, r.Done = report.None, report.None, report.None, report.None, at+time.Millisecond
		}
		s.Add(r)
		if err := w.Record(run.Cell, r); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Finish(run); err != nil {
		t.Fatal(err)
	}
	if err := w.Finish(run); err != nil {
		t.Fatal(err)
	}
}

// planSuite is the matrix that docs/PLAN.md reads.
func planSuite(t *testing.T) string {
	t.Helper()
	return writePlanSuite(
		t, workload.SLO{TTFT: 800 * time.Millisecond},
		planCell{"openai/gpt-4o", "us", 40, 200 * time.Millisecond, 3_250_000, 0, "valid"},
		planCell{"openai/gpt-4o-mini", "us", 40, 300 * time.Millisecond, 195_000, 0, "valid"},
		planCell{"groq/llama-3.3-70b-versatile", "us", 20, 120 * time.Millisecond, 453_000, 0, "valid"},
		planCell{"mistral/mistral-small-2603", "eu", 30, 450 * time.Millisecond, 195_000, 0, "valid"},
		planCell{"deepseek/deepseek-v4-flash", "ap", 30, 250 * time.Millisecond, 126_000, 20, "valid"},
		planCell{"xai/grok-4.3", "us", 30, 200 * time.Millisecond, 0, 0, "valid"},
		planCell{"together/llama-4", "us", 30, 200 * time.Millisecond, 300_000, 0, "invalid"},
	)
}

// Each command through cobra, with the whole of what it prints. `go test ./cmd/sluice -run Plan -update-plan` writes anew.
func TestPlanGolden(t *testing.T) {
	t.Parallel()
	suite := planSuite(t)
	f := func(name string, args ...string) {
		t.Helper()
		got, err := runPlan(t, args...)
		if err != nil {
			got += "sluice: " + err.Error() + "\n"
		}
		path := filepath.Join("testdata", "plan", name+".golden")
		if *updatePlan {
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
			return
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), got); diff != "" {
			t.Errorf("%s: sluice plan %s (-want +got)\n%s", name, strings.Join(args, " "), diff)
		}
	}
	lengths := []string{"--input-tokens", "500", "--output-tokens", "200"}
	with := func(args ...string) []string { return append(args, lengths...) }
	f("capacity-tpm", with("capacity", "--tpm", "90000")...)
	f("capacity-tpm-json", with("capacity", "--tpm", "90000", "--json")...)
	f("capacity-wanted-json", with("capacity", "--tier", "openai/tier-3", "--model", "gpt-4o", "--e2e", "4s", "--rate", "12", "--peak", "1.5",
		"--batch-share", "10%", "--hit-rate", "20%", "--overhead", "1.05", "--replica-streams", "1000", "--replica-rate", "2000", "--prefill", "20000",
		"--decode", "2500", "--gpus", "8", "--spare", "1", "--json")...)
	f("capacity-cached", with("capacity", "--tier", "anthropic/start", "--model", "claude-opus-5", "--cached-share", "80%", "--max-tokens", "1000")...)
	f("capacity-results", "capacity", "--results", suite, "--target", "openai/gpt-4o@us", "--rate", "100", "--gpus", "8", "--peak-of", "azure-conv")
	f("capacity-unpublished", with("capacity", "--model", "google/gemini-2.5-flash", "--rate", "5")...)
	f("cost-compare", "cost", "--model", "gpt-4o-mini", "--model", "gemini-2.5-flash", "--model", "grok-4.3", "--model", "gpt-4o-mimi", "--input-tokens", "500",
		"--output-tokens", "500", "--per-month", "10M", "--rate", "40", "--cached-share", "50%", "--overhead", "1.05", "--hit-rate", "10%", "--batch-share", "60%")
	f("cost-json", with("cost", "--price-in", "0.01", "--price-out", "0.03", "--price-per", "1K", "--rate", "40", "--per-day", "1M", "--json")...)
	f("cost-per-call", "cost", "--price-per-call", "$0.0025", "--per-month", "10M", "--batch-fixed", "2000", "--delay-cost", "0.0001")
	f("pattern-hybrid", "pattern", "--interactive", "--output-tokens", "400", "--ttft", "400ms", "--tpot", "20ms", "--peak", "3", "--deferrable", "60%")
	f("pattern-json", "pattern", "--interactive=false", "--max-wait", "24h", "--per-day", "200k", "--cost-sensitivity", "high", "--json")
	f("tiers", "tiers", "--provider", "anthropic")
	f("tiers-json", "tiers", "--model", "openai/gpt-4o", "--json")
	f("route-failover", "route", "--results", suite, "--name", "smart", "--rate", "10", "--budget", "20000")
	f("route-weighted", "route", "--results", suite, "--name", "smart", "--slo-ttft", "450ms", "--rate", "45", "--prefer", "latency")
	f("route-none", "route", "--results", suite, "--name", "smart", "--slo-e2e", "1s")
	f("route-json", "route", "--results", suite, "--name", "smart", "--slo-e2e", "3s", "--max-cost", "0.001", "--targets", "2", "--json")
}

// The known arithmetic of the issue, through the command line.
func TestPlanKnownArithmetic(t *testing.T) {
	t.Parallel()
	f := func(args string, want ...string) {
		t.Helper()
		out, err := runPlan(t, strings.Fields(args)...)
		if err != nil {
			t.Errorf("%s: %v", args, err)
		}
		squeezed := strings.Join(strings.Fields(out), " ")
		for _, w := range want {
			if !strings.Contains(squeezed, w) {
				t.Errorf("%s: output lacks %q:\n%s", args, w, out)
			}
		}
	}
	f("capacity --tpm 90000 --input-tokens 500 --output-tokens 200", "carries 128 requests/min, 2.14/s tpm binds")
	f("cost --input-tokens 500 --output-tokens 200 --price-in 0.01 --price-out 0.03 --price-per 1K --rate 40", "as given $0.011 $0.011 $1,584")
	f("cost --input-tokens 500 --output-tokens 200 --price-in 0.0005 --price-out 0.0015 --price-per 1K --rate 60", "as given $0.00055 $0.00055 $119")
	f("cost --input-tokens 500 --output-tokens 200 --price-in 0.0005 --price-out 0.0015 --price-per 1K --rate 60 --json", `"hour_usd": "118.8"`)
	f("cost --price-per-call 0.0025 --per-month 10M", "as given direct $822 $25,000 $300,000", "as given stream $822 $25,000", "as given batch $411 $12,500")
	f("cost --model gpt-4o-mini --input-tokens 500 --output-tokens 500", "openai/gpt-4o-mini $0.000375")
	f("cost --price-in 0.15 --price-out 0.60 --input-tokens 500 --output-tokens 500", "as given $0.000375")
	f("cost --model gpt-5o-mini --input-tokens 500 --output-tokens 500", "gpt-5o-mini unpriced unpriced unpriced nearest: ", "does not mean free")
}

// Results in the database are those of the directory that they came from.
func TestPlanReadsTheDatabase(t *testing.T) {
	t.Parallel()
	suite, dir := planSuite(t), t.TempDir()
	route := []string{"route", "--name", "smart", "--rate", "10", "--results"}
	want, err := runPlan(t, append(slices.Clone(route), suite)...)
	if err != nil {
		t.Fatal(err)
	}
	save := newBenchHistoryCommand(openStore)
	save.SetOut(io.Discard)
	save.SetErr(io.Discard)
	save.SetArgs([]string{"add", suite, "--data-dir", dir})
	if err := save.ExecuteContext(t.Context()); err != nil {
		t.Fatal(err)
	}
	got, err := runPlan(t, append(slices.Clone(route), "20261121-1400", "--data-dir", dir)...)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if _, err := runPlan(t, append(slices.Clone(route), "20261121-1500", "--data-dir", dir)...); err == nil || !strings.Contains(err.Error(), "--results: find suite") {
		t.Errorf("error is %v", err)
	}
}

// Errors name the flag and what is allowed; contradictions and numbers without meaning are refused.
func TestPlanErrors(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := func(name, text string) string {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	suite := planSuite(t)
	f := func(args string, want ...string) {
		t.Helper()
		out, err := runPlan(t, strings.Fields(args)...)
		if err == nil {
			t.Errorf("%s: no error:\n%s", args, out)
			return
		}
		for _, w := range want {
			if !strings.Contains(err.Error(), w) {
				t.Errorf("%s: error is %q, want %q", args, err, w)
			}
		}
	}
	const lengths = " --input-tokens 500 --output-tokens 200"
	f("capacity --tpm 0"+lengths, `"0" for "--tpm"`, "whole number from 1 to 1e15")
	f("capacity --tpm -5"+lengths, "--tpm", "whole number from 1")
	f("capacity --tpm 1e16"+lengths, "--tpm", "1e15")
	f("capacity --tpm 1.5"+lengths, "--tpm", "whole number")
	f("capacity --tpm x"+lengths, "--tpm", "want a number such as")
	f("capacity --tpm 1 --input-tokens 0 --output-tokens 1", "--input-tokens", "above 0, at most 1e9")
	f("capacity --tpm 1 --input-tokens 2e9 --output-tokens 1", "--input-tokens", "at most 1e9")
	f("capacity --tpm 1 --input-tokens 5", "both --input-tokens and --output-tokens")
	f("capacity --tpm 1", "the length of a call is missing")
	f("capacity"+lengths, "nothing to compute")
	f("capacity --tpm 1 --headroom 100%"+lengths, "--headroom", "up to, but not, 100%")
	f("capacity --tpm 1 --hit-rate 2"+lengths, "--hit-rate", "0% to 100%")
	f("capacity --tpm 1 --peak 0.5"+lengths, "--peak", "a factor from 1")
	f("capacity --tpm 1 --peak 2 --peak-of azure-conv"+lengths, "--peak and --peak-of")
	f("capacity --tpm 1 --peak-of nope"+lengths, "--peak-of", "azure-conv, azure-code")
	f("capacity --tpm 1 --e2e 1s --ttft 1s --tpot 1s"+lengths, "--e2e and --ttft")
	f("capacity --tpm 1 --ttft 1s"+lengths, "--ttft and --tpot")
	f("capacity --tpm 1 --e2e 0s"+lengths, "--e2e", "above 0")
	f("capacity --tpm 1 --e2e 5"+lengths, "--e2e", "want a duration such as")
	f("capacity --concurrency 4"+lengths, "needs the latency")
	f("capacity --rate 1 --per-day 1"+lengths, "--rate and --per-day")
	f("capacity --rate 1 --workload rag"+lengths, "--workload and --input-tokens")
	f("capacity --tier openai/tier-3"+lengths, "--tier needs --model")
	f("capacity --tier tier-3 --model gpt-4o"+lengths, `--tier is "tier-3", want provider/tier`)
	f("capacity --tier openai/tier-7 --model gpt-4o"+lengths, "--tier", `no tier "tier-7"; it has free, tier-1`)
	f("capacity --tier opnai/tier-3 --model gpt-4o"+lengths, "--tier", "nearest: openai")
	f("capacity --tier openai/tier-3 --model gpt-4oo"+lengths, "--model", "nearest: gpt-4o")
	f("capacity --tier openai/tier-3 --model anthropic/claude-opus-5"+lengths, "--tier is of openai, but --model is of anthropic")
	f("capacity --tier google/tier-1 --model gemini-2.5-pro"+lengths, "not published")
	f("capacity --config x.yaml"+lengths, "--config needs --target")
	f("capacity --tpm 1 --target a/b"+lengths, "--target needs --config or --results")
	f("capacity --rate 1 --split"+lengths, "--split needs")
	f("capacity --rate 1 --prefill 5"+lengths, "--prefill needs --decode")
	f("capacity --rate 1 --server-rate 5 --decode 4"+lengths, "--server-rate and --decode")
	f("capacity --rate 1 --gpus 8"+lengths, "--gpus needs")
	f("capacity --results "+filepath.Join(dir, "none"), "--results")
	f("capacity --rate 1 --results "+suite+" --target openai/gpt-4p", "--target", "nearest: openai/gpt-4o")
	f("capacity --rate 1 --results "+suite+" --target together/llama-4", "no valid measurement")

	f("cost"+lengths, "--model is missing")
	f("cost --model gpt-4o", "the length of a call is missing")
	f("cost --model gpt-4o --price-in 1"+lengths, "--model and --price-in")
	f("cost --price-in 1"+lengths, "both --price-in and --price-out")
	f("cost --price-in 1 --price-out 1 --price-per 1B"+lengths, "--price-per is 1B, want 1M or 1K")
	f("cost --price-in -1 --price-out 1"+lengths, "--price-in", "USD from 0")
	f("cost --price-per-call 0", "--price-per-call", "above 0")
	f("cost --price-per-call 1"+lengths, "--price-per-call and --input-tokens")
	f("cost --model gpt-4o --per-day 1 --per-month 1"+lengths, "--per-month and --per-day")
	f("cost --model gpt-4o --batch-discount 200%"+lengths, "--batch-discount", "0% to 100%")
	f("cost --model gpt-4o --prices "+file("prices.json", "{")+lengths, "prices.json")

	f("pattern", "nothing is stated")
	f("pattern --cost-sensitivity extreme", "want low, medium, high")
	f("pattern --deferrable 2", "--deferrable")
	f("pattern --file "+file("a.yaml", "interactiv: true"), `unknown key "interactiv"`, "nearest: interactive")
	f("pattern --file "+file("b.yaml", "max_wait: soon"), "max_wait", "want a duration")
	f("pattern --file "+file("c.yaml", "json: true"), `unknown key "json"`)
	f("pattern --file "+file("d.yaml", "max-wait: 1h"), `unknown key "max-wait"`, "max_wait")
	f("pattern --file "+file("e.yaml", "interactive:"), "has no value")
	f("pattern --file "+file("f.yaml", ""), "states nothing")
	f("pattern --file "+file("g.yaml", "- a"), "g.yaml")
	f("pattern --file "+file("h.yaml", "interactive: maybe"), "interactive")
	f("pattern --file "+filepath.Join(dir, "none.yaml"), "--file")

	f("tiers --provider opnai", "--provider", "nearest: openai")
	f("tiers --model gpt-99", "--model", "no limits")
	f("tiers --provider azure --model openai/gpt-4o", "--provider is azure, but --model is of openai")
	f("tiers --tiers-file "+file("tiers.json", `{"tiers": 5}`), "tiers.json")

	f("route --name smart", "--results is missing")
	f("route --results "+suite, "--name is missing")
	f("route --name smart --results "+suite+" --prefer beauty", "--prefer", "cost, latency, balanced")
	f("route --name smart --results "+suite+" --percentile p42", "--percentile", "p50, p95 or p99")
	f("route --name smart --results "+suite+" --budget 100", "--budget needs --rate")
	f("route --name smart --results "+suite+" --targets 0", "--targets", "1 to 100")
	f("route --name smart --results "+suite+" --max-errors 5", "--max-errors")
	f("route --name smart --results "+suite+" --slo-ttft 1ms", "no route", "no measured target meets all conditions")
	noSLO := writePlanSuite(t, workload.SLO{}, planCell{"sim/a", "", 10, time.Millisecond, 1, 0, "valid"})
	f("route --name smart --results "+noSLO, "no SLO", "--slo-ttft, --slo-tpot or --slo-e2e")
	f("route --name smart --results "+suite+" --results "+noSLO, "different SLOs")
	odd := writePlanSuite(t, workload.SLO{TTFT: time.Second}, planCell{"nowhere/a", "", 10, time.Millisecond, 1, 0, "valid"})
	f("route --name smart --results "+odd, "nowhere", "give --config")
	f("route --name smart --results "+odd+" --config "+file("sluice.yaml", "providers: {nowhen: {api: sim}}"), `no provider "nowhere"`, "nearest: nowhen")
}

// What a route says is a configuration that `sluice config check` passes: as it is where the providers come from the
// environment, and behind the providers of a file.
func TestPlannedRouteIsAConfiguration(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	suite := planSuite(t)
	odd := writePlanSuite(t, workload.SLO{TTFT: time.Second}, planCell{"my.own/a b: c", "", 10, time.Millisecond, 1, 0, "valid"}, planCell{"sim/fast", "", 10, 2 * time.Millisecond, 1, 0, "valid"})
	providers := "providers:\n  my.own: {api: openai, base_url: \"http://127.0.0.1:9/v1\", api_key: \"${MY_KEY}\"}\n  sim: {api: sim}\n"
	own := filepath.Join(dir, "own.yaml")
	if err := os.WriteFile(own, []byte(providers), 0o600); err != nil {
		t.Fatal(err)
	}
	keys := func(name string) (string, bool) {
		if strings.HasSuffix(name, "_KEY") {
			return "k", true
		}
		return "", false
	}
	f := func(name, before string, env func(string) (string, bool), args ...string) *config.Config {
		t.Helper()
		text, err := runPlan(t, args...)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		path := filepath.Join(dir, name+".yaml")
		if err := os.WriteFile(path, []byte(before+text), 0o600); err != nil {
			t.Fatal(err)
		}
		var out, problems bytes.Buffer
		if err := checkConfig(&out, &problems, path, env, false); err != nil {
			t.Fatalf("%s: %v\n%s\n%s", name, err, problems.String(), before+text)
		}
		c, err := config.Load(path, env)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	c := f("failover", "", keys, "route", "--results", suite, "--name", "smart", "--rate", "10")
	if m := c.Models[0]; m.Name != "smart" || m.Strategy != "failover" || len(m.Targets) != 3 || m.Targets[0].Target != "openai/gpt-4o-mini" {
		t.Errorf("%+v", m)
	}
	c = f("weighted", "", keys, "route", "--results", suite, "--name", "smart", "--slo-ttft", "450ms", "--rate", "45", "--prefer", "latency")
	if m := c.Models[0]; m.Strategy != "weighted" || len(m.Targets) < 2 || m.Targets[0].Weight < 1 {
		t.Errorf("%+v", m)
	}
	c = f("quoted", providers, keys, "route", "--results", odd, "--name", "yes", "--config", own)
	if m := c.Models[0]; m.Name != "yes" || m.Targets[0].Target != "my.own/a b: c" || m.Targets[1].Target != "sim/fast" {
		t.Errorf("%+v", m)
	}
	sims := writePlanSuite(t, workload.SLO{TTFT: time.Second}, planCell{"sim/fast", "", 10, time.Millisecond, 1, 0, "valid"})
	f("simulated", "", func(string) (string, bool) { return "", false }, "route", "--results", sims, "--name", "smart")
}

// Every setting that a guard names is a key of the configuration.
func TestGuardsNameSettings(t *testing.T) {
	t.Parallel()
	reference, err := os.ReadFile("../../docs/CONFIGURATION.md")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, g := range plan.PatternMatrix().Guards {
		for _, s := range g.Settings {
			section, key := s[:strings.LastIndex(s, ".")], s[strings.LastIndex(s, ".")+1:]
			_, rest, ok := strings.Cut(string(reference), "\n### "+section+"\n")
			rest, _, _ = strings.Cut(rest, "\n### ")
			if !ok || !strings.Contains(rest, "| `"+key+"` |") {
				t.Errorf("%s: %s is no key of the configuration", g.Failure, s)
			}
			n++
		}
	}
	if n < 10 {
		t.Errorf("only %d settings were looked up", n)
	}
}

func TestPatternFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "work.yaml")
	if err := os.WriteFile(path, []byte("interactive: false\nmax_wait: 24h\nper_day: 200_000\ncost_sensitivity: high\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	f := func(want string, args ...string) {
		t.Helper()
		out, err := runPlan(t, append([]string{"pattern", "--json", "--file", path}, args...)...)
		if err != nil {
			t.Fatal(err)
		}
		var got plan.Pattern
		if err := json.Unmarshal([]byte(out), &got); err != nil {
			t.Fatal(err)
		}
		if got.Choice != want || len(got.Inputs) < 4 {
			t.Errorf("%s of %+v, want %s", got.Choice, got.Inputs, want)
		}
	}
	f(plan.Batch)
	f(plan.Direct, "--max-wait", "1m") // a flag goes before the file
	for _, name := range workNames() {
		if newPlanPatternCommand().Flags().Lookup(name) == nil {
			t.Errorf("key %s of the file is no flag", name)
		}
	}
}

// A configuration's limits on concurrency are capacity by Little's law.
func TestCapacityOfAConfiguration(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "sluice.yaml")
	text := "providers:\n  own: {api: openai, base_url: \"http://127.0.0.1:9/v1\", api_key: \"${NOT_SET_HERE}\", concurrency: 64, quotas: [{models: [\"llama-*\"], concurrency: 16}]}\n  open: {api: sim}\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	f := func(target, want string) {
		t.Helper()
		out, err := runPlan(t, "capacity", "--config", path, "--target", target, "--e2e", "4s", "--input-tokens", "500", "--output-tokens", "200")
		if err != nil {
			out = err.Error()
		}
		if !strings.Contains(strings.Join(strings.Fields(out), " "), want) {
			t.Errorf("%s: no %q in\n%s", target, want, out)
		}
	}
	f("own/other", "carries 960 requests/min, 16/s concurrency binds")
	f("own/llama-3", "carries 240 requests/min, 4/s concurrency binds")
	f("open/x", "sets no concurrency")
	f("owm/x", "nearest: own")
}
