package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"sluice/internal/config"
	"sluice/internal/model"
	"sluice/internal/plan"
	"sluice/internal/report"
)

// capacityFlags are the flags of `sluice plan capacity`.
type capacityFlags struct {
	n       numbers
	lengths *lengths
	volume  volume

	limits                                                         map[string]*number
	tier, tiersFile, model, config, results, target                string
	cachedCounts, split, json                                      bool
	cached, maxTokens, ttft, tpot, e2e                             *number
	peak, headroom, overhead, hits, batch                          *number
	replicaStreams, replicaRate, prefill, decode, serverRate, gpus *number
	spare                                                          *number
	replicaSource, serverSource, peakOf                            string
}

func newPlanCapacityCommand(open openKeysFunc) *cobra.Command {
	var f capacityFlags
	cmd := &cobra.Command{
		Use:   "capacity",
		Short: "Say what rate limits carry, which one binds, and what a wanted load takes",
		Long: `Says how many requests a minute each limit carries and which one binds; with the latency of a request, how many streams are
under way (Little's law); and for a wanted load, whether it fits with headroom, which tier or how many accounts it takes, and
how many gateway replicas and servers by figures that were measured.

Limits come from flags, from --tier (see sluice plan tiers), from the concurrency in a configuration (--config and --target),
or from the headers in results of bench; a flag goes before all of these. Lengths and latency come from flags, a workload or
results.`,
		Example: "  sluice plan capacity --tpm 90000 --input-tokens 500 --output-tokens 200\n" +
			"  sluice plan capacity --tier openai/tier-3 --model gpt-4o --input-tokens 500 --output-tokens 200 --e2e 4s --rate 12 --peak 1.5",
		Args:         cobra.NoArgs,
		SilenceUsage: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			q, err := f.question(cmd, open)
			if err != nil {
				return err
			}
			answer, err := q.Capacity()
			if err != nil {
				return err
			}
			return writePlan(cmd, answer, f.json)
		},
	}
	f.register(cmd)
	return cmd
}

func (f *capacityFlags) register(cmd *cobra.Command) {
	f.n.cmd = cmd
	n, flags := &f.n, cmd.Flags()
	f.limits = map[string]*number{}
	for _, l := range plan.LimitNames() {
		name := strings.ReplaceAll(l.Name, "_", "-")
		f.limits[l.Name] = n.limit(name, "limit: "+l.Unit)
	}
	flags.StringVar(&f.tier, "tier", "", "take the limits of a `tier`, such as openai/tier-3; needs --model")
	flags.StringVar(&f.tiersFile, "tiers-file", "", "JSON `file` that overrides tiers")
	flags.StringVar(&f.model, "model", "", "`name` of the model, or provider/name")
	flags.StringVarP(&f.config, "config", "c", "", "take the concurrency of --target from this configuration `file`; it names the database of --results too")
	flags.StringVar(&f.results, "results", "", "take lengths, latency and limits from a bench: its results `directory`, or the suite's name in the database")
	resultsFlags(cmd)
	flags.StringVar(&f.target, "target", "", "`provider/model` to look for in --config or --results (provider/model@region there)")
	f.lengths = n.lengths()
	f.cached = n.share("cached-share", "share of the input that the provider has cached", false)
	flags.BoolVar(&f.cachedCounts, "cached-counts", true, "whether cached input counts against limits (default: as the tier's provider counts, else yes)")
	f.maxTokens = n.tokens("max-tokens", "tokens that the provider charges on arrival in place of the output, if it counts so", false)
	f.ttft = n.duration("ttft", "mean time to the first token")
	f.tpot = n.duration("tpot", "mean time for each further token")
	f.e2e = n.duration("e2e", "mean time of a request, in place of --ttft and --tpot")
	f.volume = n.volume("wanted mean calls a second")
	f.peak = n.factor("peak", "busiest minute to mean minute (default 1)")
	flags.StringVar(&f.peakOf, "peak-of", "", "take --peak from a published trace: "+strings.Join(plan.TraceNames(), ", "))
	f.headroom = n.share("headroom", "share of each limit that stays free (default 20%)", true)
	f.overhead = n.factor("overhead", "requests for one call that is sent, with retries and fallbacks (default 1)")
	f.hits = n.share("hit-rate", "share of calls answered from the gateway's cache, which are not sent", true)
	f.batch = n.share("batch-share", "share of calls that go into the provider's batches", false)
	f.replicaStreams = n.positive("replica-streams", "streams at once that one gateway replica carries, measured")
	f.replicaRate = n.positive("replica-rate", "calls a second that one gateway replica carries, measured")
	flags.StringVar(&f.replicaSource, "replica-source", "as given", "where the replica's figures were measured")
	f.prefill = n.positive("prefill", "input tokens a second that one server of your own reads, measured")
	f.decode = n.positive("decode", "output tokens a second that one server of your own makes, measured")
	f.serverRate = n.positive("server-rate", "requests of this length a second that one server carries, in place of --prefill and --decode")
	flags.BoolVar(&f.split, "split", false, "prefill and decode run on servers of their own")
	f.gpus = n.limit("gpus", "GPUs of one server")
	f.spare = n.limit("spare", "servers and replicas beside those that carry the load")
	flags.StringVar(&f.serverSource, "server-source", "as given", "where the server's figures were measured")
	flags.BoolVar(&f.json, "json", false, "print JSON")
}

