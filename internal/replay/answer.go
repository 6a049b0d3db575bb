package replay

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"time"

	"sluice/internal/llm"
)

// MaxKey is how many bytes an idempotency key may have.
const MaxKey = 255

// How long a claim holds without being renewed, and how often it is renewed. The clocks of replicas may differ by what lies between.
const (
	Lease = 30 * time.Second
	Renew = Lease / 3
)

// ErrLost is what RenewAnswer and KeepAnswer return where another call has taken the key over.
var ErrLost = errors.New("the idempotency key is not this call's any more")

// Claim is the right of one call to be the one that a key stands for.
type Claim struct {
	Owner string // name of the client's key
	Key   string // idempotency key
	Hash  string // of the request
	Call  string // id
	Until time.Time
}

// Answer is a finished answer, kept for a key.
type Answer struct {
	Owner, Key, Hash string
	Call             string // id of the call that it answers
	Created, Expires time.Time
	Status           int
	Header           http.Header
	Stream           bool
	Body             []byte
}

// Keeper keeps claims and answers where all replicas see them. Its methods are safe for concurrent use.
type Keeper interface {
	// ClaimAnswer makes the key the claim's, unless another call has it: then held is what stands there, without a Status while its
	// call is under way. held is nil if the key is the claim's.
	ClaimAnswer(ctx context.Context, c *Claim, now time.Time) (held *Answer, err error)
	// RenewAnswer makes a claim hold until its Until. The error is ErrLost if another call has the key.
	RenewAnswer(ctx context.Context, c *Claim) error
	// KeepAnswer stores the answer of the call that has the key. The error is ErrLost if another call has it.
	KeepAnswer(ctx context.Context, a *Answer) error
	// ReleaseAnswer gives a key up that the call has not answered. It is no error if another call has it.
	ReleaseAnswer(ctx context.Context, owner, key, call string) error
}

// Play records an answer that was kept as that of the recording.
func (w *Recorder) Play(a *Answer) {
	w.header, w.played = a.Header.Clone(), a.Call
	if !a.Stream {
		w.Whole(a.Status, a.Body)
		return
	}
	w.ids, w.named = false, true // the events have their ids
	w.BeginStatus(a.Status)
	w.add(a.Body)
	w.End(false)
}

// cleaner removes what is not to be kept any longer. It is what Clean needs of a store.
type cleaner interface {
	// CleanAnswers deletes claims and answers that have expired by now, and then the oldest answers until the others take maxBytes at
	// most. It returns how many it has deleted.
	CleanAnswers(ctx context.Context, now time.Time, maxBytes int64) (int64, error)
}

// How often Clean looks, more or less: at the recordings, which are in memory, and at the store.
const (
	pruneEvery = 30 * time.Second
	cleanEvery = 10 // times that
)

// Clean removes recordings and kept answers whose time is over, now and then, until ctx ends. settings returns the configuration in force.
// A store that fails is tried again: until it works, too much is kept.
func Clean(ctx context.Context, g *Registry, store cleaner, settings func() KeyConfig, log *slog.Logger) {
	for i := 0; ; i++ {
		g.Prune(time.Now())
		if i%cleanEvery == 0 {
			n, err := store.CleanAnswers(ctx, time.Now(), settings().MaxBytes)
			switch {
			case ctx.Err() != nil:
				return
			case err != nil:
				log.LogAttrs(ctx, slog.LevelWarn, "answers kept for idempotency keys cannot be cleaned up", slog.String("error", err.Error()))
			case n > 0:
				log.LogAttrs(ctx, slog.LevelInfo, "answers kept for idempotency keys deleted", slog.Int64("answers", n))
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(pruneEvery + rand.N(pruneEvery/5)): // jittered: processes that share a database need not clean together
		}
	}
}

// CheckKey says what is wrong with an idempotency key; nil if nothing is.
func CheckKey(key string) *llm.Error {
	ok := key != "" && len(key) <= MaxKey
	for i := range len(key) {
		ok = ok && key[i] >= ' ' && key[i] < 0x7f
	}
	if ok {
		return nil
	}
	e := llm.Errorf(llm.KindBadRequest, "Idempotency-Key is %.40q, of %d bytes; it must be of 1 to %d printable ASCII characters", key, len(key), MaxKey)
	e.Param = "Idempotency-Key"
	return e
}
