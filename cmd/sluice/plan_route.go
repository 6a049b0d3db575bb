package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"sluice/internal/config"
	"sluice/internal/plan"
	"sluice/internal/workload"
)

// routeFlags are the flags of `sluice plan route`.
type routeFlags struct {
	n                                       numbers
	volume                                  volume
	results                                 []string
	name, percentile, prefer, config        string
	ttft, tpot, e2e, errors, peak, headroom *number
	budget, maxCost, targets                *number
	unproven, degraded, json                bool
}

func newPlanRouteCommand(open openKeysFunc) *cobra.Command {
	var f routeFlags
	cmd := &cobra.Command{
		Use:   "route",
		Short: "Turn measurements, an SLO and a budget into a route",
		Long: `Weighs measured targets against limits on latency, errors, cost and capacity, and writes the route that they make: an entry for
models in the configuration, with the figures that speak for each target, and against each rejected one, in comments.

Only measurements with the verdict valid count. A latency meets its limit if the whole 95 % interval over repeats does; one
whose interval crosses it is not proven, and is rejected unless --accept-unproven. Of each target the highest load that meets
everything counts as what it carries. Without limits on latency those of the measured workload hold.

If one target carries the load, the route is failover with others behind it, of other providers first. If it takes several,
they share it by weight. If all together do not carry it, there is no route, and the command fails.`,
		Example: "  sluice plan route --results bench-out/20261121-1200 --name smart --slo-ttft 500ms --rate 10 --budget 3000 > route.yaml\n" +
			"  sluice plan route --results a --results b --name fast --slo-e2e 3s --prefer latency --config sluice.yaml --json",
		Args:         cobra.NoArgs,
		SilenceUsage: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			q, err := f.question(cmd, open)
			if err != nil {
				return err
			}
			answer, err := q.Route()
			if err != nil {
				return err
			}
			return f.write(cmd, q, answer)
		},
	}
	f.register(cmd)
	return cmd
}

func (f *routeFlags) register(cmd *cobra.Command) {
	f.n.cmd = cmd
	n, flags := &f.n, cmd.Flags()
	flags.StringArrayVar(&f.results, "results", nil, "a bench's results `directory`, or the suite's name in the database; may be given several times")
	resultsFlags(cmd)
	flags.StringVar(&f.name, "name", "", "public `name` of the model that the route is for")
	f.ttft = n.duration("slo-ttft", "limit on the time to the first token")
	f.tpot = n.duration("slo-tpot", "limit on the time for each further token")
	f.e2e = n.duration("slo-e2e", "limit on the time of a request")
	flags.StringVar(&f.percentile, "percentile", "p95", "which percentile the limits are on: p50, p95 or p99")
	f.errors = n.share("max-errors", "highest share of failures (default 1%)", false)
	f.volume = n.volume("wanted mean calls a second")
	f.peak = n.factor("peak", "busiest minute to mean minute (default 1)")
	f.headroom = n.share("headroom", "share of what a target carries that stays free (default 20%)", true)
	f.budget = n.usd("budget", "USD a month, for each target if it answered all; needs --rate, --per-day or --per-month", false)
	f.maxCost = n.usd("max-cost", "USD for a transaction", false)
	flags.StringVar(&f.prefer, "prefer", plan.PreferCost, "what decides between targets that meet everything: "+strings.Join(plan.Preferences(), ", "))
	f.targets = n.add("targets", "number", "a whole number from 1 to 100", "most targets of the route (default 3)", plan.Number, func(x plan.Exact) bool {
		return x.Cmp(plan.Int(1)) >= 0 && x.Cmp(plan.Int(100)) <= 0 && x.Cmp(x.Floor()) == 0
	})
	flags.StringVarP(&f.config, "config", "c", "", "configuration `file` that the route is for: its providers must have the targets")
	flags.BoolVar(&f.unproven, "accept-unproven", false, "take a figure that meets its limit though its interval does not")
	flags.BoolVar(&f.degraded, "accept-degraded", false, "take measurements with the verdict degraded")
	flags.BoolVar(&f.json, "json", false, "print JSON, with the YAML in it")
}

// question checks the flags and puts the question together.
func (f *routeFlags) question(cmd *cobra.Command, open openKeysFunc) (*plan.RouteQuestion, error) {
	if err := errors.Join(conflict(cmd, "rate", "per-day", "per-month"), conflict(cmd, "per-day", "per-month")); err != nil {
		return nil, err
	}
	switch {
	case len(f.results) == 0:
		return nil, errors.New("--results is missing: the directory of a bench, or a suite in the database")
	case f.name == "" || strings.TrimSpace(f.name) != f.name:
		return nil, errors.New("--name is missing: the model name that clients will ask for")
	case !slices.Contains(plan.Preferences(), f.prefer):
		return nil, fmt.Errorf("--prefer is %q, want %s", f.prefer, strings.Join(plan.Preferences(), ", "))
	case !slices.Contains([]string{"p50", "p95", "p99"}, f.percentile):
		return nil, fmt.Errorf("--percentile is %q, want p50, p95 or p99", f.percentile)
	case f.budget.given() && f.volume.perSecond().Sign() == 0:
		return nil, errors.New("--budget needs --rate, --per-day or --per-month: a month costs what is called in it")
	}
	q := &plan.RouteQuestion{
		Name: f.name, TTFT: f.ttft.asDuration(), TPOT: f.tpot.asDuration(), E2E: f.e2e.asDuration(), Percentile: f.percentile,
		MaxErrors: f.errors.or(plan.Float(0.01)), Rate: f.volume.perSecond(), Peak: f.peak.or(plan.Int(1)),
		Headroom: f.headroom.or(plan.Float(0.2)), MaxCost: f.maxCost.value, Budget: f.budget.value, Prefer: f.prefer,
		Targets: int(f.targets.or(plan.Int(3)).Int64()), Unproven: f.unproven, Degraded: f.degraded,
	}
	var slos []workload.SLO
	for _, dir := range f.results {
		m, err := readResults(cmd, open, dir)
		if err != nil {
			return nil, err
		}
		q.Candidates = append(q.Candidates, m.candidates()...)
		slos = append(slos, m.suite.Workload.SLO)
		q.Inputs = append(q.Inputs, plan.Input{
			Name: "results", Value: "suite " + m.suite.ID, Source: "of " + m.suite.Started.UTC().Format("2006-01-02") + ", workload " + m.suite.Workload.Name,
		})
	}
	q.Inputs = append(q.Inputs, f.n.inputs()...)
	for _, x := range []struct {
		n     *number
		value string
	}{{f.errors, "1%"}, {f.headroom, "20%"}} {
		if !x.n.given() {
			q.Inputs = append(q.Inputs, plan.Input{Name: x.n.name, Value: x.value, Source: "default"})
		}
	}
	q.Inputs = append(q.Inputs, plan.Input{Name: "percentile", Value: f.percentile}, plan.Input{Name: "prefer", Value: f.prefer})
	return q, f.defaultSLO(q, slos)
}

