package auth

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"sluice/internal/llm"
)

func TestCreatedKeyWorksAtOnce(t *testing.T) {
	t.Parallel()
	s := &keys{}
	d := directory(t, config(KeyConfig{Name: "a", Key: llm.NewSecret(configKey)}), s, false)
	k, secret := NewKey("fresh", born)
	expect(t, d, secret.Reveal(), unauthorized)
	s.put(k)
	expect(t, d, secret.Reveal(), "fresh")
	n := s.lookups.Load()
	expect(t, d, secret.Reveal(), "fresh")
	if s.lookups.Load() != n {
		t.Error("a key that was looked up once is looked up again")
	}
	if d.Keys() != 2 {
		t.Errorf("Keys = %d, want 2", d.Keys())
	}
}

func TestRevocationTakesASecond(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &keys{}
		k, secret := NewKey("a", born)
		s.put(k)
		d := directory(t, config(), s, false)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- d.Run(ctx) }()

		time.Sleep(time.Minute)
		expect(t, d, secret.Reveal(), "a")
		k.Revoked = time.Now()
		s.put(k)
		time.Sleep(1200 * time.Millisecond)
		expect(t, d, secret.Reveal(), unauthorized)

		// An outage: what was known goes on, and the first look after it brings the news.
		b, bSecret := NewKey("b", born)
		s.put(b)
		time.Sleep(2 * time.Second)
		s.fail(errors.New("down"))
		_, unknown := NewKey("c", born)
		time.Sleep(time.Hour)
		expect(t, d, bSecret.Reveal(), "b")
		expect(t, d, secret.Reveal(), unauthorized)
		expect(t, d, unknown.Reveal(), "store_unavailable")
		b.Revoked = time.Now()
		s.put(b)
		s.fail(nil)
		time.Sleep(1200 * time.Millisecond)
		expect(t, d, bSecret.Reveal(), unauthorized)
		if n := s.lookups.Load(); n != 1 {
			t.Errorf("%d look-ups, want one, of the unknown key: revoked ones are known", n)
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// TestLateLookupDoesNotUnrevoke has a look-up that read the key before its revocation and returns after.
func TestLateLookupDoesNotUnrevoke(t *testing.T) {
	t.Parallel()
	s := &keys{}
	d := directory(t, config(), s, false)
	k, secret := NewKey("a", born)
	s.put(k)
	s.read = func() {
		k.Revoked = born
		s.put(k)
		if err := d.poll(t.Context()); err != nil {
			t.Error(err)
		}
	}
	expect(t, d, secret.Reveal(), unauthorized)
}

func TestConfigAndStoreShareAKey(t *testing.T) {
	t.Parallel()
	s := &keys{}
	k, secret := NewKey("in-store", born)
	k.Concurrency = 9
	s.put(k)
	namesake, other := NewKey("in-config", born)
	s.put(namesake)
	d := directory(t, config(KeyConfig{Name: "in-config", Key: secret, Limits: Limits{Concurrency: 1}}), s, false)
	expect(t, d, secret.Reveal(), "in-config")
	expect(t, d, other.Reveal(), "in-config")
	p, _ := d.Authenticate(t.Context(), secret.Reveal())
	q, _ := d.Authenticate(t.Context(), other.Reveal())
	if _, e := p.Reserve(time.Now(), Order{}); e != nil {
		t.Fatal(e)
	}
	if _, e := p.Reserve(time.Now(), Order{}); e == nil {
		t.Error("the limit of the configuration does not hold")
	}
	if p.account != q.account {
		t.Error("two keys of one name do not share an account")
	}
	k.Revoked = born
	s.put(k)
	if err := d.poll(t.Context()); err != nil {
		t.Fatal(err)
	}
	expect(t, d, secret.Reveal(), unauthorized)
}

func TestOpenUntilTheFirstKey(t *testing.T) {
	t.Parallel()
	s := &keys{}
	d := directory(t, config(), s, true)
	_, strange := NewKey("x", born)
	for _, key := range []string{"", "sk-anything", strange.Reveal()} {
		expect(t, d, key, "")
	}
	s.fail(errors.New("down"))
	expect(t, d, strange.Reveal(), "")
	s.fail(nil)
	p, _ := d.Authenticate(t.Context(), "")
	var charges []Charge
	for range 1000 {
		c, e := p.Reserve(time.Now(), Order{})
		if e != nil {
			t.Fatal(e)
		}
		charges = append(charges, c)
	}
	if !p.Allows("anything") || d.Keys() != 0 {
		t.Errorf("the anonymous principal has limits, or there are %d keys", d.Keys())
	}
	k, secret := NewKey("first", born)
	s.put(k)
	expect(t, d, secret.Reveal(), "first")
	expect(t, d, "", unauthorized)
	expect(t, d, "sk-anything", unauthorized)
	for _, c := range charges {
		c.Settle(time.Now(), llm.Usage{}, 0)
	}
	k.Revoked = born
	s.put(k)
	if err := d.poll(t.Context()); err != nil {
		t.Fatal(err)
	}
	expect(t, d, "", unauthorized) // revoking the last key must not open the gateway

	expect(t, directory(t, config(), nil, true), "", "")
	expect(t, directory(t, config(), nil, false), "", unauthorized)
}

func TestLookupsAreBoundedAndShared(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &keys{block: make(chan struct{})}
		d := directory(t, config(), s, false)
		k, shared := NewKey("shared", born)
		s.put(k)
		var wg sync.WaitGroup
		var refused atomic.Int64
		for range 50 {
			wg.Go(func() { expect(t, d, shared.Reveal(), "shared") })
		}
		synctest.Wait()
		if n := s.lookups.Load(); n != 1 {
			t.Errorf("one key asked for by 50 calls makes %d look-ups, want 1", n)
		}
		for i := range 100 {
			_, made := NewKey(fmt.Sprint(i), born)
			wg.Go(func() {
				start := time.Now()
				switch got := who(t, d, made.Reveal()); got {
				case "store_unavailable":
					refused.Add(1)
					if w := time.Since(start); w > lookupTime {
						t.Errorf("refused after %v, want at most %v", w, lookupTime)
					}
				case unauthorized:
				default:
					t.Errorf("got %q", got)
				}
			})
		}
		time.Sleep(lookupTime - time.Millisecond)
		close(s.block)
		wg.Wait()
		if s.most.Load() > maxLookups {
			t.Errorf("%d look-ups at once, want at most %d", s.most.Load(), maxLookups)
		}
		if refused.Load() != 0 {
			t.Errorf("%d calls were refused though the store answered in time", refused.Load())
		}

		s.block = make(chan struct{}) // a store that hangs
		_, made := NewKey("x", born)
		expect(t, d, made.Reveal(), "store_unavailable")
	})
}

func TestStartWithoutStore(t *testing.T) {
	t.Parallel()
	s := &keys{err: errors.New("down")}
	if _, err := NewDirectory(t.Context(), config(), s, false, slog.New(slog.DiscardHandler)); err == nil {
		t.Error("NewDirectory succeeded without reading the store's keys")
	}
}
