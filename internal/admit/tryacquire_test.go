package admit

import (
	"testing"
	"time"

	"sluice/internal/llm"
)

// TestTryAcquire checks that what may be done without takes a free place only, at once, and never where a call waits.
func TestTryAcquire(t *testing.T) {
	t.Parallel()
	play(t, Default(), map[string]int{"p": 1, "q/m": 1}, func(s *scene) {
		try := func(want string, names ...string) {
			s.Helper()
			g, ok := s.q.TryAcquire(call(llm.Interactive), Ask{Targets: targets(names...)})
			switch {
			case !ok && want != "":
				s.Errorf("no place at %v, want one at %s", names, want)
			case ok && g.Target.Name != want:
				s.Errorf("a place at %s of %v, want %q", g.Target.Name, names, want)
			}
			if ok {
				g.Lease.done()
			}
		}
		try("p/m", "p/m", "q/m")
		try("")
		s.acquire(bg(), "first", call(llm.Interactive), Ask{Targets: targets("p/m")})
		try("", "p/m", "p/n")
		try("q/m", "p/m", "q/m")
		s.acquire(bg(), "second", call(llm.Bulk), Ask{Targets: targets("p/m")}) // waits
		try("q/m", "p/m", "q/m")
		s.eject(target("q/m"), time.Now().Add(time.Hour))
		try("", "p/m", "q/m")
		try("q/n", "p/m", "q/m", "q/n")
		s.release("first")
		s.wantOrder("first@p/m", "second@p/m")
		s.release("second")
		try("p/m", "p/m")
		try("", "q/m") // out of use, though there is no other
	})
}

// TestTryAcquireDoesNotOvertake checks the moment at which a place is free, and the call that waits for it has not been told.
func TestTryAcquireDoesNotOvertake(t *testing.T) {
	t.Parallel()
	play(t, Default(), map[string]int{"p": 1}, func(s *scene) {
		s.acquire(bg(), "first", call(llm.Interactive), Ask{Targets: targets("p/m")})
		s.acquire(bg(), "second", call(llm.Bulk), Ask{Targets: targets("p/m")})
		s.fleet.mu.Lock()
		s.fleet.limit["p"] = 2 // nobody is told of it yet
		s.fleet.mu.Unlock()
		if g, ok := s.q.TryAcquire(call(llm.Interactive), Ask{Targets: targets("p/m", "p/n")}); ok {
			s.Errorf("took a place at %s before the call that waits", g.Target.Name)
			g.Lease.done()
		}
		s.q.Freed(nil)
		s.sleep(0)
		s.wantOrder("first@p/m", "second@p/m")
	})
}
