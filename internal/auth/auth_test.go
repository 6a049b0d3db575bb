package auth

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
	"pgregory.net/rapid"

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
	return Config{Keys: c, Tiers: map[string]Tier{"free": {Concurrency: 2, Models: []string{"small"}}, "pro": {}}}
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

func TestKeyForm(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		k, secret := NewKey("x", born)
		s := secret.Reveal()
		if !wellFormed(s) || !strings.HasPrefix(s, k.Prefix) || k.Hash != sha256.Sum256([]byte(s)) {
			t.Fatalf("key %q, prefix %q", s, k.Prefix)
		}
		i := rapid.IntRange(0, len(s)-1).Draw(t, "at")
		c := rapid.Byte().Draw(t, "with")
		if typo := s[:i] + string(rune(c)) + s[i+1:]; typo != s && wellFormed(typo) {
			t.Errorf("one wrong character in %q is not noticed: %q", s, typo)
		}
		if i+1 < len(s) && s[i] != s[i+1] {
			if swap := s[:i] + s[i+1:i+2] + s[i:i+1] + s[i+2:]; wellFormed(swap) {
				t.Errorf("two swapped characters are not noticed: %q", swap)
			}
		}
		if wellFormed(s[:len(s)-1]) || wellFormed(s+"0") {
			t.Error("a wrong length is not noticed")
		}
	})
}

func FuzzPresented(f *testing.F) {
	_, secret := NewKey("x", born)
	f.Add(secret.Reveal())
	f.Add("sk-sluice-")
	f.Add("\x00\xff")
	f.Add(configKey)
	s := &keys{}
	d := directory(f, config(KeyConfig{Name: "a", Key: llm.NewSecret(configKey)}), s, false)
	f.Fuzz(func(t *testing.T, key string) {
		before := s.lookups.Load()
		p, e := d.Authenticate(t.Context(), key)
		if (p == nil) == (e == nil) {
			t.Fatal("neither or both of principal and error")
		}
		if (e == nil) != (key == configKey) {
			t.Fatalf("%q: %v", key, e)
		}
		if s.lookups.Load() > before && !wellFormed(key) {
			t.Fatalf("malformed %q reached the store", key)
		}
		if e != nil && len(key) > shownChars+3 && strings.Contains(e.Message, key) {
			t.Fatalf("message %q holds the key", e.Message)
		}
	})
}

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
		KeyConfig{Key: llm.NewSecret("nameless-key-0123456789"), Tier: "typo", Concurrency: -1},
	)
	_, err := NewDirectory(t.Context(), c, nil, false, slog.New(slog.DiscardHandler))
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{"keys[1].name", "keys[2].key", "keys[3].key", "keys[4].key is missing",
		"keys[5].name is missing", "keys[5].tier", "keys[5].concurrency"} {
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

func TestModels(t *testing.T) {
	t.Parallel()
	f := func(model string, want bool, allowed ...string) {
		t.Helper()
		var p Principal
		p.setModels(allowed)
		if got := p.Allows(model); got != want {
			t.Errorf("%q under %q: %v, want %v", model, allowed, got, want)
		}
	}
	f("anything", true)
	f("gpt-4o", true, "smart", "gpt-4o")
	f("gpt-4o-mini", false, "smart", "gpt-4o")
	f("openai/gpt-4o", true, "openai/*")
	f("openai/org/model", true, "openai/*")
	f("openai", false, "openai/*")
	f("anthropic/x", false, "openai/*")
	f("gpt-4o-mini", true, "gpt-*")
	f("a/gpt-4o", true, "*/gpt-*")
	f("a/gpt-4o", false, "*/gpt-*-mini")
	f("a/gpt-4o-mini-mini", true, "*/gpt-*-mini")
	f("ab", false, "ab*b")
	f("abb", true, "ab*b")
	f("", true, "*")
	f("x", true, "**")
	f("*", false, "a")
	f("A", false, "a")
}

// FuzzMatch compares match with the plain definition of its pattern.
func FuzzMatch(f *testing.F) {
	f.Add("a*b*c", "aXbYc")
	f.Add("**", "")
	f.Add("*a*", "bab")
	f.Fuzz(func(t *testing.T, pattern, s string) {
		if len(pattern) > 12 || len(s) > 12 {
			return
		}
		if got, want := match(pattern, s), slowMatch(pattern, s); got != want {
			t.Errorf("match(%q, %q) = %v", pattern, s, got)
		}
	})
}

func slowMatch(pattern, s string) bool {
	switch {
	case pattern == "":
		return s == ""
	case pattern[0] == '*':
		return slowMatch(pattern[1:], s) || s != "" && slowMatch(pattern, s[1:])
	}
	return s != "" && s[0] == pattern[0] && slowMatch(pattern[1:], s[1:])
}

func TestLimitsOfTierAndKey(t *testing.T) {
	t.Parallel()
	f := func(name string, k KeyConfig, limit int, setting string, small, large bool) {
		t.Helper()
		k.Name, k.Key = name, llm.NewSecret(configKey)
		d := directory(t, config(k), nil, false)
		p, e := d.Authenticate(t.Context(), configKey)
		if e != nil {
			t.Fatal(e)
		}
		for i := range limit {
			if e := p.Start(); e != nil {
				t.Fatalf("%s: call %d: %v", name, i, e)
			}
		}
		e = p.Start()
		if limit == 100 { // stands for none
			if e != nil {
				t.Errorf("%s: %v", name, e)
			}
		} else if e == nil || e.Kind != llm.KindKeyConcurrency {
			t.Errorf("%s: call beyond %d: %v", name, limit, e)
		} else {
			for _, w := range []string{fmt.Sprintf("%q", name), fmt.Sprintf("may have %d", limit), setting} {
				if !strings.Contains(e.Message, w) {
					t.Errorf("%s: message %q does not say %q", name, e.Message, w)
				}
			}
			p.Finish()
			if e := p.Start(); e != nil {
				t.Errorf("%s: after Finish: %v", name, e)
			}
		}
		if p.Allows("small") != small || p.Allows("large") != large {
			t.Errorf("%s: small %v, large %v", name, p.Allows("small"), p.Allows("large"))
		}
	}
	f("none", KeyConfig{}, 100, "", true, true)
	f("own", KeyConfig{Concurrency: 3, Models: []string{"large"}}, 3, "of the key", false, true)
	f("tier", KeyConfig{Tier: "free"}, 2, "tier free", true, false)
	f("both", KeyConfig{Tier: "free", Concurrency: 5, Models: []string{"large"}}, 5, "of the key", false, true)
	f("empty tier", KeyConfig{Tier: "pro"}, 100, "", true, true)
}

func TestConcurrencyIsExact(t *testing.T) {
	t.Parallel()
	const limit, workers, each = 5, 16, 2000
	d := directory(t, config(KeyConfig{Name: "a", Key: llm.NewSecret(configKey), Concurrency: limit}), nil, false)
	p, e := d.Authenticate(t.Context(), configKey)
	if e != nil {
		t.Fatal(e)
	}
	var running, most, started atomic.Int64
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for range each {
				if p.Start() != nil {
					continue
				}
				started.Add(1)
				if n := running.Add(1); n > most.Load() {
					most.Store(n)
				}
				running.Add(-1)
				p.Finish()
			}
		})
	}
	wg.Wait()
	if most.Load() > limit {
		t.Errorf("%d calls under way at once, limit %d", most.Load(), limit)
	}
	if p.running.Load() != 0 || started.Load() == 0 {
		t.Errorf("%d still counted, %d started", p.running.Load(), started.Load())
	}
	defer func() {
		if r := fmt.Sprint(recover()); !strings.HasPrefix(r, "BUG:") {
			t.Errorf("panic = %v, want a BUG", r)
		}
	}()
	p.Finish()
}

