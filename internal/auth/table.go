package auth

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"sluice/internal/llm"
)

// Run looks about once a second until ctx ends for changed keys in the store, so that keys revoked by another process stop working, and for what
// other processes have spent on the limits of days and months. While the store does not answer, known keys go on by what is known, and the outage
// is logged once. It returns nil.
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
			d.log.Error("cannot read keys and what they have spent: known keys go on, revocations wait", "error", err)
		case err == nil && down:
			d.log.Info("keys, and what they have spent, can be read again")
		}
		down = err != nil
	}
}

// pollOnce is poll with the time limit of a look-up.
func (d *Directory) pollOnce(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, lookupTime)
	defer cancel()
	if err := d.poll(ctx); err != nil {
		return err
	}
	err := d.readSpent(ctx)
	d.booksDown.Store(err != nil)
	return err
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
		byHash: make(map[[32]byte]*Principal, len(d.config.Keys)+len(d.stored)), accounts: make(map[string]*account),
		limited: make(map[string]*bounds), users: make(map[string]bool),
	}
	old := d.table.Load()
	if old != nil {
		for name, a := range old.accounts {
			if a.underWay() > 0 {
				t.accounts[name] = a // its calls will end, and the key may come back before they do
			}
		}
	}
	account := func(name string) *account {
		a := t.accounts[name]
		if a == nil && old != nil {
			a = old.accounts[name]
		}
		if a == nil {
			a = &account{name: name, born: d.born, among: &d.division}
		}
		t.accounts[name] = a
		return a
	}
	for h, k := range d.stored {
		t.byHash[h] = d.principal(k, "the key itself", account(k.Name))
	}
	for _, c := range d.config.Keys {
		k := Key{
			Name: c.Name, Hash: sha256.Sum256([]byte(c.Key.Reveal())), Models: c.Models, Tier: c.Tier, Limits: c.Limits, Weight: c.Weight,
			Users: c.Users,
		}
		k.Revoked = d.stored[k.Hash].Revoked
		t.byHash[k.Hash] = d.principal(k, "the key in the configuration", account(k.Name))
	}
	for _, p := range t.byHash {
		if p.refusal != nil {
			continue
		}
		t.good++
		if p.key != nil {
			t.limited[p.name] = p.key
		}
		if p.user.calendar() {
			t.users[p.name] = true
		}
		t.calendar = t.calendar || p.key.calendar() || p.user.calendar()
	}
	if d.open && len(t.byHash) == 0 {
		t.anonymous = &Principal{dir: d, account: account("")}
	}
	d.table.Store(t)
}

// principal applies a key's limits, and its tier's where it has none of its own. where says where the key's own are set.
func (d *Directory) principal(k Key, where string, a *account) *Principal {
	tier, known := d.config.Tiers[k.Tier]
	inTier := "tier " + k.Tier
	p := &Principal{
		dir: d, name: k.Name, tier: k.Tier, weight: cmp.Or(k.Weight, tier.Weight), account: a,
		key:     newBounds(source{&k.Limits, "", where}, source{&tier.Limits, "", inTier}),
		user:    newBounds(source{&k.Users.Limits, "users.", where}, source{&tier.Users.Limits, "users.", inTier}),
		tracked: cmp.Or(k.Users.Tracked, tier.Users.Tracked, defaultTracked),
	}
	models := k.Models
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
		checkLimits(fail, at, &k.Limits, &k.Users.Limits)
		if _, ok := c.Tiers[k.Tier]; k.Tier != "" && !ok {
			fail(at+".tier", fmt.Sprintf("%q is not in tiers", k.Tier))
		}
	}
	for name, t := range c.Tiers {
		checkLimits(fail, "tiers."+name, &t.Limits, &t.Users.Limits)
	}
	return errors.Join(errs...)
}

// checkLimits reports what is wrong with the limits of a key or tier and of its users.
func checkLimits(fail func(key, message string), at string, key, user *Limits) {
	key.check(func(k, message string) { fail(at+"."+k, message) })
	user.check(func(k, message string) { fail(at+".users."+k, message) })
}
