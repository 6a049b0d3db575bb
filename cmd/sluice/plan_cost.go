package main

import (
	"errors"

	"github.com/spf13/cobra"

	"sluice/internal/model"
	"sluice/internal/plan"
)

// costFlags are the flags of `sluice plan cost`.
type costFlags struct {
	n       numbers
	lengths *lengths
	volume  volume

	models                                         []string
	prices, per                                    string
	priceIn, priceOut, priceCached, priceCall      *number
	reasoning, cached, discount                    *number
	overhead, hits, batch, fixed, delay, batchWait *number
	json                                           bool
}

func newPlanCostCommand() *cobra.Command {
	var f costFlags
	cmd := &cobra.Command{
		Use:   "cost",
		Short: "Say what traffic costs, by model, volume and pattern",
		Long: `Says what calls cost: one, an hour at full rate, a day, a month and a year, sent directly, as streams or in batches, and when
batches pay. Prices are from the built-in table, which is dated, unless --prices overrides them or --price-in and --price-out
state them. A model without a known price is unpriced, never free.

Amounts are exact and rounded once, to a nano-dollar; --json has them in full.`,
		Example: "  sluice plan cost --model gpt-4o-mini --model claude-haiku-4-5 --input-tokens 500 --output-tokens 500 --per-month 10M\n" +
			"  sluice plan cost --price-in 0.01 --price-out 0.03 --price-per 1K --input-tokens 500 --output-tokens 200 --rate 40",
		Args:         cobra.NoArgs,
		SilenceUsage: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			q, err := f.question(cmd)
			if err != nil {
				return err
			}
			answer, err := q.Cost()
			if err != nil {
				return err
			}
			return writePlan(cmd, answer, f.json)
		},
	}
	f.register(cmd)
	return cmd
}

func (f *costFlags) register(cmd *cobra.Command) {
	f.n.cmd = cmd
	n, flags := &f.n, cmd.Flags()
	flags.StringArrayVar(&f.models, "model", nil, "`name` of a model, or provider/name; may be given several times")
	flags.StringVar(&f.prices, "prices", "", "JSON `file` that overrides prices")
	f.priceIn = n.usd("price-in", "price of input tokens, for --price-per of them", true)
	f.priceOut = n.usd("price-out", "price of output tokens, for --price-per of them", true)
	f.priceCached = n.usd("price-cached", "price of input that the provider has cached (default --price-in)", true)
	flags.StringVar(&f.per, "price-per", "1M", "how many tokens the prices are for: 1M or 1K")
	f.priceCall = n.usd("price-per-call", "price of one call, in place of prices of tokens", false)
	f.discount = n.share("batch-discount", "what batches cost less (default: the price table's, else 50%)", false)
	f.lengths = n.lengths()
	f.reasoning = n.tokens("reasoning-tokens", "mean reasoning tokens of a call, billed as output", true)
	f.cached = n.share("cached-share", "share of the input that the provider has cached, at its price for that", false)
	f.volume = n.volume("calls a second at full rate, for the cost of an hour")
	f.overhead = n.factor("overhead", "paid requests for one call that is sent, with retries and fallbacks: 1.05 for 5 % more")
	f.hits = n.share("hit-rate", "share of calls answered from the gateway's cache, which are not sent", false)
	f.batch = n.share("batch-share", "share of calls that can wait for a batch: adds the mixed pattern", false)
	f.fixed = n.usd("batch-fixed", "USD a month that running batches costs beside the calls", false)
	f.delay = n.usd("delay-cost", "USD that an hour of waiting costs for one call", false)
	f.batchWait = n.duration("batch-wait", "how long a batch is waited for (default 24h)")
	flags.BoolVar(&f.json, "json", false, "print JSON")
}

