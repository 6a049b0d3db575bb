package ingress

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"sluice/internal/gateway"
	"sluice/internal/llm"
	"sluice/internal/replay"
)

// How often a key is looked at that a call of another process has.
const (
	firstPoll = 50 * time.Millisecond
	mostPoll  = time.Second
)

// runClaimed runs a call that its idempotency key allows once among all processes that share a store: the one that has claimed the key. If
// another one has, its answer is waited for.
func (s *Server) runClaimed(ctx context.Context, x *gateway.Exchange, rec *replay.Recording, w *replay.Recorder, asked *asked) {
	c := &replay.Claim{Owner: x.Call.Key, Key: asked.key, Hash: asked.hash, Call: x.Call.ID}
	waiting, done := inTime(ctx, &x.Call)
	held, waited, e := s.claim(waiting, c)
	done()
	x.Waited = waited
	switch {
	case e != nil:
		w.Fail(e, nil)
		return
	case held != nil:
		w.Play(held)
		return
	}
	stop := s.renew(ctx, *c)
	defer s.settleClaim(ctx, rec, c) // also when the call panics
	defer stop()
	s.calls.Do(ctx, x, w)
	w.End(false)
}

// claim makes a key the claim's, or returns the answer of the call that has had it. It waits for a call that is under way, and takes the key over
// if that call's process has gone; waited is the time between two looks.
func (s *Server) claim(ctx context.Context, c *replay.Claim) (held *replay.Answer, waited time.Duration, e *llm.Error) {
	for wait := firstPoll; ; wait = min(2*wait, mostPoll) {
		now := time.Now()
		c.Until = now.Add(replay.Lease)
		limited, done := context.WithTimeout(ctx, storeTime)
		held, err := s.keeper.ClaimAnswer(limited, c, now)
		done()
		switch {
		case err != nil && ctx.Err() != nil:
			s.release(ctx, c)
			return nil, waited, ended(ctx)
		case err != nil:
			return nil, waited, &llm.Error{Kind: llm.KindStore, Message: "what is kept for idempotency keys cannot be read", Err: err}
		case held == nil:
			return nil, waited, nil
		case held.Hash != c.Hash:
			return nil, waited, replay.Mismatch(c.Key, held.Call)
		case held.Status != 0:
			return held, waited, nil
		}
		pause := wait/2 + rand.N(wait/2) // jittered: many may wait for one
		t := time.NewTimer(pause)
		select {
		case <-t.C:
			waited += pause
		case <-ctx.Done():
			t.Stop()
			return nil, waited, ended(ctx)
		}
	}
}

// release gives up a claim of which it is not known whether it was made: its call was ended meanwhile. Without that the next call would wait
// for the end of the lease. A store that does not answer leaves it at that.
func (s *Server) release(ctx context.Context, c *replay.Claim) {
	limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeTime)
	defer cancel()
	if err := s.keeper.ReleaseAnswer(limited, c.Owner, c.Key, c.Call); err != nil {
		s.log.LogAttrs(ctx, slog.LevelWarn, "claim of an idempotency key not released", slog.String("id", c.Call), slog.String("error", err.Error()))
	}
}

// ended returns why a call's context has ended.
func ended(ctx context.Context) *llm.Error {
	cause := context.Cause(ctx)
	if e, ok := errors.AsType[*llm.Error](cause); ok {
		own := *e
		return &own
	}
	return &llm.Error{Kind: llm.KindCanceled, Message: "the client closed the request", Err: cause}
}

// renew makes a claim hold for as long as its call is under way: until stop is called, which waits for the end of it.
func (s *Server) renew(ctx context.Context, c replay.Claim) (stop func()) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx)) // a call that is being ended has its key until it has
	var wg sync.WaitGroup
	wg.Go(func() {
		t := time.NewTicker(replay.Renew)
		defer t.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case now := <-t.C:
				c.Until = now.Add(replay.Lease)
			}
			limited, done := context.WithTimeout(ctx, storeTime)
			err := s.keeper.RenewAnswer(limited, &c)
			done()
			if err != nil && ctx.Err() == nil {
				s.log.LogAttrs(ctx, slog.LevelWarn, "claim of an idempotency key not renewed", slog.String("id", c.Call), slog.String("error", err.Error()))
			}
			if errors.Is(err, replay.ErrLost) {
				return
			}
		}
	})
	return func() {
		cancel()
		wg.Wait()
	}
}

// settleClaim stores the answer of a call for its key, or gives the key up if there is none. That it cannot be stored is no reason to fail a
// call whose answer is there: who asks again in time is answered from memory, and later the call is made again.
func (s *Server) settleClaim(ctx context.Context, rec *replay.Recording, c *replay.Claim) {
	limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeTime)
	defer cancel()
	a, ok := rec.Answer()
	var err error
	if ok {
		a.Expires = time.Now().Add(s.settings.Load().Idempotency.TTL)
		err = s.keeper.KeepAnswer(limited, &a)
	}
	if !ok || err != nil && !errors.Is(err, replay.ErrLost) {
		err = errors.Join(err, s.keeper.ReleaseAnswer(limited, c.Owner, c.Key, c.Call))
	}
	if err != nil {
		s.log.LogAttrs(ctx, slog.LevelWarn, "answer not kept for its idempotency key", slog.String("id", c.Call), slog.String("error", err.Error()))
	}
}
