package plan

import (
	"fmt"
	"strings"
)

// Trace is what a published trace says about peaks.
type Trace struct {
	Name   string `json:"name"`
	Peak   Exact  `json:"peak"` // busiest minute to mean minute
	Source string `json:"source"`
}

// traces lists the traces whose peaks are known. Limits count by the minute, so the minute is what counts here; peaks of a
// second are higher (2.89 and 26.1 times the mean second).
func traces() []Trace {
	const from = "Azure LLM inference trace 2023 (Splitwise, ISCA'24), CC-BY"
	return []Trace{
		{"azure-conv", Float(1.52), from + ", conversation"},
		{"azure-code", Int(632).Over(Float(2.57).Times(Int(minute))), from + ", code: 632 in the busiest minute, 2.57/s in the mean"},
	}
}

// TraceNames lists them by name.
func TraceNames() []string {
	var all []string
	for _, t := range traces() {
		all = append(all, t.Name)
	}
	return all
}

// TraceNamed finds one by name.
func TraceNamed(name string) (Trace, error) {
	for _, t := range traces() {
		if t.Name == name {
			return t, nil
		}
	}
	return Trace{}, fmt.Errorf("no trace %q; there are %s", name, strings.Join(TraceNames(), ", "))
}
