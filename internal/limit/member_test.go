package limit

import (
	"testing"
	"time"

	"sluice/internal/llm"
)

func TestMemberSpendsWhatIsGranted(t *testing.T) {
	t.Parallel()
	s := NewSet(zero(), "p/m", Terms{
		Limits: []Limit{minute(Tokens, 6000), minute(Requests, 600)}, Concurrency: 20, Charge: ChargeCorrected, Shape: Shape{Mode: Bucket},
	})
	told := 0
	s.OnFreed(nil, func() { told++ })
	at := func(ms int) time.Time { return zero().Add(time.Duration(ms) * time.Millisecond) }
	x := &Try{Need: llm.Need{Input: 10, Output: 10, MaxOutput: 90}}
	reserve := func(ms int, want Answer, until int) *Reservation {
		t.Helper()
		r := &Reservation{}
		a, u := s.Reserve(at(ms), x, r)
		if a != want || until > 0 && !u.Equal(at(until)) || until < 0 && !u.IsZero() {
			t.Errorf("at %d ms: %v until %v, want %v until %d ms", ms, a, u.Sub(zero()), want, until)
		}
		return r
	}
	s.Follow(Grant{From: at(0), To: at(200), Amounts: Amounts{Tokens: 200, Requests: 5}, Concurrency: 3})
	a := reserve(0, Granted, 0)
	b := reserve(1, Granted, 0)
	reserve(2, Short, 200)
	s.Settle(at(3), a, llm.Usage{Input: 10, Output: 20}, true) // gives back 70
	reserve(4, Short, 200)
	s.Refund(at(5), b, false) // and 100
	c := reserve(6, Granted, 0)
	if got, want := s.Report(at(10)), (Report{Spent: Amounts{Tokens: 130, Requests: 2, Input: 20, Output: 110}, InUse: 1}); got.Spent != want.Spent ||
		got.InUse != want.InUse || got.Wanted[Tokens] < 2*13000 {
		t.Errorf("report %+v, want %+v and more than what was spent wanted", got, want)
	}
	s.Follow(Grant{From: at(200), To: at(400), Amounts: Amounts{Tokens: 100, Requests: 1}, Concurrency: 1})
	reserve(190, Short, 200)                                                     // the grant that begins later waits
	s.Settle(at(195), c, llm.Usage{Input: 10, Output: 100}, true)                // 10 more than was reserved
	reserve(195, Short, 200)                                                     // 70 + 30 - 10 are left of the old one
	d := reserve(200, Granted, 0)                                                // the new one
	reserve(201, Full, 0)                                                        // one call at a time
	s.Settle(at(202), d, llm.Usage{}, false)                                     // as reserved
	reserve(203, Short, 400)                                                     // spent
	reserve(400, Short, -1)                                                      // over, and nobody knows what comes
	if got := s.Report(at(500)); got.Spent[Tokens] != 10+100 || got.InUse != 0 { // since the last report
		t.Errorf("report %+v", got)
	}
	s.Alone(0.5)
	if got := s.Left(at(500)); got[Tokens] != 3000-240+50 || got[Requests] != 300 {
		t.Errorf("alone, with half of the quota, %v are left", got)
	}
	if st := s.State(at(500)); st.Following || st.Fraction != 0.5 || st.Most != 10 {
		t.Errorf("state %+v", st)
	}
	s.Alone(1)
	s.Alone(1)
	if got := s.State(at(500)).Most; got != 20 || told != 4 {
		t.Errorf("alone, %d calls at a time, told %d times", got, told)
	}
}

func TestRefusedCallsAreWanted(t *testing.T) {
	t.Parallel()
	s := NewSet(zero(), "p/m", Terms{Limits: []Limit{minute(Tokens, 6000)}})
	s.Follow(Grant{From: zero(), To: zero().Add(time.Second)})
	for _, n := range []int64{30, 700, 20} {
		s.Reserve(zero(), tokens(n), &Reservation{})
	}
	if got := s.Report(zero().Add(time.Second)).Wanted[Tokens]; got != 700 {
		t.Errorf("wanted %d, want what the largest refused call needs: 700", got)
	}
	if got := s.Report(zero().Add(2 * time.Second)).Wanted[Tokens]; got != 0 {
		t.Errorf("wanted %d when nobody asks", got)
	}
}

// TestAloneWithRests: of a day's limit a set that hears nothing of others spends what it is told is left, be it less or more than its part of the
// whole, and the next day its part of the whole. Other limits go by the part.
func TestAloneWithRests(t *testing.T) {
	t.Parallel()
	day := 24 * time.Hour
	for _, left := range []int64{0, 3, 70} {
		s := NewSet(zero(), "p/m", Terms{Limits: []Limit{minute(Tokens, 6000), {Requests, 100, day}}, Shape: Shape{Mode: Bucket}})
		spend := func(at time.Time) (n int64) {
			for {
				var r Reservation
				if a, _ := s.Reserve(at, &Try{Need: llm.Need{Input: 1}}, &r); a != Granted {
					return n
				}
				s.Settle(at, &r, llm.Usage{Input: 1}, true)
				n++
			}
		}
		until := zero().Truncate(day).Add(day)
		s.Follow(Grant{From: zero(), To: zero().Add(time.Second), Amounts: Amounts{Requests: 40, Tokens: 1000}})
		if n := spend(zero()); n != 40 {
			t.Errorf("%d spent of a grant of 40", n)
		}
		s.Report(zero())
		s.Alone(0.25, Rest{Requests, day, left, until})
		if n := spend(zero().Add(2 * time.Second)); n != left {
			t.Errorf("%d spent, %d are left", n, left)
		}
		s.Update(zero().Add(time.Minute), s.Terms())
		if n := spend(zero().Add(time.Minute)); n != 0 {
			t.Errorf("%d more spent after new terms", n)
		}
		if n := spend(until.Add(time.Second)); n != 25 {
			t.Errorf("%d spent the next day, want a quarter of 100", n)
		}
		s.Alone(0.25)
		s.Alone(1)
		if n := spend(until.Add(time.Minute)); n != 75 {
			t.Errorf("%d spent when there are no others, want the rest of 100", n)
		}
	}
}
