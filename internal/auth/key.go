package auth

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math/big"
	"strings"
	"time"
	"unicode"

	"sluice/internal/llm"
)

// A made key is `sk-sluice-`, 256 random bits in base62, and a CRC-32 of all that in base62. The checksum lets secret
// scanners tell a key from other text, and lets a mistyped key be refused without asking the store.
const (
	keyMark     = "sk-sluice-"
	randomChars = 43 // base62 digits of 256 bits
	sumChars    = 6  // base62 digits of 32 bits
	keyChars    = len(keyMark) + randomChars + sumChars
	shownChars  = len(keyMark) + 4 // of a made key, in lists and messages; 24 of its 256 bits
	digits      = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
)

// maxKeyBytes bounds what a client may present; a configuration cannot hold a longer key either.
const maxKeyBytes = 256

// maxWeight bounds a key's weight, as the configuration does.
const maxWeight = 1000

// maxNameBytes bounds the name of a key.
const maxNameBytes = 100

// NewKey makes a key with a name. The secret is returned once and stored nowhere; the Key holds its hash. The caller adds
// limits and hands the Key to the store.
func NewKey(name string, now time.Time) (Key, llm.Secret) {
	var b [32]byte
	rand.Read(b[:]) // never fails: it ends the program when the system has no randomness
	text := keyMark + base62(new(big.Int).SetBytes(b[:]), randomChars)
	text += checksum(text)
	var id [8]byte
	rand.Read(id[:])
	return Key{
		ID:      "key_" + base62(new(big.Int).SetUint64(binary.BigEndian.Uint64(id[:])), 11),
		Name:    name,
		Prefix:  text[:shownChars],
		Hash:    sha256.Sum256([]byte(text)),
		Created: now,
	}, llm.NewSecret(text)
}

// wellFormed reports whether s can be a key made by NewKey: its mark, length, digits and checksum are right.
func wellFormed(s string) bool {
	if len(s) != keyChars || !strings.HasPrefix(s, keyMark) {
		return false
	}
	body, sum := s[:keyChars-sumChars], s[keyChars-sumChars:]
	return checksum(body) == sum
}

// shown returns what a message may tell of a presented key: for made keys the prefix that lists show too, for others at
// most four characters and at most a quarter.
func shown(s string) string {
	n := min(4, len(s)/4)
	if strings.HasPrefix(s, keyMark) && len(s) >= keyChars {
		n = shownChars
	}
	var b strings.Builder
	for _, c := range []byte(s[:n]) {
		if c <= ' ' || c > '~' || c == '"' || c == '\\' {
			c = '?'
		}
		b.WriteByte(c)
	}
	return b.String() + "..."
}

// checksum returns the CRC-32 of s as base62 digits.
func checksum(s string) string {
	sum := crc32.ChecksumIEEE([]byte(s))
	return base62(new(big.Int).SetUint64(uint64(sum)), sumChars)
}

// base62 writes n with a fixed number of digits.
func base62(n *big.Int, width int) string {
	out := make([]byte, width)
	base, digit := big.NewInt(int64(len(digits))), new(big.Int)
	for i := width - 1; i >= 0; i-- {
		n.DivMod(n, base, digit)
		out[i] = digits[digit.Int64()]
	}
	return string(out)
}

// Validate returns everything that is wrong with a key to be stored.
func (k Key) Validate() error {
	var errs []error
	if err := checkName(k.Name); err != nil {
		errs = append(errs, err)
	}
	k.Limits.check(func(key, message string) { errs = append(errs, fmt.Errorf("%s %s", key, message)) })
	k.Users.check(func(key, message string) { errs = append(errs, fmt.Errorf("users.%s %s", key, message)) })
	for _, b := range append(k.Limits.all(), k.Users.all()...) {
		b.Validate(func(key, message string) { errs = append(errs, fmt.Errorf("budget.%s %s", key, message)) })
	}
	if k.Weight < 0 || k.Weight > maxWeight {
		errs = append(errs, fmt.Errorf("weight is %d; it must be from 1 to %d", k.Weight, maxWeight))
	}
	for _, m := range k.Models {
		if m == "" || strings.ContainsAny(m, " \t\r\n,") {
			errs = append(errs, fmt.Errorf("models: %q is not a model name", m))
		}
	}
	return errors.Join(errs...)
}

// checkName says what a key may be called: the name stands in tables, logs and ledger rows.
func checkName(name string) error {
	switch {
	case name == "":
		return errors.New("name is missing")
	case len(name) > maxNameBytes:
		return fmt.Errorf("name has %d bytes; it may have %d", len(name), maxNameBytes)
	case strings.HasPrefix(name, keyMark):
		return fmt.Errorf("name begins with %s, which is how keys look", keyMark)
	}
	for _, c := range name {
		if !unicode.IsPrint(c) || c == ' ' || c == unicode.ReplacementChar {
			return fmt.Errorf("name %q has a character that is not allowed: %q", name, c)
		}
	}
	return nil
}