// defaultSLO takes the limits of the measured workload where the flags give none.
func (f *routeFlags) defaultSLO(q *plan.RouteQuestion, slos []workload.SLO) error {
	if q.TTFT > 0 || q.TPOT > 0 || q.E2E > 0 {
		return nil
	}
	for _, s := range slos {
		if s != slos[0] {
			return errors.New("the measured workloads have different SLOs: state one with --slo-ttft, --slo-tpot or --slo-e2e")
		}
	}
	if slos[0] == (workload.SLO{}) {
		return errors.New("no SLO: neither the flags nor the measured workload limit a latency; give --slo-ttft, --slo-tpot or --slo-e2e")
	}
	q.TTFT, q.TPOT, q.E2E = slos[0].TTFT, slos[0].TPOT, slos[0].E2E
	q.Inputs = append(q.Inputs, plan.Input{Name: "slo", Value: sloText(slos[0]), Source: "of the measured workload"})
	return nil
}

func sloText(s workload.SLO) string {
	var parts []string
	if s.TTFT > 0 {
		parts = append(parts, "TTFT "+s.TTFT.String())
	}
	if s.TPOT > 0 {
		parts = append(parts, "TPOT "+s.TPOT.String())
	}
	if s.E2E > 0 {
		parts = append(parts, "E2E "+s.E2E.String())
	}
	return strings.Join(parts, ", ")
}

// write writes the route, once it has passed the check that `sluice config check` makes. No route is a failure.
func (f *routeFlags) write(cmd *cobra.Command, q *plan.RouteQuestion, r *plan.Route) error {
	var text bytes.Buffer
	if r.Strategy != "" {
		if err := r.WriteYAML(&text, q); err != nil {
			return err
		}
		if err := f.check(r, text.Bytes()); err != nil {
			return err
		}
	}
	out := cmd.OutOrStdout()
	switch {
	case f.json:
		if err := writeJSON(out, struct {
			*plan.Route
			YAML string `json:"yaml,omitempty"`
		}{r, text.String()}); err != nil {
			return err
		}
	case r.Strategy == "":
		if err := r.WriteText(out); err != nil {
			return err
		}
	default:
		if _, err := out.Write(text.Bytes()); err != nil {
			return err
		}
	}
	if r.Strategy == "" {
		return errors.New("no route: " + r.Failure)
	}
	return nil
}

// check loads the route as a configuration: with the providers of --config, or with those that environment variables make.
func (f *routeFlags) check(r *plan.Route, text []byte) error {
	env, simulated := planEnv, true
	for _, t := range r.Targets {
		simulated = simulated && t.Provider() == "sim"
	}
	if simulated {
		env = func(string) (string, bool) { return "", false }
	}
	if f.config != "" {
		c, err := config.Load(f.config, planEnv)
		if err != nil {
			return fmt.Errorf("--config: %w", err)
		}
		var stub strings.Builder
		stub.WriteString("providers:\n")
		names := providerNames(c)
		for _, name := range names {
			fmt.Fprintf(&stub, "  %s: {api: sim}\n", strconv.Quote(name))
		}
		for _, t := range r.Targets {
			if !slices.Contains(names, t.Provider()) {
				return fmt.Errorf("--config: %s has no provider %q, which target %s needs%s", f.config, t.Provider(), t.Target, nearestOf(t.Provider(), names))
			}
		}
		text = append([]byte(stub.String()), text...)
	}
	if _, err := config.Parse("route.yaml", text, env); err != nil {
		if f.config == "" {
			return fmt.Errorf("the route names a provider that no environment variable makes; give --config: %w", err)
		}
		return fmt.Errorf("check route: %w", err)
	}
	return nil
}

// planEnv reads environment variables for plans, which send nothing: one that is not set is taken to be there, since it
// will be where the configuration is used.
func planEnv(name string) (string, bool) {
	if v, ok := os.LookupEnv(name); ok && v != "" {
		return v, true
	}
	if strings.Contains(name, "_URL") || strings.HasSuffix(name, "_ENDPOINT") || strings.HasSuffix(name, "_VERSION") || strings.HasPrefix(name, "SLUICE_") {
		return "", false
	}
	return "unset", true
}
