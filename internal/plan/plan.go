// Package plan answers the questions that come before and after a measurement: how many requests a provider's limits carry,
// what traffic costs, which way of calling suits a workload, and which route measured targets make. It is arithmetic on
// what it is given and on dated data (tiers.json, pattern.json); it measures nothing, reads no configuration and no results
// itself, and runs no goroutines.
//
// Numbers are exact (Exact) until they are printed, so that no answer depends on how floating point rounds.
package plan

import (
	"fmt"
	"strings"
)

// Input is a number that an answer was computed from, as people read it, with where it came from.
type Input struct {
	Name   string `json:"name"`
	Value  string `json:"value"`
	Source string `json:"source,omitempty"`
}

// quantity counts things: "1 request", "2 requests".
func quantity(n Exact, noun string) string {
	s := n.Grouped(2)
	if s == "1" {
		return s + " " + noun
	}
	return s + " " + noun + "s"
}

// list joins words as a sentence does: "a, b and c".
func list(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	last := len(words) - 1
	return strings.Join(words[:last], ", ") + " and " + words[last]
}

// percent writes a share: 0.2 is "20 %".
func percent(share Exact) string { return share.Times(Int(100)).Round(2) + " %" }

// seconds writes a time given in seconds.
func seconds(s Exact) string {
	if s.Cmp(Int(1)) < 0 {
		return fmt.Sprintf("%s ms", s.Times(Int(1000)).Round(1))
	}
	return fmt.Sprintf("%s s", s.Round(2))
}