// question checks the flags and puts the question together.
func (f *costFlags) question(cmd *cobra.Command) (*plan.CostQuestion, error) {
	for _, x := range []struct {
		name   string
		others []string
	}{
		{"model", []string{"price-in", "price-out", "price-cached", "price-per", "price-per-call"}},
		{"price-per-call", []string{
			"price-in", "price-out", "price-cached", "price-per", "input-tokens", "output-tokens", "reasoning-tokens", "cached-share", "workload",
		}},
		{"per-month", []string{"per-day"}},
	} {
		if err := conflict(cmd, x.name, x.others...); err != nil {
			return nil, err
		}
	}
	in, out, from, ok, err := f.lengths.read(cmd)
	if err != nil {
		return nil, err
	}
	if !ok && !f.priceCall.given() {
		return nil, errors.New("the length of a call is missing: give --input-tokens and --output-tokens, --workload, or --price-per-call")
	}
	prices, err := f.priceList(in.Ceil().Int64())
	if err != nil {
		return nil, err
	}
	one := plan.Int(1)
	q := &plan.CostQuestion{
		Prices: prices, Input: in, Output: out, Reasoning: f.reasoning.value, Cached: f.cached.value,
		Attempts: f.overhead.or(one), Hits: f.hits.value, Month: f.volume.month(), Rate: f.volume.rate.value, Batch: f.batch.value,
		BatchFixed: f.fixed.value, Delay: f.delay.value, Wait: f.batchWait.or(plan.Int(24 * 3600)).Over(plan.Int(3600)),
		Inputs: append(f.n.inputs(), from...),
	}
	if f.priceIn.given() {
		q.Inputs = append(q.Inputs, plan.Input{Name: "price-per", Value: f.per})
	}
	if !f.batchWait.given() {
		q.Inputs = append(q.Inputs, plan.Input{Name: "batch-wait", Value: "24h", Source: "default"})
	}
	return q, nil
}

// priceList returns the prices to compare.
func (f *costFlags) priceList(prompt int64) ([]plan.Price, error) {
	keep := func(p plan.Price) plan.Price {
		if f.discount.given() {
			p.BatchKeep, p.BatchAssumed = plan.Int(1).Minus(f.discount.value), false
		}
		return p
	}
	if f.priceCall.given() {
		return []plan.Price{keep(plan.Price{Name: "as given", Known: true, PerCall: f.priceCall.value, BatchKeep: plan.UsualBatch(), BatchAssumed: true})}, nil
	}
	if f.priceIn.given() || f.priceOut.given() || f.priceCached.given() {
		return f.givenPrice(keep)
	}
	if len(f.models) == 0 {
		return nil, errors.New("--model is missing; or give --price-in and --price-out, or --price-per-call")
	}
	table, err := model.Load(f.prices)
	if err != nil {
		return nil, err
	}
	var all []plan.Price
	for _, name := range f.models {
		info := findModel(table, name)
		if info == nil {
			all = append(all, plan.Unpriced(name, model.Nearest(name, everyModel(table), 3)))
			continue
		}
		all = append(all, keep(plan.PriceOf(info, prompt)))
	}
	return all, nil
}

// givenPrice is the price that the flags state.
func (f *costFlags) givenPrice(keep func(plan.Price) plan.Price) ([]plan.Price, error) {
	if !f.priceIn.given() || !f.priceOut.given() {
		return nil, errors.New("give both --price-in and --price-out (0 for what is not charged)")
	}
	var per plan.Exact
	switch f.per {
	case "1M", "1m":
		per = plan.Float(1e6)
	case "1K", "1k":
		per = plan.Int(1000)
	default:
		return nil, errors.New("--price-per is " + f.per + ", want 1M or 1K")
	}
	return []plan.Price{keep(plan.Price{
		Name: "as given", Known: true, Input: f.priceIn.value.Over(per), Output: f.priceOut.value.Over(per),
		Cached: f.priceCached.or(f.priceIn.value).Over(per), BatchKeep: plan.UsualBatch(), BatchAssumed: true,
	})}, nil
}
