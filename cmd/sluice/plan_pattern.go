package main

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/spf13/cobra"

	"sluice/internal/plan"
)

// maxWork bounds the file that describes a workload.
const maxWork = 1 << 20

// patternFlags are the flags of `sluice plan pattern`. Each is a key of the file too, with _ for -.
type patternFlags struct {
	n                                                               numbers
	maxWait, deadline, perDay, output, ttft, tpot, peak, deferrable *number
	interactive, partial, tools, completeJSON                       bool
	cost, file                                                      string
	matrix, json                                                    bool
}

func newPlanPatternCommand() *cobra.Command {
	var f patternFlags
	cmd := &cobra.Command{
		Use:   "pattern",
		Short: "Recommend direct calls, streams, batches or a mix for a workload",
		Long: `Recommends how to call a model: directly, as a stream, in batches, or a mix. What you state about the workload is weighed by a
decision matrix (--matrix prints it); what you do not state does not count. The answer gives the reasons, the runner-up, the
failures to guard against and the settings that do it.

--file reads a YAML file with the same keys as the flags, with _ for -; a flag goes before the file.`,
		Example: "  sluice plan pattern --interactive --output-tokens 400 --ttft 400ms --tpot 20ms --partial-useful\n" +
			"  sluice plan pattern --interactive=false --max-wait 24h --per-day 200k --cost-sensitivity high",
		Args:         cobra.NoArgs,
		SilenceUsage: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			m := plan.PatternMatrix()
			if f.matrix {
				return writeJSON(cmd.OutOrStdout(), m)
			}
			w, err := f.work(cmd)
			if err != nil {
				return err
			}
			answer, err := m.Choose(w)
			if err != nil {
				return err
			}
			answer.Inputs = f.inputs(cmd)
			return writePlan(cmd, answer, f.json)
		},
	}
	f.register(cmd)
	return cmd
}

func (f *patternFlags) register(cmd *cobra.Command) {
	f.n.cmd = cmd
	n, flags := &f.n, cmd.Flags()
	flags.BoolVar(&f.interactive, "interactive", false, "a person waits for the answer; =false: nobody does")
	f.maxWait = n.duration("max-wait", "longest wait for one answer")
	f.deadline = n.duration("deadline", "when the whole job is due")
	f.perDay = n.positive("per-day", "calls a day")
	f.output = n.tokens("output-tokens", "mean output tokens of an answer", false)
	f.ttft = n.duration("ttft", "mean time to the first token")
	f.tpot = n.duration("tpot", "mean time for each further token; with --output-tokens it says how long an answer takes")
	f.peak = n.factor("peak", "busiest minute to mean minute")
	flags.BoolVar(&f.partial, "partial-useful", false, "what has arrived is of use before the end; =false: only the whole answer is")
	flags.BoolVar(&f.tools, "tools", false, "answers call tools, whose results go into the next request; =false: they do not")
	flags.BoolVar(&f.completeJSON, "complete-json", false, "what reads the answer needs a complete JSON document; =false: it does not")
	flags.StringVar(&f.cost, "cost-sensitivity", "", "how much the price counts: "+strings.Join(plan.CostSensitivities(), ", "))
	f.deferrable = n.share("deferrable", "share of calls that may wait for a day", false)
	flags.StringVarP(&f.file, "file", "f", "", "YAML `file` that describes the workload")
	flags.BoolVar(&f.matrix, "matrix", false, "print the decision matrix as JSON and end")
	flags.BoolVar(&f.json, "json", false, "print JSON")
}

// work puts the description together.
func (f *patternFlags) work(cmd *cobra.Command) (*plan.Work, error) {
	if f.file != "" {
		if err := f.readFile(cmd); err != nil {
			return nil, err
		}
	}
	flags := cmd.Flags()
	stated := func(name string, v bool) *bool {
		if !flags.Changed(name) {
			return nil
		}
		return &v
	}
	w := &plan.Work{
		Interactive: stated("interactive", f.interactive), PartialUseful: stated("partial-useful", f.partial),
		Tools: stated("tools", f.tools), CompleteJSON: stated("complete-json", f.completeJSON), CostSensitivity: f.cost,
		MaxWait: f.maxWait.asDuration(), Deadline: f.deadline.asDuration(), TTFT: f.ttft.asDuration(), TPOT: f.tpot.asDuration(),
		Volume: f.perDay.value, Output: f.output.value, Burst: f.peak.value,
	}
	if f.deferrable.given() {
		w.Deferrable = &f.deferrable.value
	}
	return w, nil
}

// readFile sets the flags that were not given from the file.
func (f *patternFlags) readFile(cmd *cobra.Command) error {
	src, err := os.ReadFile(f.file)
	if err != nil {
		return fmt.Errorf("--file: %w", err)
	}
	if len(src) > maxWork {
		return fmt.Errorf("--file: %s is larger than %d bytes", f.file, maxWork)
	}
	var keys yaml.MapSlice
	if err := yaml.UnmarshalWithOptions(src, &keys, yaml.Strict()); err != nil {
		return fmt.Errorf("--file: %s: %w", f.file, err)
	}
	for _, k := range keys {
		key := fmt.Sprint(k.Key)
		name := strings.ReplaceAll(key, "_", "-")
		if !slices.Contains(workKeys(), key) {
			return fmt.Errorf("--file: %s: unknown key %q%s", f.file, key, nearestOf(key, workKeys()))
		}
		if cmd.Flags().Changed(name) {
			continue
		}
		if k.Value == nil {
			return fmt.Errorf("--file: %s: %s has no value", f.file, key)
		}
		if err := cmd.Flags().Set(name, fmt.Sprint(k.Value)); err != nil {
			return fmt.Errorf("--file: %s: %s: %w", f.file, key, unwrapFlag(err))
		}
	}
	if len(keys) == 0 {
		return fmt.Errorf("--file: %s states nothing", f.file)
	}
	return nil
}

// unwrapFlag takes off what cobra says about flags.
func unwrapFlag(err error) error {
	if inner := errors.Unwrap(err); inner != nil {
		return inner
	}
	return err
}

// inputs lists what was stated, in the order of the help.
func (f *patternFlags) inputs(cmd *cobra.Command) []plan.Input {
	var all []plan.Input
	for _, name := range workNames() {
		if flag := cmd.Flags().Lookup(name); flag.Changed {
			all = append(all, plan.Input{Name: name, Value: flag.Value.String()})
		}
	}
	return all
}

// workNames are the flags that describe a workload, which are keys of the file too.
func workNames() []string {
	return []string{
		"interactive", "max-wait", "deadline", "per-day", "output-tokens", "ttft", "tpot", "peak", "partial-useful", "tools",
		"complete-json", "cost-sensitivity", "deferrable",
	}
}

// workKeys are the same as the file writes them.
func workKeys() []string {
	var all []string
	for _, name := range workNames() {
		all = append(all, strings.ReplaceAll(name, "-", "_"))
	}
	return all
}
