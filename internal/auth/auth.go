// Package auth turns the key that a client presents into a Principal: who calls, which models it may use, and what it may take: calls at a time,
// requests, tokens and money. It owns the directory of keys, from configuration and from a Store, and the accounts of what keys take: reserved
// before a call, settled after it, and held against what the ledger has of other processes and of the time before the start. It does not know
// HTTP, and it runs no goroutine of its own: the caller runs Run, which notices keys that other processes create or revoke, and what they spend.
//
// Where keys meet: a key that is both in the configuration and in the store has the limits of the configuration, but is refused once the store
// says that it is revoked. Two different keys of one name both work and have one account, as they are one name in the ledger: a key that is
// replaced by another of its name does not get its limits anew.
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
	ID      string
	Name    string
	Prefix  string // first characters of the key, to recognize it by
	Hash    [32]byte
	Models  []string // exact names or globs; empty allows all
	Tier    string   // name of a tier of the configuration; may be empty
	Limits           // what is not set is left to the tier
	Weight  int      // 0 leaves it to the tier
	Users   UserLimits
	Created time.Time
	Revoked time.Time // zero while the key is good
}

// Store keeps keys that were made at run time. Both methods return revoked keys as well.
type Store interface {
	// KeyByHash returns the key with a hash, or an error that is ErrNoKey.
	KeyByHash(ctx context.Context, hash [32]byte) (Key, error)
	// KeysChangedSince returns the keys that were made or revoked after change number seq, and the newest change
	// number, to be given next time. Zero gives all keys.
	KeysChangedSince(ctx context.Context, seq int64) ([]Key, int64, error)
}