// contradictions refuses flags that cannot stand together.
func (f *capacityFlags) contradictions(cmd *cobra.Command) error {
	for _, x := range []struct {
		name   string
		others []string
	}{
		{"e2e", []string{"ttft", "tpot"}},
		{"rate", []string{"per-day", "per-month"}},
		{"per-day", []string{"per-month"}},
		{"peak", []string{"peak-of"}},
		{"server-rate", []string{"prefill", "decode", "split"}},
		{"tier", []string{"config"}},
	} {
		if err := conflict(cmd, x.name, x.others...); err != nil {
			return err
		}
	}
	switch {
	case f.ttft.given() != f.tpot.given():
		return errors.New("give both --ttft and --tpot, or --e2e")
	case f.tier != "" && f.model == "":
		return errors.New("--tier needs --model: limits are those of one model")
	case f.config != "" && f.target == "" && f.results == "":
		return errors.New("--config needs --target: which provider/model of the configuration")
	case f.target != "" && f.config == "" && f.results == "":
		return errors.New("--target needs --config or --results to look in")
	case f.split && !(f.prefill.given() && f.decode.given()):
		return errors.New("--split needs --prefill and --decode")
	case f.prefill.given() && !f.decode.given():
		return errors.New("--prefill needs --decode: output is made too")
	case f.gpus.given() && !f.decode.given() && !f.serverRate.given() && f.results == "":
		return errors.New("--gpus needs what one server carries: --prefill and --decode, --server-rate, or --results")
	}
	return nil
}

// question checks the flags and puts the question together.
func (f *capacityFlags) question(cmd *cobra.Command, open openKeysFunc) (*plan.CapacityQuestion, error) {
	if err := f.contradictions(cmd); err != nil {
		return nil, err
	}
	q := &plan.CapacityQuestion{
		Shape: plan.Shape{Cached: f.cached.value, CachedCounts: f.cachedCounts, Reserved: f.maxTokens.value},
		Demand: plan.Demand{
			Rate: f.volume.perSecond(), Peak: f.peak.or(plan.Int(1)), Headroom: f.headroom.or(plan.Float(0.2)),
			Attempts: f.overhead.or(plan.Int(1)), Hits: f.hits.value, Batch: f.batch.value,
		},
		Fleet: plan.Fleet{
			ReplicaStreams: f.replicaStreams.value, ReplicaRate: f.replicaRate.value, ReplicaSource: f.replicaSource,
			Prefill: f.prefill.value, Decode: f.decode.value, ServerRate: f.serverRate.value, GPUs: f.gpus.value, Split: f.split,
			Spare: f.spare.value, ServerSource: f.serverSource,
		},
		Inputs: f.n.inputs(),
	}
	var ok bool
	var err error
	var from []plan.Input
	if q.Shape.Input, q.Shape.Output, from, ok, err = f.lengths.read(cmd); err != nil {
		return nil, err
	}
	q.Inputs = append(q.Inputs, from...)
	if !f.headroom.given() {
		q.Inputs = append(q.Inputs, plan.Input{Name: "headroom", Value: "20%", Source: "default"})
	}
	q.Shape.TTFT, q.Shape.TPOT, q.Shape.E2E = f.ttft.value, f.tpot.value, f.e2e.value
	if f.results != "" {
		if err := f.fromResults(cmd, q, open, ok); err != nil {
			return nil, err
		}
	} else if !ok {
		return nil, errors.New("the length of a call is missing: give --input-tokens and --output-tokens, --workload, or --results")
	}
	if f.peakOf != "" {
		t, err := plan.TraceNamed(f.peakOf)
		if err != nil {
			return nil, fmt.Errorf("--peak-of: %w", err)
		}
		q.Demand.Peak = t.Peak
		q.Inputs = append(q.Inputs, plan.Input{Name: "peak", Value: t.Peak.Round(2), Source: t.Source})
	}
	if err := f.knownLimits(cmd, q); err != nil {
		return nil, err
	}
	q.Limits = q.Limits.Over(f.givenLimits())
	q.Inputs = firstOfEach(q.Inputs)
	if !q.Limits.Any() && q.Demand.Rate.Sign() == 0 {
		return nil, errors.New("nothing to compute: give limits (--rpm, --tpm, --tier ...), or a wanted load (--rate, --per-day, --per-month)")
	}
	return q, nil
}

