package gateway

import (
	"fmt"
	"testing"

	"sluice/internal/llm"
	"sluice/internal/obs"
)

// TestLookupsOfTargets checks that clients who make up names cannot take the place of what the configuration names.
func TestLookupsOfTargets(t *testing.T) {
	t.Parallel()
	m := obs.NewMetrics(obs.MetricsOptions{})
	s := &Snapshot{Accounts: map[string]*Account{"p": {}}}
	kept := func(name string, configured bool) bool {
		target := &llm.Target{Name: "p/" + name, Provider: "p", Model: name}
		first := s.info(m, target, configured)
		return s.info(m, target, configured) == first
	}
	for i := range maxDynamicTargets {
		if !kept(fmt.Sprint(i), false) {
			t.Fatalf("target %d is not kept", i)
		}
	}
	if kept("one-too-many", false) {
		t.Error("there is no limit on names that clients make up")
	}
	if !kept("configured", true) || !kept("0", false) {
		t.Error("a target of the configuration, or one that was there before, is not kept")
	}
	s = &Snapshot{Accounts: s.Accounts}
	for i := range maxDynamicTargets {
		kept(fmt.Sprint(i), true)
	}
	if !kept("made-up", false) {
		t.Error("targets of the configuration count against the limit")
	}
}
