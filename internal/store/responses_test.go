package store

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sluice/internal/thread"
)

// turn makes a response that goes on with previous, made after some minutes.
func turn(id, previous string, minutes int) *thread.Response {
	at := start.Add(time.Duration(minutes) * time.Minute)
	return &thread.Response{
		ID: id, Key: "team", Created: at, Expires: at.Add(time.Hour), Model: "smart", Provider: "openai", Previous: previous, Status: "completed",
		Input: []byte(`[{"role":"user","content":"` + id + `"}]`), Body: []byte(`{"id":"` + id + `"}`),
	}
}

func put(t *testing.T, s *Store, all ...*thread.Response) {
	t.Helper()
	for _, r := range all {
		if err := s.PutResponse(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
}

func ids(all []thread.Response) (out []string) {
	for i := range all {
		out = append(out, all[i].ID)
	}
	return out
}

func TestResponsesComeBackAsStored(t *testing.T) {
	t.Parallel()
	databases(t, func(t *testing.T, open func() *Store) {
		s := open()
		want := turn("resp_1", "", 0)
		want.Body = []byte("{\"text\":\"\xff is no UTF-8, and \\u0000 is no text\"}")
		put(t, s, turn("resp_1", "resp_0", 5), want) // the later one counts
		got, err := open().Response(t.Context(), "team", "resp_1", start)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(*want, got); d != "" {
			t.Errorf("(-want +got):\n%s", d)
		}
	})
}

func TestResponsesHaveOwners(t *testing.T) {
	t.Parallel()
	databases(t, func(t *testing.T, open func() *Store) {
		s := open()
		theirs := turn("resp_1", "", 0)
		theirs.Key = "other"
		mine := turn("resp_2", "resp_1", 1) // of a response that its owner cannot see
		put(t, s, theirs, mine)
		f := func(name string, err error) {
			t.Helper()
			if !errors.Is(err, thread.ErrNotFound) {
				t.Errorf("%s: %v, want ErrNotFound", name, err)
			}
		}
		for _, id := range []string{"resp_1", "resp_x", "", "a\x00b", "\xff", strings.Repeat("x", 1000)} {
			_, err := s.Response(t.Context(), "team", id, start)
			f("read "+id, err)
			_, err = s.Conversation(t.Context(), "team", id, start)
			f("go on with "+id, err)
			f("delete "+id, s.DeleteResponse(t.Context(), "team", id))
		}
		_, err := s.Conversation(t.Context(), "team", "resp_2", start)
		f("go on with a foreign one", err)
		if err == nil || !strings.Contains(err.Error(), "resp_1") {
			t.Errorf("%v does not name what is missing", err)
		}
		if err := s.DeleteResponse(t.Context(), "other", "resp_1"); err != nil {
			t.Error(err)
		}
		f("delete again", s.DeleteResponse(t.Context(), "other", "resp_1"))
	})
}

func TestConversation(t *testing.T) {
	t.Parallel()
	databases(t, func(t *testing.T, open func() *Store) {
		s := open()
		put(t, s, turn("a", "", 0), turn("b", "a", 1), turn("c", "b", 2), turn("branch", "a", 3), turn("lone", "", 4))
		f := func(id string, now time.Time, want ...string) {
			t.Helper()
			all, err := s.Conversation(t.Context(), "team", id, now)
			if err != nil {
				t.Errorf("%s: %v", id, err)
			}
			if d := cmp.Diff(want, ids(all)); d != "" {
				t.Errorf("%s (-want +got):\n%s", id, d)
			}
		}
		f("a", start, "a")
		f("c", start, "a", "b", "c")
		f("branch", start, "a", "branch")
		f("lone", start, "lone")

		if _, err := s.Conversation(t.Context(), "team", "c", start.Add(61*time.Minute)); !errors.Is(err, thread.ErrNotFound) {
			t.Errorf("with its beginning expired: %v", err)
		}
		if err := s.DeleteResponse(t.Context(), "team", "b"); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Conversation(t.Context(), "team", "c", start); !errors.Is(err, thread.ErrNotFound) || !strings.Contains(err.Error(), ": b") {
			t.Errorf("with its middle deleted: %v", err)
		}
	})
}

// fill stores n responses, r0 and on, in one transaction.
func fill(t *testing.T, s *Store, n int, previous func(i int) string) {
	t.Helper()
	err := s.change(t.Context(), "fill", func(do func(string, ...any) error) error {
		for i := range n {
			if err := do("INSERT INTO responses ("+responseColumns+") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", "team", fmt.Sprint("r", i), 1+i,
				micros(start.Add(time.Hour)), "m", "", previous(i), "completed", 4, []byte("[]"), []byte("{}")); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestConversationLimits(t *testing.T) {
	t.Parallel()
	databases(t, func(t *testing.T, open func() *Store) {
		s := open()
		fill(t, s, thread.MaxTurns+1, func(i int) string {
			if i == 0 {
				return ""
			}
			return fmt.Sprint("r", i-1)
		})
		if all, err := s.Conversation(t.Context(), "team", fmt.Sprint("r", thread.MaxTurns-1), start); err != nil || len(all) != thread.MaxTurns {
			t.Errorf("%d responses, %v", len(all), err)
		}
		if _, err := s.Conversation(t.Context(), "team", fmt.Sprint("r", thread.MaxTurns), start); !errors.Is(err, thread.ErrTooLong) {
			t.Errorf("one more: %v", err)
		}
		// A circle, which no client can make, ends too.
		put(t, s, turn("x", "y", 0), turn("y", "x", 0))
		if _, err := s.Conversation(t.Context(), "team", "x", start); !errors.Is(err, thread.ErrTooLong) {
			t.Errorf("a circle: %v", err)
		}
		big := turn("big", "", 0)
		big.Body = make([]byte, thread.MaxBytes/2)
		bigger := turn("bigger", "big", 1)
		bigger.Body = make([]byte, thread.MaxBytes/2)
		put(t, s, big, bigger)
		if _, err := s.Conversation(t.Context(), "team", "bigger", start); !errors.Is(err, thread.ErrTooLong) {
			t.Errorf("too many bytes: %v", err)
		}
	})
}

func TestCleanResponses(t *testing.T) {
	t.Parallel()
	databases(t, func(t *testing.T, open func() *Store) {
		s := open()
		f := func(now time.Time, maxBytes, deleted int64, left ...string) {
			t.Helper()
			n, err := s.CleanResponses(t.Context(), now, maxBytes)
			if err != nil || n != deleted {
				t.Errorf("%d deleted, %v; want %d", n, err, deleted)
			}
			all, err := s.responses(t.Context(), "SELECT "+responseColumns+" FROM responses ORDER BY created_us")
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(left, ids(all)); d != "" {
				t.Errorf("left (-want +got):\n%s", d)
			}
		}
		f(start, 1, 0)
		put(t, s, turn("a", "", 0), turn("b", "", 10), turn("c", "", 20), turn("d", "", 30))
		size := int64(len(turn("a", "", 0).Input) + len(turn("a", "", 0).Body))
		f(start, 4*size, 0, "a", "b", "c", "d")
		f(start.Add(time.Hour), 4*size, 1, "b", "c", "d")
		f(start, 2*size+1, 1, "c", "d")
		f(start.Add(79*time.Minute), size, 1, "d")
		f(start.Add(80*time.Minute), 0, 1)
		fill(t, s, cleanBatch+3, func(int) string { return "" })
		f(start.Add(24*time.Hour), size, cleanBatch+3)
	})
}