// firstOfEach keeps the first input of each name: flags stand first, and go before what was found elsewhere.
func firstOfEach(all []plan.Input) []plan.Input {
	var kept []plan.Input
	for _, i := range all {
		i.Name = strings.ReplaceAll(i.Name, "_", "-")
		if !slices.ContainsFunc(kept, func(k plan.Input) bool { return k.Name == i.Name }) {
			kept = append(kept, i)
		}
	}
	return kept
}

// givenLimits are those of flags.
func (f *capacityFlags) givenLimits() plan.Limits {
	var l plan.Limits
	for name, n := range f.limits {
		l.Set(name, n.value.Int64())
	}
	return l
}

// knownLimits takes limits from the tier or the configuration, and says which tiers to look through for a wanted load.
func (f *capacityFlags) knownLimits(cmd *cobra.Command, q *plan.CapacityQuestion) error {
	tiers, err := plan.LoadTiers(f.tiersFile)
	if err != nil {
		return err
	}
	provider, name := f.provider(tiers)
	if f.tier != "" {
		p, tierName, ok := strings.Cut(f.tier, "/")
		if !ok {
			return fmt.Errorf("--tier is %q, want provider/tier, such as openai/tier-3", f.tier)
		}
		if provider != "" && provider != p {
			return fmt.Errorf("--tier is of %s, but --model is of %s", p, provider)
		}
		provider = p
		tier, err := tiers.Find(p, tierName)
		if err != nil {
			return fmt.Errorf("--tier: %w", err)
		}
		l, ok := tier.For(name)
		if !ok {
			return fmt.Errorf("--model: no limits of %s for %q are known%s", f.tier, name, nearestOf(name, tierModels(tier)))
		}
		if !l.Limits.Any() {
			return fmt.Errorf("--tier: the limits of %s are not published: %s", f.tier, l.Note)
		}
		q.Limits = q.Limits.Over(l.Limits)
		q.Inputs = append(q.Inputs, tierInputs(tiers, f.tier, l)...)
	}
	if f.config != "" && f.target != "" {
		if err := f.configLimits(q); err != nil {
			return err
		}
	}
	r := tiers.Providers[provider]
	if r.CountsCached != nil && !cmd.Flags().Changed("cached-counts") {
		q.Shape.CachedCounts = *r.CountsCached
	}
	if f.tier != "" {
		q.Notes = r.Notes(provider, f.maxTokens.given())
	}
	if provider != "" && name != "" {
		q.Tiers, q.Provider, q.Model = tiers, provider, name
	}
	return nil
}

// provider splits --model, and finds the provider of a bare name from the price table.
func (f *capacityFlags) provider(tiers *plan.Tiers) (provider, name string) {
	for _, p := range tiers.Names() {
		if rest, ok := strings.CutPrefix(f.model, p+"/"); ok {
			return p, rest
		}
	}
	if f.model != "" && f.tier == "" {
		if info := findModel(model.Embedded(), f.model); info != nil {
			return info.Provider, info.Model
		}
	}
	return "", f.model
}

func tierModels(t *plan.Tier) []string {
	var all []string
	for _, l := range t.Limits {
		all = append(all, l.Models...)
	}
	return all
}

// tierInputs names the limits of a tier with their source.
func tierInputs(tiers *plan.Tiers, tier string, l plan.TierLimits) []plan.Input {
	s := tiers.Source(l)
	source := fmt.Sprintf("%s, %s as of %s", tier, s.URL, s.AsOf)
	if l.Unverified {
		source += ", unverified"
	}
	var all []plan.Input
	for _, x := range l.List() {
		all = append(all, plan.Input{Name: x.Name, Value: plan.Int(x.Value).Grouped(0), Source: source})
	}
	return all
}

// configLimits takes the concurrency of a target from a configuration: the account's, and that of quotas for the model.
func (f *capacityFlags) configLimits(q *plan.CapacityQuestion) error {
	c, err := config.Load(f.config, planEnv)
	if err != nil {
		return fmt.Errorf("--config: %w", err)
	}
	account, name, ok := strings.Cut(f.target, "/")
	i := slices.IndexFunc(c.Providers, func(p config.Provider) bool { return p.Name == account })
	if !ok || i < 0 {
		return fmt.Errorf("--target: %q is no provider of %s%s", account, f.config, nearestOf(account, providerNames(c)))
	}
	p := &c.Providers[i]
	least := int64(p.Concurrency)
	for _, quota := range p.Quotas {
		for _, pattern := range quota.Models {
			if n := int64(quota.Concurrency); model.Match(pattern, name) && n > 0 && (least == 0 || n < least) {
				least = n
			}
		}
	}
	if least == 0 {
		return fmt.Errorf("--config: %s sets no concurrency for %s", f.config, f.target)
	}
	q.Limits = q.Limits.Over(plan.Limits{Concurrency: least})
	q.Inputs = append(q.Inputs, plan.Input{Name: "concurrency", Value: plan.Int(least).Grouped(0), Source: f.config + ", " + f.target})
	return nil
}

// providerNames lists the providers of a configuration, sorted.
func providerNames(c *config.Config) []string {
	var names []string
	for i := range c.Providers {
		names = append(names, c.Providers[i].Name)
	}
	slices.Sort(names)
	return names
}

// fromResults takes lengths, latency, limits and what one server carries from measurements, where flags do not say.
func (f *capacityFlags) fromResults(cmd *cobra.Command, q *plan.CapacityQuestion, open openKeysFunc, haveLengths bool) error {
	m, err := readResults(cmd, open, f.results)
	if err != nil {
		return err
	}
	target := f.target
	if f.config != "" {
		target, _, _ = strings.Cut(target, "@")
	}
	r, err := m.pick(target)
	if err != nil {
		return err
	}
	source := m.provenance(r)
	add := func(name string, x plan.Exact, unit string) {
		q.Inputs = append(q.Inputs, plan.Input{Name: name, Value: x.Grouped(4) + unit, Source: source})
	}
	if !haveLengths {
		in, out, ok := meanTokens(r.Summaries)
		if !ok {
			return fmt.Errorf("--results: no request of %s succeeded", r.Cell.Target)
		}
		q.Shape.Input, q.Shape.Output = plan.Float(in), plan.Float(out)
		add("input-tokens", q.Shape.Input, "")
		add("output-tokens", q.Shape.Output, "")
	}
	if !f.e2e.given() && !f.ttft.given() {
		if e2e, ok := meanOf(r.Summaries, func(s *report.Summary) *report.Dist { return &s.E2E }); ok {
			q.Shape.E2E = e2e
			add("e2e", e2e, " s")
		}
	}
	if l := (plan.Limits{RPM: max(r.RPMLimit, 0), TPM: max(r.TPMLimit, 0)}); l.Any() {
		q.Limits = l
		for _, x := range l.List() {
			add(x.Name, plan.Int(x.Value), "")
		}
	}
	if f.gpus.given() && !f.serverRate.given() && !f.decode.given() {
		q.Fleet.ServerRate, q.Fleet.ServerSource = plan.Float(r.TPS.Mean), source
		add("server-rate", q.Fleet.ServerRate, "/s")
	}
	return nil
}
