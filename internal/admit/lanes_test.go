package admit

import (
	"fmt"
	"testing"
	"time"

	"sluice/internal/limit"
	"sluice/internal/llm"
)

// Calls that wait for one target's quota do not keep the small calls of another one of the account from what that has left.
func TestLooksBehindEachHead(t *testing.T) {
	t.Parallel()
	c := Default()
	c.MaxWait = 5 * time.Minute
	fixed := perMinute(0, 1000, limit.Fixed)
	onStage(t, c, map[string]limit.Terms{"p/m": fixed, "p/n": fixed}, func(s *stage) {
		n := Ask{Targets: targets("p/n"), Last: true}
		s.call(bg(), "m", &llm.Call{}, 900, Ask{})
		s.call(bg(), "n", &llm.Call{Class: llm.Bulk}, 600, n)
		for i := range 2 * maxBehind {
			s.call(bg(), fmt.Sprint("waits ", i), &llm.Call{Class: llm.Interactive}, 200, Ask{})
		}
		s.call(bg(), "big", &llm.Call{Class: llm.Bulk}, 700, n)
		s.call(bg(), "small", &llm.Call{Class: llm.Bulk}, 100, n)
		s.sleep(10 * time.Millisecond)
		if w := s.grant("small").Waited; s.grant("small").Target == nil || w > 10*time.Millisecond {
			t.Errorf("small waited %v behind calls for another quota", w)
		}
		s.sleep(time.Hour)
	})
}
