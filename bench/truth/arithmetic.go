//go:build linux

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os/exec"
	"slices"
	"strings"
)

// sum is a question to `sluice plan` whose answer is known.
type sum struct {
	what string
	args string
	want map[string]string // path in the answer's JSON: value
}

func sums() []sum {
	return []sum{
		{
			"500 + 200 tokens at $0.01 / $0.03 per 1K, 40 a second",
			"cost --price-in 0.01 --price-out 0.03 --price-per 1K --input-tokens 500 --output-tokens 200 --rate 40",
			map[string]string{"models.0.per_transaction_usd": "0.011", "models.0.hour_usd": "1584"},
		},
		{
			"the same at $0.0005 / $0.0015, 60 a second",
			"cost --price-in 0.0005 --price-out 0.0015 --price-per 1K --input-tokens 500 --output-tokens 200 --rate 60",
			map[string]string{"models.0.per_transaction_usd": "0.00055", "models.0.hour_usd": "118.8"},
		},
		{
			"10 M requests a month at $0.0025 each",
			"cost --price-per-call 0.0025 --per-month 10M",
			map[string]string{"models.0.direct.month_usd": "25000", "models.0.stream.month_usd": "25000", "models.0.batch.month_usd": "12500"},
		},
		{
			"500 + 500 tokens at $0.15 / $0.60 per million",
			"cost --price-in 0.15 --price-out 0.60 --input-tokens 500 --output-tokens 500",
			map[string]string{"models.0.per_transaction_usd": "0.000375"},
		},
		{
			"90,000 tokens a minute at 500 + 200",
			"capacity --tpm 90000 --input-tokens 500 --output-tokens 200",
			map[string]string{"rpm": "128", "tps": "2.142857143", "binding.0": "tpm"},
		},
	}
}

// runArithmetic asks `sluice plan` for sums that are known.
func runArithmetic(ctx context.Context, l *lab, f *findings) error {
	if err := l.build(ctx); err != nil {
		return err
	}
	for _, s := range sums() {
		args := append(append([]string{"plan"}, strings.Fields(s.args)...), "--json")
		out, err := exec.CommandContext(ctx, l.sluice, args...).Output()
		if err != nil {
			return fmt.Errorf("%s: %w", strings.Join(args, " "), err)
		}
		var answer any
		if err := json.Unmarshal(out, &answer); err != nil {
			return fmt.Errorf("%s: %w", strings.Join(args, " "), err)
		}
		var want, got []string
		good := true
		for _, path := range slices.Sorted(maps.Keys(s.want)) {
			value := lookup(answer, path)
			want, got = append(want, strings.TrimPrefix(path, "models.0.")+" "+s.want[path]), append(got, value)
			good = good && value == s.want[path]
		}
		f.add(s.what, strings.Join(want, ", "), held(good), "%s", strings.Join(got, ", "))
	}
	return nil
}

// lookup returns what stands at a path of names and places in a JSON value, "" for nothing.
func lookup(v any, path string) string {
	for name := range strings.SplitSeq(path, ".") {
		switch x := v.(type) {
		case map[string]any:
			v = x[name]
		case []any:
			if len(x) == 0 || name != "0" {
				return ""
			}
			v = x[0]
		default:
			return ""
		}
	}
	switch x := v.(type) {
	case string:
		return x
	case float64:
		return fmt.Sprintf("%.10g", x)
	}
	return ""
}
