// Package replay keeps answers that clients may come back for: bounded recordings in memory, of streams that a dropped client goes on
// reading and of calls that others with the same idempotency key join, and the form in which a finished answer is kept for a key
// (see Keeper). It owns their limits and who may read them. It runs no goroutines but those of timers; Clean is run by whoever has made the
// Keeper.
package replay

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"sluice/internal/llm"
)

// tombs is for how many recordings that are gone it is remembered why.
const tombs = 1024

// scope is what tells recordings apart: owners never see each other's.
type scope struct{ owner, name string }

// Registry holds the recordings of this process. It is safe for concurrent use. Lock order: mu before that of a recording.
type Registry struct {
	config atomic.Pointer[Config]
	bytes  atomic.Int64 // of all recordings

	mu       sync.Mutex // guards what follows
	draining bool
	count    int // of recordings; byID may have two names of one
	byID     map[scope]*Recording
	byKey    map[scope]*Recording // by idempotency key
	ended    []*Recording         // kept after their end, the oldest first
	gone     map[scope]string     // why recordings are not there any more
	goneList []scope              // the same, in order
}

// New returns an empty registry.
func New(c Config) *Registry {
	g := &Registry{byID: map[scope]*Recording{}, byKey: map[scope]*Recording{}, gone: map[scope]string{}}
	g.Update(c)
	return g
}

// Update puts other limits in force for what comes from now on.
func (g *Registry) Update(c Config) { g.config.Store(&c) }

// Options say what is recorded.
type Options struct {
	ID    string // of the call
	Owner string // name of the client's key; "" while the gateway is open
	Form  Form
	Key   string // idempotency key; "" if the request has none
	Hash  string // of the request; with a Key
	// IDs makes each event of the stream carry its id.
	IDs bool
	// Cancel ends the call. It is called when nobody has read the recording for the time of grace.
	Cancel context.CancelCauseFunc
	// Name, if set, is asked with each event for another id that the recording can be found by, until it knows one.
	Name func(event []byte) string
}

// Form is in which form an answer comes.
type Form struct {
	Front  llm.Dialect
	Op     llm.Op
	Stream bool
	Array  bool // a stream that is one JSON array
}

// Open begins a recording. If there is one for the same key already, that one is returned, and joined is true; unless its beginning is not
// kept any more: then it gives up the key, as answers do that are too large to be kept. The error is of KindIdempotency if its request was another one, and of KindQueueFull if there is no room.
func (g *Registry) Open(o Options) (r *Recording, joined bool, e *llm.Error) {
	c := g.config.Load()
	now := time.Now()
	g.mu.Lock()
	defer g.mu.Unlock()
	g.prune(now)
	if o.Key != "" {
		if r := g.byKey[scope{o.Owner, o.Key}]; r != nil {
			if r.o.Hash != o.Hash {
				return nil, false, Mismatch(o.Key, r.o.ID)
			}
			if r.complete() {
				return r, true, nil
			}
			g.forgetKey(r)
		}
	}
	if g.count >= c.MaxStreams && !g.dropOldest(fmt.Sprintf("it made room for others (resume.max_streams, %d)", c.MaxStreams)) {
		e := llm.Errorf(llm.KindQueueFull, "%d answers are being recorded (resume.max_streams); try again later, or without X-Sluice-Resumable and Idempotency-Key", c.MaxStreams)
		e.RetryAfter = time.Second
		return nil, false, e
	}
	r = &Recording{o: o, registry: g, buffer: c.Buffer, start: now}
	g.count++
	g.byID[scope{o.Owner, o.ID}] = r
	if o.Key != "" {
		g.byKey[scope{o.Owner, o.Key}] = r
	}
	return r, false, nil
}

// Mismatch returns the error for a key that was used for another request, that of a call.
func Mismatch(key, call string) *llm.Error {
	e := llm.Errorf(llm.KindIdempotency, "the Idempotency-Key %q was used for another request (%s): its method, path, query, body or answer's form differ; use another key",
		key, call)
	e.Param = "Idempotency-Key"
	return e
}

// Find returns the recording of an owner that has an id. The error is of KindNoStream and says why there is none.
func (g *Registry) Find(owner, id string) (*Recording, *llm.Error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.prune(time.Now())
	if r := g.byID[scope{owner, id}]; r != nil {
		return r, nil
	}
	why, known := g.gone[scope{owner, id}]
	if !known {
		why = "no answer of that id was recorded for this key, or it was long ago"
	}
	return nil, missing(id, why)
}

