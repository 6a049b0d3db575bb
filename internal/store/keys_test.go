package store

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sluice/internal/auth"
)

// newKey makes a key and stores it.
func newKey(t *testing.T, s *Store, name string) auth.Key {
	t.Helper()
	k, _ := auth.NewKey(name, start)
	if err := s.CreateKey(t.Context(), k); err != nil {
		t.Fatal(err)
	}
	return k
}

func TestKeysComeBackAsStored(t *testing.T) {
	t.Parallel()
	databases(t, func(t *testing.T, open func() *Store) {
		s := open()
		k, _ := auth.NewKey("team-ü", start)
		k.Models, k.Concurrency, k.Tier = []string{"openai/*", "smart"}, 7, "pro"
		if err := s.CreateKey(t.Context(), k); err != nil {
			t.Fatal(err)
		}
		plain := newKey(t, s, "plain")

		other := open() // another process
		for _, want := range []auth.Key{k, plain} {
			got, err := other.KeyByHash(t.Context(), want.Hash)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("key differs (-want +got):\n%s", diff)
			}
		}
		if _, err := other.KeyByHash(t.Context(), [32]byte{1}); !errors.Is(err, auth.ErrNoKey) {
			t.Errorf("error for an unknown hash = %v, want ErrNoKey", err)
		}
		got, err := other.Keys(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]auth.Key{plain, k}, got); diff != "" {
			t.Errorf("list differs (-want +got):\n%s", diff)
		}
	})
}

func TestCreateKeyRefuses(t *testing.T) {
	t.Parallel()
	databases(t, func(t *testing.T, open func() *Store) {
		s := open()
		newKey(t, s, "taken")
		f := func(want string, change func(*auth.Key)) {
			t.Helper()
			k, _ := auth.NewKey("fresh", start)
			change(&k)
			if err := s.CreateKey(t.Context(), k); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("error = %v, want one with %q", err, want)
			}
		}
		f("a key of that name exists: taken", func(k *auth.Key) { k.Name = "taken" })
		f("name is missing", func(k *auth.Key) { k.Name = "" })
		f("begins with sk-sluice-", func(k *auth.Key) { k.Name = "sk-sluice-x" })
		f("not allowed", func(k *auth.Key) { k.Name = "a\tb" })
		f("100", func(k *auth.Key) { k.Name = strings.Repeat("x", 101) })
		f("negative", func(k *auth.Key) { k.Concurrency = -1 })
		f("not a model name", func(k *auth.Key) { k.Models = []string{"a b"} })
		if keys, err := s.Keys(t.Context()); err != nil || len(keys) != 1 {
			t.Errorf("%d keys, %v; want the first alone", len(keys), err)
		}
	})
}

func TestRevokeKey(t *testing.T) {
	t.Parallel()
	databases(t, func(t *testing.T, open func() *Store) {
		s := open()
		now := start.Add(time.Hour)
		byName, byID, byPrefix := newKey(t, s, "one"), newKey(t, s, "two"), newKey(t, s, "three")
		whole, secret := auth.NewKey("four", start)
		if err := s.CreateKey(t.Context(), whole); err != nil {
			t.Fatal(err)
		}
		for ref, want := range map[string]auth.Key{
			"one": byName, byID.ID: byID, byPrefix.Prefix: byPrefix, secret.Reveal(): whole,
		} {
			if got, err := s.RevokeKey(t.Context(), ref, now); err != nil || got.ID != want.ID {
				t.Errorf("revoke %s: revoked %s, %v; want %s", want.Name, got.Name, err, want.Name)
			}
			got, err := s.KeyByHash(t.Context(), want.Hash)
			if err != nil || !got.Revoked.Equal(now) {
				t.Errorf("%s: revoked at %v, %v; want %v", want.Name, got.Revoked, err, now)
			}
			if _, err := s.RevokeKey(t.Context(), want.ID, now); !errors.Is(err, ErrRevoked) {
				t.Errorf("second revocation of %s: %v, want ErrRevoked", want.Name, err)
			}
		}
		if _, err := s.RevokeKey(t.Context(), "one", now); !errors.Is(err, ErrRevoked) {
			t.Errorf("second revocation by name: %v, want ErrRevoked", err)
		}
		for _, ref := range []string{"", "nobody", "sk-sluice-", "%", "sk-sluice-%%%"} {
			if _, err := s.RevokeKey(t.Context(), ref, now); !errors.Is(err, auth.ErrNoKey) {
				t.Errorf("revoke %q: %v, want ErrNoKey", ref, err)
			}
		}

		// The name is free again; revoking it means the good one.
		again := newKey(t, s, "one")
		if got, err := s.RevokeKey(t.Context(), "one", now); err != nil || got.ID != again.ID {
			t.Errorf("revoked %s, %v; want the second key of the name", got.ID, err)
		}
	})
}

