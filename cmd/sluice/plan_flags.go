package main

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"sluice/internal/plan"
	"sluice/internal/workload"
)

// number is a flag with an exact number. Cobra puts the flag's name and value before its errors.
type number struct {
	name  string
	kind  string // what the help calls it
	want  string // how errors go on
	read  func(string) (plan.Exact, error)
	ok    func(plan.Exact) bool
	value plan.Exact
	text  string // as it was written; "" if the flag was not given
}

// String is what the help shows as the default.
func (n *number) String() string { return n.text }

// Type is what the help calls the value.
func (n *number) Type() string { return n.kind }

// Set reads the value.
func (n *number) Set(text string) error {
	x, err := n.read(text)
	if err != nil {
		return err
	}
	if !n.ok(x) {
		return errors.New("want " + n.want)
	}
	n.value, n.text = x, text
	return nil
}

func (n *number) given() bool { return n.text != "" }

// numbers makes the flags of a command and remembers them, so that answers can name their inputs.
type numbers struct {
	cmd *cobra.Command
	all []*number
}

func (n *numbers) add(name, kind, want, usage string, read func(string) (plan.Exact, error), ok func(plan.Exact) bool) *number {
	x := &number{name: name, kind: kind, want: want, read: read, ok: ok}
	n.cmd.Flags().Var(x, name, usage)
	n.all = append(n.all, x)
	return x
}

// The bounds of what is taken for a number and not for a slip.
func limitBound() plan.Exact  { return plan.Float(plan.MaxLimit) }
func tokensBound() plan.Exact { return plan.Float(1e9) }

// limit is a whole number from 1.
func (n *numbers) limit(name, usage string) *number {
	return n.add(name, "number", "a whole number from 1 to 1e15", usage, plan.Number, func(x plan.Exact) bool {
		return x.Cmp(plan.Int(1)) >= 0 && x.Cmp(limitBound()) <= 0 && x.Cmp(x.Floor()) == 0
	})
}

// positive is a number above 0.
func (n *numbers) positive(name, usage string) *number {
	return n.add(name, "number", "a number above 0, at most 1e15", usage, plan.Number, func(x plan.Exact) bool {
		return x.Sign() > 0 && x.Cmp(limitBound()) <= 0
	})
}

// tokens is a mean number of tokens. zero says whether none is an answer.
func (n *numbers) tokens(name, usage string, zero bool) *number {
	want := "a number above 0, at most 1e9"
	if zero {
		want = "a number from 0 to 1e9"
	}
	return n.add(name, "tokens", want, usage, plan.Number, func(x plan.Exact) bool {
		return (x.Sign() > 0 || zero && x.Sign() == 0) && x.Cmp(tokensBound()) <= 0
	})
}

// share is from 0 to 100 %. less says whether it must stay below 100 %.
func (n *numbers) share(name, usage string, less bool) *number {
	want := "a share from 0% to 100%"
	if less {
		want = "a share from 0% up to, but not, 100%"
	}
	return n.add(name, "share", want, usage, plan.Share, func(x plan.Exact) bool { return !less || x.Cmp(plan.Int(1)) < 0 })
}

// factor is a number from 1.
func (n *numbers) factor(name, usage string) *number {
	return n.add(name, "factor", "a factor from 1 to 1e6", usage, plan.Number, func(x plan.Exact) bool {
		return x.Cmp(plan.Int(1)) >= 0 && x.Cmp(plan.Float(1e6)) <= 0
	})
}

// usd is an amount above 0.
func (n *numbers) usd(name, usage string, zero bool) *number {
	want := "an amount in USD above 0, at most 1e12"
	if zero {
		want = "an amount in USD from 0 to 1e12"
	}
	read := func(s string) (plan.Exact, error) { return plan.Number(strings.TrimPrefix(s, "$")) }
	return n.add(name, "USD", want, usage, read, func(x plan.Exact) bool {
		return (x.Sign() > 0 || zero && x.Sign() == 0) && x.Cmp(plan.Float(1e12)) <= 0
	})
}

