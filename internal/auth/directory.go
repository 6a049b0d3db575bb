package auth

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"
	"golang.org/x/sync/singleflight"

	"sluice/internal/llm"
)

const (
	pollTime    = time.Second     // between two looks for changes; revocations take effect in about this time
	lookupTime  = 2 * time.Second // for one look-up of an unknown key, waiting included
	maxLookups  = 8               // look-ups under way at once
	initialTime = 10 * time.Second
)

// Directory knows the keys. Authenticate may be called from any goroutine; it reads an immutable table.
type Directory struct {
	// Set once.
	store  Store // nil: keys come from configuration only
	ledger Books // nil: what was spent before the start counts nothing
	open   bool  // anonymous calls are welcome while there are no keys
	born   time.Time
	log    *slog.Logger

	division division

	table atomic.Pointer[table] // replaced under mu

	// Look-ups of keys that the table does not have.
	flight singleflight.Group
	slots  *semaphore.Weighted

	booksDown atomic.Bool // the ledger could not be read the last time
	books     books       // used by New, then by Run

	// Guarded by mu.
	mu     sync.Mutex
	config Config
	stored map[[32]byte]Key // keys of the store that have been seen
	seq    int64            // change number of the store up to which stored is complete
}

// table is one immutable view of all keys.
type table struct {
	byHash    map[[32]byte]*Principal
	accounts  map[string]*account // by name, of every key in byHash, and of gone ones with calls under way
	limited   map[string]*bounds  // of the keys with limits, by name
	users     map[string]bool     // names of the keys whose end users have limits of days or months
	calendar  bool                // some key, or its users, have limits of days or months
	good      int                 // keys that can be used
	anonymous *Principal          // nil unless calls without a key are welcome
}

// NewDirectory makes a directory of the keys of c and of s, and reads all keys of s. s may be nil. open welcomes calls
// without a key for as long as no key exists, be it good or revoked: the first key made closes the gateway. The error
// joins everything that is wrong with c, or says that s cannot be read. If s is Books too, what was spent before counts.
func NewDirectory(ctx context.Context, c Config, s Store, open bool, log *slog.Logger) (*Directory, error) {
	d := &Directory{
		store:  s,
		open:   open,
		born:   time.Now(),
		log:    log,
		slots:  semaphore.NewWeighted(maxLookups),
		stored: make(map[[32]byte]Key),
	}
	d.ledger, _ = s.(Books)
	if err := d.Update(c); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, initialTime)
	defer cancel()
	if err := d.poll(ctx); err != nil {
		return nil, err
	}
	if err := d.readSpent(ctx); err != nil {
		return nil, err
	}
	return d, nil
}

// Update puts another configuration in place. Counts of calls under way go on, by key. If c is wrong the error joins
// everything that is, and nothing changes.
func (d *Directory) Update(c Config) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := check(c); err != nil {
		return err
	}
	d.config = c
	d.rebuild()
	return nil
}

// Keys returns how many keys can be used, from configuration and store together.
func (d *Directory) Keys() int { return d.table.Load().good }

// Authenticate returns the principal of a presented key. A known key costs one hash and one look-up in memory: no lock, no
// allocation, no store. A key that is unknown but well formed is looked up in the store, so that a key works as soon as
// it is made. Errors: KindUnauthorized for a key that is missing, malformed, unknown or revoked; KindStore when the store
// would have to be asked and cannot answer.
func (d *Directory) Authenticate(ctx context.Context, presented string) (*Principal, *llm.Error) {
	t := d.table.Load()
	if presented == "" {
		if t.anonymous != nil {
			return t.anonymous, nil
		}
		return nil, llm.Errorf(llm.KindUnauthorized, "no API key: send one as `Authorization: Bearer KEY`, `x-api-key: KEY` or `x-goog-api-key: KEY`")
	}
	if len(presented) > maxKeyBytes {
		return nil, llm.Errorf(llm.KindUnauthorized, "the API key has %d bytes; no key has more than %d",
			len(presented), maxKeyBytes)
	}
	var buf [maxKeyBytes]byte // keeps the conversion off the heap
	hash := sha256.Sum256(buf[:copy(buf[:], presented)])
	p := t.byHash[hash]
	if p == nil {
		return d.unknown(ctx, t, presented, hash)
	}
	if p.refusal != nil {
		return nil, p.refusal
	}
	return p, nil
}

// unknown decides about a key that table t does not have.
func (d *Directory) unknown(ctx context.Context, t *table, presented string, hash [32]byte) (*Principal, *llm.Error) {
	if d.store == nil || !wellFormed(presented) {
		if t.anonymous != nil {
			return t.anonymous, nil // SDKs insist on some key
		}
		return nil, llm.Errorf(llm.KindUnauthorized, "unknown API key %s: check that it is complete", shown(presented))
	}
	p, err := d.lookup(ctx, hash)
	switch {
	case err == nil && p.refusal != nil:
		return nil, p.refusal
	case err == nil:
		return p, nil
	case t.anonymous != nil:
		return t.anonymous, nil
	case errors.Is(err, ErrNoKey):
		return nil, llm.Errorf(llm.KindUnauthorized, "unknown API key %s: it was never made here", shown(presented))
	}
	e := llm.Errorf(llm.KindStore, "API key %s cannot be checked: the key store does not answer", shown(presented))
	e.Err = err
	return nil, e
}

// lookup asks the store for a key and puts it into the table. Calls with the same key share one question, and the number
// of questions at once is bounded, so that made-up keys cannot occupy the store.
func (d *Directory) lookup(ctx context.Context, hash [32]byte) (*Principal, error) {
	v, err, _ := d.flight.Do(string(hash[:]), func() (any, error) {
		// Not the caller's cancellation: others wait for the same answer.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lookupTime)
		defer cancel()
		if err := d.slots.Acquire(ctx, 1); err != nil {
			return nil, fmt.Errorf("wait for one of %d look-ups: %w", maxLookups, err)
		}
		defer d.slots.Release(1)
		k, err := d.store.KeyByHash(ctx, hash)
		if err != nil {
			return nil, err
		}
		return d.learn(k), nil
	})
	if err != nil {
		return nil, err
	}
	return v.(*Principal), nil
}