func missing(id, why string) *llm.Error {
	e := llm.Errorf(llm.KindNoStream, "the stream %.80q cannot be gone on with: %s", id, why)
	e.Param = "Last-Event-ID"
	return e
}

// Drain makes calls end at once when nobody reads them: no client can come back to a gateway that is going.
func (g *Registry) Drain() {
	g.mu.Lock()
	g.draining = true
	var all []*Recording
	for _, r := range g.byID {
		all = append(all, r)
	}
	g.mu.Unlock()
	for _, r := range all {
		r.mu.Lock()
		r.abandon(0)
		r.mu.Unlock()
	}
}

// grace returns how long a call goes on without readers.
func (g *Registry) grace() time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.draining {
		return 0
	}
	return g.config.Load().Grace
}

// Prune lets go of recordings whose time is over by now.
func (g *Registry) Prune(now time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.prune(now)
}

func (g *Registry) prune(now time.Time) {
	for len(g.ended) > 0 && !now.Before(g.ended[0].expires) {
		g.dropOldest(fmt.Sprintf("it ended more than %v ago (resume.keep)", g.config.Load().Keep))
	}
}

// dropOldest makes room by the recording that ended first. It returns false if none has ended.
func (g *Registry) dropOldest(why string) bool {
	if len(g.ended) == 0 {
		return false
	}
	g.drop(g.ended[0], why)
	g.ended[0] = nil // what lies before the slice is reachable until it grows
	g.ended = g.ended[1:]
	return true
}

// drop takes a recording out of sight. Its readers go on.
func (g *Registry) drop(r *Recording, why string) {
	if r.dropped {
		return
	}
	r.dropped = true
	g.count--
	g.bytes.Add(-r.size.Load())
	g.forgetKey(r)
	for _, id := range []string{r.o.ID, r.alias} {
		at := scope{r.o.Owner, id}
		if id == "" || g.byID[at] != r {
			continue
		}
		delete(g.byID, at)
		if _, known := g.gone[at]; !known {
			g.goneList = append(g.goneList, at)
		}
		g.gone[at] = why
	}
	for len(g.goneList) > tombs {
		delete(g.gone, g.goneList[0])
		g.goneList = g.goneList[1:]
	}
}

func (g *Registry) forgetKey(r *Recording) {
	if at := (scope{r.o.Owner, r.o.Key}); r.o.Key != "" && g.byKey[at] == r {
		delete(g.byKey, at)
	}
}

// grown notes that a recording has grown, and reports whether there is room for it.
func (g *Registry) grown(r *Recording, by int64) bool {
	limit := g.config.Load().MaxBytes
	r.size.Add(by)
	if g.bytes.Add(by) <= limit {
		return true
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	for g.bytes.Load() > limit {
		if !g.dropOldest(fmt.Sprintf("it made room for others (resume.max_bytes, %d)", limit)) {
			return false
		}
	}
	return true
}

// ends notes that a recording has ended, and whether it can be found from now on: by its id, and by its key.
func (g *Registry) ends(r *Recording, byID, byKey bool) {
	keep := g.config.Load().Keep
	g.mu.Lock()
	defer g.mu.Unlock()
	if !byKey {
		g.forgetKey(r)
	}
	if !byID || keep <= 0 {
		g.drop(r, "its answer was too large to be kept (resume.max_bytes, resume.keep)")
		return
	}
	if !r.dropped {
		r.expires = time.Now().Add(keep)
		g.ended = append(g.ended, r)
	}
}

// name makes a recording be found by another id too.
func (g *Registry) name(r *Recording, alias string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if at := (scope{r.o.Owner, alias}); !r.dropped && r.alias == "" && g.byID[at] == nil {
		g.byID[at], r.alias = r, alias
	}
}

// Stats are what a registry holds.
type Stats struct {
	Recordings int
	Bytes      int64
}

// Stats returns what the registry holds.
func (g *Registry) Stats() Stats {
	g.mu.Lock()
	defer g.mu.Unlock()
	return Stats{Recordings: g.count, Bytes: g.bytes.Load()}
}
