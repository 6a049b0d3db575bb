package llm

import (
	"crypto/sha256"
	"encoding/hex"
	"log/slog"
)

// Secret is a credential. Whatever prints it (fmt, slog, JSON, YAML) gets a fingerprint; only Reveal gives the value.
type Secret struct{ value string }

// NewSecret wraps a credential.
func NewSecret(value string) Secret { return Secret{value} }

// Reveal returns the credential itself.
func (s Secret) Reveal() string { return s.value }

// Empty reports whether there is no credential.
func (s Secret) Empty() bool { return s.value == "" }

// String returns a fingerprint: enough to tell two secrets apart, nothing to use.
func (s Secret) String() string {
	if s.value == "" {
		return ""
	}
	sum := sha256.Sum256([]byte(s.value))
	return "secret:" + hex.EncodeToString(sum[:4])
}

// GoString keeps %#v from printing the value.
func (s Secret) GoString() string { return s.String() }

// LogValue keeps slog from printing the value.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText makes every text encoder (JSON, YAML) print the fingerprint.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }
