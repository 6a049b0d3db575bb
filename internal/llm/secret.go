package llm

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
)

// Secret is a credential. Whatever prints it (fmt, slog, JSON, YAML) gets a fingerprint; only Reveal gives the value.
// Compare secrets by Reveal or with reflect.DeepEqual: == tells whether two are copies of the same one.
type Secret struct {
	// A pointer, since fmt prints unexported fields of a struct without asking their methods: it then shows an address.
	// It is nil for no credential, so that the zero Secret equals NewSecret("").
	value *string
}

// NewSecret wraps a credential. An empty one gives the zero Secret.
func NewSecret(value string) Secret {
	if value == "" {
		return Secret{}
	}
	return Secret{&value}
}

// Reveal returns the credential itself.
func (s Secret) Reveal() string {
	if s.value == nil {
		return ""
	}
	return *s.value
}

// Empty reports whether there is no credential.
func (s Secret) Empty() bool { return s.value == nil }

// String returns a fingerprint: enough to tell two secrets apart, nothing to use. It is empty for no credential.
func (s Secret) String() string {
	if s.value == nil {
		return ""
	}
	sum := sha256.Sum256([]byte(*s.value))
	return "secret:" + hex.EncodeToString(sum[:4])
}

// Format prints the fingerprint for every verb, %d and %x included.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) } // fmt keeps no errors

// LogValue keeps slog from printing the value.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText makes every text encoder (JSON, YAML) print the fingerprint.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }
