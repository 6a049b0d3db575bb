package limit

import (
	"testing"
	"time"

	"sluice/internal/llm"
)

func TestRoom(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	f := func(name string, sh Shape, calls int, class llm.Class, want int64) {
		t.Helper()
		s := NewSet(now, "q", Terms{Limits: []Limit{{Requests, 60, time.Minute}}, Shape: sh})
		for range calls {
			if a, _ := s.Reserve(now, &Try{Need: llm.Need{Input: 1}, Class: class}, new(Reservation)); a != Granted {
				t.Fatalf("%s: %v", name, a)
			}
		}
		if got := s.Room(now, class)[Requests]; got != want {
			t.Errorf("%s: room for %d, want %d", name, got, want)
		}
		if got := s.Room(now, class)[Tokens]; got != Unlimited {
			t.Errorf("%s: room for %d tokens, of which there is no limit", name, got)
		}
	}
	f("sliding", Shape{Mode: Sliding, Window: time.Minute}, 20, llm.Interactive, 40)
	f("bucket", Shape{Mode: Bucket}, 20, llm.Interactive, 40)
	f("used up", Shape{Mode: Sliding, Window: time.Minute}, 60, llm.Interactive, 0)
	f("two minutes' worth while nothing is known", Shape{Burst: 2 * time.Minute}, 20, llm.Interactive, 40)
	f("nothing held back where nobody comes", Shape{Mode: Bucket}, 20, llm.Bulk, 40)

	s := NewSet(now, "q", Terms{Limits: []Limit{{Requests, 60, time.Minute}}, Shape: Shape{Mode: Fixed, Window: time.Minute, Anchor: now}})
	for range 10 {
		s.Reserve(now, &Try{Need: llm.Need{Input: 1}, Class: llm.Interactive}, new(Reservation))
	}
	if all, some := s.Room(now, llm.Interactive)[Requests], s.Room(now, llm.Bulk)[Requests]; all != 50 || some >= all {
		t.Errorf("room for %d, and for %d of bulk; want 50, and less", all, some)
	}
}

func TestNever(t *testing.T) {
	t.Parallel()
	f := func(name string, l Limit, c Charge, n llm.Need, need int64) {
		t.Helper()
		s := NewSet(time.Now(), "q", Terms{Limits: []Limit{{Requests, 60, time.Minute}, l}, Charge: c})
		got, takes, never := s.Never(&n)
		if never != (need > 0) || takes != need || never && got != l {
			t.Errorf("%s: %v, %d, %v; want %d", name, got, takes, never, need)
		}
	}
	tokens := Limit{Tokens, 1000, time.Minute}
	f("fits just so", tokens, ChargeMax, llm.Need{MaxOutput: 1000}, 0)
	f("answer too long", tokens, ChargeMax, llm.Need{Input: 10, MaxOutput: 1000, Output: 5}, 1010)
	f("corrected", tokens, ChargeCorrected, llm.Need{Input: 10, MaxOutput: 1000}, 1010)
	f("charged by use", tokens, ChargeActual, llm.Need{Input: 5000, MaxOutput: 5000}, 0)
	f("not known whether max_tokens counts", tokens, ChargeAuto, llm.Need{Input: 10, MaxOutput: 5000}, 0)
	f("prompt too long", tokens, ChargeAuto, llm.Need{Input: 1400}, 1400)
	f("prompt that may fit", tokens, ChargeAuto, llm.Need{Input: 1300}, 0)
	f("expected only", tokens, ChargeMax, llm.Need{Input: 10, Output: 5000}, 0)
	f("of a day", Limit{Tokens, 1000, 24 * time.Hour}, ChargeMax, llm.Need{MaxOutput: 1001}, 1001)
	f("of output", Limit{Output, 1000, time.Minute}, ChargeMax, llm.Need{Input: 5000, MaxOutput: 1001}, 1001)
	f("of input", Limit{Input, 1000, time.Minute}, ChargeMax, llm.Need{Input: 100, MaxOutput: 5000}, 0)
}
