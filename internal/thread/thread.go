// Package thread is what Sluice keeps of conversations, so that a client can go on with one by naming its last answer: a Response is
// one turn, what the client sent and what came of it, and points to the turn before. The package owns how long turns are kept and how
// much they may take. Where they are kept is the business of a Keeper, and what is in them that of their protocol.
//
// It runs no goroutines: Clean is run by whoever has made the Keeper.
package thread

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"time"
)

// Limits of a conversation that is gone on with. One over them is ErrTooLong.
const (
	MaxTurns = 1000     // responses in a row
	MaxBytes = 64 << 20 // of their requests and answers
)

// Errors of reading what is kept.
var (
	ErrNotFound = errors.New("there is no such response")
	ErrTooLong  = errors.New("the conversation is too long to go on with")
)

// Response is one stored answer with the request that it answers. Owners never see each other's.
type Response struct {
	ID       string // the protocol's, with its prefix
	Key      string // name of the owner's key; "" while the gateway is open
	Created  time.Time
	Expires  time.Time
	Model    string // as the client asked for it
	Provider string // account that has stored the response too, and can be told to go on with it; "" if there is none
	Previous string // id of the response that it goes on with; "" if none
	Status   string // completed or incomplete
	Input    []byte // JSON array: the items that the request has added
	Body     []byte // JSON object: the answer as the client got it
}

// cleaner removes what is not to be kept any longer. It is what Clean needs of a store.
type cleaner interface {
	// CleanResponses deletes responses that have expired by now, and then the oldest until the others take maxBytes at most. It
	// returns how many it has deleted.
	CleanResponses(ctx context.Context, now time.Time, maxBytes int64) (int64, error)
}

// cleanEvery is how often Clean looks, more or less.
const cleanEvery = 5 * time.Minute

// Clean removes what is not to be kept any longer, now and then, until ctx ends. settings returns the configuration in force. A
// store that fails is tried again: until it works, too much is kept.
func Clean(ctx context.Context, store cleaner, settings func() Config, log *slog.Logger) {
	for {
		n, err := store.CleanResponses(ctx, time.Now(), settings().MaxBytes)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			log.LogAttrs(ctx, slog.LevelWarn, "stored responses cannot be cleaned up", slog.String("error", err.Error()))
		case n > 0:
			log.LogAttrs(ctx, slog.LevelInfo, "stored responses deleted", slog.Int64("responses", n))
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(cleanEvery + rand.N(cleanEvery/5)): // jittered: processes that share a database need not clean together
		}
	}
}
