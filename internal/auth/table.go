package auth

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"sluice/internal/llm"
)

// Run looks for changed keys in the store about once a second until ctx ends, so that keys revoked by another process
// stop working. While the store does not answer, known keys go on and the outage is logged once. It returns nil.
func (d *Directory) Run(ctx context.Context) error {
	if d.store == nil {
		<-ctx.Done()
		return nil
	}
	down := false
	for {
		t := time.NewTimer(pollTime*9/10 + rand.N(pollTime/5))
		select {
		case <-ctx.Done():
			t.Stop()
			return nil
		case <-t.C:
		}
		err := d.pollOnce(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil && !down:
			d.log.Error("cannot read keys: known keys go on, revocations wait", "error", err)
		case err == nil && down:
			d.log.Info("keys can be read again")
		}
		down = err != nil
	}
}

// pollOnce is poll with the time limit of a look-up.
func (d *Directory) pollOnce(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, lookupTime)
	defer cancel()
	return d.poll(ctx)
}

// poll reads the store's changes into the table.
func (d *Directory) poll(ctx context.Context) error {
	if d.store == nil {
		return nil
	}
	d.mu.Lock()
	seq := d.seq
	d.mu.Unlock()
	keys, seq, err := d.store.KeysChangedSince(ctx, seq)
	if err != nil {
		return fmt.Errorf("read changed keys: %w", err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.seq = max(d.seq, seq)
	if len(keys) == 0 {
		return nil
	}
	for _, k := range keys {
		d.keep(k)
	}
	d.rebuild()
	return nil
}

// learn takes in one key of the store and returns its principal.
func (d *Directory) learn(k Key) *Principal {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.keep(k)
	d.rebuild()
	return d.table.Load().byHash[k.Hash]
}

// keep remembers a key of the store; the caller holds mu. Revocation is final: a look-up that read the key before it was
// revoked and arrives after must not bring it back.
func (d *Directory) keep(k Key) {
	if old, ok := d.stored[k.Hash]; ok && !old.Revoked.IsZero() {
		return
	}
	d.stored[k.Hash] = k
}

// rebuild makes a table of config and stored and puts it in place; the caller holds mu.
func (d *Directory) rebuild() {
	t := &table{
		byHash: make(map[[32]byte]*Principal, len(d.config.Keys)+len(d.stored)),
		counts: make(map[[32]byte]*atomic.Int64, len(d.config.Keys)+len(d.stored)),
	}
	old := d.table.Load()
	if old != nil {
		for h, n := range old.counts {
			if n.Load() > 0 {
				t.counts[h] = n // its calls will finish, and the key may come back before they do
			}
		}
	}
	count := func(h [32]byte) *atomic.Int64 {
		n := t.counts[h]
		if n == nil && old != nil {
			n = old.counts[h]
		}
		if n == nil {
			n = new(atomic.Int64)
		}
		t.counts[h] = n
		return n
	}
	for h, k := range d.stored {
		t.byHash[h] = d.principal(k, "the key itself", count(h))
	}
	for _, c := range d.config.Keys {
		k := Key{
			Name: c.Name, Hash: sha256.Sum256([]byte(c.Key.Reveal())), Models: c.Models, Concurrency: c.Concurrency,
			Tier: c.Tier,
		}
		k.Revoked = d.stored[k.Hash].Revoked
		t.byHash[k.Hash] = d.principal(k, "`concurrency` of the key in the configuration", count(k.Hash))
	}
	for _, p := range t.byHash {
		if p.refusal == nil {
			t.good++
		}
	}
	if d.open && len(t.byHash) == 0 {
		t.anonymous = &Principal{running: count([32]byte{})}
	}
	d.table.Store(t)
}

// principal applies a key's limits, and its tier's where it has none of its own.
func (d *Directory) principal(k Key, setting string, running *atomic.Int64) *Principal {
	p := &Principal{name: k.Name, tier: k.Tier, limit: int64(k.Concurrency), setting: setting, running: running}
	models := k.Models
	tier, known := d.config.Tiers[k.Tier]
	if p.limit == 0 && tier.Concurrency > 0 {
		p.limit, p.setting = int64(tier.Concurrency), "`concurrency` of tier "+k.Tier
	}
	if len(models) == 0 {
		models = tier.Models
	}
	p.setModels(models)
	switch {
	case !k.Revoked.IsZero():
		p.refusal = llm.Errorf(llm.KindUnauthorized, "API key %q was revoked at %s", k.Name,
			k.Revoked.UTC().Format(time.RFC3339))
	case k.Tier != "" && !known:
		// Not without limits: the tier may have been the only thing that held the key back.
		p.refusal = llm.Errorf(llm.KindUnauthorized, "API key %q belongs to tier %q, which is not in `tiers` of the configuration",
			k.Name, k.Tier)
	}
	return p
}

// check returns everything that is wrong with c.
func check(c Config) error {
	var errs []error
	fail := func(key, message string) { errs = append(errs, fmt.Errorf("%s %s", key, message)) }
	c.Validate(fail)
	for i, k := range c.Keys {
		at := fmt.Sprintf("keys[%d]", i)
		if k.Name == "" {
			fail(at+".name", "is missing")
		}
		if k.Key.Empty() {
			fail(at+".key", "is missing")
		}
		if k.Concurrency < 0 {
			fail(at+".concurrency", "cannot be negative")
		}
		if _, ok := c.Tiers[k.Tier]; k.Tier != "" && !ok {
			fail(at+".tier", fmt.Sprintf("%q is not in tiers", k.Tier))
		}
	}
	return errors.Join(errs...)
}
