// Package auth turns the key that a client presents into a Principal: who calls, which models it may use, and how many
// calls it may have under way. It owns the directory of keys, from configuration and from a Store, and the counters of
// calls under way. It does not know HTTP, and it runs no goroutine of its own: the caller runs Run, which notices keys
// that other processes create or revoke.
//
// Where keys meet: a key that is both in the configuration and in the store has the limits of the configuration, but is
// refused once the store says that it is revoked. Two different keys of one name both work, each with its own count of
// calls under way; in the ledger they are one name.
package auth

import (
	"context"
	"errors"
	"time"
)

// ErrNoKey is what a Store answers when it has no such key.
var ErrNoKey = errors.New("no such key")

// Key is a key as it is stored: everything but the key itself.
type Key struct {
	ID          string
	Name        string
	Prefix      string // first characters of the key, to recognize it by
	Hash        [32]byte
	Models      []string // exact names or globs; empty allows all
	Concurrency int      // calls under way at once; 0 leaves it to the tier
	Tier        string   // name of a tier of the configuration; may be empty
	Created     time.Time
	Revoked     time.Time // zero while the key is good
}

// Store keeps keys that were made at run time. Both methods return revoked keys as well.
type Store interface {
	// KeyByHash returns the key with a hash, or an error that is ErrNoKey.
	KeyByHash(ctx context.Context, hash [32]byte) (Key, error)
	// KeysChangedSince returns the keys that were made or revoked after change number seq, and the newest change
	// number, to be given next time. Zero gives all keys.
	KeysChangedSince(ctx context.Context, seq int64) ([]Key, int64, error)
}
