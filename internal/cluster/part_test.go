package cluster

import (
	"testing"
	"time"

	"sluice/internal/limit"
)

// TestAnswerOfTheNextWindow: an answer that came after the window's end does not prolong what was granted for the window before.
func TestAnswerOfTheNextWindow(t *testing.T) {
	t.Parallel()
	now := time.Now()
	m := &member{name: "q", terms: limit.Terms{Limits: quotaLimits(), Shape: bySecond()}}
	c := &Cluster{joined: true}
	c.o.Now = time.Now
	c.clock.observe(now, now, now.Round(0))
	end := now.Add(5 * time.Millisecond)
	p := &part{m: m, follows: true, terms: m.terms, frame: time.Second}
	p.now = slot{label: 7, from: now.Add(-time.Second), to: end, amounts: limit.Amounts{limit.Tokens: 500}}
	p.next = slot{label: 8, from: now.Add(10 * time.Millisecond), to: now.Add(time.Second), amounts: limit.Amounts{limit.Tokens: 600}}
	r := &reply{label: 8, frame: time.Second, start: now.Add(7 * time.Millisecond).UnixMilli(), shape: limit.Slices, dims: []limit.Dim{limit.Tokens}, grants: []grant{{add: 40}}}
	c.apply(p, r, now, now.Add(8*time.Millisecond))
	if m.g.To != end || m.g.Amounts[limit.Tokens] != 500 {
		t.Errorf("the old window's grant is now %d until %v after its end", m.g.Amounts[limit.Tokens], m.g.To.Sub(end))
	}
	p.roll(now.Add(12 * time.Millisecond))
	if m.g.Amounts[limit.Tokens] != 640 {
		t.Errorf("the new window's grant is %d, want 640", m.g.Amounts[limit.Tokens])
	}
}
