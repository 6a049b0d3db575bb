package store

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sluice/internal/replay"
)

// claimOf makes the claim of a call to the key "k", which holds for a minute.
func claimOf(call string) *replay.Claim {
	return &replay.Claim{Owner: "team", Key: "k", Hash: "hash", Call: call, Until: start.Add(time.Minute)}
}

// answerOf makes the answer of a call to a key, made after some minutes and kept for a day.
func answerOf(key, call string, minutes, size int) *replay.Answer {
	at := start.Add(time.Duration(minutes) * time.Minute)
	return &replay.Answer{
		Owner: "team", Key: key, Hash: "hash", Call: call, Created: at, Expires: at.Add(24 * time.Hour), Status: 200,
		Header: http.Header{"X-Sluice-Target": {"a/b"}}, Stream: true, Body: []byte(strings.Repeat("\xff", size)),
	}
}

// mustClaim claims a key and returns what stands there.
func mustClaim(t *testing.T, s *Store, c *replay.Claim, now time.Time) *replay.Answer {
	t.Helper()
	held, err := s.ClaimAnswer(t.Context(), c, now)
	if err != nil {
		t.Fatal(err)
	}
	return held
}

func TestAnswerOfAKey(t *testing.T) {
	t.Parallel()
	databases(t, func(t *testing.T, open func() *Store) {
		s, other := open(), open()
		if held := mustClaim(t, s, claimOf("A"), start); held != nil {
			t.Fatalf("a fresh key is held: %+v", held)
		}
		held := mustClaim(t, other, claimOf("B"), start)
		if held == nil || held.Call != "A" || held.Hash != "hash" || held.Status != 0 {
			t.Fatalf("in flight: %+v", held)
		}
		foreign := claimOf("C")
		foreign.Owner = "other"
		if held := mustClaim(t, other, foreign, start); held != nil {
			t.Errorf("another owner's key: %+v", held)
		}
		want := answerOf("k", "A", 0, 100)
		if err := s.KeepAnswer(t.Context(), want); err != nil {
			t.Fatal(err)
		}
		got := mustClaim(t, other, claimOf("B"), start.Add(23*time.Hour))
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("(-want +got):\n%s", d)
		}
		f := func(what string, err error) {
			t.Helper()
			if !errors.Is(err, replay.ErrLost) {
				t.Errorf("%s: %v, want ErrLost", what, err)
			}
		}
		f("keep twice", s.KeepAnswer(t.Context(), want))
		f("renew", s.RenewAnswer(t.Context(), claimOf("A")))
		if err := s.ReleaseAnswer(t.Context(), "team", "k", "A"); err != nil {
			t.Error(err)
		}
		if held := mustClaim(t, s, claimOf("B"), start); held == nil || held.Status != 200 {
			t.Errorf("an answer was released: %+v", held)
		}
		if held := mustClaim(t, s, claimOf("B"), start.Add(24*time.Hour)); held != nil {
			t.Errorf("an answer outlives its time: %+v", held)
		}
	})
}

func TestClaimsLapse(t *testing.T) {
	t.Parallel()
	databases(t, func(t *testing.T, open func() *Store) {
		s := open()
		mustClaim(t, s, claimOf("A"), start)
		renewed := claimOf("A")
		renewed.Until = start.Add(2 * time.Minute)
		if err := s.RenewAnswer(t.Context(), renewed); err != nil {
			t.Fatal(err)
		}
		late := claimOf("B")
		late.Hash, late.Until = "other", start.Add(10*time.Minute)
		if held := mustClaim(t, s, late, start.Add(2*time.Minute-1000)); held == nil || held.Call != "A" {
			t.Errorf("a renewed claim: %+v", held)
		}
		if held := mustClaim(t, s, late, start.Add(2*time.Minute)); held != nil {
			t.Errorf("a lapsed claim: %+v", held)
		}
		if err := s.RenewAnswer(t.Context(), renewed); !errors.Is(err, replay.ErrLost) {
			t.Errorf("renew what was taken over: %v", err)
		}
		if err := s.KeepAnswer(t.Context(), answerOf("k", "A", 0, 1)); !errors.Is(err, replay.ErrLost) {
			t.Errorf("answer what was taken over: %v", err)
		}
		if err := s.ReleaseAnswer(t.Context(), "team", "k", "A"); err != nil {
			t.Error(err)
		}
		if held := mustClaim(t, s, claimOf("C"), start.Add(3*time.Minute)); held == nil || held.Call != "B" || held.Hash != "other" {
			t.Errorf("after another's release: %+v", held)
		}
		if err := s.ReleaseAnswer(t.Context(), "team", "k", "B"); err != nil {
			t.Error(err)
		}
		if held := mustClaim(t, s, claimOf("C"), start.Add(3*time.Minute)); held != nil {
			t.Errorf("after the release: %+v", held)
		}
	})
}

// TestOneClaimWins lets many calls of two processes claim one key at once.
func TestOneClaimWins(t *testing.T) {
	t.Parallel()
	databases(t, func(t *testing.T, open func() *Store) {
		stores := []*Store{open(), open()}
		var won atomic.Int32
		var wg sync.WaitGroup
		for i := range 20 {
			wg.Go(func() {
				held, err := stores[i%2].ClaimAnswer(t.Context(), claimOf(strconv.Itoa(i)), start)
				if err != nil {
					t.Error(err)
				} else if held == nil {
					won.Add(1)
				}
			})
		}
		wg.Wait()
		if n := won.Load(); n != 1 {
			t.Errorf("%d calls have the key", n)
		}
	})
}

func TestCleanAnswers(t *testing.T) {
	t.Parallel()
	databases(t, func(t *testing.T, open func() *Store) {
		s := open()
		for i := range 6 {
			c := claimOf(strconv.Itoa(i))
			c.Key = c.Call
			mustClaim(t, s, c, start)
			if i == 5 {
				continue // under way
			}
			if err := s.KeepAnswer(t.Context(), answerOf(c.Key, c.Call, i, 1000)); err != nil {
				t.Fatal(err)
			}
		}
		f := func(now time.Time, maxBytes, want int64, left ...string) {
			t.Helper()
			n, err := s.CleanAnswers(t.Context(), now, maxBytes)
			if err != nil || n != want {
				t.Errorf("%d deleted, want %d: %v", n, want, err)
			}
			var there []string
			for i := range 6 {
				if a, err := s.answer(t.Context(), "team", strconv.Itoa(i)); err != nil {
					t.Error(err)
				} else if a != nil {
					there = append(there, a.Key)
				}
			}
			if d := cmp.Diff(left, there); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
		}
		f(start, 1<<20, 0, "0", "1", "2", "3", "4", "5")
		f(start, 2500, 3, "3", "4", "5")
		f(start.Add(time.Minute), 1<<20, 1, "3", "4") // the claim has lapsed
		f(start.Add(24*time.Hour+3*time.Minute), 1<<20, 1, "4")
	})
}

func TestOddKeysAreNotClaimed(t *testing.T) {
	t.Parallel()
	databases(t, func(t *testing.T, open func() *Store) {
		s := open()
		for _, key := range []string{"", "a\x00b", strings.Repeat("k", 1000)} {
			c := claimOf("A")
			c.Key = key
			if _, err := s.ClaimAnswer(t.Context(), c, start); err == nil {
				t.Errorf("claimed %.20q", key)
			}
		}
	})
}
