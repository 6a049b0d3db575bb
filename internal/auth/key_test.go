package auth

import (
	"crypto/sha256"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"sluice/internal/llm"
)

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