func TestUpdateKeepsCounts(t *testing.T) {
	t.Parallel()
	with := func(n int) Config {
		return config(KeyConfig{Name: "a", Key: llm.NewSecret(configKey), Concurrency: n})
	}
	d := directory(t, with(2), nil, false)
	old, _ := d.Authenticate(t.Context(), configKey)
	for range 2 {
		if e := old.Start(); e != nil {
			t.Fatal(e)
		}
	}
	update := func(c Config) *Principal {
		t.Helper()
		if err := d.Update(c); err != nil {
			t.Fatal(err)
		}
		p, _ := d.Authenticate(t.Context(), configKey)
		return p
	}
	full := func(p *Principal, want bool) {
		t.Helper()
		e := p.Start()
		if e == nil {
			p.Finish()
		}
		if (e != nil) != want {
			t.Errorf("Start = %v, want refused: %v", e, want)
		}
	}
	full(update(with(2)), true)
	full(update(with(3)), false)
	full(update(with(1)), true)
	if p := update(config()); p != nil {
		t.Error("a key that left the configuration is still good")
	}
	if err := d.Update(config()); err != nil { // the count outlives two updates without the key
		t.Fatal(err)
	}
	back := update(with(2))
	full(back, true)
	old.Finish()
	full(back, false)
	old.Finish()
	if n := back.running.Load(); n != 0 {
		t.Errorf("%d calls under way, want none", n)
	}
	update(config())
	if n := len(d.table.Load().counts); n != 0 {
		t.Errorf("%d counts are kept without keys or calls", n)
	}
}

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
	d := directory(t, config(KeyConfig{Name: "in-config", Key: secret, Concurrency: 1}), s, false)
	expect(t, d, secret.Reveal(), "in-config")
	expect(t, d, other.Reveal(), "in-config")
	p, _ := d.Authenticate(t.Context(), secret.Reveal())
	q, _ := d.Authenticate(t.Context(), other.Reveal())
	if e := p.Start(); e != nil {
		t.Fatal(e)
	}
	if e := p.Start(); e == nil {
		t.Error("the limit of the configuration does not hold")
	}
	if e := q.Start(); e != nil {
		t.Errorf("two keys of one name share a count: %v", e)
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
	for range 1000 {
		if e := p.Start(); e != nil {
			t.Fatal(e)
		}
	}
	if !p.Allows("anything") || d.Keys() != 0 {
		t.Errorf("the anonymous principal has limits, or there are %d keys", d.Keys())
	}
	k, secret := NewKey("first", born)
	s.put(k)
	expect(t, d, secret.Reveal(), "first")
	expect(t, d, "", unauthorized)
	expect(t, d, "sk-anything", unauthorized)
	for range 1000 {
		p.Finish()
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

func TestHotPathAllocatesNothing(t *testing.T) {
	s := &keys{}
	k, secret := NewKey("a", born)
	k.Concurrency, k.Models = 10, []string{"smart", "openai/*"}
	s.put(k)
	d := directory(t, config(), s, false)
	ctx, key := t.Context(), secret.Reveal()
	n := testing.AllocsPerRun(1000, func() {
		p, e := d.Authenticate(ctx, key)
		if e != nil || !p.Allows("openai/gpt-4o") || p.Start() != nil {
			t.Fatal("refused")
		}
		p.Finish()
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
		if e != nil || p.Start() != nil {
			b.Fatal("refused")
		}
		p.Finish()
	}
}