func TestRevokeAmbiguousPrefix(t *testing.T) {
	t.Parallel()
	databases(t, func(t *testing.T, open func() *Store) {
		s := open()
		for i := range 2 {
			k, _ := auth.NewKey(fmt.Sprintf("twin-%d", i), start)
			k.Prefix = fmt.Sprintf("sk-sluice-AB%d", i)
			if err := s.CreateKey(t.Context(), k); err != nil {
				t.Fatal(err)
			}
		}
		_, err := s.RevokeKey(t.Context(), "sk-sluice-AB", start)
		if !errors.Is(err, ErrAmbiguous) || !strings.Contains(err.Error(), "twin-0") || !strings.Contains(err.Error(), "twin-1") {
			t.Errorf("error = %v, want ErrAmbiguous with both names", err)
		}
		if k, err := s.RevokeKey(t.Context(), "sk-sluice-AB1", start); err != nil || k.Name != "twin-1" {
			t.Errorf("revoked %s, %v; want twin-1", k.Name, err)
		}
	})
}

func TestKeysChangedSince(t *testing.T) {
	t.Parallel()
	databases(t, func(t *testing.T, open func() *Store) {
		s, other := open(), open()
		var seq int64
		changed := func(want ...string) {
			t.Helper()
			keys, next, err := s.KeysChangedSince(t.Context(), seq)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, k := range keys {
				name := k.Name
				if !k.Revoked.IsZero() {
					name += " revoked"
				}
				got = append(got, name)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("changes differ (-want +got):\n%s", diff)
			}
			seq = next
		}
		changed()
		newKey(t, other, "a")
		newKey(t, other, "b")
		changed("a", "b")
		changed()
		if _, err := other.RevokeKey(t.Context(), "a", start); err != nil {
			t.Fatal(err)
		}
		newKey(t, other, "c")
		changed("a revoked", "c")
		changed()
		seq = 0
		changed("b", "a revoked", "c")
	})
}

// TestNoChangeIsMissed reads changes while many make keys: whoever has seen change n must have seen all before it.
func TestNoChangeIsMissed(t *testing.T) {
	t.Parallel()
	databases(t, func(t *testing.T, open func() *Store) {
		const writers, each = 4, 15
		var wg sync.WaitGroup
		for w := range writers {
			s := open()
			wg.Go(func() {
				for i := range each {
					k, _ := auth.NewKey(fmt.Sprintf("key-%d-%d", w, i), start)
					if err := s.CreateKey(t.Context(), k); err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
		done := make(chan struct{})
		go func() { wg.Wait(); close(done) }()
		s := open()
		var seq int64
		var names []string
		for last := false; ; {
			keys, next, err := s.KeysChangedSince(t.Context(), seq)
			if err != nil {
				t.Fatal(err)
			}
			seq = next
			for _, k := range keys {
				names = append(names, k.Name)
			}
			if last {
				break
			}
			select {
			case <-done:
				last = true
			default:
			}
		}
		slices.Sort(names)
		if n := len(slices.Compact(names)); n != writers*each || n != len(names) {
			t.Errorf("saw %d keys in %d changes, want %d", n, len(names), writers*each)
		}
	})
}
