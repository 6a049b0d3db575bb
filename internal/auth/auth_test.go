package auth

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"sluice/internal/llm"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var born = time.Unix(1_790_000_000, 0)

// keys is a Store in memory that can be slow or out.
type keys struct {
	mu      sync.Mutex
	byHash  map[[32]byte]Key
	changes []([32]byte)
	err     error
	lookups atomic.Int64
	most    atomic.Int64 // look-ups at once
	now     atomic.Int64
	block   chan struct{} // look-ups wait until it is closed; nil does not block
	read    func()        // called between the reading and the return of a look-up
}

func (s *keys) put(k Key) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.byHash == nil {
		s.byHash = make(map[[32]byte]Key)
	}
	s.byHash[k.Hash] = k
	s.changes = append(s.changes, k.Hash)
}

func (s *keys) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
}

func (s *keys) KeyByHash(ctx context.Context, h [32]byte) (Key, error) {
	s.lookups.Add(1)
	s.most.Store(max(s.most.Load(), s.now.Add(1)))
	defer s.now.Add(-1)
	if s.block != nil {
		select {
		case <-s.block:
		case <-ctx.Done():
			return Key{}, ctx.Err()
		}
	}
	s.mu.Lock()
	k, ok := s.byHash[h]
	err := s.err
	s.mu.Unlock()
	if s.read != nil {
		s.read()
	}
	switch {
	case err != nil:
		return Key{}, err
	case !ok:
		return Key{}, ErrNoKey
	}
	return k, nil
}

func (s *keys) KeysChangedSince(_ context.Context, seq int64) ([]Key, int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return nil, 0, s.err
	}
	var out []Key
	for _, h := range s.changes[seq:] {
		out = append(out, s.byHash[h])
	}
	return out, int64(len(s.changes)), nil
}

const configKey = "team-a-key-0123456789"

func config(c ...KeyConfig) Config {
	return Config{Keys: c, Tiers: map[string]Tier{"free": {Limits: Limits{Concurrency: 2}, Models: []string{"small"}}, "pro": {}}}
}

// directory makes one, or ends the test.
func directory(t testing.TB, c Config, s Store, open bool) *Directory {
	t.Helper()
	d, err := NewDirectory(t.Context(), c, s, open, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// who authenticates and returns the name, or the kind of the refusal.
func who(t testing.TB, d *Directory, key string) string {
	t.Helper()
	p, e := d.Authenticate(t.Context(), key)
	if e != nil {
		return e.Kind.String()
	}
	return p.Name()
}

func expect(t testing.TB, d *Directory, key, want string) {
	t.Helper()
	if got := who(t, d, key); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

const unauthorized = "invalid_api_key"

func TestAuthenticate(t *testing.T) {
	t.Parallel()
	s := &keys{}
	good, goodSecret := NewKey("good", born)
	gone, goneSecret := NewKey("gone", born)
	gone.Revoked = born.Add(time.Hour)
	lost, lostSecret := NewKey("lost", born)
	lost.Tier = "no-such-tier"
	s.put(good)
	s.put(gone)
	s.put(lost)
	_, strange := NewKey("strange", born)
	d := directory(t, config(KeyConfig{Name: "team-a", Key: llm.NewSecret(configKey)}), s, false)

	expect(t, d, configKey, "team-a")
	expect(t, d, goodSecret.Reveal(), "good")
	if n := s.lookups.Load(); n != 0 {
		t.Errorf("known keys asked the store %d times", n)
	}
	f := func(key, want string) {
		t.Helper()
		p, e := d.Authenticate(t.Context(), key)
		if p != nil || e == nil || e.Kind != llm.KindUnauthorized || !strings.Contains(e.Message, want) {
			t.Errorf("principal %v, error %v; want KindUnauthorized with %q", p, e, want)
		}
		if e != nil && len(key) > 3 && (strings.Contains(e.Message, key) || strings.Contains(e.Message, key[len(key)-8:])) {
			t.Errorf("message %q tells the key", e.Message)
		}
	}
	f("", "no API key")
	f(goneSecret.Reveal(), `"gone" was revoked at 2026-`)
	f(lostSecret.Reveal(), "no-such-tier")
	f("some-other-key-9876543210", "unknown API key some...")
	f(strange.Reveal(), "unknown API key "+strange.Reveal()[:shownChars]+"...")
	typo := []byte(goodSecret.Reveal())
	typo[20] ^= 1
	f(string(typo), "check that it is complete")
	f(strings.Repeat("x", 5000), "5000 bytes")
	if n := s.lookups.Load(); n != 1 {
		t.Errorf("the store was asked %d times, want once, for the one that is well formed and unknown", n)
	}
	if d.Keys() != 2 {
		t.Errorf("Keys = %d, want the two that can be used", d.Keys())
	}
}

func TestConfigErrors(t *testing.T) {
	t.Parallel()
	key := llm.NewSecret(configKey)
	c := config(
		KeyConfig{Name: "a", Key: key},
		KeyConfig{Name: "a", Key: llm.NewSecret("another-key-0123456789")},
		KeyConfig{Name: "b", Key: key},
		KeyConfig{Name: "c", Key: llm.NewSecret("short")},
		KeyConfig{Name: "d"},
		KeyConfig{Key: llm.NewSecret("nameless-key-0123456789"), Tier: "typo", Limits: Limits{Concurrency: -1}},
	)
	_, err := NewDirectory(t.Context(), c, nil, false, slog.New(slog.DiscardHandler))
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{
		"keys[1].name", "keys[2].key", "keys[3].key", "keys[4].key is missing",
		"keys[5].name is missing", "keys[5].tier", "keys[5].concurrency",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error does not say %q:\n%v", want, err)
		}
	}
	if strings.Contains(err.Error(), configKey) {
		t.Error("the error holds a key")
	}

	d := directory(t, config(KeyConfig{Name: "a", Key: key}), nil, false)
	if err := d.Update(c); err == nil {
		t.Error("Update took a bad configuration")
	}
	expect(t, d, configKey, "a")
}

func TestHotPathAllocatesNothing(t *testing.T) {
	s := &keys{}
	k, secret := NewKey("a", born)
	k.Concurrency, k.Models = 10, []string{"smart", "openai/*"}
	s.put(k)
	d := directory(t, config(), s, false)
	ctx, key, now := t.Context(), secret.Reveal(), time.Now()
	n := testing.AllocsPerRun(1000, func() {
		p, e := d.Authenticate(ctx, key)
		if e != nil || !p.Allows("openai/gpt-4o") {
			t.Fatal("refused")
		}
		c, e := p.Reserve(now, Order{})
		if e != nil {
			t.Fatal(e)
		}
		c.Settle(now, llm.Usage{}, 0)
	})
	if n > 0 {
		t.Errorf("%v allocations per call, want none", n)
	}
}

func BenchmarkAuthenticate(b *testing.B) {
	s := &keys{}
	var secrets []llm.Secret
	for i := range 10_000 {
		k, secret := NewKey(fmt.Sprint(i), born)
		s.put(k)
		secrets = append(secrets, secret)
	}
	d := directory(b, config(), s, false)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		p, e := d.Authenticate(b.Context(), secrets[i%len(secrets)].Reveal())
		if e != nil {
			b.Fatal(e)
		}
		c, e := p.Reserve(born, Order{})
		if e != nil {
			b.Fatal(e)
		}
		c.Settle(born, llm.Usage{}, 0)
	}
}
