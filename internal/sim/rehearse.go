package sim

import (
	"fmt"
	"strings"
	"time"
)

// Rehearsals are the names of the ready-made schedules, in the order of the documentation.
func Rehearsals() []string { return []string{"outage", "storm", "flaky", "drip"} }

// Rehearsal returns the rules of a ready-made schedule (docs/SIM.md says what each is for).
func Rehearsal(name string) ([]FaultRule, error) {
	const minute = time.Minute
	switch name {
	case "outage":
		return []FaultRule{{Fault: "down", From: 20 * sec, For: minute}}, nil
	case "storm":
		return []FaultRule{{Fault: "rate-limit;after=2", From: 10 * sec, For: 5 * sec, Every: 30 * sec}}, nil
	case "flaky":
		return []FaultRule{
			{Fault: "cut;after=random", Probability: 0.03},
			{Fault: "stall;after=random", Probability: 0.01},
			{Fault: "malformed;after=random", Probability: 0.01},
			{Fault: "stream-error;after=random", Probability: 0.01},
			{Fault: "invalid-json", Probability: 0.02},
			{Fault: "500", Probability: 0.01},
			{Fault: "overloaded", Probability: 0.02},
			{Fault: "reset", Probability: 0.01},
			{Fault: "slow-headers;delay=30s", Probability: 0.01},
		}, nil
	case "drip":
		return []FaultRule{{Fault: "drip;delay=10s;after=10", From: 10 * sec, For: 30 * sec, Every: minute}}, nil
	}
	return nil, fmt.Errorf("%q is none of %s", name, strings.Join(Rehearsals(), ", "))
}

// String writes a rule as ParseRule reads it.
func (r *FaultRule) String() string {
	b := new(strings.Builder)
	b.WriteString(r.Fault)
	if len(r.Models) > 0 {
		fmt.Fprintf(b, " models=%s", strings.Join(r.Models, ","))
	}
	if r.Probability > 0 {
		fmt.Fprintf(b, " probability=%v", r.Probability)
	}
	if r.First > 0 {
		fmt.Fprintf(b, " first=%d", r.First)
	}
	for _, one := range []struct {
		key   string
		value time.Duration
	}{{"from", r.From}, {"for", r.For}, {"every", r.Every}} {
		if one.value > 0 {
			fmt.Fprintf(b, " %s=%v", one.key, one.value)
		}
	}
	return b.String()
}