// duration is a time above 0. Its number is in seconds.
func (n *numbers) duration(name, usage string) *number {
	read := func(s string) (plan.Exact, error) {
		d, err := time.ParseDuration(s)
		if err != nil {
			return plan.Exact{}, errors.New("want a duration such as 250ms, 5s or 24h")
		}
		return plan.Int(int64(d)).Over(plan.Int(int64(time.Second))), nil
	}
	return n.add(name, "duration", "a duration above 0, such as 250ms, 5s or 24h", usage, read, func(x plan.Exact) bool { return x.Sign() > 0 })
}

// asDuration turns seconds back into a duration.
func (n *number) asDuration() time.Duration {
	return time.Duration(n.value.Times(plan.Int(int64(time.Second))).Int64())
}

// or returns the value, or another where the flag was not given.
func (n *number) or(other plan.Exact) plan.Exact {
	if n.given() {
		return n.value
	}
	return other
}

// inputs lists the flags that were given, as they were written.
func (n *numbers) inputs() []plan.Input {
	var all []plan.Input
	for _, x := range n.all {
		if x.given() {
			all = append(all, plan.Input{Name: x.name, Value: x.text})
		}
	}
	return all
}

// exclusive refuses flags that say the same thing twice. Each is given as it is written, without dashes.
func exclusive(cmd *cobra.Command, names ...string) error {
	var given []string
	for _, name := range names {
		if cmd.Flags().Changed(name) {
			given = append(given, "--"+name)
		}
	}
	if len(given) > 1 {
		return fmt.Errorf("give one of %s, not both", strings.Join(given, " and "))
	}
	return nil
}

// conflict refuses the first flag beside any of the others.
func conflict(cmd *cobra.Command, name string, others ...string) error {
	for _, o := range others {
		if err := exclusive(cmd, name, o); err != nil {
			return err
		}
	}
	return nil
}

// volume are the flags that say how many calls are made.
type volume struct{ rate, perDay, perMonth *number }

func (n *numbers) volume(rateUsage string) volume {
	return volume{
		rate:     n.positive("rate", rateUsage),
		perDay:   n.positive("per-day", "calls a day"),
		perMonth: n.positive("per-month", "calls a month (a twelfth of a year of 365 days)"),
	}
}

// month returns the calls a month, 0 if neither a day's nor a month's are given.
func (v volume) month() plan.Exact {
	if v.perDay.given() {
		return v.perDay.value.Times(plan.Int(365)).Over(plan.Int(12))
	}
	return v.perMonth.value
}

// perSecond returns the mean calls a second, 0 if nothing is given.
func (v volume) perSecond() plan.Exact {
	const day = 86400
	switch {
	case v.rate.given():
		return v.rate.value
	case v.perDay.given():
		return v.perDay.value.Over(plan.Int(day))
	}
	return v.perMonth.value.Times(plan.Int(12)).Over(plan.Int(365 * day))
}

// lengths are the flags that say how long calls are.
type lengths struct {
	workload      string
	input, output *number
}

func (n *numbers) lengths() *lengths {
	l := &lengths{
		input:  n.tokens("input-tokens", "mean input tokens of a call", false),
		output: n.tokens("output-tokens", "mean output tokens of a call; 0 for embeddings", true),
	}
	n.cmd.Flags().StringVar(&l.workload, "workload", "", "take the mean tokens from a workload `file`, or a shipped profile by name")
	return l
}

// read returns the mean tokens; ok is false if none are given.
func (l *lengths) read(cmd *cobra.Command) (input, output plan.Exact, from []plan.Input, ok bool, err error) {
	if err := conflict(cmd, "workload", "input-tokens", "output-tokens"); err != nil {
		return input, output, nil, false, err
	}
	if l.workload == "" {
		if l.input.given() != l.output.given() {
			return input, output, nil, false, errors.New("give both --input-tokens and --output-tokens (0 for embeddings)")
		}
		return l.input.value, l.output.value, nil, l.input.given(), nil
	}
	w, err := workload.Load(l.workload)
	if err != nil {
		return input, output, nil, false, fmt.Errorf("--workload: %w", err)
	}
	in, out := w.Expected()
	input, output = plan.Float(in), plan.Float(out)
	source := "mean of workload " + w.Name
	return input, output, []plan.Input{
		{Name: "input-tokens", Value: input.Round(2), Source: source}, {Name: "output-tokens", Value: output.Round(2), Source: source},
	}, true, nil
}
